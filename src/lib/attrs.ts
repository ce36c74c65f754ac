/**
 * Making attribute sets out of others; the results are plain objects, good as definitions.
 */

import { expecting, expectingFunction, inCall } from "./core/calls.ts";

/**
 * Map the values of a set.
 *
 * @example
 * import { mapAttrs } from "osmod/lib";
 *
 * mapAttrs({ web: 80, tls: 443 }, (name, port) => `${name}:${port}`); // { web: "web:80", tls: "tls:443" }
 */
export function mapAttrs<A, B>(
  set: { readonly [name: string]: A },
  f: (name: string, value: A) => B,
): { readonly [name: string]: B } {
  const names = namesOf("mapAttrs", set, f);
  return Object.fromEntries(names.map((name) => [name, f(name, set[name] as A)]));
}

/**
 * Map names and values of a set.
 *
 * @example
 * import { mapAttrsTo } from "osmod/lib";
 *
 * mapAttrsTo({ web: 80 }, (name, port) => [`${name}-alt`, port + 8000]); // { "web-alt": 8080 }
 */
export function mapAttrsTo<A, B>(
  set: { readonly [name: string]: A },
  f: (name: string, value: A) => readonly [string, B],
): { readonly [name: string]: B } {
  const names = namesOf("mapAttrsTo", set, f);
  return Object.fromEntries(names.map((name) => f(name, set[name] as A)));
}

/**
 * Make a set from its names.
 *
 * @example
 * import { genAttrs } from "osmod/lib";
 *
 * genAttrs(["a", "b"], (name) => name.toUpperCase()); // { a: "A", b: "B" }
 */
export function genAttrs<B>(names: readonly string[], f: (name: string) => B): { readonly [name: string]: B } {
  expecting(Array.isArray(names), "genAttrs", "a list of names", names);
  expectingFunction("genAttrs", f);
  return Object.fromEntries(names.map((name) => [name, f(name)]));
}

/** The names of a set, not its values: those may fail when they are read. */
function namesOf(call: string, set: object, f: unknown): readonly string[] {
  expecting(typeof set === "object" && set !== null, call, "an attribute set", set);
  expectingFunction(call, f);
  return inCall(call, () => Object.keys(set));
}
