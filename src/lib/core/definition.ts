/**
 * Definitions, and the pipeline they go through.
 *
 * A definition starts as what a module says about the whole configuration and ends at an option, an element of a list,
 * or a name of an attribute set. On the way its wrappers are taken off and remembered beside the value, so that a
 * wrapper around a group costs nothing per option until the option is read:
 *
 *     mkIf(c, mkForce({ a: 1, b: { x: 2 } }))   →   a: 1    under c, priority 50
 *                                                   b.x: 2  under c, priority 50
 *
 * Evaluating `c` on the way would make every `mkIf` on an option of the same configuration a circle.
 *
 * At the option: `peel` takes off the remaining wrappers and evaluates the conditions, `strongest` keeps the
 * definitions of the lowest priority number, `resolve` runs the thunks of those and no others, and sorts.
 * Wrappers nest in exactly one order, `(mkIf | mkMerge)* mkDefinition? mkOverride? mkOrder? value`; anything else
 * stays in the value and is a problem there (or, for a submodule, means what it says inside).
 */
import { isList } from "./careful.ts";
import { at, Cell, returned } from "./cell.ts";
import type { Loc } from "./loc.ts";
import { Origin } from "./origin.ts";
import {
  conditionNotBoolean,
  definitionConflict,
  effectivePriority,
  mergeInvalid,
  numberInvalid,
  priorityInThunk,
} from "./problems.ts";
import { Change, LiteralValue, order, Property, priority as priorities, Special, UnsetValue } from "./property.ts";

/** Conditions that a definition stands under, innermost first. */
export interface Conditions {
  readonly condition: Condition;
  readonly outer: Conditions | undefined;
}

/** A definition on its way. */
export class Def {
  readonly value: unknown;
  readonly origin: Origin;
  readonly conditions: Conditions | undefined;
  /** `undefined` until a wrapper sets it: every number is one that a wrapper may set, 0 included. */
  readonly priority: number | undefined;
  /** The priority that counts when no wrapper sets one. */
  readonly base: number;
  /** `undefined` until a wrapper sets it. */
  readonly order: number | undefined;

  constructor(
    value: unknown,
    origin: Origin,
    conditions?: Conditions,
    priority?: number,
    base: number = priorities.plain,
    order?: number,
  ) {
    this.value = value;
    this.origin = origin;
    this.conditions = conditions;
    this.priority = priority;
    this.base = base;
    this.order = order;
  }

  /** The same definition with another value. */
  with(value: unknown): Def {
    return new Def(value, this.origin, this.conditions, this.priority, this.base, this.order);
  }

  /** The same definition of a member of the value. */
  member(value: unknown): Def {
    return new Def(value, this.origin, this.conditions, this.priority, this.base);
  }
}

/** A member of a value that a plain definition gives: a definition in its own right. */
export function childDef(def: Def, value: unknown): Def {
  return new Def(value, def.origin);
}

/** The condition of one `mkIf`; evaluated once, however many options it guards. */
export class Condition extends Cell {
  private readonly property: Property;

  constructor(property: Property) {
    // Measured: a third of what an option takes.
    super(1);
    this.property = property;
  }

  /** The condition of a property. */
  static of(property: Property): Condition {
    property.condition ??= new Condition(property);
    return property.condition as Condition;
  }

  get origin(): Origin | undefined {
    return this.property.origin;
  }

  override describe(): string {
    return "the condition of a mkIf";
  }

  /** True when the condition holds. */
  holds(): boolean {
    const { argument } = this.property;
    return argument === true || (argument !== false && (this.force() as boolean));
  }

  protected override compute(): unknown {
    const { argument, origin } = this.property;
    at(origin);
    const value: unknown = typeof argument === "function" ? argument() : argument;
    if (typeof value !== "boolean") throw conditionNotBoolean(origin, value);
    return value;
  }
}

