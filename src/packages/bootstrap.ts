/**
 * What has to be there before anything can be built: a busybox for every builder, and a bubblewrap to run builders in.
 *
 * Both are packages of the lock like any other, but nothing could build their trees yet. Their files are fetched and
 * unpacked in this process. busybox becomes a source of the store, known by the hash of its tree; bubblewrap and its
 * libraries become a directory beside the store, named by the hash of what is in it, and run by their own loader, so
 * that a host needs neither the libraries nor their version.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { fail } from "../problems/index.ts";
import { hashNar, narOfTree, type SandboxTool, syncTree, type Tree, toSri, writeTree } from "../store/index.ts";
import { readDeb } from "./deb.ts";
import { download } from "./download.ts";
import type { Bootstrap } from "./lock.ts";
import { type Mirrors, requireMirror } from "./mirror.ts";
import type { PackageRecord } from "./record.ts";
import { BUSYBOX, type PackageSource } from "./source.ts";
import { overlayTrees, treeAt } from "./tar.ts";

/** The package whose program isolates builders. */
export const BUBBLEWRAP = "bubblewrap";

/** Look up what the bootstrap needs, so that it becomes part of the lock. */
export function bootstrapRecords(source: PackageSource): {
  readonly busybox: PackageRecord;
  readonly sandbox: readonly PackageRecord[];
} {
  return {
    busybox: source.find(BUSYBOX),
    sandbox: source.resolve([BUBBLEWRAP]).packages.map((entry) => entry.record),
  };
}

/** Fetch busybox to learn the hash that its tree will be known by. */
export async function pinBusybox(
  record: PackageRecord,
  mirrors: Mirrors,
  signal?: AbortSignal,
): Promise<Bootstrap["busybox"]> {
  const tree = await busyboxTree(record, mirrors, signal);
  const { version, sha256 } = record;
  return { version, sha256, narHash: toSri(hashNar(narOfTree(tree)).hash) };
}

/** The tree of the busybox source: `bin/busybox` and nothing else. */
export async function busyboxTree(record: PackageRecord, mirrors: Mirrors, signal?: AbortSignal): Promise<Tree> {
  const tree = await fetchTree(record, mirrors, signal);
  const program = treeAt(tree, "usr/bin/busybox") ?? treeAt(tree, "bin/busybox");
  if (program?.type !== "regular") {
    fail({
      code: "package-damaged",
      message: `${record.filename} has no busybox in it`,
      fix: "Move the lock on with `osmod lock --update`.",
    });
  }
  return {
    type: "directory",
    entries: new Map([["bin", { type: "directory", entries: new Map([["busybox", program]]) }]]),
  };
}

/** What {@link hostSandbox} needs. */
export interface HostSandboxOptions {
  /** The store's physical root. */
  readonly root: string;
  /** Where the packages are found; usually what `withPackages` answers. */
  readonly source: PackageSource;
  readonly mirrors: Mirrors;
  readonly onProgress?: (line: string) => void;
}

/** The bubblewrap of the lock, unpacked on first need below `<root>/nix/var/osmod/bootstrap`. */
export function hostSandbox(options: HostSandboxOptions): SandboxTool {
  let ready: Promise<readonly string[]> | undefined;
  return {
    prepare() {
      ready ??= prepareSandbox(options).catch((error: unknown) => {
        // A failed download may succeed next time.
        ready = undefined;
        throw error;
      });
      return ready;
    },
  };
}

/**
 * The bubblewrap that a former build unpacked, for work in a store without a machine at hand.
 * Problem: `sandbox-unavailable`, when nothing was built in this store yet.
 */
export function formerSandbox(root: string): SandboxTool {
  return {
    async prepare() {
      const parent = join(root, BOOTSTRAP);
      const places = existsSync(parent) ? readdirSync(parent).filter((name) => /^[0-9a-f]{32}$/.test(name)) : [];
      const made = (name: string) => statSync(join(parent, name)).mtimeMs;
      const [newest] = places.sort((a, b) => made(b) - made(a));
      if (newest !== undefined) return programAt(join(parent, newest));
      return fail({
        code: "sandbox-unavailable",
        message: `the store at ${root} has no ${BUBBLEWRAP} to isolate builders with`,
        fix: "Build a machine first (`osmod build-vm`): that fetches it.",
      });
    },
  };
}

const BOOTSTRAP = "nix/var/osmod/bootstrap";

function programAt(place: string): readonly string[] {
  const library = join(place, "usr/lib/x86_64-linux-gnu");
  return [join(place, "usr/lib64/ld-linux-x86-64.so.2"), "--library-path", library, join(place, "usr/bin/bwrap")];
}

async function prepareSandbox(options: HostSandboxOptions): Promise<readonly string[]> {
  const { sandbox } = bootstrapRecords(options.source);
  const key = createHash("sha256");
  for (const record of sandbox) key.update(`${record.sha256}\n`);
  const parent = join(options.root, BOOTSTRAP);
  const place = join(parent, key.digest("hex").slice(0, 32));
  if (!existsSync(place)) {
    options.onProgress?.(`fetching ${BUBBLEWRAP} and its libraries`);
    const trees = await Promise.all(sandbox.map((record) => fetchTree(record, options.mirrors)));
    const tree = pick(overlayTrees(trees), ["usr/bin/bwrap", "usr/lib", "usr/lib64"]);
    mkdirSync(parent, { recursive: true });
    const temporary = `${place}.${process.pid}`;
    rmSync(temporary, { recursive: true, force: true });
    writeTree(tree, temporary);
    // It has no hash to be checked by later, and is small: it is on the disk before it has its name.
    syncTree(temporary);
    publish(temporary, place);
  }
  return programAt(place);
}

/** Of two processes that make the same directory one is first; the other's is the same and goes away. */
function publish(temporary: string, place: string): void {
  try {
    renameSync(temporary, place);
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    if (!existsSync(place)) throw error;
  }
}

/** The parts of a tree at some paths, at those paths. */
function pick(tree: Tree, paths: readonly string[]): Tree {
  const picked = paths.flatMap((path) => {
    const part = treeAt(tree, path);
    if (part === undefined) return [];
    return [
      path
        .split("/")
        .reduceRight<Tree>((inner, name) => ({ type: "directory", entries: new Map([[name, inner]]) }), part),
    ];
  });
  return overlayTrees(picked);
}

async function fetchTree(record: PackageRecord, mirrors: Mirrors, signal?: AbortSignal): Promise<Tree> {
  const url = `${requireMirror(mirrors, record.archive)}/${record.filename}`;
  const bytes = await download(url, { expected: record, ...(signal === undefined ? {} : { signal }) });
  return readDeb(bytes, record.filename);
}
