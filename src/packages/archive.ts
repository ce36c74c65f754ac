/**
 * Reading an archive: for each suite `InRelease` (signed), from it the hash of `Packages`, from that the packages.
 *
 *     mirror/dists/trixie/InRelease               signature checked against the pinned keys
 *       └ main/binary-amd64/by-hash/SHA256/…      size and sha256 checked; kept in the cache under that hash
 *           └ pool/main/n/nginx/nginx_….deb       size and sha256 checked by whoever fetches it
 *
 * `InRelease` is asked for each time, that is what makes an index current. Indexes are named by their hash, so a cached
 * one is as good as a fetched one; its hash is checked again, it costs little.
 */
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fail, ProblemError } from "../problems/index.ts";
import { check, download, type Expected } from "./download.ts";
import { type ArchiveName, type Mirrors, requireMirror } from "./mirror.ts";
import { indexUniverse, type PackagesText } from "./package-index.ts";
import { checkRelease, parseRelease, type Release, releaseTime } from "./release.ts";
import { debianKeyring, type Keyring, verifySigned } from "./signature.ts";
import type { PackageUniverse } from "./universe.ts";
import { ungzip, unxz } from "./xz.ts";

/** A suite that was read, as the lock records it. */
export interface SuiteInfo {
  readonly archive: string;
  readonly suite: string;
  /** Debian's point release, for example `13.7`. */
  readonly version?: string;
  /** When the archive made it, in the spelling of its `Release`. */
  readonly date: string;
  /** Of the `Packages` text. */
  readonly sha256: string;
}

/** The packages of all suites, and which suites those were. */
export interface ArchiveIndex {
  readonly suites: readonly SuiteInfo[];
  readonly universe: PackageUniverse;
}

/** How to read the archives. */
export interface ReadArchiveOptions {
  readonly mirrors: Mirrors;
  /** Directory that keeps indexes between runs. Without one nothing is kept. */
  readonly cacheDirectory?: string;
  /** Default: Debian's keys. */
  readonly keyring?: Keyring;
  /** Default: the clock. */
  readonly now?: Date;
  /** Accept a `Release` past its `Valid-Until`. Default: whether OSMOD_DEBIAN_ALLOW_EXPIRED is 1. */
  readonly allowExpired?: boolean;
  /** What a lock was made from: no suite may be older than that, unless expired ones are accepted. */
  readonly notBefore?: readonly SuiteInfo[];
  readonly signal?: AbortSignal;
  /** Told what is being done, one line each. */
  readonly onProgress?: (line: string) => void;
}

/** Suites that make up a machine, all of them parts of one release. */
const SUITES: readonly { readonly archive: ArchiveName; readonly suite: string }[] = [
  { archive: "debian", suite: "trixie" },
  { archive: "debian", suite: "trixie-updates" },
  { archive: "debian-security", suite: "trixie-security" },
];

const COMPONENT = "main";
const ARCHITECTURE = "amd64";

/** Debian's main index unpacks to 57 MB; ten times that is a bomb. */
const INDEX_LIMIT = 600_000_000;

/**
 * Read the indexes of all suites whose archive has a known address.
 *
 * Problems: `archive-unsigned`, `archive-tampered`, `archive-key-invalid`, `archive-wrong-suite`,
 * `archive-wrong-architecture`, `archive-expired`, `archive-not-yet-valid`, `archive-downgraded`, `archive-weak-hashes`,
 * `archive-malformed`, `hash-mismatch`.
 */
export async function readArchive(options: ReadArchiveOptions): Promise<ArchiveIndex> {
  requireMirror(options.mirrors, "debian");
  const keyring = options.keyring ?? (await debianKeyring());
  const wanted = SUITES.filter(({ archive }) => options.mirrors[archive] !== undefined);
  const read = await Promise.all(wanted.map(({ archive, suite }) => readSuite(archive, suite, keyring, options)));
  return { suites: read.map((entry) => entry.info), universe: indexUniverse(read.map((entry) => entry.packages)) };
}

