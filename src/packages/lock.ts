/**
 * The lock, `osmod.lock.json`: every package a machine can need, by hash.
 *
 * One line a package, sorted, so that a change of versions reads as a change of those lines. It names archives, never
 * mirrors: the same lock builds the same machine from any of them. Everything in it was verified when it was written,
 * and whatever is fetched by it is checked against it; the file itself is trusted as the machine's own source is.
 */
import { readFile, rename, writeFile } from "node:fs/promises";
import { fail, quoted } from "../problems/index.ts";
import type { SuiteInfo } from "./archive.ts";
import { PACKAGE_NAME, type PackageRecord, SAFE_FILENAME } from "./record.ts";

/** What is pinned besides packages: trees that are needed before anything can be built. */
export interface Bootstrap {
  readonly busybox: {
    readonly version: string;
    /** Of the package file the tree is made from; the entry counts only as long as the lock has that file. */
    readonly sha256: string;
    /** Of the tree with `bin/busybox`, as SRI. */
    readonly narHash: string;
  };
  /** Names of the packages whose xz unpacks all others. A lock from before there was one has none, and keeps its paths. */
  readonly unpacker?: readonly string[];
}

/** A lock. */
export interface Lock {
  readonly version: 1;
  readonly suites: readonly SuiteInfo[];
  readonly bootstrap: Bootstrap;
  /** By name. */
  readonly packages: { readonly [name: string]: PackageRecord };
}

/** Read a lock; undefined when there is none. A lock that cannot be used is the problem `lock-malformed`. */
export async function readLock(file: string): Promise<Lock | undefined> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return undefined;
    return malformed(file, `cannot be read: ${message}`, undefined, error);
  }
  return parseLock(text, file);
}

/** Write a lock in one step: readers see the old one or the new one. */
export async function writeLock(file: string, lock: Lock): Promise<void> {
  const temporary = `${file}.${process.pid}`;
  await writeFile(temporary, formatLock(lock));
  await rename(temporary, file);
}

/** Print a lock. */
export function formatLock(lock: Lock): string {
  const suites = lock.suites.map((suite) => `    ${JSON.stringify(ordered(suite, SUITE_KEYS))}`);
  const packages = Object.keys(lock.packages)
    .sort()
    .map((name) => {
      const { name: _, ...record } = lock.packages[name]!;
      return `    ${JSON.stringify(name)}: ${JSON.stringify(ordered(record, RECORD_KEYS))}`;
    });
  const { busybox, unpacker } = lock.bootstrap;
  const bootstrap = [
    `    "busybox": ${JSON.stringify(ordered(busybox, ["version", "sha256", "narHash"]))}`,
    ...(unpacker === undefined ? [] : [`    "unpacker": ${JSON.stringify(unpacker)}`]),
  ];
  return `{
  "version": 1,
  "suites": [
${suites.join(",\n")}
  ],
  "bootstrap": {
${bootstrap.join(",\n")}
  },
  "packages": {
${packages.join(",\n")}
  }
}
`;
}

/** Read the text of a lock; text that is not one is the problem `lock-malformed`. */
export function parseLock(text: string, file: string): Lock {
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch (error) {
    const at = /position (\d+)/.exec((error as Error).message)?.[1];
    const line = at === undefined ? undefined : text.slice(0, Number(at)).split("\n").length;
    malformed(file, "is not JSON", line, error);
  }
  if (!isObject(data)) malformed(file, "is not an object", 1);
  if (data.version !== 1) {
    malformed(
      file,
      `has version ${typeof data.version === "number" ? data.version : `of type ${typeof data.version}`}, and this osmod knows version 1`,
      lineOf(text, "version"),
    );
  }
  if (!isObject(data.packages)) malformed(file, "has no packages", lineOf(text, "packages"));
  const packages: { [name: string]: PackageRecord } = {};
  for (const [name, value] of Object.entries(data.packages)) {
    const wrong = isObject(value) ? wrongField(name, value) : "is not an object";
    if (wrong !== undefined) malformed(file, `has a package ${quoted(name)} that ${wrong}`, lineOf(text, name));
    packages[name] = { name, ...(value as Omit<PackageRecord, "name">) };
  }
  const suites = data.suites;
  if (!Array.isArray(suites) || !suites.every(isSuite)) {
    malformed(file, "has no proper list of suites", lineOf(text, "suites"));
  }
  const { busybox, unpacker } = isObject(data.bootstrap) ? data.bootstrap : {};
  if (!isObject(busybox) || !isBusybox(busybox)) {
    malformed(file, "does not say what busybox is", lineOf(text, "bootstrap"));
  }
  if (unpacker !== undefined && !isUnpacker(unpacker)) {
    malformed(file, "has an unpacker that is no list of package names", lineOf(text, "unpacker"));
  }
  return { version: 1, suites, bootstrap: { busybox, ...(unpacker === undefined ? {} : { unpacker }) }, packages };
}

