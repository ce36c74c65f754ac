/**
 * Links that keep store objects alive.
 *
 * A root is a symlink the user sees (`./result`). The store notes where it is, by a link to the link, and never changes
 * it: removing `./result` is all it takes to let go of what it held.
 */
import { lstatSync, mkdirSync, readdirSync, readlinkSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { fail } from "../../problems/index.ts";
import { encodeBase32 } from "../base32.ts";
import { compressHash, sha256 } from "../hash.ts";
import { STORE_DIR, type StorePath } from "../path.ts";
import { createLayout } from "./layout.ts";
import type { State } from "./state.ts";

/** Make `link` point to where `target` lies, and keep `target` while it does. */
export function addRoot(state: State, link: string, target: StorePath): void {
  const at = resolve(link);
  const there = lstatSync(at, { throwIfNoEntry: false });
  if (there !== undefined && !there.isSymbolicLink()) {
    fail({
      code: "root-occupied",
      message: `${at} cannot become a link to ${target}: something else is there`,
      fix: "Move it away, or choose another place for the link.",
    });
  }
  createLayout(state.layout);
  mkdirSync(dirname(at), { recursive: true });
  replaceLink(at, state.physical(target));
  const note = encodeBase32(compressHash(sha256(at).bytes));
  replaceLink(`${state.layout.gcroots}/${note}`, at);
}

/** Store paths that some link keeps alive; notes of links that are gone are removed. */
export function liveRoots(state: State): StorePath[] {
  const store = state.physical(STORE_DIR);
  const live: StorePath[] = [];
  for (const name of readdirSync(state.layout.gcroots)) {
    const note = `${state.layout.gcroots}/${name}`;
    const target = readLink(readLink(note));
    if (target?.startsWith(`${store}/`) === true)
      live.push(`${STORE_DIR}/${target.slice(store.length + 1).split("/")[0]}`);
    else rmSync(note, { force: true });
  }
  return live;
}

function replaceLink(link: string, target: string): void {
  const temporary = `${link}.tmp-${process.pid}`;
  rmSync(temporary, { force: true });
  symlinkSync(target, temporary);
  renameSync(temporary, link);
}

function readLink(link: string | undefined): string | undefined {
  if (link === undefined) return undefined;
  try {
    return readlinkSync(link);
  } catch {
    return undefined;
  }
}
