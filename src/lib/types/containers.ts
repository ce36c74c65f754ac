/**
 * Types that hold values of another type: lists and attribute sets.
 *
 * Each element is a definition in its own right, with its own wrappers: `[1, mkIf(c, 2)]` has one or two elements, and
 * two modules may each say something about the same name of a set. Which elements there are is decided at once (their
 * conditions are evaluated); what they are is not.
 */
import { isList } from "../core/careful.ts";
import { childDef, type Def, isGroup, member, peel, saysNothing, setGetter } from "../core/definition.ts";
import { schemaOf } from "../core/json-schema.ts";
import { Loc } from "../core/loc.ts";
import { ElementCell, lazyMember, mergePeeled, rawMember } from "../core/merge.ts";
import { EachValue } from "../core/property.ts";
import {
  type At,
  combineTypes,
  isPrimitive,
  makeType,
  misfitsBy,
  noCombination,
  once,
  phrase,
  type Type,
} from "../core/type.ts";

/** A list; definitions are concatenated. */
export const listOf: (element: Type) => Type = once((element) =>
  makeType({
    name: "listOf",
    description: () => `list of ${phrase(element, "noun", "composite")}`,
    descriptionClass: "composite",
    check: isList,
    isEager: (value) => element.keepsValue && isKept(element, value),
    merge: (at, defs) => mergeList(at, element, defs),
    emptyValue: () => Object.freeze([]),
    emptyText: [],
    schema: (depth) => (depth === "outside" ? { type: "array" } : { type: "array", items: schemaOf(element, depth) }),
    functor: wrapping("listOf", element, (of) => listOf(of)),
    conflict: element.conflict,
    subModules: element.subModules,
    withSubModules: (modules) => listOf(element.withSubModules(modules)),
    subOptions: (path) => element.subOptions([...path, "*"]),
  }),
);

/** True for a list of plain values that merging would not change; a list that cannot be looked at is none. */
function isKept(element: Type, list: unknown): boolean {
  try {
    return isList(list) && list.every((item) => isPrimitive(item) && element.check(item));
  } catch {
    return false;
  }
}

/** A list with at least one element. */
export function nonEmptyListOf(element: Type): Type {
  const list = listOf(element);
  const check = (value: unknown): boolean => isList(value) && value.length > 0;
  return {
    ...list,
    description: `non-empty ${phrase(list, "noun")}`,
    check,
    misfits: (defs) => misfitsBy(check, defs),
    emptyValue: undefined,
    emptyText: undefined,
    schema: (depth) => ({ ...schemaOf(list, depth), minItems: 1 }),
    withSubModules: (modules) => nonEmptyListOf(element.withSubModules(modules)),
  };
}

function mergeList(at: At, element: Type, defs: readonly Def[]): readonly unknown[] {
  const list: unknown[] = [];
  for (let n = 0; n < defs.length; n++) {
    const def = defs[n] as Def;
    const items = def.value as readonly unknown[];
    const mayBeLazy = isLazyList(items);
    for (let m = 0; m < items.length; m++) {
      const item = mayBeLazy ? elementOf(items, m) : items[m];
      // Most elements are text or numbers.
      if (element.keepsValue && isPrimitive(item) && element.check(item)) {
        list.push(item);
        continue;
      }
      const candidates = peel([childDef(def, item)]);
      if (saysNothing(candidates)) continue;
      addElement(list, new Loc(at.loc, `[definition ${n + 1}-entry ${m + 1}]`), at, element, candidates);
    }
  }
  return Object.freeze(list);
}

/** The lists made here that have elements still to be computed. */
const lazyLists = new WeakSet<readonly unknown[]>();

/** True for a list made by merging that may have elements still to be computed. */
export function isLazyList(list: readonly unknown[]): boolean {
  return lazyLists.has(list);
}

/** An element of a list, or the thunk for one that is still to be computed. */
export function elementOf(list: readonly unknown[], index: number): unknown {
  return isLazyList(list) ? member(list, String(index)) : list[index];
}

/** A list some of whose elements may be computed when they are read. */
export function frozenLazily(list: unknown[]): readonly unknown[] {
  lazyLists.add(list);
  return Object.freeze(list);
}

/** Append an element, computed when it is read unless it is plain data. */
export function addElement(list: unknown[], loc: Loc, at: At, element: Type, candidates: Def[]): void {
  if (candidates.length === 1) {
    const only = candidates[0] as Def;
    if (element.isEager(only.value) && element.misfits(candidates).length === 0) {
      list.push(mergePeeled({ loc, context: at.context }, element, candidates, candidates));
      return;
    }
  }
  const cell = new ElementCell(loc, at.context, element, candidates);
  lazyLists.add(list);
  setGetter(list, String(list.length), () => cell.force());
}

