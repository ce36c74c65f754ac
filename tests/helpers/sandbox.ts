/**
 * What tests that run real builders need: bubblewrap to isolate them, and a static busybox to be one.
 *
 * Looked for in $OSMOD_TEST_SANDBOX or node_modules/.cache/osmod-sandbox (a tree `usr/…` of the unpacked packages
 * bubblewrap, libcap2, libselinux1, libpcre2-8-0, libc6 and busybox-static), then among the programs of this machine.
 */
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import {
  hashNar,
  narOfTree,
  type SandboxTool,
  type Source,
  type StoreScope,
  type Tree,
  toSri,
} from "../../src/store/index.ts";

/** Tools for tests that build. */
export interface TestSandbox {
  readonly tool: SandboxTool;
  /** A static busybox on this machine. */
  readonly busybox: string;
}

/** The tools, or undefined when this machine has none; such tests are skipped. */
export function testSandbox(): TestSandbox | undefined {
  const trees = [
    process.env["OSMOD_TEST_SANDBOX"],
    resolve(import.meta.dirname, "../../node_modules/.cache/osmod-sandbox"),
  ];
  for (const tree of trees) {
    if (tree === undefined || !existsSync(join(tree, "usr/bin/bwrap"))) continue;
    const libraries = join(tree, "usr/lib/x86_64-linux-gnu");
    const prefix = [join(libraries, "ld-linux-x86-64.so.2"), "--library-path", libraries, join(tree, "usr/bin/bwrap")];
    return { tool: { prepare: async () => prefix }, busybox: join(tree, "usr/bin/busybox") };
  }
  const [bwrap, busybox] = [["/usr/bin/bwrap"], ["/usr/bin/busybox", "/bin/busybox"]].map((places) =>
    places.find(existsSync),
  );
  if (bwrap === undefined || busybox === undefined) return undefined;
  return { tool: { prepare: async () => [bwrap] }, busybox };
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
