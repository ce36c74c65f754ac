/**
 * Evaluating with packages: by the lock alone when it has everything, else by the archive, and then the lock grows.
 *
 *     lock ──► evaluate ──► done                             no network, the usual case
 *       └─ something is missing ─► index ─► evaluate again ─► lock with what was used
 *
 * An evaluation is pure, so running it twice is only a matter of time. What is in the lock keeps its version until an
 * update is asked for; then the lock becomes exactly what the evaluation used.
 */
import { join } from "node:path";
import { fail } from "../problems/index.ts";
import { defaultRoot } from "../store/index.ts";
import { type ArchiveIndex, type ReadArchiveOptions, readArchive } from "./archive.ts";
import { bootstrapRecords, pinBusybox } from "./bootstrap.ts";
import { type Bootstrap, formatLock, type Lock, readLock, writeLock } from "./lock.ts";
import { findMirrors, type Mirrors } from "./mirror.ts";
import { createPackageSet } from "./package-set.ts";
import type { PackageRecord } from "./record.ts";
import { openPackageSource, type PackageSource, pinnedBusybox } from "./source.ts";
import type { PackageSet } from "./types.ts";

/** How {@link withPackages} works. */
export interface WithPackagesOptions {
  /** Path of `osmod.lock.json`. */
  readonly lockFile: string;
  /** The store's root, which also keeps fetched indexes. Default: the store's own default. */
  readonly root?: string;
  /** Addresses of the archives, where the environment says nothing else. */
  readonly mirrors?: Mirrors;
  /** Forget the lock's versions. Default: no. */
  readonly update?: boolean;
  /** Fail with `package-not-locked` rather than ask an archive or write the lock. Default: no. */
  readonly frozen?: boolean;
  /** Only look: the lock is not written, and the archive is asked only when the evaluation needs a package. Default: no. */
  readonly readOnly?: boolean;
  readonly onProgress?: (line: string) => void;
  /** Told where packages will be found before anything is evaluated, so that what every build needs is made ready meanwhile. */
  readonly onSource?: (source: PackageSource, mirrors: Mirrors) => void;
  readonly signal?: AbortSignal;
  /** For archives other than Debian's own; see {@link readArchive}. */
  readonly archive?: Pick<ReadArchiveOptions, "keyring" | "now" | "allowExpired">;
}

/** What came of it. */
export interface WithPackagesResult<T> {
  readonly value: T;
  readonly pkgs: PackageSet;
  readonly source: PackageSource;
  readonly mirrors: Mirrors;
  /** Absent when none was needed. */
  readonly lock: Lock | undefined;
  /** True when the lock was written. */
  readonly lockChanged: boolean;
}

/** Evaluate against the lock, and against the archive when the lock does not do. */
export async function withPackages<T>(
  options: WithPackagesOptions,
  evaluate: (pkgs: PackageSet) => T | Promise<T>,
): Promise<WithPackagesResult<T>> {
  const mirrors = findMirrors(options.mirrors === undefined ? {} : { given: options.mirrors });
  const lock = await readLock(options.lockFile);
  if (options.frozen === true && lock === undefined) notFrozen(options.lockFile, ["there is no lock"]);

  if ((lock !== undefined || options.readOnly === true) && options.update !== true) {
    const source = openPackageSource({ lock });
    const pkgs = createPackageSet({ source, mirrors });
    let failure: { error: unknown } | undefined;
    let value: T | undefined;
    try {
      if (options.readOnly !== true) bootstrapRecords(source);
      options.onSource?.(source, mirrors);
      value = await evaluate(pkgs);
    } catch (error) {
      failure = { error };
    }
    // Judged by what the source noticed: on its way out the problem may have been wrapped, or caught.
    if (source.missing.length === 0) {
      if (failure !== undefined) throw failure.error;
      return { value: value as T, pkgs, source, mirrors, lock, lockChanged: false };
    }
    if (options.frozen === true) notFrozen(options.lockFile, source.missing);
    if (lock !== undefined)
      options.onProgress?.("the lock does not have everything that is asked for; asking the archive");
  }

  const index = await readIndex(options, mirrors, lock);
  const kept = options.update === true ? undefined : lock;
  const found = openPackageSource({ lock: kept, index });
  const { busybox: record } = bootstrapRecords(found);
  options.onSource?.(found, mirrors);
  const known = pinnedBusybox(lock);
  const busybox = known?.sha256 === record.sha256 ? known : await pinBusybox(record, mirrors, options.signal);

  const source = openPackageSource({ lock: kept, index, busybox });
  const pkgs = createPackageSet({ source, mirrors });
  const { unpacker } = bootstrapRecords(source);
  const value = await evaluate(pkgs);

  const packages: { [name: string]: PackageRecord } = { ...kept?.packages };
  for (const [name, used] of source.used) packages[name] = used;
  const grown: Lock = { version: 1, suites: index.suites, bootstrap: { busybox, ...named(unpacker) }, packages };
  const differs = lock === undefined || formatLock(lock) !== formatLock(grown);
  const lockChanged = differs && options.readOnly !== true;
  if (lockChanged) await writeLock(options.lockFile, grown);
  return { value, pkgs, source, mirrors, lock: grown, lockChanged };
}

/** Move the lock to what the archive has now. */
export function updateLock<T>(
  options: WithPackagesOptions,
  evaluate: (pkgs: PackageSet) => T | Promise<T>,
): Promise<WithPackagesResult<T>> {
  return withPackages({ ...options, update: true }, evaluate);
}

function named(unpacker: readonly PackageRecord[] | undefined): Pick<Bootstrap, "unpacker"> {
  return unpacker === undefined ? {} : { unpacker: unpacker.map((record) => record.name) };
}

function readIndex(options: WithPackagesOptions, mirrors: Mirrors, lock: Lock | undefined): Promise<ArchiveIndex> {
  return readArchive({
    mirrors,
    ...(lock === undefined ? {} : { notBefore: lock.suites }),
    cacheDirectory: join(options.root ?? defaultRoot(), "nix/var/osmod/cache"),
    ...options.archive,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
    ...(options.onProgress === undefined ? {} : { onProgress: options.onProgress }),
  });
}

function notFrozen(file: string, missing: readonly string[]): never {
  fail({
    code: "package-not-locked",
    message: "the lock does not have everything that the machine needs",
    sites: [{ file }],
    notes: missing.map((what) => `missing: ${what}`),
    fix: "Run `osmod lock` and commit the file.",
  });
}
