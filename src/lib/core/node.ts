/**
 * Options in one scope: from the definitions an option was given to its value.
 */
import { at, Cell, Computation, returned } from "./cell.ts";
import { allHold, Condition, Def, isChange, member, peel, resolve, type Survivors, strongest } from "./definition.ts";
import type { GroupNode } from "./group.ts";
import { type Loc, names, showLoc } from "./loc.ts";
import { mergeSurvivors } from "./merge.ts";
import { type Origin, unknownOrigin } from "./origin.ts";
import { effectivePriority, optionReadOnly, readTooEarly } from "./problems.ts";
import { Property, priority, UnsetValue } from "./property.ts";
import type { OptionSchema } from "./schema.ts";
import type { Scope } from "./scope.ts";
import { type Context, isPrimitive, type Type } from "./type.ts";

/** An option in a scope. */
export class OptionNode extends Cell {
  readonly schema: OptionSchema;
  private readonly group: GroupNode;
  private peeled: Def[] | undefined;
  private resolved: Survivors | undefined;
  private shown: object | undefined;

  constructor(group: GroupNode, schema: OptionSchema) {
    super();
    this.schema = schema;
    this.group = group;
    this.peeled = undefined;
    this.resolved = undefined;
    this.shown = undefined;
  }

  get scope(): Scope {
    return this.group.scope;
  }
  get loc(): Loc {
    return this.group.locOf(this.schema.name);
  }

  override describe(): string {
    return showLoc(this.loc);
  }
  override option(): string {
    return showLoc(this.loc);
  }

  /** All definitions with their wrappers on; the option's own default comes first. */
  get raw(): readonly Def[] {
    const given = this.group.definitionsOf(this.schema);
    if (!this.schema.hasDefault) return given;
    return given.length === 0 ? [defaultDef(this.schema)] : [defaultDef(this.schema), ...given];
  }

  /** The definitions whose conditions hold. */
  candidates(): Def[] {
    this.peeled ??= peel(this.raw);
    return this.peeled;
  }

  /** The definitions that are merged, in order. */
  survivors(): Survivors {
    this.resolved ??= resolve(this.loc, this.candidates(), this.schema.type);
    return this.resolved;
  }

  /** Priority of the strongest definitions. */
  highestPrio(): number {
    const [first] = this.#strongest();
    return first === undefined ? priority.none : effectivePriority(first);
  }

  /** True when anything beside the option's own defaults gives it a value. */
  isDefined(): boolean {
    const [first] = this.#strongest();
    return (
      first !== undefined && effectivePriority(first) < priority.computedDefault && !(first.value instanceof UnsetValue)
    );
  }

  #strongest(): Def[] {
    const candidates = this.candidates();
    return strongest(candidates.some(isChange) ? candidates.filter((def) => !isChange(def)) : candidates);
  }

  /** The value merged anew, not the one that is remembered. */
  again(): unknown {
    return this.compute();
  }

  protected override compute(): unknown {
    const { schema } = this;
    const value = schema.isPlain ? this.ofOneDefinition() : undefined;
    return value === undefined ? this.ofAllDefinitions() : value;
  }

  private ofAllDefinitions(): unknown {
    const { schema } = this;
    if (schema.conflict !== undefined) throw schema.error(this.loc);
    const { aliasOf, refuse } = schema;
    if (refuse !== undefined) throw refuse();
    if (aliasOf !== undefined) {
      const value = this.scope.valueAt(aliasOf);
      return schema.apply === undefined ? value : schema.apply(value);
    }
    if (schema.readOnly && this.raw.length > 1) throw optionReadOnly(this.loc, this.raw);
    const at = { loc: this.loc, context: this.scope.context };
    const value = mergeSurvivors(at, schema.type, this.survivors(), this);
    return schema.apply === undefined ? value : schema.apply(value);
  }

  /**
   * The value where one module defines the option, with text or a number: most of the options that need a cell at all.
   * Otherwise `undefined`, and a thunk that was run for it is not run again.
   */
  private ofOneDefinition(): unknown {
    const { schema, group } = this;
    const { type } = schema;
    const { name } = schema;
    const part = this.peeled === undefined && type.keepsValue ? group.onlyPart(schema) : undefined;
    if (part === undefined || !allHold(part.conditions)) return undefined;
    let value = member(part.value as object, name);
    let { origin, priority: own } = part;
    while (typeof value === "object" && value instanceof Property) {
      const { kind, content, argument } = value;
      if (kind === "override" && own === undefined && Number.isFinite(argument)) own = argument as number;
      else if (kind === "if" && own === undefined) {
        if (!Condition.of(value).holds()) return undefined;
      } else if (kind !== "define") return undefined;
      origin = value.origin ?? origin;
      value = content;
    }
    if ((own ?? part.base) >= (schema.hasDefault ? priority.optionDefault : priority.none)) return undefined;
    if (typeof value === "function" && !(type.takesFunctions && value.length > 0)) {
      at(origin);
      const result = returned((value as () => unknown)());
      if (!isPrimitive(result)) {
        this.keepResult(result, origin, own, part.base);
        return undefined;
      }
      value = result;
    }
    return isPrimitive(value) && type.check(value) ? value : undefined;
  }

  /** Keep what a thunk returned as the only definition; it may still have wrappers. */
  private keepResult(result: unknown, origin: Origin, own: number | undefined, base: number): void {
    const { schema } = this;
    const def = new Def(() => result, origin, undefined, own, base);
    this.peeled = schema.hasDefault ? [defaultDef(schema), def] : [def];
  }

  /** What modules see as `options.a.b`. */
  view(): object {
    this.shown ??= makeView(this);
    return this.shown;
  }

  /**
   * The value, if finding it needs no cell: the definitions (after taking off priorities) are plain data and the type
   * runs nobody's code. Serves about nine of ten options; `undefined` sends the others the long way.
   */
  static eagerValue(schema: OptionSchema, parts: readonly Def[], context: Context): unknown {
    if (!schema.isPlain && (!schema.isDeclaredTwice || schema.conflict !== undefined)) return undefined;
    const { hasDefault } = schema;
    try {
      const value = soleValue(parts, schema.name, hasDefault ? priority.optionDefault : priority.none);
      if (value === nothing) return hasDefault ? constantDefault(schema, context) : undefined;
      return value === undefined ? undefined : eagerMerge(schema.type, value, context);
    } catch {
      // A value that cannot be looked at is a problem of this option, and of no other in the group.
      return undefined;
    }
  }
}