/** True when all conditions hold; the outer ones are asked first, and an inner one only if they do. */
export function allHold(conditions: Conditions | undefined): boolean {
  if (conditions === undefined) return true;
  const { condition, outer } = conditions;
  return (outer === undefined || allHold(outer)) && condition.holds();
}

/** The getter of an object's member. Unlike a property descriptor it costs no allocation, and every member is asked for. */
const lookupGetter = Reflect.get(Object.prototype, "__lookupGetter__") as (this: object, key: string) => unknown;

/** The getter behind an object's own member, if it has one. */
export function getterOf(object: object, key: string): unknown {
  return lookupGetter.call(object, key);
}

/** A member of an object's own without reading it: a getter is a thunk. */
export function member(object: object, key: string): unknown {
  return lookupGetter.call(object, key) === undefined
    ? (object as Record<string, unknown>)[key]
    : () => (object as Record<string, unknown>)[key];
}

const defineGetter = Reflect.get(Object.prototype, "__defineGetter__") as (
  this: object,
  key: string,
  get: () => unknown,
) => void;

/**
 * Give an object a member that is computed when it is read. `defineProperty`, which has a descriptor to read, takes half
 * as long again for small objects and four times as long for those that are hash tables.
 */
export function setGetter(object: object, key: string, get: () => unknown): void {
  defineGetter.call(object, key, get);
}

/** Set an own member whatever its name, `__proto__` included. */
export function setMember(object: object, key: string, value: unknown): void {
  if (key === "__proto__")
    Object.defineProperty(object, key, { value, enumerable: true, writable: true, configurable: true });
  else (object as Record<string, unknown>)[key] = value;
}

/** Take the wrappers off a group of options. What comes out has plain sets, or a value that is no group. */
export function pushDown(def: Def, out: Def[]): void {
  const { value } = def;
  if (!(value instanceof Property)) {
    out.push(def);
    return;
  }
  const origin = value.origin ?? def.origin;
  switch (value.kind) {
    case "define":
      pushDown(new Def(value.content, origin, def.conditions, def.priority, def.base), out);
      return;
    case "merge":
      for (const item of listOf(value.content, origin))
        pushDown(new Def(item, origin, def.conditions, def.priority, def.base), out);
      return;
    case "if":
      if (def.priority !== undefined) pushDownInside(def, value, out);
      else pushDown(new Def(value.content, origin, under(value, def.conditions), undefined, def.base), out);
      return;
    case "override":
      if (def.priority !== undefined) pushDownInside(def, value, out);
      // A priority that is none stays where it is, for the group to complain about.
      else if (!Number.isFinite(value.argument)) out.push(def);
      else pushDown(new Def(value.content, origin, def.conditions, value.argument as number, def.base), out);
      return;
    default:
      out.push(def);
  }
}

/** `mkForce(mkIf(c, { a }))` is `{ a: mkForce(mkIf(c, a)) }`: wrong for most options, right for submodules. */
function pushDownInside(def: Def, property: Property, out: Def[]): void {
  const inner: Def[] = [];
  pushDown(new Def(property.content, property.origin ?? def.origin), inner);
  for (const { value, origin, conditions, priority } of inner) {
    const wrapped = isGroup(value)
      ? mapMembers(
          value,
          (content) =>
            new Property(
              property.kind,
              rewrap(content, conditions, priority, origin),
              property.argument,
              property.origin,
            ),
        )
      : value;
    out.push(new Def(wrapped, origin, def.conditions, def.priority, def.base));
  }
}

/** The wrappers that stand beside a value, around it again. */
export function rewrap(
  value: unknown,
  conditions: Conditions | undefined,
  priority: number | undefined,
  origin?: Origin,
): unknown {
  let wrapped = priority === undefined ? value : new Property("override", value, priority, origin);
  for (let at = conditions; at !== undefined; at = at.outer) {
    wrapped = new Property("if", wrapped, () => (at as Conditions).condition.holds(), at.condition.origin);
  }
  return wrapped;
}

