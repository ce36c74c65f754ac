/**
 * Scopes: one fixpoint of modules, options and definitions; the whole configuration, or one instance of a submodule.
 *
 * Making a scope calls its modules' functions and hands every definition down the tree to the option it is for. No
 * option is evaluated by that. The functions are given the configuration before it exists: its groups can be taken apart,
 * but reading an option is a problem until all definitions are known, which is why options are read inside thunks.
 *
 * Definitions that belong to no option go to the free-form type if the scope has one; otherwise they are unknown
 * options, all reported together when the configuration is first asked for.
 */
import type { Problem } from "../../problems/index.ts";
import { ConfigError } from "../config-error.ts";
import { argumentsOf, completeArguments, giveArguments } from "./arguments.ts";
import type { Blueprint, Prepared } from "./blueprint.ts";
import { at, Cell } from "./cell.ts";
import { Def, isGroup, member, pushDown, rewrap, setGetter, setMember } from "./definition.ts";
import { GroupNode } from "./group.ts";
import { internalSchema } from "./internal.ts";
import { Loc, names, showLoc } from "./loc.ts";
import type { Entry } from "./module.ts";
import type { OptionNode } from "./node.ts";
import { OptionDecl } from "./option.ts";
import { Origin } from "./origin.ts";
import { definitionNotGroup, numberInvalid, optionUnknown, wrapperAtGroup } from "./problems.ts";
import { Property, priority } from "./property.ts";
import { GroupSchema, optionAt } from "./schema.ts";
import { suggesting } from "./suggest.ts";
import type { Context, Type } from "./type.ts";

/** What a scope is made of. */
export interface ScopeSpec {
  readonly blueprint: Blueprint;
  readonly loc: Loc | undefined;
  readonly context: Context;
  /** Definitions from outside: those of the option that a submodule is the value of. */
  readonly defs?: readonly Def[];
  /** Arguments beside the usual ones. */
  readonly args?: () => object;
  /** Leave unknown options alone. */
  readonly unchecked?: boolean;
}

/** A definition that no option takes. */
interface Unmatched {
  readonly group: GroupNode;
  readonly name: string;
  readonly def: Def;
}

const noDefs: readonly Def[] = [];

/** One fixpoint. */
export class Scope {
  readonly loc: Loc | undefined;
  readonly context: Context;
  root: GroupNode;
  /** True while modules may still say more. */
  collecting: boolean;
  private readonly spec: ScopeSpec;
  private prepared: Prepared;
  private givenArgs: object | undefined;
  /** Groups that were handed out before all their members were known. */
  private unfrozen: GroupNode[] | undefined;
  private ownInternal: GroupNode | undefined;
  private unmatched: Unmatched[] | undefined;
  private problems: Problem[] | undefined;
  private checked: ScopeCell | undefined;

  constructor(spec: ScopeSpec) {
    // All members from the start, and `private`, not `#`: each first scope would have this whole class parsed once more.
    this.loc = spec.loc;
    this.context = spec.context;
    this.root = undefined as unknown as GroupNode;
    this.collecting = true;
    this.spec = spec;
    this.prepared = undefined as unknown as Prepared;
    this.givenArgs = undefined;
    this.unfrozen = undefined;
    this.ownInternal = undefined;
    this.unmatched = undefined;
    this.problems = undefined;
    this.checked = undefined;
    this.prepared = spec.blueprint.prepare(() => this.args);
    this.root = new GroupNode(this, this.prepared.schema, spec.loc);
    this.distributeTo(this.root, this.definitions(spec.defs ?? noDefs));
    if (!this.prepared.hasFreeform && this.hasFreeform) this.startAnew();
    this.collecting = false;
    if (!this.hasFreeform) this.freeze();
  }

  /**
   * A free-form type that is said among the definitions is known after module functions were given a configuration that
   * has no other names: they are called again, with one that looks for them.
   */
  private startAnew(): void {
    this.givenArgs = this.ownInternal = this.unmatched = this.problems = this.unfrozen = undefined;
    this.root = undefined as unknown as GroupNode;
    const { blueprint, loc, defs } = this.spec;
    this.prepared = { ...blueprint.prepare(() => this.args), hasFreeform: true };
    this.root = new GroupNode(this, this.prepared.schema, loc);
    this.distributeTo(this.root, this.definitions(defs ?? noDefs));
  }

  get hasFreeform(): boolean {
    return this.prepared.hasFreeform || this.ownInternal?.hasDefinition("freeformType") === true;
  }
  /** The modules, in the order of merging. */
  get entries(): readonly Entry[] {
    return this.prepared.entries;
  }
  /** The options `_module.…`. */
  get internal(): GroupNode {
    if (this.ownInternal === undefined) {
      this.ownInternal = new GroupNode(this, internalSchema, new Loc(this.loc, "_module"));
      const { specialArgs } = this.context;
      this.ownInternal.add([new Def({ specialArgs }, new Origin("specialArgs"))]);
    }
    return this.ownInternal;
  }
  /** The class that modules have to be of. @internal */
  get expectedClass(): string | undefined {
    return this.spec.blueprint.expectedClass;
  }
  /** Whether any module gives arguments to module functions. @internal */
  get hasArguments(): boolean {
    return this.ownInternal?.hasDefinition("args") === true;
  }
  /** What module functions are called with. */
  get args(): object {
    this.givenArgs ??= this.makeArgs();
    return this.givenArgs;
  }

