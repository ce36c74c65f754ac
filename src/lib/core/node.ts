/**
 * Options in one scope: from the definitions an option was given to its value.
 */
import { Cell } from "./cell.ts";
import { Def, peel, resolve, type Survivors, strongest } from "./definition.ts";
import { type Loc, names, showLoc } from "./loc.ts";
import { mergeSurvivors } from "./merge.ts";
import { unknownOrigin } from "./origin.ts";
import { effectivePriority, optionReadOnly, readTooEarly } from "./problems.ts";
import { Property, priority } from "./property.ts";
import type { OptionSchema } from "./schema.ts";
import type { Scope } from "./scope.ts";
import { type Context, isPrimitive, type Type } from "./type.ts";

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
    return this.schema.hasDefault ? [defaultDef(this.schema), ...this.#given()] : this.#given();
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
    const [first] = strongest(this.candidates());
    return first === undefined ? priority.none : effectivePriority(first);
  }

  protected override compute(): unknown {
    const { schema } = this;
    if (schema.conflict !== undefined) throw schema.error(this.loc);
    const { aliasOf } = schema;
    if (aliasOf !== undefined) return this.scope.valueAt(aliasOf);
    const { raw } = this;
    if (schema.readOnly && raw.length > 1) throw optionReadOnly(this.loc, raw);
    const at = { loc: this.loc, context: this.scope.context };
    const value = mergeSurvivors(at, schema.type, this.survivors(), schema.origins, raw.length);
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
  static eagerValue(schema: OptionSchema, defs: readonly Def[] | undefined, loc: () => Loc, context: Context): unknown {
    if (schema.apply !== undefined || schema.readOnly || schema.conflict !== undefined) return undefined;
    const { type } = schema;
    if (defs === undefined) return schema.hasDefault ? eagerDefault(schema, type, context) : undefined;
    if (defs.length === 1) {
      const [def] = defs as [Def];
      const { value } = def;
      const wins =
        def.conditions === undefined && (!schema.hasDefault || effectivePriority(def) < priority.optionDefault);
      if (wins && isPrimitive(value) && type.isEager(value) && type.check(value))
        return type.merge({ loc: undefined, context }, [def]);
    }
    return eagerMerge(schema, defs, loc(), context);
  }
}

/** The general case of the same: several definitions, lists, priorities. */
function eagerMerge(schema: OptionSchema, defs: readonly Def[], loc: Loc, context: Context): unknown {
  if (defs.some((def) => def.conditions !== undefined)) return undefined;
  try {
    const raw = schema.hasDefault ? [defaultDef(schema), ...defs] : [...defs];
    const { type } = schema;
    const candidates = raw.every((def) => !isConditional(def.value)) ? strongest(peel(raw)) : [];
    if (candidates.length === 0 || !candidates.every((def) => type.isEager(def.value))) return undefined;
    return mergeSurvivors({ loc, context }, type, resolve(loc, candidates, type), [], 0);
  } catch {
    return undefined;
  }
}

/** Whether taking off the wrappers of a value could run somebody's code. */
function isConditional(value: unknown): boolean {
  return value instanceof Property && (value.kind === "if" || value.kind === "merge" || isConditional(value.content));
}

/** An option's own default as a definition. */
function defaultDef(schema: OptionSchema): Def {
  const [first] = schema.decls;
  return new Def(
    schema.default,
    first === undefined ? unknownOrigin : (first.decl.origin ?? first.origin),
    undefined,
    priority.optionDefault,
  );
}

/** Defaults that are plain data are the same in every scope; they are merged once. */
const eagerDefaults = new WeakMap<OptionSchema, { readonly value: unknown }>();

function eagerDefault(schema: OptionSchema, type: Type, context: Context): unknown {
  let known = eagerDefaults.get(schema);
  if (known === undefined) {
    const def = defaultDef(schema);
    const fits = type.isEager(def.value) && type.misfits([def]).length === 0;
    known = { value: fits ? attempt(() => type.merge({ loc: undefined, context }, [def])) : undefined };
    eagerDefaults.set(schema, known);
  }
  return known.value;
}

function attempt(f: () => unknown): unknown {
  try {
    return f();
  } catch {
    return undefined;
  }
}

/** A question about an option, asked from outside: a cell of its own, so that it may nest as deep as any value. */
class Question extends Cell {
  readonly #what: string;
  readonly #ask: () => unknown;
  constructor(what: string, ask: () => unknown) {
    super();
    this.#what = what;
    this.#ask = ask;
  }
  override describe(): string {
    return this.#what;
  }
  protected override compute(): unknown {
    return this.#ask();
  }
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
        return new Question(what, ask).force();
      },
    });
  };
  add("value", () => node.force());
  // A module that asks whether an option is defined does not mean its defaults.
  add("isDefined", () => node.highestPrio() < priority.computedDefault);
  add("highestPrio", () => node.highestPrio());
  add("definitions", () => node.survivors().defs.map((def) => ({ value: def.value, at: def.origin.toString() })));
  add("files", () => node.survivors().defs.map((def) => def.origin.file));
  Object.defineProperty(view, "declarations", { enumerable: true, get: () => node.schema.files });
  Object.defineProperty(view, "type", { enumerable: true, get: () => node.schema.type });
  Object.defineProperty(view, "description", { enumerable: true, get: () => node.schema.first("description") });
  nodes.set(view, node);
  return Object.freeze(view);
}

const nodes = new WeakMap<object, OptionNode>();

/** The option behind a view. @internal */
export function nodeOf(view: object): OptionNode | undefined {
  return nodes.get(view);
}
