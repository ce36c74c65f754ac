/**
 * Options in one scope: from the definitions an option was given to its value.
 */
import { Cell, Computation } from "./cell.ts";
import { Def, isChange, peel, resolve, type Survivors, strongest } from "./definition.ts";
import { type Loc, names, showLoc } from "./loc.ts";
import { mergeSurvivors } from "./merge.ts";
import { type Origin, unknownOrigin } from "./origin.ts";
import { effectivePriority, optionReadOnly, readTooEarly } from "./problems.ts";
import { Property, priority, UnsetValue } from "./property.ts";
import type { OptionSchema } from "./schema.ts";
import type { Scope } from "./scope.ts";
import type { Context, Type } from "./type.ts";

/** An option in a scope. */
export class OptionNode extends Cell {
  readonly scope: Scope;
  readonly schema: OptionSchema;
  readonly loc: Loc;
  readonly #given: () => readonly Def[];
  #candidates: Def[] | undefined;
  #survivors: Survivors | undefined;
  #view: object | undefined;

  constructor(scope: Scope, schema: OptionSchema, loc: Loc, given: () => readonly Def[]) {
    super();
    this.scope = scope;
    this.schema = schema;
    this.loc = loc;
    this.#given = given;
  }

  override describe(): string {
    return showLoc(this.loc);
  }
  override option(): string {
    return showLoc(this.loc);
  }

  /** All definitions with their wrappers on; the option's own default comes first. */
  get raw(): readonly Def[] {
    const given = this.#given();
    if (!this.schema.hasDefault) return given;
    return given.length === 0 ? [defaultDef(this.schema)] : [defaultDef(this.schema), ...given];
  }

  /** The definitions whose conditions hold. */
  candidates(): Def[] {
    this.#candidates ??= peel(this.raw);
    return this.#candidates;
  }

  /** The definitions that are merged, in order. */
  survivors(): Survivors {
    this.#survivors ??= resolve(this.loc, this.candidates(), this.schema.type);
    return this.#survivors;
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
    if (schema.conflict !== undefined) throw schema.error(this.loc);
    const { aliasOf } = schema;
    if (aliasOf !== undefined) {
      const value = this.scope.valueAt(aliasOf);
      return schema.apply === undefined ? value : schema.apply(value);
    }
    if (schema.readOnly && this.raw.length > 1) throw optionReadOnly(this.loc, this.raw);
    const at = { loc: this.loc, context: this.scope.context };
    const value = mergeSurvivors(at, schema.type, this.survivors(), this);
    return schema.apply === undefined ? value : schema.apply(value);
  }

  /** What modules see as `options.a.b`. */
  view(): object {
    this.#view ??= makeView(this);
    return this.#view;
  }

  /**
   * The value, if finding it needs no cell: the definitions (after taking off priorities) are plain data and the type
   * runs nobody's code. Serves about nine of ten options; `undefined` sends the others the long way.
   */
  static eagerValue(schema: OptionSchema, defs: readonly Def[] | undefined, context: Context): unknown {
    if (
      schema.apply !== undefined ||
      schema.readOnly ||
      schema.aliasOf !== undefined ||
      schema.conflict !== undefined
    ) {
      return undefined;
    }
    if (defs === undefined) return schema.hasDefault ? constantDefault(schema, context) : undefined;
    const winner = soleWinner(defs, schema.hasDefault ? priority.optionDefault : priority.none);
    return winner === undefined ? undefined : eagerMerge(schema.type, winner, context);
  }
}

/** The one definition of the lowest priority number, its wrappers off; `undefined` when it takes more to find out. */
function soleWinner(defs: readonly Def[], below: number): Def | undefined {
  let lowest = below;
  let winner: Def | undefined;
  for (const def of defs) {
    if (def.conditions !== undefined) return undefined;
    const bare = def.value instanceof Property ? unwrapPriority(def, def.value) : def;
    if (bare === undefined) return undefined;
    const own = effectivePriority(bare);
    if (own === lowest) return undefined;
    if (own < lowest) {
      lowest = own;
      winner = bare;
    }
  }
  return winner;
}

/** A definition without its one priority; `undefined` if something else is wrapped around the value. */
function unwrapPriority(def: Def, property: Property): Def | undefined {
  const { kind, content, argument } = property;
  if (kind !== "override" || def.priority !== 0 || content instanceof Property) return undefined;
  return new Def(content, property.origin ?? def.origin, undefined, argument as number, def.base);
}

function eagerMerge(type: Type, def: Def, context: Context): unknown {
  const { value } = def;
  if (!type.isEager(value) || !type.check(value)) return undefined;
  if (type.keepsValue) return value;
  const defs = [def];
  try {
    return type.misfits(defs).length > 0 ? undefined : type.merge({ loc: undefined, context }, defs);
  } catch {
    return undefined;
  }
}

/** An option's own default as a definition. */
function defaultDef(schema: OptionSchema): Def {
  schema.defaultDef ??= new Def(schema.default, schema.origins[0] ?? unknownOrigin, undefined, priority.optionDefault);
  return schema.defaultDef;
}

/** Defaults that are plain data are the same in every scope; they are merged once. */
function constantDefault(schema: OptionSchema, context: Context): unknown {
  schema.constant ??= { value: eagerMerge(schema.type, defaultDef(schema), context) };
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
