/**
 * Lists that are more than their definitions one after the other: without duplicates, sorted, or merged by a key.
 *
 *     uniqueListOf(str)        [a, b] and [b, c]                                →   [a, b, c]
 *     sortedListOf(str)        [c, a] and [b]                                   →   [a, b, c], whoever said what
 *     keyedListOf("id", …)     [{ id: a, x: 1 }] and [{ id: a, y: 2 }]          →   [{ id: a, x: 1, y: 2 }]
 *     namedListOf(str)         [a] and { k: b } and { k: mkForce(c) }           →   [a, c]
 *
 * All of them read their elements, or the keys of these, when the list is read; a plain list does not.
 */
import { returned, at as runningAt } from "../core/cell.ts";
import { childDef, type Def, effectiveOrder, isGroup, member, peel, saysNothing } from "../core/definition.ts";
import { both, type JsonSchema, listMadeSchema, schemaOf } from "../core/json-schema.ts";
import { Loc } from "../core/loc.ts";
import { custom } from "../core/problems.ts";
import { type At, combineTypes, deepEqual, isPrimitive, makeType, once, phrase, type Type } from "../core/type.ts";
import { addElement, attrsOf, frozenLazily, listOf } from "./containers.ts";

/** A list in which every element is once; of equal ones the first stays. */
export const uniqueListOf: (element: Type) => Type = once((element) => {
  const list = listOf(element);
  return derived("uniqueListOf", "list without duplicates of", element, uniqueListOf, (at, defs) =>
    Object.freeze(withoutDuplicates(list.merge(at, defs) as readonly unknown[])),
  );
});

function withoutDuplicates(list: readonly unknown[]): unknown[] {
  const seen = new Set<unknown>();
  const objects: unknown[] = [];
  return list.filter((item) => {
    if (isPrimitive(item)) return !seen.has(item) && seen.add(item);
    if (objects.some((known) => deepEqual(known, item))) return false;
    objects.push(item);
    return true;
  });
}

/** What a list may be sorted by. */
export type Rank = (value: unknown) => string | number;

const byValue: Rank = (value) => (typeof value === "number" ? value : typeof value === "string" ? value : shown(value));

function shown(value: unknown): string {
  return JSON.stringify(value) ?? "";
}

/**
 * A list sorted by its elements, so that it is the same in whichever order its modules come. Orders still count:
 * what `mkBefore` says is sorted by itself, and stands before the rest.
 */
export function sortedListOf(element: Type, by: Rank = byValue): Type {
  const list = listOf(element);
  const make = (of: Type): Type => sortedListOf(of, by);
  return derived(
    "sortedListOf",
    "sorted list of",
    element,
    make,
    (at, defs) => {
      const ranks = [...new Set(defs.map(effectiveOrder))];
      const parts = ranks.map((rank) =>
        list.merge(
          at,
          defs.filter((def) => effectiveOrder(def) === rank),
        ),
      );
      return Object.freeze(parts.flatMap((part) => (part as readonly unknown[]).toSorted((a, b) => compare(by, a, b))));
    },
    by,
  );
}

/** Numbers before text; equal ranks are told apart by what the elements are. */
function compare(by: Rank, a: unknown, b: unknown): number {
  const [x, y] = [by(a), by(b)];
  if (typeof x !== typeof y) return typeof x === "number" ? -1 : 1;
  if (x !== y) return x < y ? -1 : 1;
  if (by === byValue) return 0;
  const [p, q] = [shown(a), shown(b)];
  return p === q ? 0 : p < q ? -1 : 1;
}

/**
 * A list of submodules in which elements with the same `key` are one: what several modules say about it is merged. An
 * element stands where it is first mentioned, and its key is its `name` inside.
 */
export function keyedListOf(key: string, element: Type): Type {
  return derived(
    "keyedListOf",
    "list of",
    element,
    (of) => keyedListOf(key, of),
    (at, defs) => mergeByKey(at, key, element, defs),
    key,
    `, merged by ${key}`,
    { type: "object", required: [key], properties: { [key]: { type: ["string", "number"] } } },
  );
}

