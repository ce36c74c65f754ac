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
import { Origin } from "./origin.ts";
import { argumentTooEarly, argumentUndefined } from "./problems.ts";
import type { Scope } from "./scope.ts";
import { nearest } from "./suggest.ts";

const scopes = new WeakMap<object, Scope>();

const lookUp: object = new Proxy(Object.freeze({}), { get: find });

function find(target: object, name: string | symbol, receiver: unknown): unknown {
  const scope = scopes.get(receiver as object);
  if (typeof name !== "string" || scope === undefined || name in target) return Reflect.get(target, name);
  if (scope.collecting) throw argumentTooEarly(scope.loc, name, Origin.capture(find));
  const given = scope.hasArguments ? (scope.internal.option("args").force() as object) : {};
  if (Object.hasOwn(given, name)) return (given as Record<string, unknown>)[name];
  const near = nearest(name, [...Object.keys(receiver as object), ...Object.keys(given)]);
  throw argumentUndefined(scope.loc, name, near, Origin.capture(find));
}

/** An argument object for the functions of a scope's modules, still without members. */
export function argumentsOf(scope: Scope): object {
  const args = Object.create(lookUp) as object;
  scopes.set(args, scope);
  return args;
}

/** Copy the members of an object; getters stay getters. */
export function copyMembers(to: object, from: object): void {
  for (const name of Object.keys(from)) {
    const descriptor = Object.getOwnPropertyDescriptor(from, name);
    if (descriptor?.get === undefined) setMember(to, name, descriptor?.value);
    else Object.defineProperty(to, name, descriptor);
  }
}
