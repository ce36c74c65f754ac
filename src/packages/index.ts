/**
 * Where derivations come from: Debian's packages, resolved against a lock, and the trivial builders.
 */

export { type ArchiveIndex, type ReadArchiveOptions, readArchive, type SuiteInfo } from "./archive.ts";
export { formerSandbox, type HostSandboxOptions, hostSandbox } from "./bootstrap.ts";
export { explainGone } from "./gone.ts";
export { type Bootstrap, formatLock, type Lock, parseLock, readLock, writeLock } from "./lock.ts";
export { DEFAULT_EXCLUDED_PATHS } from "./merge.ts";
export { type ArchiveName, findMirrors, type MirrorSources, type Mirrors } from "./mirror.ts";
export { nodeForBuilders } from "./nodejs.ts";
export { indexUniverse, type PackagesText } from "./package-index.ts";
export { createPackageSet, type PackageSetOptions } from "./package-set.ts";
export { type PackageRecord, parseRecord } from "./record.ts";
export { type Reason, type Resolution, type ResolvedPackage, type ResolveOptions, resolve } from "./resolver.ts";
export { openPackageSource, type PackageSource, type PackageSourceInput } from "./source.ts";
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
export { requireFetchable } from "./unpack.ts";
export { compareVersions, type VersionOperator, versionSatisfies } from "./version.ts";
export { updateLock, type WithPackagesOptions, type WithPackagesResult, withPackages } from "./with-packages.ts";
