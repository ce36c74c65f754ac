/**
 * `/nix/store`: what things are called, how they are described, and where they are made.
 *
 * `StoreScope` describes (pure), `openStore` and `openNixStore` make (effects). Formats are exported for those who read other stores.
 */
export { type DerivationData, type DerivationOutput, parseDerivation, printDerivation } from "./aterm.ts";
export { BASE32_ALPHABET, decodeBase32, encodeBase32 } from "./base32.ts";
export { type Exported, type ExportOptions, exportToCache } from "./cache/export.ts";
export {
  generateKeys,
  type PublicKey,
  parsePublicKey,
  parseSecretKey,
  publicKeyOf,
  type SecretKey,
} from "./cache/keys.ts";
export { hashModulo, type Resolved, resolveDerivation, type Unresolved } from "./derivation.ts";
export type { Collected, CollectOptions } from "./embedded/collect.ts";
export { placeholder } from "./embedded/environment.ts";
export { isNamed } from "./embedded/find.ts";
export type { ImportOptions } from "./embedded/import.ts";
export { defaultRoot } from "./embedded/layout.ts";
export { type EmbeddedStore, type OpenStoreOptions, openStore } from "./embedded/open.ts";
export type { Optimised, OptimiseOptions } from "./embedded/optimise.ts";
export type { Repaired, RepairOptions } from "./embedded/repair.ts";
export type { Root } from "./embedded/roots.ts";
export type { Running } from "./embedded/running.ts";
export { type SandboxInput, type SandboxSpec, sandboxArgv } from "./embedded/sandbox.ts";
export { syncTree } from "./embedded/sync.ts";
export type { DiskUsage, Usage } from "./embedded/usage.ts";
export {
  type Finding,
  type FindingCode,
  findingProblem,
  type Verification,
  type VerifyOptions,
} from "./embedded/verify.ts";
export type { Dependency } from "./embedded/why-depends.ts";
export {
  compressHash,
  type Hash,
  type HashAlgo,
  isHashAlgo,
  parseHash,
  sameHash,
  sha256,
  toBase32,
  toHex,
  toSri,
} from "./hash.ts";
export { type Mention, mentions } from "./mentions.ts";
export * from "./nar/index.ts";
export { type OpenNixStoreOptions, openNixStore } from "./nix/open.ts";
export {
  type Derivation,
  type DerivationInput,
  originOf,
  type ProvideSource,
  type Source,
  type SourceContent,
  type StoreObject,
} from "./objects.ts";
export {
  checkName,
  type FixedMode,
  fixedPath,
  outputName,
  outputPath,
  parseStorePath,
  STORE_DIR,
  type StorePath,
  storeBaseName,
  textPath,
} from "./path.ts";
export { type DerivationSpec, type SourceSpec, StoreScope } from "./scope.ts";
export type { BuildEvent, PathInfo, Plan, PlanOptions, RealiseOptions, SandboxTool, Store } from "./store.ts";