/** What `soleValue` says when no definition counts. */
const nothing = Symbol("nothing");

/**
 * The value of the one definition of the lowest priority number, its wrappers off; `undefined` when it takes more to find
 * out. `parts` are the definitions of the group that the option is in. Runs for every option, so it allocates nothing.
 */
function soleValue(parts: readonly Def[], name: string, below: number): unknown {
  let lowest = below;
  let winner: unknown = nothing;
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i] as Def;
    if (!Object.hasOwn(part.value as object, name)) continue;
    if (part.conditions !== undefined) return undefined;
    let value = member(part.value as object, name);
    let own = effectivePriority(part);
    if (typeof value === "object" && value instanceof Property) {
      if (value.kind !== "override" || part.priority !== undefined || value.content instanceof Property)
        return undefined;
      if (!Number.isFinite(value.argument)) return undefined;
      own = value.argument as number;
      value = value.content;
    }
    if (own === lowest) return undefined;
    if (own < lowest) {
      lowest = own;
      winner = value;
    }
  }
  return winner;
}

function eagerMerge(type: Type, value: unknown, context: Context): unknown {
  if (!type.isEager(value) || !type.check(value)) return undefined;
  if (type.keepsValue) return value;
  const defs = [new Def(value, unknownOrigin)];
  return type.misfits(defs).length > 0 ? undefined : type.merge({ loc: undefined, context }, defs);
}

/** An option's own default as a definition. */
function defaultDef(schema: OptionSchema): Def {
  schema.defaultDef ??= new Def(schema.default, schema.firstOrigin, undefined, priority.optionDefault);
  return schema.defaultDef;
}

const noConstant = { value: undefined };

/** Defaults that are plain data are the same in every scope; they are merged once. */
function constantDefault(schema: OptionSchema, context: Context): unknown {
  if (schema.constant === undefined) {
    // What stays if looking at the default throws.
    schema.constant = noConstant;
    schema.constant = { value: eagerMerge(schema.type, schema.default, context) };
  }
  return schema.constant.value;
}

function makeView(node: OptionNode): object {
  const path = names(node.loc);
  const view = { path, loc: path };
  const add = (name: string, ask: () => unknown): void => {
    Object.defineProperty(view, name, {
      enumerable: true,
      get: () => {
        const what = `options.${showLoc(node.loc)}.${name}`;
        if (node.scope.collecting) throw readTooEarly(what, undefined);
        return new Computation(what, ask).force();
      },
    });
  };
  add("value", () => node.force());
  // A module that asks whether an option is defined does not mean its defaults.
  add("isDefined", () => node.isDefined());
  add("highestPrio", () => node.highestPrio());
  add("definitions", () => node.survivors().defs.map((def) => ({ value: def.value, at: def.origin.toString() })));
  add("files", () => node.survivors().defs.map((def) => def.origin.file));
  Object.defineProperty(view, "declarations", { enumerable: true, get: () => node.schema.files });
  Object.defineProperty(view, "declarationPositions", { enumerable: true, get: () => positions(node.schema.origins) });
  Object.defineProperty(view, "type", { enumerable: true, get: () => node.schema.type });
  Object.defineProperty(view, "description", { enumerable: true, get: () => node.schema.first("description") });
  nodes.set(view, node);
  return Object.freeze(view);
}

function positions(origins: readonly Origin[]): readonly object[] {
  return origins.map(({ file, line, column }) => ({ file, line, column }));
}

const nodes = new WeakMap<object, OptionNode>();

/** Look up the option behind a view; `undefined` when the object is none. */
export function nodeOf(view: object): OptionNode | undefined {
  return nodes.get(view);
}
