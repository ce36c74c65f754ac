/**
 * From definitions to a value: check them against the type, merge them, and keep what is inside lazy.
 */
import { containsItself, maxNesting } from "./careful.ts";
import { Cell } from "./cell.ts";
import { applyChanges } from "./change.ts";
import { type Def, peel, resolve, type Survivors, setGetter, setMember } from "./definition.ts";
import { type Loc, showLoc } from "./loc.ts";
import type { Origin } from "./origin.ts";
import { definitionRefused, definitionType, optionUndefined, wrapperNesting } from "./problems.ts";
import { Property, priority as priorities } from "./property.ts";
import type { At, Context, Type } from "./type.ts";

/** What there is to say about a value that nothing defines. */
export interface Undefined {
  /** All definitions, those included whose conditions do not hold. */
  readonly raw: readonly unknown[];
  readonly schema?: { readonly origins: readonly Origin[] };
}

/** The value of what survived of the definitions. */
export function mergeSurvivors(at: At, type: Type, survivors: Survivors, from: Undefined): unknown {
  const { changes } = survivors;
  const value = mergeUnchanged(at, type, survivors, from);
  return changes.length === 0 ? value : applyChanges(at, type, value, changes);
}

function mergeUnchanged(at: At, type: Type, { defs, priority, changes }: Survivors, from: Undefined): unknown {
  if (defs.length === 0) {
    if (type.emptyValue !== undefined) return type.emptyValue(at);
    const other = priority !== priorities.none ? "unset" : changes.length > 0 ? "changed" : undefined;
    throw optionUndefined(at.loc, from.schema?.origins ?? [], from.raw.length, other);
  }
  const bad = type.misfits(defs);
  if (bad.length > 0) throw misfit(at, type, bad);
  return type.merge(at, defs);
}

/** The value of definitions whose wrappers are still on. */
export function mergeDefs(at: At, type: Type, defs: readonly Def[]): unknown {
  return mergePeeled(at, type, peel(defs), defs);
}

/** The value of definitions whose wrappers are off. */
export function mergePeeled(at: At, type: Type, candidates: Def[], raw: readonly Def[]): unknown {
  return mergeSurvivors(at, type, resolve(at.loc, candidates, type), { raw });
}

/** Say that definitions do not fit a type; a wrapper left in the value is the more helpful thing to complain about. */
export function misfit(at: At, type: Type, bad: readonly Def[]): Error {
  const wrapped = bad.find((def) => def.value instanceof Property);
  if (wrapped !== undefined) return wrapperNesting(at.loc, wrapped, wrapped.value as Property);
  const isEndless = bad.some((def) => containsItself(def.value));
  if (isEndless) return definitionType(at.loc, type.description, bad, endless);
  const isRefused = type.refines !== undefined && type.refines.misfits(bad).length === 0;
  return isRefused ? definitionRefused(at.loc, type.description, bad) : definitionType(at.loc, type.description, bad);
}

const endless = `It has no end: it contains itself, is nested more than ${maxNesting} deep, or has a long list with holes.`;

/** The value of an element: of a list, of an attribute set. */
export class ElementCell extends Cell {
  readonly #loc: Loc;
  readonly #context: Context;
  readonly #type: Type;
  readonly #defs: Def[];

  constructor(loc: Loc, context: Context, type: Type, defs: Def[]) {
    super();
    this.#loc = loc;
    this.#context = context;
    this.#type = type;
    this.#defs = defs;
  }

  override describe(): string {
    return showLoc(this.#loc);
  }
  override option(): string {
    return showLoc(this.#loc);
  }

  protected override compute(): unknown {
    return mergePeeled({ loc: this.#loc, context: this.#context }, this.#type, this.#defs, this.#defs);
  }
}

/**
 * Give `target` a member whose value is merged when it is first read. Most values are plain text or numbers, and for
 * those a cell and a getter cost more than merging: they are merged now, unless that fails.
 */
export function lazyMember(target: object, key: string, loc: Loc, context: Context, type: Type, defs: Def[]): void {
  if (defs.length > 0 && defs.every((def) => type.isEager(def.value))) {
    const value = attempt(() => mergePeeled({ loc, context }, type, defs, defs));
    if (value !== undefined) {
      setMember(target, key, value);
      return;
    }
  }
  const cell = new ElementCell(loc, context, type, defs);
  setGetter(target, key, () => cell.force());
}

/** The same for definitions whose wrappers are still on, conditions and all. */
export function rawMember(
  target: object,
  key: string,
  loc: Loc,
  context: Context,
  type: Type,
  defs: readonly Def[],
): void {
  const cell = new RawElementCell(loc, context, type, defs);
  setGetter(target, key, () => cell.force());
}

/** An element whose conditions are evaluated only when it is read. */
class RawElementCell extends ElementCell {
  readonly #at: At;
  readonly #type: Type;
  readonly #raw: readonly Def[];

  constructor(loc: Loc, context: Context, type: Type, raw: readonly Def[]) {
    super(loc, context, type, []);
    this.#at = { loc, context };
    this.#type = type;
    this.#raw = raw;
  }

  protected override compute(): unknown {
    return mergeDefs(this.#at, this.#type, this.#raw);
  }
}

function attempt(f: () => unknown): unknown {
  try {
    return f();
  } catch {
    return undefined;
  }
}