function mapMembers(object: object, f: (value: unknown) => unknown): object {
  const mapped = {};
  for (const key of Object.keys(object)) setMember(mapped, key, f(member(object, key)));
  return mapped;
}

/** True for what can hold the members of a group of options. */
export function isGroup(value: unknown): value is object {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Property) &&
    !(value instanceof Special)
  );
}

function under(property: Property, outer: Conditions | undefined): Conditions | undefined {
  return property.argument === true ? outer : { condition: Condition.of(property), outer };
}

/** The members of a merge; a function says what they are once they are needed. */
function listOf(value: unknown, origin: Origin): readonly unknown[] {
  const list: unknown = typeof value === "function" ? value() : value;
  if (!isList(list)) throw mergeInvalid(list, origin);
  return list;
}

/** Take the wrappers off the definitions of one option, and drop those whose conditions do not hold. */
export function peel(defs: readonly Def[]): Def[] {
  const out: Def[] = [];
  for (const def of defs) {
    if (def.conditions === undefined && !(def.value instanceof Property)) out.push(def);
    else if (allHold(def.conditions)) peelInto(def.value, def.origin, def, def.priority === undefined ? 0 : 2, out);
  }
  return out;
}

/**
 * Take off what may be taken off. `phase`: 0 anything may follow, 1 a priority may, 2 an order may, 3 only the value.
 * Conditions are evaluated here, so they are dropped from the result.
 */
function peelInto(value: unknown, origin: Origin, from: Def, phase: number, out: Def[]): void {
  let { priority, order } = from;
  for (;;) {
    if (!(value instanceof Property)) break;
    const { kind, content, argument } = value;
    origin = value.origin ?? origin;
    if (kind === "if" && phase === 0) {
      if (argument !== true && !Condition.of(value).holds()) return;
    } else if (kind === "merge" && phase === 0) {
      for (const item of listOf(content, origin)) peelInto(item, origin, from, 0, out);
      return;
    } else if (kind === "definition" && phase === 0) {
      origin = argument instanceof Origin ? argument : new Origin(String(argument));
      phase = 1;
    } else if (kind === "override" && phase <= 1) {
      if (!Number.isFinite(argument)) throw numberInvalid(value, origin);
      priority = argument as number;
      phase = 2;
    } else if (kind === "order" && phase <= 2) {
      if (!Number.isFinite(argument)) throw numberInvalid(value, origin);
      order = argument as number;
      phase = 3;
    } else if (kind !== "define") break;
    value = content;
  }
  out.push(new Def(value, origin, undefined, priority, from.base, order));
}

/** The definitions of the lowest priority number, in their order. */
export function strongest(defs: Def[]): Def[] {
  if (defs.length < 2) return defs;
  let lowest = Number.POSITIVE_INFINITY;
  let same = true;
  for (const def of defs) {
    const own = effectivePriority(def);
    if (own !== lowest && lowest !== Number.POSITIVE_INFINITY) same = false;
    if (own < lowest) lowest = own;
  }
  return same ? defs : defs.filter((def) => effectivePriority(def) === lowest);
}

/** Sort by order number; equal ones keep their places. */
export function inOrder(defs: Def[]): Def[] {
  if (defs.length < 2 || defs.every((def) => def.order === undefined)) return defs;
  return defs.toSorted((a, b) => effectiveOrder(a) - effectiveOrder(b));
}

/** The order that counts. */
export function effectiveOrder(def: { readonly order: number | undefined }): number {
  return def.order ?? order.plain;
}

/** How a type reads functions: `parameters` lets functions with a parameter through as values. */
export interface Reading {
  readonly takesFunctions: boolean;
}

/** What survives: the definitions to merge, their thunks run, and their priority. */
export interface Survivors {
  readonly defs: readonly Def[];
  readonly priority: number;
  /** The changes that apply to their value, in the order in which they do: those at least as strong. */
  readonly changes: readonly Def[];
}