const SUITE_KEYS = ["archive", "suite", "version", "date", "sha256"] as const;
const RECORD_KEYS = [
  "version",
  "architecture",
  "archive",
  "filename",
  "size",
  "sha256",
  "source",
  "priority",
  "essential",
  "multiArch",
  "preDepends",
  "depends",
  "recommends",
  "provides",
  "conflicts",
  "breaks",
  "replaces",
] as const;

const HEX = /^[0-9a-f]{64}$/;

/** What is wrong with a package's entry, as the end of a sentence. */
function wrongField(name: string, value: { readonly [key: string]: unknown }): string | undefined {
  if (!PACKAGE_NAME.test(name)) return "has an impossible name";
  const shapes: { readonly [key: string]: RegExp } = {
    version: /^[A-Za-z0-9.+:~-]+$/,
    architecture: /^(amd64|all)$/,
    archive: /^[a-z][a-z0-9-]*$/,
    filename: SAFE_FILENAME,
    sha256: HEX,
  };
  for (const [key, shape] of Object.entries(shapes)) {
    const field = value[key];
    if (typeof field !== "string" || !shape.test(field)) return `has no proper ${key}`;
  }
  if (!Number.isSafeInteger(value.size) || (value.size as number) < 0) return "has no proper size";
  for (const [key, field] of Object.entries(value)) {
    if (!(RECORD_KEYS as readonly string[]).includes(key)) return `has an unknown field ${quoted(key)}`;
    if (key !== "size" && key !== "essential" && typeof field !== "string") return `has a ${key} that is not text`;
  }
  return value.essential === undefined || value.essential === true ? undefined : "has an `essential` that is not true";
}

function isSuite(value: unknown): value is SuiteInfo {
  return (
    isObject(value) &&
    ["archive", "suite", "date"].every((key) => typeof value[key] === "string") &&
    HEX.test(String(value.sha256)) &&
    (value.version === undefined || typeof value.version === "string")
  );
}

function isBusybox(value: { readonly [key: string]: unknown }): value is Bootstrap["busybox"] & typeof value {
  return (
    typeof value.version === "string" &&
    HEX.test(String(value.sha256)) &&
    /^sha256-[A-Za-z0-9+/]{43}=$/.test(String(value.narHash))
  );
}

function isUnpacker(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((name) => typeof name === "string" && PACKAGE_NAME.test(name));
}

function isObject(value: unknown): value is { readonly [key: string]: unknown } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function ordered(value: object, keys: readonly string[]): object {
  const from = value as { readonly [key: string]: unknown };
  return Object.fromEntries(keys.filter((key) => from[key] !== undefined).map((key) => [key, from[key]]));
}

/** The line on which a key stands; good enough for a file that we print one entry a line. */
function lineOf(text: string, key: string): number | undefined {
  const at = text.indexOf(`${JSON.stringify(key)}:`);
  return at < 0 ? undefined : text.slice(0, at).split("\n").length;
}

function malformed(file: string, what: string, line?: number, cause?: unknown): never {
  fail(
    {
      code: "lock-malformed",
      message: `the lock ${what}`,
      sites: [line === undefined ? { file } : { file, line }],
      fix: "Take the file from version control, or delete it; the next build writes a new one.",
    },
    cause,
  );
}
