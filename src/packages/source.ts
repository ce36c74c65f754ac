/**
 * A package source: what package sets resolve against, and a record of what they used.
 *
 * Behind it is a lock, an index, or both, the lock's versions first. With a lock alone, whatever the lock does not have
 * is `package-not-locked`: not an error of the machine, but the sign that an index has to be read. `missing` says so
 * even when the problem was caught or wrapped on its way.
 */
import { fail, ProblemError } from "../problems/index.ts";
import type { ArchiveIndex, SuiteInfo } from "./archive.ts";
import type { Bootstrap, Lock } from "./lock.ts";
import type { PackageRecord } from "./record.ts";
import { type Resolution, type ResolveOptions, resolve } from "./resolver.ts";
import { overlay, type PackageUniverse, universeOf } from "./universe.ts";

/** Where a package set finds its packages. */
export interface PackageSource {
  /** The package of that name, on its own. */
  find(name: string): PackageRecord;
  resolve(roots: readonly string[], options?: ResolveOptions): Resolution;
  /** The pinned busybox; what is not pinned yet has to be fetched once. */
  requireBusybox(): Bootstrap["busybox"];
  /** The packages whose xz unpacks the others: those that the lock names, or the archive's; undefined where there are none. */
  unpacker(): readonly PackageRecord[] | undefined;
  /** The suites behind it. */
  readonly suites: readonly SuiteInfo[];
  /** Every package that was looked up or came out of a resolution, by name. */
  readonly used: ReadonlyMap<string, PackageRecord>;
  /** What the lock alone could not answer, one line each. */
  readonly missing: readonly string[];
}

/** What {@link openPackageSource} opens. */
export interface PackageSourceInput {
  readonly lock?: Lock | undefined;
  readonly index?: ArchiveIndex | undefined;
  /** Given when there is an index and the lock has no busybox, or another one. */
  readonly busybox?: Bootstrap["busybox"] | undefined;
}

/** Open a source for synchronous resolution. Problem of a locked source: `package-not-locked`. */
export function openPackageSource(input: PackageSourceInput): PackageSource {
  const { lock, index } = input;
  const locked = lock && universeOf(Object.values(lock.packages));
  const universe: PackageUniverse =
    index === undefined ? (locked ?? universeOf([])) : locked ? overlay(locked, index.universe) : index.universe;
  const used = new Map<string, PackageRecord>();
  const missing: string[] = [];

  /** With the lock alone every failure may be due to what the lock lacks. */
  const answer = <T>(what: string, find: () => T): T => {
    if (index !== undefined) return find();
    try {
      return find();
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      missing.push(what);
      fail(
        {
          code: "package-not-locked",
          message: `the lock does not have everything for ${what}`,
          notes: error.problems.map((problem) => problem.message),
          fix: "Add it with `osmod lock`.",
        },
        error,
      );
    }
  };

  const find = (name: string): PackageRecord =>
    answer(name, () => {
      // Resolving the name without its dependencies gives virtual names and problems the same treatment everywhere.
      const record = universe.find(name) ?? resolve(universe, [name]).packages.at(-1)!.record;
      used.set(record.name, record);
      return record;
    });

  return {
    find,
    resolve: (roots, options) =>
      answer([...roots].sort().join(", "), () => {
        const resolution = resolve(universe, roots, options);
        for (const { record } of resolution.packages) used.set(record.name, record);
        return resolution;
      }),
    requireBusybox: () => answer(BUSYBOX, () => input.busybox ?? pinnedBusybox(lock) ?? fail(notPinned)),
    unpacker: () => {
      const names = lock === undefined ? UNPACKER : lock.bootstrap.unpacker;
      if (lock === undefined && !UNPACKER.every((name) => universe.find(name) !== undefined)) return undefined;
      return names?.map(find);
    },
    suites: index?.suites ?? lock?.suites ?? [],
    used,
    missing,
  };
}

const notPinned = {
  code: "package-not-locked",
  message: "no busybox is pinned",
  fix: "Add it with `osmod lock`.",
};

/** The lock's busybox, as long as it belongs to the package file that the lock has. */
export function pinnedBusybox(lock: Lock | undefined): Bootstrap["busybox"] | undefined {
  const busybox = lock?.bootstrap.busybox;
  return busybox !== undefined && lock?.packages[BUSYBOX]?.sha256 === busybox.sha256 ? busybox : undefined;
}

/** xz and the libraries it is linked with. */
const UNPACKER: readonly string[] = ["libc6", "liblzma5", "xz-utils"];

/** The package that has the static busybox. */
export const BUSYBOX = "busybox-static";
