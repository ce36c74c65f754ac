/**
 * Lists of named values in which the order matters and a name may be there more than once: the lines of a file whose
 * sections repeat.
 *
 *     [{ a: 1 }, { b: 2 }, { a: 3 }]              three entries, in this order
 *     { b: mkBefore(0) }                          a set defines an entry for each name; this one comes first
 *     [{ a: mkForce(4) }]                         priorities count by name: it is the only `a` that is left
 *
 * Which entries there are and their order is decided when the list is read; their values stay lazy.
 */
import { childDef, Def, inOrder, isGroup, member, peel, resolve, saysNothing, strongest } from "../core/definition.ts";
import { listMadeSchema, schemaOf } from "../core/json-schema.ts";
import { Loc } from "../core/loc.ts";
import { lazyMember, misfit } from "../core/merge.ts";
import { EachValue } from "../core/property.ts";
import { type At, makeType, phrase, type Type } from "../core/type.ts";

/** What an attribute list may be told. */
export interface AttrListSettings {
  /** Read it as a set: for each name the list of its values. */
  readonly asAttrs?: boolean | undefined;
  /** With `asAttrs`, what the values of a name come to. */
  readonly mergeAttrValues?: ((name: string, values: readonly unknown[]) => unknown) | undefined;
}

/** A list of sets with one name each. */
export function attrListWith(element: Type, { asAttrs = false, mergeAttrValues }: AttrListSettings = {}): Type {
  return makeType({
    name: "attrListOf",
    description: () => `attribute list of ${phrase(element, "noun", "composite")}`,
    descriptionClass: "composite",
    check: (value) => Array.isArray(value) || isSet(value),
    merge: (at, defs) => {
      const entries = entriesOf(at, element, defs);
      return asAttrs ? grouped(at, element, entries, mergeAttrValues) : Object.freeze(entries.map(one(at, element)));
    },
    emptyValue: () => Object.freeze(asAttrs ? {} : []),
    emptyText: asAttrs ? {} : [],
    schema: (depth) => {
      if (depth === "outside") return { type: ["array", "object"] };
      const set = { type: "object", additionalProperties: schemaOf(element, depth) };
      const schema = { anyOf: [{ type: "array", items: { ...set, minProperties: 1, maxProperties: 1 } }, set] };
      return asAttrs ? schema : listMadeSchema(schema);
    },
    functor: { name: "attrListOf", combine: () => undefined },
    subModules: element.subModules,
    withSubModules: (modules) => attrListWith(element.withSubModules(modules), { asAttrs, mergeAttrValues }),
    subOptions: (path) => element.subOptions([...path, "<name>"]),
  });
}

interface Entry {
  readonly name: string;
  readonly def: Def;
}

function isSet(value: unknown): value is object {
  return isGroup(value) && !(value instanceof EachValue);
}

/** The entries that count, in order. */
function entriesOf(at: At, element: Type, defs: readonly Def[]): readonly Entry[] {
  const names = new Map<Def, string>();
  for (const def of defs) {
    for (const { set, from } of setsOf(at, element, def)) {
      for (const name of Object.keys(set)) {
        for (const own of peel([childDef(from, member(set, name))])) {
          // What an entry is wrapped in counts for its value, unless the value has wrappers of its own.
          const entry = new Def(
            own.value,
            own.origin,
            undefined,
            own.priority ?? from.priority,
            own.base,
            own.order ?? from.order,
          );
          if (!saysNothing([entry])) names.set(entry, name);
        }
      }
    }
  }
  const byName = groupBy([...names.keys()], (def) => names.get(def) as string);
  const winners = new Set([...byName.values()].flatMap((own) => strongest(own)));
  const left = [...names.keys()].filter((def) => winners.has(def));
  return inOrder(left).map((def) => ({ name: names.get(def) as string, def }));
}

function groupBy<T>(items: readonly T[], nameOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const known = groups.get(nameOf(item));
    if (known === undefined) groups.set(nameOf(item), [item]);
    else known.push(item);
  }
  return groups;
}

/** The sets that a definition gives: itself, or the elements of a list, which have one name each. */
function setsOf(at: At, element: Type, def: Def): readonly { readonly set: object; readonly from: Def }[] {
  if (!Array.isArray(def.value)) return [{ set: def.value as object, from: new Def(def.value, def.origin) }];
  return def.value.flatMap((_, i) => {
    const loc = new Loc(at.loc, `[definition 1-entry ${i + 1}]`);
    const candidates = peel([childDef(def, member(def.value as object, String(i)))]);
    return candidates.flatMap((candidate) => {
      const { defs } = resolve(loc, [candidate], element);
      const bad = defs.filter((own) => !isSet(own.value) || Object.keys(own.value).length !== 1);
      if (bad.length > 0) throw misfit({ ...at, loc }, entryType, bad);
      return defs.map((from) => ({ set: from.value as object, from }));
    });
  });
}

/** What an element of the list is said to be when it is something else. */
const entryType: Type = makeType({
  name: "entry",
  description: "attribute set with one name",
  check: isSet,
  merge: (_, defs) => defs[0]?.value,
});

function one(at: At, element: Type): (entry: Entry) => object {
  return ({ name, def }) => {
    const entry = {};
    lazyMember(entry, name, new Loc(at.loc, name), at.context, element, [def]);
    return Object.freeze(entry);
  };
}

function grouped(at: At, element: Type, entries: readonly Entry[], merge: AttrListSettings["mergeAttrValues"]): object {
  const byName = groupBy(entries, ({ name }) => name);
  const valueOf = (entry: Entry): unknown => (one(at, element)(entry) as Record<string, unknown>)[entry.name];
  const set = {};
  for (const [name, own] of byName) {
    const get = (): unknown => {
      const values = own.map(valueOf);
      return merge === undefined ? Object.freeze(values) : merge(name, values);
    };
    Object.defineProperty(set, name, { enumerable: true, configurable: true, get });
  }
  return Object.freeze(set);
}
