/**
 * Scopes: one fixpoint of modules, options and definitions; the whole configuration, or one instance of a submodule.
 *
 * Making a scope collects its modules, merges their declarations into a schema, calls the modules' functions, and hands
 * every definition down the tree to the option it is for. No option is evaluated by that. The functions are given the
 * configuration before it exists: its groups can be taken apart, but reading an option is a problem until all
 * definitions are known, which is why options are read inside thunks.
 *
 * Definitions that belong to no option go to the free-form type if the scope has one; otherwise they are unknown
 * options, all reported together when the configuration is first asked for.
 */

import type { Problem } from "../../problems/index.ts";
import { ConfigError } from "../config-error.ts";
import { Cell } from "./cell.ts";
import { Def, isGroup, member, pushDown, rewrap, setMember } from "./definition.ts";
import { GroupNode } from "./group.ts";
import { internalSchema } from "./internal.ts";
import { type Loc, names } from "./loc.ts";
import { type Collected, collect, type Entry, type ModuleLike } from "./module.ts";
import type { OptionNode } from "./node.ts";
import { definitionNotGroup, optionUnknown, wrapperAtGroup } from "./problems.ts";
import { Property, priority } from "./property.ts";
import { BrokenSchema, GroupSchema, OptionSchema, optionAt } from "./schema.ts";
import { nearest } from "./suggest.ts";
import type { Context, Type } from "./type.ts";

/** Modules whose collection and schema do not depend on the evaluation, kept for the next one. */
export class Blueprint {
  readonly modules: readonly ModuleLike[];
  readonly expectedClass: string | undefined;
  #ready: Prepared | undefined;

  constructor(modules: readonly ModuleLike[], expectedClass?: string) {
    this.modules = modules;
    this.expectedClass = expectedClass;
  }

  /** The collected modules and their schema. */
  prepare(args: object): Prepared {
    if (this.#ready !== undefined) return this.#ready;
    const prepared = prepare(collect(this.modules, args, this.expectedClass));
    if (prepared.isStatic) this.#ready = prepared;
    return prepared;
  }
}

/** Collected modules with their schema. */
export interface Prepared extends Collected {
  readonly schema: GroupSchema;
}

function prepare(collected: Collected): Prepared {
  const declared = collected.entries.flatMap(({ fields, origin }) =>
    fields.options === undefined ? [] : [{ tree: fields.options, origin }],
  );
  const schema = new GroupSchema(declared);
  return { ...collected, schema };
}

/** What a scope is made of. */
export interface ScopeSpec {
  readonly blueprint: Blueprint;
  readonly loc: Loc | undefined;
  readonly context: Context;
  /** Definitions from outside: those of the option that a submodule is the value of. */
  readonly defs?: readonly Def[];
  /** Arguments beside the usual ones. */
  readonly args?: object;
  /** Leave unknown options alone. */
  readonly unchecked?: boolean;
}

/** A definition that no option takes. */
interface Unmatched {
  readonly path: readonly string[];
  readonly siblings: readonly string[];
  readonly def: Def;
}

/** One fixpoint. */
export class Scope {
  readonly loc: Loc | undefined;
  readonly context: Context;
  readonly args: object;
  readonly root: GroupNode;
  /** The options `_module.…`. */
  readonly internal: GroupNode;
  readonly entries: readonly Entry[];
  /** True while modules may still say more. */
  collecting = true;
  readonly #unchecked: boolean;
  readonly #unmatched: Unmatched[] = [];
  readonly #problems: Problem[] = [];
  readonly #checked: ScopeCell;
  readonly hasFreeform: boolean;

  constructor(spec: ScopeSpec) {
    this.loc = spec.loc;
    this.context = spec.context;
    this.#unchecked = spec.unchecked ?? false;
    this.#checked = new ScopeCell(this);
    this.args = this.#makeArgs(spec.args);
    const { entries, schema } = spec.blueprint.prepare(this.args);
    this.entries = entries;
    this.root = new GroupNode(this, schema, spec.loc, undefined);
    this.internal = new GroupNode(this, internalSchema, spec.loc, undefined);
    this.hasFreeform = entries.some((entry) => entry.fields.freeformType !== undefined);
    this.#distribute(this.#definitions(spec.defs ?? []));
    this.collecting = false;
  }

