/**
 * The type of options whose value is modules, for someone else to evaluate.
 */
import type { Def } from "../core/definition.ts";
import { ModuleRecord } from "../core/module.ts";
import { makeType, type Type } from "../core/type.ts";

/** Modules; the definitions are listed one after the other. */
export const deferredModule: Type = makeType({
  name: "deferredModule",
  description: "module",
  descriptionClass: "noun",
  check: (value) => modulesOf(value) !== undefined,
  merge: (_, defs) => Object.freeze(defs.flatMap((def: Def) => modulesOf(def.value) ?? [])),
  schema: () => ({ type: "array", maxItems: 0 }),
  emptyValue: () => Object.freeze([]),
});

function modulesOf(value: unknown): readonly ModuleRecord[] | undefined {
  if (value instanceof ModuleRecord) return [value];
  return Array.isArray(value) && value.every((item) => item instanceof ModuleRecord)
    ? (value as ModuleRecord[])
    : undefined;
}