/** A set of named values, of which the names are known once the conditions of the values are. */
export const attrsOf: (element: Type) => Type = once((element) =>
  attrs("attrsOf", "attribute set of", element, (of) => attrsOf(of), true),
);

/** A set of named values whose conditions are left alone until a value is read; a name without value cannot be read. */
export const lazyAttrsOf: (element: Type) => Type = once((element) =>
  attrs("lazyAttrsOf", "lazy attribute set of", element, (of) => lazyAttrsOf(of), false),
);

/** What `attrsWith` takes. */
export interface AttrsSettings {
  /** Leave conditions of elements alone until the element is read. */
  readonly lazy?: boolean | undefined;
  /** What documentation has in the place of the names: `<name>` unless said otherwise. */
  readonly placeholder?: string | undefined;
}

/** A set of named values: `attrsOf` or `lazyAttrsOf`, with a word for the names. */
export function attrsWith(element: Type, { lazy = false, placeholder = "name" }: AttrsSettings = {}): Type {
  if (placeholder === "name") return lazy ? lazyAttrsOf(element) : attrsOf(element);
  const make = (of: Type): Type => attrsWith(of, { lazy, placeholder });
  return lazy
    ? attrs("lazyAttrsOf", "lazy attribute set of", element, make, false, placeholder)
    : attrs("attrsOf", "attribute set of", element, make, true, placeholder);
}

function attrs(
  name: string,
  prefix: string,
  element: Type,
  make: (element: Type) => Type,
  strict: boolean,
  placeholder = "name",
): Type {
  const type = makeType({
    name,
    description: () => `${prefix} ${phrase(element, "noun", "composite")}`,
    descriptionClass: "composite",
    check: isAttrs,
    merge: (at, defs) => mergeAttrs(at, element, defs, strict),
    emptyValue: () => Object.freeze({}),
    emptyText: {},
    schema: (depth) =>
      depth === "outside" ? { type: "object" } : { type: "object", additionalProperties: schemaOf(element, depth) },
    functor: {
      name: "attrsOf",
      payload: { element, lazy: !strict, placeholder },
      combine: (own, other) => combineAttrs(own as AttrsPayload, other as AttrsPayload),
      reason: (own, other) => noCombination((own as AttrsPayload).element, (other as AttrsPayload).element),
    },
    conflict: element.conflict,
    subModules: element.subModules,
    withSubModules: (modules) => make(element.withSubModules(modules)),
    subOptions: (path) => element.subOptions([...path, `<${placeholder}>`]),
  });
  return type;
}

interface AttrsPayload extends AttrsSettings {
  readonly element: Type;
}

/** Elements combine, both are lazy or neither is, and a placeholder of one's own yields to no other. */
function combineAttrs(own: AttrsPayload, other: AttrsPayload): Type | undefined {
  const both = own.lazy === other.lazy ? combineTypes(own.element, other.element) : undefined;
  const placeholder = own.placeholder === "name" ? other.placeholder : own.placeholder;
  if (both === undefined || (other.placeholder !== "name" && other.placeholder !== placeholder)) return undefined;
  return attrsWith(both, { lazy: own.lazy, placeholder });
}

/** True for what can define an attribute set. */
export function isAttrs(value: unknown): boolean {
  return isGroup(value);
}

function mergeAttrs(at: At, element: Type, defs: readonly Def[], strict: boolean): object {
  const byName = new Map<string, Def[]>();
  const forAll: Def[] = [];
  for (const def of defs) {
    const { value } = def;
    if (value instanceof EachValue) {
      forAll.push(childDef(def, value.each));
      continue;
    }
    for (const name of Object.keys(value as object)) {
      const child = childDef(def, member(value as object, name));
      const known = byName.get(name);
      if (known === undefined) byName.set(name, [child]);
      else known.push(child);
    }
  }
  const merged = {};
  for (const [name, own] of byName) {
    const loc = new Loc(at.loc, name);
    if (strict) {
      const candidates = peel(own);
      if (candidates.length === 0) continue;
      if (forAll.length > 0) candidates.push(...peel(forAll));
      if (saysNothing(candidates)) continue;
      lazyMember(merged, name, loc, at.context, element, candidates);
    } else {
      rawMember(merged, name, loc, at.context, element, [...own, ...forAll]);
    }
  }
  return Object.freeze(merged);
}

/** Two types around an element combine if the elements do. */
function wrapping(name: string, element: Type, make: (element: Type) => Type): Type["functor"] {
  return {
    name,
    payload: element,
    combine: (own, other) => {
      const both = combineTypes(own as Type, other as Type);
      return both === undefined ? undefined : make(both);
    },
    reason: (own, other) => noCombination(own as Type, other as Type),
  };
}
