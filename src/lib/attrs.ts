/**
 * Making attribute sets out of others; the results are plain objects, good as definitions.
 */

/** Map the values of a set. */
export function mapAttrs<A, B>(
  set: { readonly [name: string]: A },
  f: (name: string, value: A) => B,
): { readonly [name: string]: B } {
  return Object.fromEntries(Object.keys(set).map((name) => [name, f(name, set[name] as A)]));
}

/** Map names and values of a set. */
export function mapAttrsTo<A, B>(
  set: { readonly [name: string]: A },
  f: (name: string, value: A) => readonly [string, B],
): { readonly [name: string]: B } {
  return Object.fromEntries(Object.keys(set).map((name) => f(name, set[name] as A)));
}

/** Make a set from its names. */
export function genAttrs<B>(names: readonly string[], f: (name: string) => B): { readonly [name: string]: B } {
  return Object.fromEntries(names.map((name) => [name, f(name)]));
}
