/**
 * Properties: the wrappers around a value that say how it takes part in merging.
 *
 *     mkIf(c, x)        "if"          x counts only when the condition holds
 *     mkMerge([a, b])   "merge"       a and b, as if two modules had said so
 *     mkForce(x) …      "override"    x with another priority; the lowest number wins
 *     mkBefore(x) …     "order"       x earlier or later in what is concatenated
 *     mkDefinition(x)   "definition"  x, said to come from another file
 *     define(x)         "define"      x; it only marks the place, and is transparent everywhere
 *
 * Values that are not to be looked into (`literal`) and definitions for every element (`mkEach`) are wrapped as well,
 * but are values, not properties. So are definitions that give no value: `mkUnset()`, which says that there is none, and
 * the changes `mkRemove` and `mkTransform`, which wait for the value that the other definitions make.
 */
import type { Origin } from "./origin.ts";

/** Which property. */
export type PropertyKind = "define" | "if" | "merge" | "override" | "order" | "definition";

/** A wrapped value. One class for all kinds, so that reading `kind` is always the same machine code. */
export class Property {
  readonly kind: PropertyKind;
  readonly content: unknown;
  /** The condition of an `if` (a boolean or a thunk); the number of an `override` or `order`. */
  readonly argument: unknown;
  readonly origin: Origin | undefined;
  /** The evaluated condition: kept here so that a condition runs once however many options it guards. @internal */
  condition: object | undefined = undefined;

  constructor(kind: PropertyKind, content: unknown, argument?: unknown, origin?: Origin) {
    this.kind = kind;
    this.content = content;
    this.argument = argument;
    this.origin = origin;
  }
}

/** What stands in the place of a value and is not one. A common class, so that one test tells plain values apart. */
export abstract class Special {}

/** A value that is not looked into: functions that are values, not thunks. */
export class LiteralValue extends Special {
  readonly literal: unknown;
  constructor(literal: unknown) {
    super();
    this.literal = literal;
  }
}

/** Says that there is no value, and no weaker definition counts. */
export class UnsetValue extends Special {
  readonly unset = true;
}

/** What a change does: take elements or names out, or apply a function. */
export type ChangeKind = "remove" | "transform";

/** A change of the value that the other definitions make. */
export class Change extends Special {
  readonly kind: ChangeKind;
  /** The elements or names to remove (or a thunk of them), or the function. */
  readonly argument: unknown;
  constructor(kind: ChangeKind, argument: unknown) {
    super();
    this.kind = kind;
    this.argument = argument;
  }
}

/** A definition for every element of an attribute set that other definitions create. */
export class EachValue {
  readonly each: unknown;
  constructor(each: unknown) {
    this.each = each;
  }
}

/** The name users know a property by. */
export function propertyName(property: Property): string {
  const { kind, argument } = property;
  const number = typeof argument === "number" ? String(argument) : "…";
  if (kind === "override") return overrideNames.get(argument as number) ?? `mkOverride(${number}, …)`;
  if (kind === "order") return argument === 500 ? "mkBefore" : argument === 1500 ? "mkAfter" : `mkOrder(${number}, …)`;
  return { define: "define", if: "mkIf", merge: "mkMerge", definition: "mkDefinition" }[kind];
}

const overrideNames = new Map([
  [10, "mkVMOverride"],
  [50, "mkForce"],
  [60, "mkImageMediaOverride"],
  [1000, "mkDefault"],
  [1500, "mkOptionDefault"],
]);

/** Priorities: the lowest number wins. */
export const priority = {
  vm: 10,
  force: 50,
  imageMedia: 60,
  plain: 100,
  default: 1000,
  /** What a module's `defaults` say: computed, and so preferred to an option's own default. */
  computedDefault: 1400,
  optionDefault: 1500,
  /** Of an option that nothing defines. */
  none: 9999,
} as const;

/** Order numbers: ascending, equal ones stay in the order of the modules. */
export const order = { before: 500, plain: 1000, after: 1500 } as const;
