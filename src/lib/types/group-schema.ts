/**
 * The JSON Schema of a group of options: an object with a property for each, and no others unless there is a free-form
 * type. No property is required: what one file leaves out, another may define.
 */
import { carefully, containsItself } from "../core/careful.ts";
import { anySchema, isListMade, type JsonSchema, noSchema, schemaOf } from "../core/json-schema.ts";
import { GroupSchema, OptionSchema, type SchemaNode } from "../core/schema.ts";
import type { Type } from "../core/type.ts";

/** The schema of a group. `free` is the type of the names that nobody declares. */
export function groupSchema(group: GroupSchema, free: Type | undefined): JsonSchema {
  if (free === undefined) return schemaOfGroup(group, noSchema);
  const schema = schemaOf(free, "whole");
  if (isSimple(group, schema)) return schemaOfGroup(group, schema);
  return { ...schemaOfGroup(group, anySchema), ...undeclared(group, schema) };
}

/** With what a simple schema says of sets for the names that the group does not declare. */
function schemaOfGroup(group: GroupSchema, others: JsonSchema): JsonSchema {
  const properties = propertiesOf(group, (child, name) =>
    child instanceof OptionSchema
      ? optionSchema(child)
      : child instanceof GroupSchema
        ? schemaOfGroup(child, inside(others, name))
        : noSchema,
  );
  if (others === noSchema) return { type: "object", properties, additionalProperties: false };
  const rest = inside(others, undefined);
  return {
    type: "object",
    properties,
    ...(isAny(rest) ? {} : { additionalProperties: rest === noSchema ? false : rest }),
  };
}

/** Whether a schema says the same of every name that a group does not declare, on every level of the group. */
function isSimple(group: GroupSchema, schema: JsonSchema): boolean {
  if (isAny(schema) || schema === noSchema) return true;
  if (isListMade(schema) || schema["type"] !== "object" || Object.hasOwn(schema, "properties")) return false;
  if (Object.hasOwn(schema, "maxProperties")) return false;
  return [...group.children].every(
    ([name, child]) => !(child instanceof GroupSchema) || isSimple(child, inside(schema, name)),
  );
}

/**
 * That the part of a set that a group does not declare fits a schema. Where all of it is declared, nothing is asked; where
 * the schema's value is no set, it gives way to the group's.
 */
function undeclared(group: GroupSchema, schema: JsonSchema): JsonSchema {
  return { anyOf: [onlyDeclared(group), beside(group, schema)] };
}

function onlyDeclared(group: GroupSchema): JsonSchema {
  const properties = propertiesOf(group, (child) => (child instanceof GroupSchema ? onlyDeclared(child) : anySchema));
  return { type: "object", properties, additionalProperties: false };
}

function beside(group: GroupSchema, schema: JsonSchema): JsonSchema {
  if (isAny(schema) || isListMade(schema)) return anySchema;
  if (isAny(schema["not"]) || Object.hasOwn(schema, "enum")) return noSchema;
  const parts: JsonSchema[] = [];
  for (const keyword of ["anyOf", "allOf"]) {
    const several = schema[keyword];
    if (Array.isArray(several)) parts.push({ [keyword]: (several as JsonSchema[]).map((part) => beside(group, part)) });
  }
  if (Object.hasOwn(schema, "if")) {
    const part = (keyword: string): JsonSchema => beside(group, schema[keyword] as JsonSchema);
    parts.push({ if: part("if"), then: part("then"), else: part("else") });
  }
  const { type } = schema;
  if (type === "object") parts.push(objectBeside(group, schema));
  else if (type !== undefined && !(Array.isArray(type) && type.includes("object"))) return noSchema;
  const [first = anySchema, ...others] = parts;
  return others.length === 0 ? first : { allOf: parts };
}

function objectBeside(group: GroupSchema, schema: JsonSchema): JsonSchema {
  const declared = propertiesOf(group, (child, name) =>
    child instanceof GroupSchema ? undeclared(child, inside(schema, name)) : anySchema,
  );
  const others = (schema["properties"] ?? {}) as Record<string, JsonSchema>;
  const rest = { additionalProperties: schema["additionalProperties"] ?? anySchema };
  if (schema["maxProperties"] === undefined) return { type: "object", properties: { ...others, ...declared }, ...rest };
  // One name of several: declared ones do not count.
  const choices = Object.keys(others).filter((name) => !group.children.has(name));
  return {
    anyOf: choices.map((name) => ({
      type: "object",
      properties: { ...declared, [name]: others[name] },
      required: [name],
      ...rest,
    })),
  };
}

function propertiesOf(
  group: GroupSchema,
  schemaFor: (child: SchemaNode, name: string) => JsonSchema,
): Record<string, JsonSchema> {
  const properties: Record<string, JsonSchema> = {};
  for (const [name, child] of group.children) {
    const value = schemaFor(child, name);
    Object.defineProperty(properties, name, { value, enumerable: true, configurable: true, writable: true });
  }
  return properties;
}

function isAny(schema: unknown): boolean {
  return typeof schema === "object" && schema !== null && Object.keys(schema).length === 0;
}

/** What a schema of sets says about the value of a name, or of every name that it does not list. */
function inside(schema: JsonSchema, name: string | undefined): JsonSchema {
  if (isAny(schema)) return anySchema;
  const properties = (schema["properties"] ?? {}) as Record<string, JsonSchema>;
  if (name !== undefined && Object.hasOwn(properties, name)) return properties[name] as JsonSchema;
  const rest = schema["additionalProperties"] ?? anySchema;
  return rest === false || schema === noSchema ? noSchema : (rest as JsonSchema);
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
