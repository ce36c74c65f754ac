/**
 * What has to be there before anything can be built: a busybox for every builder, and a bubblewrap to run builders in.
 *
 * Both are packages of the lock like any other, but nothing could build their trees yet. busybox is unpacked in this process and
 * becomes a source of the store, known by the hash of its tree. It unpacks bubblewrap and its libraries, which become a directory
 * beside the store, named by the hash of the files they are from, and are run by their own loader, so that a host needs neither the
 * libraries nor their version.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { fail } from "../problems/index.ts";
import { hashNar, narOfTree, type SandboxTool, syncTree, type Tree, toSri, writeTree } from "../store/index.ts";
import { readDeb } from "./deb.ts";
import { download } from "./download.ts";
import type { Bootstrap } from "./lock.ts";
import { type Mirrors, requireMirror } from "./mirror.ts";
import type { PackageRecord } from "./record.ts";
import { BUSYBOX, type PackageSource } from "./source.ts";
import { treeAt } from "./tar.ts";

/** The package whose program isolates builders. */
export const BUBBLEWRAP = "bubblewrap";

/** Look up what the bootstrap needs, so that it becomes part of the lock. */
export function bootstrapRecords(source: PackageSource): {
  readonly busybox: PackageRecord;
  readonly unpacker: readonly PackageRecord[] | undefined;
  readonly sandbox: readonly PackageRecord[];
} {
  return {
    busybox: source.find(BUSYBOX),
    unpacker: source.unpacker(),
    sandbox: source.resolve([BUBBLEWRAP]).packages.map((entry) => entry.record),
  };
}

const busyboxes = new Map<string, Promise<Tree>>();

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

/** The tree of the busybox source: `bin/busybox` and nothing else. It is fetched once, whoever asks. */
export function busyboxTree(record: PackageRecord, mirrors: Mirrors, signal?: AbortSignal): Promise<Tree> {
  let tree = busyboxes.get(record.sha256);
  if (tree === undefined) {
    tree = fetchBusybox(record, mirrors, signal);
    busyboxes.set(record.sha256, tree);
    // A failed download may succeed next time.
    tree.catch(() => busyboxes.delete(record.sha256));
  }
  return tree;
}

async function fetchBusybox(record: PackageRecord, mirrors: Mirrors, signal?: AbortSignal): Promise<Tree> {
  const tree = await readDeb(await fetchFile(record, mirrors, signal), record.filename);
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
  readonly signal?: AbortSignal | undefined;
  /** Called when everything is fetched and another process unpacks it. */
  readonly onUnpacking?: () => void;
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
  const { busybox, sandbox } = bootstrapRecords(options.source);
  const key = createHash("sha256");
  for (const record of sandbox) key.update(`${record.sha256}\n`);
  const parent = join(options.root, BOOTSTRAP);
  const place = join(parent, key.digest("hex").slice(0, 32));
  if (existsSync(place)) return programAt(place);
  options.onProgress?.(`fetching ${BUBBLEWRAP} and its libraries`);
  mkdirSync(parent, { recursive: true });
  removeLeft(parent);
  const work = mkdtempSync(`${place}.`);
  try {
    const { mirrors, signal } = options;
    const tree = busyboxTree(busybox, mirrors, signal);
    const files = await Promise.all(sandbox.map((record) => fetchFile(record, mirrors, signal)));
    writeTree(await tree, join(work, "busybox"));
    for (const [i, bytes] of files.entries()) writeFileSync(join(work, `${i}.deb`), bytes);
    const unpacked = run(join(work, "busybox/bin/busybox"), ["sh", "-ec", UNPACK], { cwd: work, env: {} });
    options.onUnpacking?.();
    await unpacked.catch(notUnpacked);
    // It has no hash to be checked by later, and is small: it is on the disk before it has its name.
    syncTree(join(work, "sandbox"));
    publish(join(work, "sandbox"), place);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return programAt(place);
}

/** What killed processes left. Whoever is still at work began less than an hour ago. */
function removeLeft(parent: string): void {
  for (const name of readdirSync(parent)) {
    const place = join(parent, name);
    const made = statSync(place, { throwIfNoEntry: false })?.mtimeMs ?? Date.now();
    if (name.includes(".") && Date.now() - made > 3_600_000) rmSync(place, { recursive: true, force: true });
  }
}

const run = promisify(execFile);

/** Of all that the packages have, the program and what the loader finds for it. */
const UNPACK = `
for deb in *.deb; do dpkg-deb -x "$deb" tree; done
mkdir -p sandbox/usr/bin sandbox/usr/lib64 sandbox/usr/lib/x86_64-linux-gnu
mv tree/usr/bin/bwrap sandbox/usr/bin
for file in tree/usr/lib/x86_64-linux-gnu/*.so* tree/lib/x86_64-linux-gnu/*.so*; do
  [ ! -e "$file" ] || mv "$file" sandbox/usr/lib/x86_64-linux-gnu
done
ln -s ../lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 sandbox/usr/lib64
`;

function notUnpacked(error: unknown): never {
  const said = (error as { stderr?: unknown }).stderr;
  fail(
    {
      code: "sandbox-unavailable",
      message: `${BUBBLEWRAP}, which isolates builders, cannot be unpacked`,
      notes: [String(said || error).trim()],
      fix: "The store's root must be on a file system that has room and lets programs run (no `noexec`); OSMOD_STORE_ROOT names another one.",
    },
    error,
  );
}

/** Of two processes that make the same directory one is first; the other's is the same. */
function publish(temporary: string, place: string): void {
  try {
    renameSync(temporary, place);
  } catch (error) {
    if (!existsSync(place)) throw error;
  }
}

function fetchFile(record: PackageRecord, mirrors: Mirrors, signal?: AbortSignal): Promise<Uint8Array> {
  const url = `${requireMirror(mirrors, record.archive)}/${record.filename}`;
  return download(url, { expected: record, ...(signal === undefined ? {} : { signal }) });
}