async function readSuite(
  archive: ArchiveName,
  suite: string,
  keyring: Keyring,
  options: ReadArchiveOptions,
): Promise<{ info: SuiteInfo; packages: PackagesText }> {
  const base = `${requireMirror(options.mirrors, archive)}/dists/${suite}`;
  const signal = options.signal === undefined ? {} : { signal: options.signal };
  const url = `${base}/InRelease`;
  options.onProgress?.(`reading ${suite}`);
  const message = await download(url, signal).catch((error: unknown) => noSuite(error, suite, base));
  const allowExpired = options.allowExpired ?? process.env.OSMOD_DEBIAN_ALLOW_EXPIRED === "1";
  const now = options.now ?? new Date();
  const release = parseRelease(await verifySigned(message, keyring, url, { now, allowExpired }), url);
  checkRelease(allowExpired ? withoutExpiry(release) : release, suite, url, now);
  if (!allowExpired) {
    const before = options.notBefore?.find((known) => known.archive === archive && known.suite === suite);
    if (before !== undefined) checkNotOlder(release, before, url);
  }

  const path = `${COMPONENT}/binary-${ARCHITECTURE}/Packages`;
  const expected = release.files.get(path) ?? incomplete(url, path);
  if (expected.size > INDEX_LIMIT) tooLarge(url, path, expected.size);
  const bytes = await readIndex(base, path, release, expected.size, options);
  check(`${base}/${path}`, bytes, expected);
  const { version, date } = release;
  return {
    info: { archive, suite, ...(version === undefined ? {} : { version }), date, sha256: expected.sha256 },
    // One byte a character: names, versions and relations are ASCII, and descriptions are never looked at.
    packages: { text: Buffer.from(bytes).toString("latin1"), archive, label: `${archive} ${suite} ${COMPONENT}` },
  };
}

/** The unpacked index. gzip is preferred: Node unpacks it natively, and several times as fast as xz. */
async function readIndex(
  base: string,
  path: string,
  release: Release,
  size: number,
  options: ReadArchiveOptions,
): Promise<Uint8Array> {
  for (const [suffix, unpack] of [
    [".gz", ungzip],
    [".xz", unxz],
    ["", undefined],
  ] as const) {
    const expected = release.files.get(path + suffix);
    if (expected === undefined) continue;
    if (expected.size > INDEX_LIMIT) tooLarge(base, path + suffix, expected.size);
    const url = release.byHash
      ? `${base}/${dirname(path)}/by-hash/SHA256/${expected.sha256}`
      : `${base}/${path}${suffix}`;
    const packed = await cached(url, expected, options);
    return unpack === undefined ? packed : await unpack(packed, url, size + 1);
  }
  return incomplete(base, path);
}

async function cached(url: string, expected: Expected, options: ReadArchiveOptions): Promise<Uint8Array> {
  const file = options.cacheDirectory && join(options.cacheDirectory, "indexes", expected.sha256);
  if (file) {
    try {
      const bytes = await readFile(file);
      check(file, bytes, expected);
      return bytes;
    } catch {
      // Not there, or damaged on disk: fetch it.
    }
  }
  options.onProgress?.(`fetching ${url} (${Math.ceil(expected.size / 1000)} kB)`);
  const bytes = await download(url, { expected, ...(options.signal === undefined ? {} : { signal: options.signal }) });
  if (file) {
    await mkdir(dirname(file), { recursive: true });
    const temporary = `${file}.${process.pid}`;
    await writeFile(temporary, bytes);
    await rename(temporary, file);
  }
  return bytes;
}

/** An archive only moves on. One that went back is stale, or somebody wants the holes back that were closed since. */
function checkNotOlder(release: Release, before: SuiteInfo, url: string): void {
  const [made, known] = [releaseTime(release.date), releaseTime(before.date)];
  if (made === undefined || known === undefined || made >= known) return;
  fail({
    code: "archive-downgraded",
    message: `${url} is of ${release.date}, older than what the lock was made from`,
    notes: [`the lock was made from ${before.archive} ${before.suite} of ${before.date}`],
    fix: "The mirror is stale, or holds back updates: use another one. To go back on purpose, to a dated snapshot, set OSMOD_DEBIAN_ALLOW_EXPIRED=1.",
  });
}

function tooLarge(where: string, path: string, size: number): never {
  fail({
    code: "archive-malformed",
    message: `${where} says that ${path} has ${size} bytes, where ${INDEX_LIMIT} are allowed`,
    fix: "The mirror does not serve Debian's archive; use another one.",
  });
}

function withoutExpiry(release: Release): Release {
  const { validUntil: _, ...rest } = release;
  return rest;
}

function noSuite(error: unknown, suite: string, base: string): never {
  if (!(error instanceof ProblemError) || !error.has("fetch-not-found")) throw error;
  fail(
    {
      code: "archive-malformed",
      message: `there is no suite ${suite} at ${base}`,
      fix: "OSMOD_DEBIAN_MIRROR (OSMOD_DEBIAN_SECURITY_MIRROR for security) must be the directory that has dists/ below it.",
    },
    error,
  );
}

function incomplete(where: string, path: string): never {
  fail({
    code: "archive-malformed",
    message: `${where} lists no ${path}`,
    fix: "The mirror has no packages for amd64; use another one.",
  });
}