  /** The configuration, after a look for unknown options. */
  get config(): object {
    const config = this.needsCheck ? (this.check().force() as object) : this.root.object();
    exploring?.set(config, this);
    return config;
  }

  private get needsCheck(): boolean {
    return this.problems !== undefined || this.unmatched !== undefined || this.hasFreeform || this.saysWhatToCheck;
  }

  /** Whether a module says something of `_module.check`. */
  private get saysWhatToCheck(): boolean {
    return this.ownInternal?.hasDefinition("check") === true;
  }

  private check(): ScopeCell {
    this.checked ??= new ScopeCell(this);
    return this.checked;
  }

  /** Look at what nobody has looked at yet. @internal */
  ensureComplete(): void {
    if (!this.collecting && this.needsCheck && !this.check().isDone) this.check().force();
  }

  /** Whether a group has all its members; if not, it is finished later. @internal */
  isFinal(group: GroupNode): boolean {
    if (!this.collecting && (!this.hasFreeform || this.checked?.isDone === true)) return true;
    this.unfrozen ??= [];
    this.unfrozen.push(group);
    return false;
  }

  private freeze(): void {
    for (const group of this.unfrozen ?? []) group.finish();
    this.unfrozen = undefined;
  }

  /** Check, and add what the free-form type makes of unknown definitions. @internal */
  complete(): object {
    if (this.problems !== undefined) throw new ConfigError(this.problems as [Problem, ...Problem[]]);
    const unmatched = this.unmatched ?? [];
    const mustCheck = this.mustCheck();
    const freeform = this.freeformType();
    if (freeform === null) {
      if (unmatched.length > 0 && mustCheck) throw new ConfigError(this.unknown(unmatched));
    } else if (unmatched.length > 0) {
      const defs = unmatched.map(({ group, name, def }) => {
        const value = rewrap(def.value, def.conditions, def.priority);
        return new Def(nest([...this.inside(group), name], value), def.origin, undefined, undefined, def.base);
      });
      this.root.addFreeform(freeform.merge({ loc: this.loc, context: this.context }, defs) as object);
    }
    const config = this.root.object();
    this.freeze();
    return config;
  }

  /** The option at a path of this scope, if there is one. */
  node(path: readonly string[]): OptionNode | undefined {
    const name = path.at(-1);
    if (name === undefined || optionAt(this.root.schema, path) === undefined) return undefined;
    return path
      .slice(0, -1)
      .reduce((group, part) => group.group(part), this.root)
      .option(name);
  }

  /** The value at a path, as modules of this scope would read it. */
  valueAt(path: readonly string[]): unknown {
    return path.reduce<unknown>((at, name) => (at as Record<string, unknown> | undefined)?.[name], this.root.handle());
  }

  /** The type of definitions that no option takes, or `null`. */
  freeformType(): Type | null {
    return this.hasFreeform ? (this.internal.option("freeformType").force() as Type | null) : null;
  }

  private mustCheck(): boolean {
    if (this.spec.unchecked === true) return false;
    return !this.saysWhatToCheck || this.internal.option("check").force() === true;
  }

  /** Everything that modules define for the root, in the order of merging. */
  private definitions(outer: readonly Def[]): Def[] {
    const defs: Def[] = [];
    const { speaking, inner } = this.prepared;
    for (let i = 0; i < inner; i++) this.entryDefs(speaking[i] as Entry, defs);
    for (let i = outer.length - 1; i >= 0; i--) {
      const def = outer[i] as Def;
      pushDown(typeof def.value === "function" ? new Def(this.call(def.value, def.origin), def.origin) : def, defs);
    }
    for (let i = inner; i < speaking.length; i++) this.entryDefs(speaking[i] as Entry, defs);
    return defs;
  }

  private entryDefs({ fields, origin }: Entry, defs: Def[]): void {
    const { config, defaults, freeformType } = fields;
    if (freeformType !== undefined) this.internal.add([new Def({ freeformType }, origin)]);
    if (defaults !== undefined) {
      pushDown(new Def(this.call(defaults, origin), origin, undefined, undefined, priority.computedDefault), defs);
    }
    if (config !== undefined) pushDown(new Def(this.call(config, origin), origin), defs);
  }

  /** A module function is called with the arguments; what it reads of the options there is read too early. */
  private call(value: unknown, origin: Origin): unknown {
    if (typeof value !== "function") return value;
    at(origin);
    return (value as (args: object) => unknown)(this.args);
  }

