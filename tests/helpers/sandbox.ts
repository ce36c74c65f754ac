/**
 * What tests that run real builders need: bubblewrap to isolate them, and a static busybox to be one.
 *
 * Both come from Debian's packages, fetched once into node_modules/.cache, as osmod itself gets them. Where neither the
 * cache nor an archive is at hand, bubblewrap and busybox of this machine will do; without those, such tests are skipped.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import {
  hashNar,
  narOfTree,
  type SandboxTool,
  type Source,
  type StoreScope,
  type Tree,
  toSri,
  writeTree,
} from "../../src/store/index.ts";

/** Tools for tests that build. */
export interface TestSandbox {
  readonly tool: SandboxTool;
  /** A static busybox on this machine. */
  readonly busybox: string;
}

/** What is kept between runs. */
interface Kept {
  readonly prefix: readonly string[];
  readonly busybox: string;
}

const cache = resolve(import.meta.dirname, "../../node_modules/.cache/osmod-sandbox");

/** The tools, or undefined when there is no way to get them. */
export async function testSandbox(): Promise<TestSandbox | undefined> {
  const kept = (await fromCache()) ?? fromMachine();
  return kept === undefined ? undefined : { tool: { prepare: async () => kept.prefix }, busybox: kept.busybox };
}

async function fromCache(): Promise<Kept | undefined> {
  const note = join(cache, "sandbox.json");
  if (existsSync(note)) {
    const kept = JSON.parse(readFileSync(note, "utf8")) as Kept;
    if ([...kept.prefix.filter((part) => part.startsWith("/")), kept.busybox].every(existsSync)) return kept;
  }
  try {
    mkdirSync(cache, { recursive: true });
    const kept = await fetchTools();
    writeFileSync(`${note}.${process.pid}`, JSON.stringify(kept));
    renameSync(`${note}.${process.pid}`, note);
    return kept;
  } catch (error) {
    console.warn(`no sandbox from the archive: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
}

async function fetchTools(): Promise<Kept> {
  // Processes that tests start find the cache filled, and need not load all of this.
  const { hostSandbox, withPackages } = await import("../../src/packages/index.ts");
  const lockFile = join(cache, "osmod.lock.json");
  const { source, mirrors, pkgs } = await withPackages({ lockFile, root: cache }, () => undefined);
  const prefix = await hostSandbox({ root: cache, source, mirrors }).prepare();
  const { content } = pkgs.staticBusybox;
  const tree = content.kind === "tree" ? await content.provide() : undefined;
  if (typeof tree !== "object") throw new Error("busybox is expected as a tree in memory");
  const place = join(cache, `busybox-${process.pid}`);
  writeTree(tree, place);
  return { prefix, busybox: join(place, "bin/busybox") };
}

function fromMachine(): Kept | undefined {
  const find = (...places: string[]): string | undefined => places.find(existsSync);
  const bwrap = find("/usr/bin/bwrap");
  const busybox = find("/usr/bin/busybox", "/bin/busybox");
  return bwrap === undefined || busybox === undefined ? undefined : { prefix: [bwrap], busybox };
}

/** The busybox as a source of a scope: `${source}/bin/busybox`. */
export function busyboxSource(scope: StoreScope, file: string): Source {
  const contents = readFileSync(file);
  const tree: Tree = directory({ bin: directory({ busybox: { type: "regular", executable: true, contents } }) });
  return scope.source({ name: "busybox", narHash: toSri(hashNar(narOfTree(tree)).hash), provide: async () => tree });
}

/** A directory in memory. */
export function directory(entries: { readonly [name: string]: Tree }): Tree {
  return { type: "directory", entries: new Map(Object.entries(entries)) };
}

/** A file in memory. */
export function file(contents: string, executable = false): Tree {
  return { type: "regular", executable, contents: Buffer.from(contents) };
}