  /** The configuration, after a look for unknown options. */
  get config(): object {
    const known = this.#problems.length === 0 && this.#unmatched.length === 0 && !this.hasFreeform;
    const config = known ? this.root.object() : (this.#checked.force() as object);
    scopes.set(config, this);
    return config;
  }

  /** Check, and add what the free-form type makes of unknown definitions. @internal */
  complete(): object {
    if (this.#problems.length > 0) throw new ConfigError(this.#problems as [Problem, ...Problem[]]);
    const freeform = this.freeformType();
    if (freeform === null) {
      if (this.#unmatched.length > 0 && !this.#unchecked && this.#mustCheck()) {
        throw new ConfigError(this.#unknown() as [Problem, ...Problem[]]);
      }
      return this.root.object();
    }
    const defs = this.#unmatched.map(
      ({ path, def }) =>
        new Def(nest(path, rewrap(def.value, def.conditions, def.priority)), def.origin, undefined, 0, def.base),
    );
    const at = { loc: this.loc, context: this.context };
    if (defs.length > 0) this.root.addFreeform(freeform.merge(at, defs) as object);
    return this.root.object();
  }

  /** Whether everything that modules said has been looked at. @internal */
  ensureComplete(): void {
    if (!this.collecting && !this.#checked.isDone) this.#checked.force();
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
    return this.hasFreeform || this.internal.hasDefinition("freeformType")
      ? (this.internal.option("freeformType").force() as Type | null)
      : null;
  }

  #mustCheck(): boolean {
    return !this.internal.hasDefinition("check") || this.internal.option("check").force() === true;
  }

  /** Everything that modules define for the root, in the order of merging. */
  #definitions(outer: readonly Def[]): Def[] {
    const defs: Def[] = [];
    // Definitions from outside count as modules beside the given ones; the list is in reverse, imports first.
    let pending = outer;
    for (const entry of this.entries) {
      if (entry.level === 0) {
        for (const def of pending.toReversed()) defs.push(this.#outerDef(def));
        pending = [];
      }
      this.#entryDefs(entry, defs);
    }
    for (const def of pending.toReversed()) defs.push(this.#outerDef(def));
    return defs;
  }

  #entryDefs({ fields, origin }: Entry, defs: Def[]): void {
    const { config, defaults, freeformType } = fields;
    if (freeformType !== undefined) this.internal.addOne("freeformType", new Def(freeformType, origin));
    if (defaults !== undefined)
      defs.push(new Def(this.#call(defaults), origin, undefined, 0, priority.computedDefault));
    if (config !== undefined) defs.push(new Def(this.#call(config), origin));
  }

  #outerDef(def: Def): Def {
    return typeof def.value === "function" ? new Def(this.#call(def.value), def.origin) : def;
  }

  /** A module function is called with the arguments; what it reads of the options there is read too early. */
  #call(value: unknown): unknown {
    return typeof value === "function" ? (value as (args: object) => unknown)(this.args) : value;
  }

  #distribute(defs: readonly Def[]): void {
    const plain: Def[] = [];
    for (const def of defs) pushDown(def, plain);
    this.#distributeTo(this.root, plain);
  }

  #distributeTo(group: GroupNode, defs: readonly Def[]): void {
    if (defs.length === 0) return;
    for (const broken of group.schema.broken) this.#problems.push(...broken.error(group.locOf(broken.name)).problems);
    const inner = new Map<string, Def[]>();
    for (const def of defs) {
      if (!isGroup(def.value)) {
        const { value } = def;
        const error =
          value instanceof Property ? wrapperAtGroup(group.loc, def, value) : definitionNotGroup(group.loc, def);
        this.#problems.push(...error.problems);
        continue;
      }
      for (const name of Object.keys(def.value)) this.#give(group, name, def.member(member(def.value, name)), inner);
    }
    for (const [name, parts] of inner) {
      const plain: Def[] = [];
      for (const part of parts) pushDown(part, plain);
      this.#distributeTo(group.group(name), plain);
    }
  }

  #give(group: GroupNode, name: string, def: Def, inner: Map<string, Def[]>): void {
    const schema = group.schema.children.get(name);
    if (schema instanceof OptionSchema) group.addOne(name, def);
    else if (schema instanceof GroupSchema) {
      const known = inner.get(name);
      if (known === undefined) inner.set(name, [def]);
      else known.push(def);
    } else if (schema instanceof BrokenSchema) return;
    else if (name === "_module" && group === this.root) {
      const plain: Def[] = [];
      pushDown(def, plain);
      this.#distributeTo(this.internal, plain);
    } else {
      const depth = this.loc === undefined ? 0 : names(this.loc).length;
      this.#unmatched.push({
        path: [...names(group.loc).slice(depth), name],
        siblings: [...group.schema.children.keys()],
        def,
      });
    }
  }

  #unknown(): Problem[] {
    const prefix = names(this.loc);
    const byPath = new Map<string, Unmatched[]>();
    for (const item of this.#unmatched) {
      const key = JSON.stringify(item.path);
      const known = byPath.get(key);
      if (known === undefined) byPath.set(key, [item]);
      else known.push(item);
    }
    return [...byPath.values()].map((items) => {
      const [{ path, siblings }] = items as [Unmatched];
      const near = nearest(path.at(-1) ?? "", siblings);
      const note = this.root.schema.children.size === 0 ? "No module declares any option here." : undefined;
      return optionUnknown(
        [...prefix, ...path],
        items.map(({ def }) => def),
        near,
        note,
      );
    });
  }

  /** The arguments of module functions. `config` and `options` are getters: the scope is still being made. */
  #makeArgs(more: object | undefined): object {
    const scope = this;
    const args = {
      get config(): object {
        return scope.root.handle();
      },
      get options(): object {
        return scope.root.view();
      },
    };
    for (const source of [this.context.specialArgs, more ?? {}])
      Object.defineProperties(args, Object.getOwnPropertyDescriptors(source));
    return Object.freeze(args);
  }
}

/** The check of a scope and its free-form part: computed once, and a circle if they need themselves. */
class ScopeCell extends Cell {
  readonly #scope: Scope;
  constructor(scope: Scope) {
    super();
    this.#scope = scope;
  }
  override describe(): string {
    const path = names(this.#scope.loc).join(".");
    return path === "" ? "the configuration" : `the options of ${path}`;
  }
  protected override compute(): unknown {
    return this.#scope.complete();
  }
}

function nest(path: readonly string[], value: unknown): object {
  return path.reduceRight<unknown>((inner, name) => {
    const outer = {};
    setMember(outer, name, inner);
    return outer;
  }, value) as object;
}

const scopes = new WeakMap<object, Scope>();

/** The scope whose configuration an object is. */
export function scopeOf(config: object): Scope | undefined {
  return scopes.get(config);
}
