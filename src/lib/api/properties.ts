/**
 * The wrappers that users write: conditions, priorities, order.
 *
 * All of them infer the type of their value from where they stand, and from nothing else, so that a misspelt option or
 * an ill-typed value is an error at its own place however deep the wrappers nest. Each remembers the line it was called
 * at.
 */
import { Origin } from "../core/origin.ts";
import { EachValue, LiteralValue, order, Property, type PropertyKind, priority } from "../core/property.ts";
import type { Each, Later, Literal, Wrapped } from "../typed/descriptors.ts";

/** The one cast of this file: at compile time a property is a `Wrapped<X>`, which says nothing about its members. */
function wrap<X>(
  kind: PropertyKind,
  content: unknown,
  argument: unknown,
  above: (...args: never[]) => unknown,
): Wrapped<X> {
  return new Property(kind, content, argument, Origin.capture(above)) as unknown as Wrapped<X>;
}

/**
 * Mark a set of definitions. Config functions return one: a bare object returned from a function would not be checked
 * for unknown options by the compiler, an argument of a call is.
 *
 *     config: ({ config }) => define({ networking: { hostName: () => config.machine.name } })
 */
export function define<X>(value: Later<X>): Wrapped<X> {
  return wrap("define", value, undefined, define);
}

/**
 * Define something only if a condition holds. The condition is a thunk, so that it may read any option, even of the group
 * that it guards.
 *
 *     mkIf(() => config.services.sshd.enable, { networking: { firewall: { allowedTCPPorts: [22] } } })
 */
export function mkIf<X>(condition: () => boolean, value: Later<X>): Wrapped<X> {
  return wrap("if", value, condition, mkIf);
}

/** Say several things at once, as if several modules had said them. */
export function mkMerge<X>(values: readonly Later<X>[]): Wrapped<X> {
  return wrap("merge", values, undefined, mkMerge);
}

/** Give a definition a priority; the lowest number wins. A plain definition has 100. */
export function mkOverride<X>(number: number, value: Later<X>): Wrapped<X> {
  return wrap("override", value, number, mkOverride);
}

/** Win over plain definitions (priority 50). */
export function mkForce<X>(value: Later<X>): Wrapped<X> {
  return wrap("override", value, priority.force, mkForce);
}

/** Win over everything, for what a virtual machine changes (priority 10). */
export function mkVMOverride<X>(value: Later<X>): Wrapped<X> {
  return wrap("override", value, priority.vm, mkVMOverride);
}

/** Give way to plain definitions (priority 1000). */
export function mkDefault<X>(value: Later<X>): Wrapped<X> {
  return wrap("override", value, priority.default, mkDefault);
}

/** Give way to everything but be used like an option's own default (priority 1500). */
export function mkOptionDefault<X>(value: Later<X>): Wrapped<X> {
  return wrap("override", value, priority.optionDefault, mkOptionDefault);
}

/** Place a definition among the others of a list or text; ascending, 1000 is where plain ones are. */
export function mkOrder<X>(number: number, value: Later<X>): Wrapped<X> {
  return wrap("order", value, number, mkOrder);
}

/** Place a definition before the plain ones (order 500). */
export function mkBefore<X>(value: Later<X>): Wrapped<X> {
  return wrap("order", value, order.before, mkBefore);
}

/** Place a definition after the plain ones (order 1500). */
export function mkAfter<X>(value: Later<X>): Wrapped<X> {
  return wrap("order", value, order.after, mkAfter);
}

/** Define something for every element of an attribute set that other definitions create. */
export function mkEach<W>(value: Later<W>): Each<W> {
  return new EachValue(value) as unknown as Each<W>;
}

/** Use a function as a value; functions otherwise are thunks. */
export function literal<V>(value: V): Literal<V> {
  return new LiteralValue(value) as Literal<V>;
}
