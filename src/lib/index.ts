/**
 * The module system: options, definitions, priorities, and the evaluation that merges them.
 *
 * The vocabulary is NixOS's, and so are the merge rules; the compiler checks the names and types of options, and every
 * problem names the lines it comes from.
 */

export { type Problem, ProblemError, renderProblem, renderProblems, type Site } from "../problems/index.ts";
export {
  mergeAttrDefinitionsWithPrio,
  mkAliasAndWrapDefinitions,
  mkAliasAndWrapDefsWithPriority,
  mkAliasDefinitions,
  mkDerivedConfig,
  showOptionWithDefLocs,
} from "./api/aliases.ts";
export {
  type Definition,
  type Definitions,
  type MergeFunction,
  mergeDefaultOption,
  mergeEqualOption,
  mergeOneOption,
  mergeTypes,
  mergeUniqueOption,
  mkOptionType,
  type OptionTypeFunctor,
  type OptionTypeSpec,
} from "./api/custom-types.ts";
export { literalCode, literalExpression, literalMD, showOption } from "./api/doc-texts.ts";
export { defineModule, type EvalSpec, evalModules, isModule, setDefaultModuleLocation, using } from "./api/modules.ts";
export {
  doRename,
  mkAliasOptionModule,
  mkChangedOptionModule,
  mkMergedOptionModule,
  mkRemovedOptionModule,
  mkRenamedOptionModule,
  mkRenamedOptionModuleWith,
  type RenameSpec,
} from "./api/moved.ts";
export {
  declareOptions,
  mkEnableOption,
  mkOption,
  mkPackageOption,
  mkSinkUndeclaredOptions,
  type OptionSpec,
  type PackageOptionSpec,
} from "./api/options.ts";
export {
  define,
  literal,
  mapDefinitionValue,
  mkAfter,
  mkAssert,
  mkBefore,
  mkDefault,
  mkDefinition,
  mkEach,
  mkForce,
  mkIf,
  mkImageMediaOverride,
  mkMerge,
  mkOptionDefault,
  mkOrder,
  mkOverride,
  mkRemove,
  mkTransform,
  mkUnset,
  mkVMOverride,
} from "./api/properties.ts";
export { type FreeformType, type SubmoduleType, t, types } from "./api/types.ts";
export { type Assertion, assertionOptions, checkAssertions } from "./assertions.ts";
export { genAttrs, mapAttrs, mapAttrsTo } from "./attrs.ts";
export { ConfigError } from "./config-error.ts";
export { DocText } from "./core/doc-text.ts";
export { dataModule, readDataModule } from "./data-module.ts";
export { deprecationWarnings } from "./deprecations.ts";
export { type Difference, diff, renderDiff } from "./diff.ts";
export { type DocumentedValue, documentOptions, type OptionDoc } from "./documentation.ts";
export { type ExplainedDefinition, type Explanation, explain, parsePath, renderExplanation } from "./explain.ts";
export { type Profile, type ProfileEntry, profile, renderProfile } from "./profile.ts";
export * as raw from "./raw.ts";
export { type JsonSchema, toJsonSchema } from "./schema-export.ts";
export type * from "./typed/descriptors.ts";
export type * from "./typed/modules.ts";
