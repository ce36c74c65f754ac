/**
 * JSON Schema (2020-12) as types say it.
 *
 * A type's schema accepts the plain data that the type accepts as a definition. Types look at their definitions in two
 * steps, first at the outside and then, while merging, at what is inside; `either` decides by the outside alone. A schema
 * is therefore asked for at one of two depths:
 *
 *     listOf(int)   outside  { type: array }
 *                   whole    { type: array, items: { type: integer } }
 */

/** A schema. */
export interface JsonSchema {
  readonly [keyword: string]: unknown;
}

/** How much of a value a schema describes. */
export type Depth = "outside" | "whole";

/** Makes the schema of a type. */
export type SchemaMaker = (depth: Depth) => JsonSchema;

/** Accepts everything. */
export const anySchema: JsonSchema = Object.freeze({});
/** Accepts nothing. */
export const noSchema: JsonSchema = Object.freeze({ not: anySchema });

/** A schema that is the same at both depths. */
export function flat(schema: JsonSchema): SchemaMaker {
  return () => schema;
}

const listMade = new WeakSet<JsonSchema>();

/** Mark the schema of definitions that a list is made of, sets too. */
export function listMadeSchema(schema: JsonSchema): JsonSchema {
  listMade.add(schema);
  return schema;
}

/** Whether a list is made of what a schema accepts. */
export function isListMade(schema: JsonSchema): boolean {
  return listMade.has(schema);
}

/** The schema of a type that has none of its own. */
export function schemaOf(type: { readonly schema: SchemaMaker | undefined }, depth: Depth): JsonSchema {
  return type.schema?.(depth) ?? anySchema;
}

/** The one or the other; `first` has the say about everything that looks like it from outside. */
export function eitherSchema(first: SchemaMaker, second: SchemaMaker, depth: Depth): JsonSchema {
  const [a, b] = [first(depth), second(depth)];
  const outside = first("outside");
  if (depth === "outside" || isSame(outside, a) || isDisjoint(outside, second("outside"))) return { anyOf: [a, b] };
  return { if: outside, then: a, else: b };
}

/** A schema with another one. */
export function both(a: JsonSchema, b: JsonSchema): JsonSchema {
  return a === anySchema ? b : { allOf: [a, b] };
}

function isSame(a: JsonSchema, b: JsonSchema): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function isDisjoint({ type: a }: JsonSchema, { type: b }: JsonSchema): boolean {
  const numbers = ["number", "integer"];
  return typeof a === "string" && typeof b === "string" && a !== b && !(numbers.includes(a) && numbers.includes(b));
}

/** A regular expression as a pattern, which is always read as Unicode; `undefined` where that would mean something else. */
export function patternOf(source: string, flags: string): JsonSchema {
  const isPlain = flags.replace(/[gyu]/g, "") === "";
  try {
    return isPlain && new RegExp(source, "u") ? { pattern: source } : { $comment: `matches /${source}/${flags}` };
  } catch {
    return { $comment: `matches /${source}/${flags}` };
  }
}
