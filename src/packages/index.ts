/**
 * Where derivations come from: Debian's packages, resolved against a lock, and the trivial builders.
 */

export { type PackageRecord, parseRecord } from "./record.ts";
export { type Reason, type Resolution, type ResolvedPackage, type ResolveOptions, resolve } from "./resolver.ts";
export type {
  Builders,
  ClosureMember,
  ClosureOptions,
  MergedTreeOptions,
  Package,
  PackageSet,
  RunCommandOptions,
  TreeFile,
} from "./types.ts";
export { overlay, type PackageUniverse, universeOf } from "./universe.ts";
export { compareVersions, type VersionOperator, versionSatisfies } from "./version.ts";