  /** Where nothing is defined, nobody looks at the options; every scope is defined, if only to be empty. */
  private distributeTo(group: GroupNode, defs: readonly Def[]): void {
    if (defs.length === 0 && group !== this.root) return;
    for (const broken of group.schema.broken) this.report(broken.error(group.locOf(broken.name)));
    let areGroups = true;
    for (let i = 0; i < defs.length; i++) if (!isGroup((defs[i] as Def).value)) areGroups = false;
    let inner: Map<string, Def[]> | undefined;
    group.add(areGroups ? defs : this.groupsAmong(group, defs), (name, schema, def) => {
      if (schema instanceof GroupSchema || (name === "_module" && group === this.root)) {
        inner ??= new Map();
        let plain = inner.get(name);
        if (plain === undefined) {
          plain = [];
          inner.set(name, plain);
        }
        pushDown(def.member(member(def.value as object, name)), plain);
      } else if (schema === undefined) {
        this.unmatched ??= [];
        this.unmatched.push({ group, name, def: def.member(member(def.value as object, name)) });
      }
    });
    for (const [name, plain] of inner ?? [])
      this.distributeTo(group.schema.children.has(name) ? group.group(name) : this.internal, plain);
  }

  /** The definitions of a group that are plain sets; the others are problems. */
  private groupsAmong(group: GroupNode, defs: readonly Def[]): readonly Def[] {
    for (const def of defs) {
      const { value } = def;
      if (isGroup(value)) continue;
      this.report(
        !(value instanceof Property)
          ? definitionNotGroup(group.loc, def)
          : value.kind === "override"
            ? numberInvalid(value, def.origin)
            : wrapperAtGroup(group.loc, def, value),
      );
    }
    return defs.filter(({ value }) => isGroup(value));
  }

  private report(error: ConfigError): void {
    this.problems ??= [];
    this.problems.push(...error.problems);
  }

  /** The path of a group inside this scope. */
  private inside(group: GroupNode): string[] {
    return names(group.loc).slice(names(this.loc).length);
  }

  private unknown(unmatched: readonly Unmatched[]): [Problem, ...Problem[]] {
    const byPath = new Map<string, Unmatched[]>();
    for (const item of unmatched) {
      const path = showLoc(item.group.locOf(item.name));
      const known = byPath.get(path);
      if (known === undefined) byPath.set(path, [item]);
      else known.push(item);
    }
    const suggest = suggesting();
    const problems = [...byPath.values()].map((items) => {
      const [{ group, name }] = items as [Unmatched];
      const near = suggest(name, group.schema.children);
      const note = items.some(({ def }) => def.value instanceof OptionDecl)
        ? "It is defined as an option: declarations go into the module's `options`, not into its `config`."
        : this.root.schema.children.size === 0
          ? "No module declares any option here."
          : undefined;
      return optionUnknown(
        [...names(group.loc), name],
        items.map(({ def }) => def),
        near,
        note,
      );
    });
    return problems as [Problem, ...Problem[]];
  }

  /**
   * `config` is a getter only where a module function is called while the scope is still being made. What is no member
   * is looked for among what modules define as `_module.args`.
   */
  private makeArgs(): object {
    const args = argumentsOf(this);
    if (this.root === undefined) setGetter(args, "config", () => this.root.handle());
    else setMember(args, "config", this.root.handle());
    setGetter(args, "options", () => this.root.view());
    giveArguments(args, this.context.specialArgs);
    if (this.spec.args !== undefined) giveArguments(args, this.spec.args());
    return completeArguments(args);
  }
}

/** The check of a scope and its free-form part: computed once, and a circle if they need themselves. */
class ScopeCell extends Cell {
  private readonly scope: Scope;
  constructor(scope: Scope) {
    super();
    this.scope = scope;
  }
  override describe(): string {
    return this.scope.loc === undefined ? "the configuration" : `the options of ${showLoc(this.scope.loc)}`;
  }
  override context(): string | undefined {
    return this.scope.loc === undefined ? undefined : this.describe();
  }
  protected override compute(): unknown {
    return this.scope.complete();
  }
}

function nest(path: readonly string[], value: unknown): object {
  return path.reduceRight<unknown>((inner, name) => {
    const outer = {};
    setMember(outer, name, inner);
    return outer;
  }, value) as object;
}

/** The scopes whose configurations are read, while someone is exploring; costs nothing otherwise. */
let exploring: WeakMap<object, Scope> | undefined;

/** Run `f`, and tell it which scope an object that is read meanwhile is the configuration of. */
export function explore<T>(f: (scopeOf: (config: object) => Scope | undefined) => T): T {
  const scopes = new WeakMap<object, Scope>();
  const before = exploring;
  exploring = scopes;
  try {
    return f((config) => scopes.get(config));
  } finally {
    exploring = before;
  }
}
