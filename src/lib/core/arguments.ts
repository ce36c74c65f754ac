/**
 * The arguments of module functions.
 *
 * `config`, `options` and what `specialArgs` gives are members of the object that a module function is called with. What
 * modules themselves define as `_module.args.<name>` cannot be: which modules there are has to be known before. So the
 * object has a prototype that looks such a name up when it is read, and reading is allowed once all modules have spoken:
 *
 *     config: (args) => define({ text: () => args.theme.name })     // looked up when the text is needed
 *     config: ({ theme }) => …                                      // `argument-too-early`
 *
 * One proxy is the prototype of all argument objects; it finds the scope by the object it was reached through, so an
 * argument that is a member costs what any member costs.
 */
import { setMember } from "./definition.ts";
import { names } from "./loc.ts";
import { argumentTooEarly, argumentUndefined } from "./module-problems.ts";
import { Origin } from "./origin.ts";
import type { Scope } from "./scope.ts";
import { nearest } from "./suggest.ts";

/** Where an argument object keeps its scope. (A WeakMap took 4 µs a scope, more than all the rest.) */
const scopeKey = Symbol("scope");

interface Arguments {
  [scopeKey]?: Scope;
}

const lookUp: object = new Proxy(Object.freeze({}), { get: find });

function find(target: object, name: string | symbol, receiver: unknown): unknown {
  if (typeof name !== "string" || name in target) return Reflect.get(target, name);
  const scope = (receiver as Arguments)[scopeKey];
  if (scope === undefined) return undefined;
  const fact = facts[name];
  if (fact !== undefined) return fact(scope);
  if (scope.collecting) throw argumentTooEarly(scope.loc, name, Origin.capture(find));
  const given = scope.hasArguments ? (scope.internal.option("args").force() as object) : {};
  if (Object.hasOwn(given, name)) return (given as Record<string, unknown>)[name];
  const near = nearest(name, [...Object.keys(receiver as object), ...Object.keys(given)]);
  throw argumentUndefined(scope.loc, name, near, Origin.capture(find));
}

/** What few functions ask for; a member for each in every element of every set would cost those that do not. */
const facts: { readonly [name: string]: (scope: Scope) => unknown } = Object.assign(Object.create(null) as object, {
  specialArgs: (scope: Scope) => scope.context.specialArgs,
  _class: (scope: Scope) => scope.expectedClass ?? null,
  _prefix: (scope: Scope) => names(scope.loc),
});

/** An argument object for the functions of a scope's modules, still without members. */
export function argumentsOf(scope: Scope): object {
  const args: Arguments = {};
  args[scopeKey] = scope;
  return args;
}

/** No more members: from now on, other names are looked up. Before, adding each would have asked the proxy. */
export function completeArguments(args: object): object {
  return Object.freeze(Object.setPrototypeOf(args, lookUp) as object);
}

/** Add the members of an object; getters stay getters. */
export function giveArguments(args: object, from: object): void {
  for (const name of Object.keys(from)) {
    const descriptor = Object.getOwnPropertyDescriptor(from, name);
    // What wins over another may replace a getter, which cannot be assigned to.
    if (descriptor?.get === undefined && !Object.hasOwn(args, name)) setMember(args, name, descriptor?.value);
    else Object.defineProperty(args, name, { ...descriptor, configurable: true });
  }
}