const noDefs: readonly Def[] = [];

/** True for a definition that gives no value of its own. */
export function isChange(def: Def): boolean {
  return def.value instanceof Change;
}

/** True when definitions (their wrappers off) give no value: the strongest unsets it, or there are only changes. */
export function saysNothing(candidates: Def[]): boolean {
  let isPlain = true;
  // Asked for every name of every set, and plain values are nearly all there is: no closure.
  for (const { value } of candidates) if (typeof value === "object" && value instanceof Special) isPlain = false;
  if (isPlain) return candidates.length === 0;
  const values = candidates.filter((def) => !isChange(def));
  return values.length === 0 || strongest(values).every((def) => def.value instanceof UnsetValue);
}

/** Run the thunks of the strongest definitions. If they all turn out to say nothing, the next class has its turn. */
export function resolve(loc: Loc | undefined, candidates: Def[], reading: Reading): Survivors {
  const [only] = candidates;
  // One definition that is no thunk: the most frequent case by far.
  if (candidates.length === 1 && only !== undefined && !isUnsettled(only)) {
    return { defs: candidates, priority: effectivePriority(only), changes: noDefs };
  }
  let left = candidates;
  let changes: Def[] | undefined;
  if (left.some(isChange)) {
    changes = left.filter(isChange);
    left = left.filter((def) => !isChange(def));
  }
  while (left.length > 0) {
    const winners = strongest(left);
    const priority = effectivePriority(winners[0] as Def);
    let defs = runThunks(loc, winners, reading);
    if (defs.some((def) => def.value instanceof Special)) {
      // A thunk may turn out to be a change.
      changes = [...(changes ?? []), ...defs.filter(isChange)];
      defs = defs.filter((def) => !isChange(def)).map(settled);
      if (defs.length > 0 && defs.every((def) => def.value instanceof UnsetValue))
        return { defs: noDefs, priority, changes: noDefs };
      if (defs.some((def) => def.value instanceof UnsetValue))
        throw definitionConflict(loc, defs, "definitions that unset it and definitions that do not");
    }
    if (defs.length > 0) return { defs: inOrder(defs), priority, changes: applicable(changes, priority) };
    left = left.filter((def) => effectivePriority(def) !== priority);
  }
  return { defs: noDefs, priority: priorities.none, changes: applicable(changes, priorities.none) };
}

/** Whoever replaces a value with `mkForce` does not mean a change that somebody else made to the value replaced. */
function applicable(changes: Def[] | undefined, priority: number): readonly Def[] {
  if (changes === undefined) return noDefs;
  return inOrder(changes.filter((def) => effectivePriority(def) <= priority));
}

/** A literal is its value from here on. */
function settled(def: Def): Def {
  const { value } = def;
  return value instanceof LiteralValue ? def.with(value.literal) : def;
}

function runThunks(loc: Loc | undefined, defs: Def[], reading: Reading): Def[] {
  if (!defs.some(isUnsettled)) return defs;
  const out: Def[] = [];
  for (const def of defs) runThunk(loc, def, reading, out);
  return out;
}

function isUnsettled(def: Def): boolean {
  return typeof def.value === "function" || def.value instanceof Special;
}

function runThunk(loc: Loc | undefined, def: Def, reading: Reading, out: Def[]): void {
  let { value } = def;
  if (typeof value === "function" && !(reading.takesFunctions && value.length > 0)) {
    at(def.origin);
    value = returned((value as () => unknown)());
    const inner: Def[] = [];
    // A thunk under a priority or an order has used up what may stand around it.
    peelInto(value, def.origin, def, def.order !== undefined ? 3 : def.priority !== undefined ? 2 : 0, inner);
    for (const found of inner) {
      if (found.priority !== def.priority)
        throw priorityInThunk(loc, found, new Property("override", found.value, found.priority, found.origin));
      runThunk(loc, found, reading, out);
    }
    return;
  }
  out.push(def);
}
