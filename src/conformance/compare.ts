/**
 * Comparing what an evaluation gives with what is expected of it.
 */
import { ProblemError } from "../problems/index.ts";
import type { Json } from "./neutral.ts";

/** What an expectation may say went wrong. */
export type Kind = string;

const kinds: { readonly [code: string]: Kind } = {
  "option-unknown": "unknown-option",
  "wrapper-at-group": "unknown-option",
  "rename-target": "unknown-option",
  "definition-type": "type",
  "wrapper-nesting": "type",
  "definition-conflict": "conflict",
  "option-undefined": "undefined",
  "definition-not-unique": "unique",
  "option-read-only": "read-only",
  "option-declared-twice": "duplicate-declaration",
  "option-nested": "nested-option",
  "definition-not-group": "not-attrs",
  "thunk-at-group": "not-attrs",
  "condition-not-boolean": "bad-condition",
  "infinite-recursion": "infinite-recursion",
  "evaluation-threw": "throw",
};

/** The kinds of the problems an error carries. */
export function kindsOf(error: unknown): readonly Kind[] {
  if (!(error instanceof ProblemError)) return [`crash: ${String(error)}`];
  return [...new Set(error.problems.map(({ code }) => kinds[code] ?? code))];
}

/** A value as plain JSON; what cannot be read is `{"$error": kind}`. */
export function settle(value: unknown): Json {
  if (typeof value === "function") return "<function>";
  if (typeof value !== "object" || value === null) return value as Json;
  if (Array.isArray(value)) return Array.from({ length: value.length }, (_, i) => settleMember(value, i)); // map would read the elements
  const settled: { [key: string]: Json } = {};
  for (const key of Object.keys(value)) {
    Object.defineProperty(settled, key, {
      value: settleMember(value, key),
      enumerable: true,
      writable: true,
      configurable: true,
    });
  }
  return settled;
}

function settleMember(object: object, key: string | number): Json {
  try {
    return settle((object as { [key: string | number]: unknown })[key]);
  } catch (error) {
    return { $error: kindsOf(error).join("|") };
  }
}

/** The first difference, as `path: got …, expected …`; `undefined` when there is none. */
export function difference(got: Json | undefined, expected: Json | undefined, path = "config"): string | undefined {
  if (isSet(got) && isSet(expected) && !("$error" in expected) && !("$error" in got)) {
    const names = [...new Set([...Object.keys(expected), ...Object.keys(got)])];
    return first(names.map((name) => () => difference(own(got, name), own(expected, name), `${path}.${name}`)));
  }
  if (Array.isArray(got) && Array.isArray(expected) && got.length === expected.length) {
    return first(got.map((item, i) => () => difference(item, expected[i], `${path}[${i}]`)));
  }
  return same(got, expected) ? undefined : `${path}: got ${show(got)}, expected ${show(expected)}`;
}

function own(set: { readonly [name: string]: Json }, name: string): Json | undefined {
  return Object.hasOwn(set, name) ? set[name] : undefined;
}

function first(checks: readonly (() => string | undefined)[]): string | undefined {
  for (const check of checks) {
    const found = check();
    if (found !== undefined) return found;
  }
  return undefined;
}

function isSet(value: Json | undefined): value is { [key: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Equality that does not look at the order of names. */
function same(a: Json | undefined, b: Json | undefined): boolean {
  return show(a) === show(b);
}

function show(value: Json | undefined): string {
  return (
    JSON.stringify(value, (_, item: unknown) =>
      isSet(item as Json)
        ? Object.fromEntries(Object.entries(item as object).sort(([a], [b]) => (a < b ? -1 : 1)))
        : item,
    ) ?? "nothing"
  );
}
