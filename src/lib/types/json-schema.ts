/**
 * The type of data that a JSON Schema describes.
 *
 * Definitions are merged as `json` merges them, and the whole must satisfy the schema. The validator is loaded when the
 * first such value is merged, not with the library: most configurations need none, and it takes longer to load than the
 * rest together. Merging is synchronous, so it is loaded by `require`.
 */
import { carefully } from "../core/careful.ts";
import type { Def } from "../core/definition.ts";
import type { JsonSchema } from "../core/json-schema.ts";
import { type Loc, names, showLoc, showPath } from "../core/loc.ts";
import type { Origin } from "../core/origin.ts";
import { custom, schemaInvalid } from "../core/problems.ts";
import { makeType, type Type } from "../core/type.ts";
import { json } from "./free.ts";

/** What is used of the validator. */
interface Validate {
  (data: unknown): boolean;
  readonly errors?: readonly Finding[] | null;
}
interface Finding {
  readonly instancePath: string;
  readonly message?: string;
  readonly params?: { readonly additionalProperty?: string; readonly allowedValues?: readonly unknown[] };
}

/** Data that a JSON Schema describes: 2020-12, or draft-07 where the schema says so. `origin` is where the schema is given. */
export function jsonSchema(schema: JsonSchema, origin?: Origin): Type {
  let validate: Validate | undefined;
  const type: Type = makeType({
    name: "jsonSchema",
    description: typeof schema["title"] === "string" ? schema["title"] : "JSON value that fits a schema",
    descriptionClass: "noun",
    check: json.check,
    misfits: json.misfits,
    merge: (at, defs) => {
      const value = json.merge(at, defs);
      validate ??= compile(schema, at.loc, origin);
      if (!validate(value)) throw mismatch(at.loc, defs, validate.errors ?? []);
      return value;
    },
    functor: { name: "jsonSchema", combine: (own, other) => (own === other ? type : undefined), payload: schema },
    schema: (depth) => (depth === "outside" ? {} : embedded(schema)),
  });
  return type;
}

type Compiler = new (options: object) => { compile(schema: object): Validate };

function compile(schema: JsonSchema, loc: Loc | undefined, origin: Origin | undefined): Validate {
  const isOld = typeof schema["$schema"] === "string" && /draft-0[67]/.test(schema["$schema"]);
  try {
    const require = process.getBuiltinModule("node:module").createRequire(import.meta.url);
    const { default: Ajv } = require(isOld ? "ajv" : "ajv/dist/2020.js") as { readonly default: Compiler };
    // One for each schema: two that have the same `$id` would get into each other's way.
    return new Ajv({ allErrors: true, strict: false, validateFormats: false, logger: false }).compile(schema);
  } catch (error) {
    throw schemaInvalid(loc, error, origin);
  }
}

function mismatch(loc: Loc | undefined, defs: readonly Def[], findings: readonly Finding[]): Error {
  const said = findings.map(({ instancePath, message, params }) => {
    const path = instancePath
      .split("/")
      .slice(1)
      .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
    const option = showPath([...names(loc), ...path]);
    const what = params?.additionalProperty ?? params?.allowedValues?.map((value) => JSON.stringify(value)).join(", ");
    return `${option} ${message ?? "does not fit"}${what === undefined ? "" : `: ${what}`}`;
  });
  const [first = "", ...rest] = said;
  return custom(
    "schema-mismatch",
    loc,
    `${showLoc(loc)} does not fit its schema: ${first}`,
    defs,
    "give what the schema describes.",
    rest,
  );
}

let embeddings = 0;

/** As a part of another schema, where its references to itself would otherwise lead outside. */
function embedded(schema: JsonSchema): JsonSchema {
  const { $schema: _, ...rest } = schema;
  const text = carefully(() => JSON.stringify(rest), undefined);
  if (text === undefined) return { $comment: "There is a further schema, which is no JSON." };
  if (rest["$id"] !== undefined || !text.includes('"$ref":"#')) return rest;
  embeddings++;
  return { $id: `urn:osmod:schema:${embeddings}`, ...rest };
}
