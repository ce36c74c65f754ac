/**
 * Types without a fixed shape: raw values, anything, JSON, plain sets, and the type of an option that names none.
 */
import { containsItself, isList } from "../core/careful.ts";
import { childDef, type Def, isGroup, member } from "../core/definition.ts";
import { anySchema, flat } from "../core/json-schema.ts";
import { definitionConflict } from "../core/problems.ts";
import { EachValue, Property } from "../core/property.ts";
import { type At, deepEqual, isPrimitive, makeType, mergeEqual, mergeOne, type Type } from "../core/type.ts";
import { nullOr, oneOf } from "./choices.ts";
import { attrsOf, listOf } from "./containers.ts";
import { bool, enumOf, number, str } from "./scalar.ts";
import { isFinished, isPlain, settled, settledList, settledMember } from "./settle.ts";

/** No wrapper can be a value: one that is left was nested wrongly. */
const unwrapped = (value: unknown): boolean => !(value instanceof Property || value instanceof EachValue);

/** A value that is neither merged nor looked into. */
export const raw: Type = makeType({
  name: "raw",
  description: "raw value",
  descriptionClass: "noun",
  check: unwrapped,
  isEager: isPrimitive,
  merge: (at, defs) => mergeOne(at, defs),
});

/** Sets are merged deeply; anything else has to be equal. */
export const anything: Type = makeType({
  name: "anything",
  description: "anything",
  descriptionClass: "noun",
  // Sets are merged member by member, which would not end.
  check: (value) => unwrapped(value) && !containsItself(value),
  isEager: isPrimitive,
  merge: mergeAnything,
});

/** The type of an option that names none: what can be put together is. */
export const unspecified: Type = makeType({
  name: "unspecified",
  description: "unspecified value",
  descriptionClass: "noun",
  check: unwrapped,
  isEager: isPrimitive,
  merge: mergeDefault,
});

/** A set that is not looked into; of equal names the first module's value counts. */
export const attrs: Type = makeType({
  name: "attrs",
  description: "attribute set",
  check: isGroup,
  schema: flat({ type: "object" }),
  merge: overlay,
  emptyValue: () => Object.freeze({}),
  emptyText: {},
});

function kind(value: unknown): string {
  if (Array.isArray(value)) return "list";
  if (isPlain(value)) return "set";
  return typeof value === "object" && value !== null ? "object" : typeof value;
}

function mergeAnything(at: At, defs: readonly Def[]): unknown {
  const [first] = defs as [Def];
  const kinds = new Set(defs.map((def) => kind(def.value)));
  if (kinds.size > 1) throw definitionConflict(at.loc, defs, "definitions of different kinds");
  switch ([...kinds][0]) {
    case "set":
      return attrsOf(anything).merge(at, defs);
    case "list":
      return mergeEqual(
        at,
        defs.map((def) => def.with(settled(at, def, def.value))),
      );
    case "object":
      return mergeOne(at, defs);
    case "function":
      if (defs.length === 1) return first.value;
      return (argument: unknown) =>
        mergeAnything(
          at,
          defs.map((def) => childDef(def, (def.value as (argument: unknown) => unknown)(argument))),
        );
    default:
      return mergeEqual(at, defs);
  }
}

/** What can be put together is: functions, lists, sets, truth by "or", text one after the other. */
export function mergeDefault(at: At, defs: readonly Def[]): unknown {
  const values = defs.map((def) => def.value);
  const [first] = values;
  if (values.length === 1 && typeof first === "function") return first;
  if (values.length === 1) return isPlain(first) ? overlay(at, defs) : settled(at, defs[0] as Def, first);
  const functions = values.filter((value) => typeof value === "function");
  if (functions.length === values.length) {
    return (argument: unknown) =>
      mergeDefault(
        at,
        defs.map((def) => childDef(def, (def.value as (argument: unknown) => unknown)(argument))),
      );
  }
  if (values.every(isList)) return settledList(at, defs);
  if (values.every(isPlain)) return overlay(at, defs);
  if (values.every((value) => typeof value === "boolean")) return values.includes(true);
  if (values.every((value) => typeof value === "string")) return values.join("");
  if (typeof first === "number" && values.every((value) => value === first)) return first;
  throw definitionConflict(at.loc, defs, "definitions that cannot be merged");
}

/** One set of several; later definitions win, values stay lazy. */
function overlay(at: At, defs: readonly Def[]): object {
  const [only] = defs as [Def];
  if (defs.length === 1 && isFinished(only.value, new Set())) return only.value as object;
  const merged = {};
  for (const def of defs) {
    const set = def.value as object;
    for (const key of Object.keys(set)) settledMember(merged, key, at, def, member(set, key));
  }
  return Object.freeze(merged);
}

/** What `serializableValueWith` takes. */
export interface SerializableSettings {
  /** What the values are of: `JSON`, `TOML`. */
  readonly typeName: string;
  /** Whether there is `null`; there is, unless said otherwise. */
  readonly nullable?: boolean | undefined;
}

/** Data of some format: truth, numbers, text, and sets and lists of those, which are merged deeply. */
export function serializableValueWith({ typeName, nullable = true }: SerializableSettings): Type {
  const name = typeName.toLowerCase();
  const check = (value: unknown): boolean => isJson(value) && (nullable || value !== null) && !containsItself(value);
  const scalars = oneOf([bool, number, str]);
  const type: Type = makeType({
    ...(nullable ? nullOr(scalars) : scalars),
    name,
    description: `${typeName} value`,
    descriptionClass: "noun",
    check,
    misfits: (defs) => defs.filter((def) => !check(def.value)),
    merge: (at, defs) => {
      const values = defs.map((def) => def.value);
      if (values.every(Array.isArray)) return listOf(type).merge(at, defs);
      if (values.every(isGroup)) return attrsOf(type).merge(at, defs);
      const [first, ...rest] = defs as [Def, ...Def[]];
      const other = rest.find((def) => !deepEqual(def.value, first.value));
      if (other !== undefined) throw definitionConflict(at.loc, [first, other]);
      return first.value;
    },
    isEager: (value) => isPrimitive(value) && check(value),
    emptyText: nullable ? null : undefined,
    schema: nullable ? flat(anySchema) : undefined,
    functor: {
      name: `${name} value`,
      payload: nullable,
      combine: (own, other) => (own === other ? type : undefined),
    },
  });
  return type;
}

/** Any JSON value; sets and lists are merged deeply. */
export const json: Type = serializableValueWith({ typeName: "JSON" });

/** What JSON can say, looking no deeper: the members are checked when they are merged. */
function isJson(value: unknown): boolean {
  return (
    (isPrimitive(value) && !(typeof value === "number" && !Number.isFinite(value))) || isList(value) || isPlain(value)
  );
}

/** Nothing at all: an option that cannot be defined. @internal */
export const impossible: Type = enumOf([]);