function mergeByKey(at: At, key: string, element: Type, defs: readonly Def[]): readonly unknown[] {
  const byKey = new Map<string, Def[]>();
  for (const def of defs) {
    for (const item of def.value as readonly unknown[]) {
      for (const own of settled(peel([childDef(def, item)]))) {
        const name = keyOf(at, key, own);
        byKey.set(name, [...(byKey.get(name) ?? []), own]);
      }
    }
  }
  const list: unknown[] = [];
  for (const [name, own] of byKey) if (!saysNothing(own)) addElement(list, new Loc(at.loc, name), at, element, own);
  return Object.freeze(list);
}

/** Thunks run: what an element is has to be known to find its key. */
function settled(defs: readonly Def[]): Def[] {
  return defs.flatMap((def) => {
    const { value } = def;
    if (typeof value !== "function" || value.length > 0) return [def];
    runningAt(def.origin);
    return settled(peel([def.with(returned((value as () => unknown)()))]));
  });
}

function keyOf(at: At, key: string, def: Def): string {
  const { value } = def;
  const given = isGroup(value) ? settled(peel([childDef(def, member(value, key))])).at(-1)?.value : undefined;
  if (typeof given === "string" || typeof given === "number") return String(given);
  throw custom(
    "list-key-missing",
    at.loc,
    `an element has no ${key}, which is what the elements of this list are known by`,
    [def],
    `give it one: ${key}: "…".`,
  );
}

/**
 * A list whose elements may have names: a definition is a list, or a set of named elements, and of these several modules
 * may speak, to change one or to take it out with `mkUnset`. Those without a name come first.
 */
export const namedListOf: (element: Type) => Type = once((element) => {
  const list = listOf(element);
  const set = attrsOf(element);
  return {
    ...derived("namedListOf", "list or attribute set of", element, namedListOf, (at, defs) => {
      const parts = [
        list.merge(
          at,
          defs.filter((def) => Array.isArray(def.value)),
        ),
        set.merge(
          at,
          defs.filter((def) => !Array.isArray(def.value)),
        ),
      ];
      return joined(parts as readonly object[]);
    }),
    check: (value) => list.check(value) || set.check(value),
    misfits: (defs) => defs.filter((def) => !list.check(def.value) && !set.check(def.value)),
    schema: (depth) => listMadeSchema({ anyOf: [schemaOf(list, depth), schemaOf(set, depth)] }),
  };
});

/** The members of lists and sets, in one list; what is lazy stays so. */
function joined(parts: readonly object[]): readonly unknown[] {
  const all: unknown[] = [];
  let count = 0;
  for (const part of parts)
    for (const key of Object.keys(part))
      Object.defineProperty(all, count++, Object.getOwnPropertyDescriptor(part, key) as PropertyDescriptor);
  return frozenLazily(all);
}

function derived(
  name: string,
  prefix: string,
  element: Type,
  make: (element: Type) => Type,
  merge: Type["merge"],
  variant?: unknown,
  suffix = "",
  elementSchema?: JsonSchema,
): Type {
  const list = listOf(element);
  return makeType({
    name,
    description: () => `${prefix} ${phrase(element, "noun", "composite")}${suffix}`,
    descriptionClass: "composite",
    check: list.check,
    merge,
    emptyValue: list.emptyValue,
    emptyText: [],
    schema: (depth) => {
      const schema = list.schema?.(depth) ?? {};
      return elementSchema === undefined || depth === "outside"
        ? schema
        : { ...schema, items: both(schema["items"] as JsonSchema, elementSchema) };
    },
    functor: {
      name,
      payload: { element, variant },
      combine: (own, other) => {
        const [a, b] = [own as { element: Type; variant: unknown }, other as { element: Type; variant: unknown }];
        const both = a.variant === b.variant ? combineTypes(a.element, b.element) : undefined;
        return both === undefined ? undefined : make(both);
      },
    },
    conflict: element.conflict,
    subModules: element.subModules,
    withSubModules: (modules) => make(element.withSubModules(modules)),
    subOptions: (path) => element.subOptions([...path, "*"]),
  });
}
