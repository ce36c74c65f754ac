/**
 * What keeps store objects alive.
 *
 * A link root is a symlink the user sees (`./result`). The store notes where it is, by a link to the link, and never
 * changes it: removing `./result` is all it takes to let go of what it held. A named root is a link in the store's own
 * directory, for what shall stay without a file of the user's.
 */
import { readdirSync, rmSync } from "node:fs";
import { resolve } from "node:path";
import { fail } from "../../problems/index.ts";
import { encodeBase32 } from "../base32.ts";
import { compressHash, sha256 } from "../hash.ts";
import { placeForLink, readLink, replaceLink } from "../links.ts";
import { STORE_DIR, type StorePath } from "../path.ts";
import { createLayout } from "./layout.ts";
import { COLLECTING } from "./locks.ts";
import type { State } from "./state.ts";
import { syncPath } from "./sync.ts";

/** Something that keeps a path alive. */
export interface Root {
  readonly kind: "link" | "named";
  /** The name of a named root. */
  readonly name?: string;
  /** Where the link to the object lies. */
  readonly link: string;
  readonly path: StorePath;
}

/** Make `link` point to where `target` lies, and keep `target` while it does. */
export function addRoot(state: State, link: string, target: StorePath): void {
  const at = placeForLink(link, target);
  createLayout(state.layout);
  const note = `${state.layout.gcroots}/${encodeBase32(compressHash(sha256(at).bytes))}`;
  if (readLink(note) !== at) {
    replaceLink(note, at);
    // A link that outlives its note in a power cut would keep nothing.
    syncPath(state.layout.gcroots);
  }
  replaceLink(at, state.physical(target));
  stillThere(state, target);
}

/** Keep `target` under a name. Problem: `root-name-invalid`. */
export function addNamedRoot(state: State, name: string, target: StorePath): void {
  if (!/^[0-9a-zA-Z_+=@-][0-9a-zA-Z._+=@-]{0,200}$/.test(name)) {
    fail({
      code: "root-name-invalid",
      message: `${JSON.stringify(name)} cannot be the name of a root`,
      fix: "Use letters, digits and . _ + = @ - and no dot at the beginning.",
    });
  }
  createLayout(state.layout);
  replaceLink(`${state.layout.roots}/${name}`, state.physical(target));
  syncPath(state.layout.roots);
  stillThere(state, target);
}

/**
 * Let go: by the name of a named root, or by the place of a link, which is removed as well.
 * Problem: `root-not-found`.
 */
export function removeRoot(state: State, nameOrLink: string): Root {
  const at = resolve(nameOrLink);
  const root = roots(state).find(({ name, link }) => name === nameOrLink || link === at);
  if (root === undefined) {
    return fail({
      code: "root-not-found",
      message: `there is no root ${nameOrLink}`,
      fix: "`osmod store root list` shows all of them.",
    });
  }
  rmSync(root.link, { force: true });
  return root;
}

/** Every link that keeps a path alive, whether or not the path is valid. */
export function roots(state: State): Root[] {
  const found: Root[] = [];
  for (const name of listed(state.layout.gcroots)) {
    const link = readLink(`${state.layout.gcroots}/${name}`);
    const path = storePathAt(state, link);
    if (link !== undefined && path !== undefined) found.push({ kind: "link", link, path });
  }
  for (const name of listed(state.layout.roots)) {
    const link = `${state.layout.roots}/${name}`;
    const path = storePathAt(state, link);
    if (path !== undefined) found.push({ kind: "named", name, link, path });
  }
  return found.sort((a, b) => (a.link < b.link ? -1 : 1));
}

/** Remove notes of links that are gone or lead elsewhere. */
export function sweepRoots(state: State): void {
  for (const name of listed(state.layout.gcroots)) {
    const note = `${state.layout.gcroots}/${name}`;
    if (storePathAt(state, readLink(note)) === undefined) rmSync(note, { force: true });
  }
}

/** Which store path a link leads to. */
function storePathAt(state: State, link: string | undefined): StorePath | undefined {
  const store = state.physical(STORE_DIR);
  const target = readLink(link);
  if (target?.startsWith(`${store}/`) !== true) return undefined;
  return `${STORE_DIR}/${target.slice(store.length + 1).split("/")[0]}`;
}

/** A collection that began before the root was there may have taken the target; one that begins later sees the root. */
function stillThere(state: State, target: StorePath): void {
  state.locks.waitForEnd(COLLECTING);
  if (state.infos.isValid(target)) return;
  fail({
    code: "store-path-invalid",
    message: `${target} is not in the store at ${state.layout.root}`,
    fix: "It was collected in this moment, or never built: build it (again).",
  });
}

function listed(directory: string): string[] {
  try {
    return readdirSync(directory).filter((name) => !/\.tmp-\d+$/.test(name));
  } catch {
    return [];
  }
}
