/**
 * The JSON Schema of a group of options: an object with a property for each, and no others unless there is a free-form
 * type. No property is required: what one file leaves out, another may define.
 */
import { carefully, containsItself } from "../core/careful.ts";
import { anySchema, type JsonSchema, noSchema, schemaOf } from "../core/json-schema.ts";
import { GroupSchema, OptionSchema } from "../core/schema.ts";
import type { Type } from "../core/type.ts";

/** The schema of a group. `free` is the type of the names that nobody declares. */
export function groupSchema(group: GroupSchema, free: Type | undefined): JsonSchema {
  const others = free === undefined ? undefined : schemaOf(free, "whole");
  return schemaOfGroup(group, others === undefined ? false : inside(others));
}

function schemaOfGroup(group: GroupSchema, others: unknown): JsonSchema {
  const properties: Record<string, JsonSchema> = {};
  for (const [name, child] of group.children) {
    const schema =
      child instanceof OptionSchema
        ? optionSchema(child)
        : child instanceof GroupSchema
          ? schemaOfGroup(child, others === false ? false : inside(others as JsonSchema))
          : noSchema;
    Object.defineProperty(properties, name, { value: schema, enumerable: true, configurable: true, writable: true });
  }
  return { type: "object", properties, ...(isAny(others) ? {} : { additionalProperties: others }) };
}

function isAny(schema: unknown): boolean {
  return typeof schema === "object" && schema !== null && Object.keys(schema).length === 0;
}

/** What a schema of sets says about their values; false when it takes no sets. */
function inside(schema: JsonSchema): unknown {
  if (isAny(schema)) return anySchema;
  if (schema["type"] !== "object") return false;
  return schema["additionalProperties"] ?? anySchema;
}

function optionSchema(option: OptionSchema): JsonSchema {
  const description = option.first("description");
  const example = option.first("example");
  const fallback = option.first("defaultText") === undefined && option.hasDefault ? option.default : undefined;
  // With a default, the one definition that a read-only option takes is there already.
  const isClosed = option.readOnly && option.hasDefault;
  return {
    ...(isClosed ? noSchema : schemaOf(option.type, "whole")),
    ...(description === undefined || description === "" ? {} : { description }),
    ...(carefully(() => isData(fallback), false) ? { default: fallback } : {}),
    ...(carefully(() => isData(example), false) ? { examples: [example] } : {}),
    ...(option.readOnly ? { readOnly: true } : {}),
  };
}

/** True for what JSON can say without losing anything; throws where there is no end, or no looking. */
function isData(value: unknown): boolean {
  if (value === null || typeof value === "string" || typeof value === "boolean") return true;
  if (typeof value === "number") return Number.isFinite(value);
  if (typeof value !== "object" || containsItself(value)) return false;
  if (Array.isArray(value)) return value.every(isData);
  const prototype: unknown = Object.getPrototypeOf(value);
  const descriptors = Object.values(Object.getOwnPropertyDescriptors(value));
  return (
    (prototype === Object.prototype || prototype === null) &&
    descriptors.every((member) => member.get === undefined && isData(member.value))
  );
}
