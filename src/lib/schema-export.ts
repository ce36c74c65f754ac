/**
 * JSON Schema of options, for editors and for whoever writes data files.
 */
import { expecting, inCall } from "./core/calls.ts";
import { RawEvaluation } from "./core/evaluate.ts";
import { type JsonSchema, schemaOf } from "./core/json-schema.ts";
import { unknownOrigin } from "./core/origin.ts";
import { GroupSchema, isTree } from "./core/schema.ts";
import { isType } from "./core/type.ts";
import type { OptionType, Tree } from "./typed/descriptors.ts";
import type { Evaluation } from "./typed/modules.ts";
import { groupSchema } from "./types/group-schema.ts";
import { freeOf } from "./types/submodule.ts";

export type { JsonSchema } from "./core/json-schema.ts";

const dialect = "https://json-schema.org/draft/2020-12/schema";

/**
 * The JSON Schema (2020-12) of an evaluation, a tree of options, or a type. It accepts the plain data that may define
 * them, and carries descriptions, defaults and examples. Conditions that are functions (`t.addCheck`, `t.opaque`, what a
 * conversion refuses) are not in it.
 *
 *     writeFileSync("machine.schema.json", JSON.stringify(toJsonSchema(evaluation)))
 *
 * @example
 * import { t, toJsonSchema } from "osmod/lib";
 *
 * toJsonSchema(t.nullOr(t.bool))["anyOf"]; // [{ type: "null" }, { type: "boolean" }]
 */
export function toJsonSchema(of: Evaluation<unknown> | Tree | OptionType): JsonSchema {
  return inCall("toJsonSchema", () => ({ $schema: dialect, ...bare(of) }));
}

function bare(of: unknown): JsonSchema {
  if (of instanceof RawEvaluation) {
    const { root, entries } = of.scope;
    return groupSchema(root.schema, freeOf(entries));
  }
  if (isType(of)) return schemaOf(of, "whole");
  expecting(isTree(of), "toJsonSchema", "an evaluation, a tree of options or a type", of);
  return groupSchema(new GroupSchema([{ tree: of, origin: unknownOrigin }]), undefined);
}
