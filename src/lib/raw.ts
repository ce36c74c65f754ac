/**
 * The untyped interface of the module system: what `defineModule`, data modules and the conformance tests are made of.
 *
 * Use it to bring in modules from another notation. Whoever writes modules in TypeScript wants the typed interface.
 */
export { type EvaluateSpec, type Extension, evaluate, RawEvaluation } from "./core/evaluate.ts";
export type { ModuleGraph } from "./core/graph.ts";
export { type ModuleFields, type ModuleLike, ModuleRecord } from "./core/module.ts";
export { nodeOf, type OptionNode } from "./core/node.ts";
export { OptionDecl, type OptionFields } from "./core/option.ts";
export { Origin } from "./core/origin.ts";
export { Change, EachValue, LiteralValue, Property, type PropertyKind, UnsetValue } from "./core/property.ts";
export type { Type } from "./core/type.ts";
export {
  type EvaluatedOption,
  evalOptionValue,
  type FileDefinition,
  mergeDefinitions,
} from "./merge-definitions.ts";
export { aliasModule, mergedModule, movedModule, type Rename, removedModule, renamedModule } from "./renames.ts";
export { attrListWith } from "./types/attr-list.ts";
export { attrTag, coercedTo, either, functionTo, nullOr, oneOf } from "./types/choices.ts";
export { attrsOf, attrsWith, lazyAttrsOf, listOf, nonEmptyListOf } from "./types/containers.ts";
export { deferredModule, deferredModuleWith } from "./types/deferred.ts";
export { anything, attrs, json, raw, serializableValueWith, unspecified } from "./types/free.ts";
export { externalPath, path, pathInStore, pathWith } from "./types/paths.ts";
export * from "./types/scalar.ts";
export { submodule } from "./types/submodule.ts";
