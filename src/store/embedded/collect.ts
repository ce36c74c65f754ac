/**
 * Looking after a store: removing what nothing needs, and finding what no longer is what it was.
 *
 * Alive is what a root reaches through references. A collection and a build exclude each other: both announce
 * themselves by a claim before they look for the other's, so that of two that begin together at least one sees the
 * other and steps back (locks.ts tells why that is safe).
 *
 * Nothing is forced to disk while building, as with Nix's default; after a loss of power a file may be empty that was
 * written just before. `verify` finds such objects by their hash and makes them invalid, so that they are built again.
 */
import { readdirSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { fail } from "../../problems/index.ts";
import { toSri } from "../hash.ts";
import { lentNarOfPath } from "../nar/disk.ts";
import { hashNar } from "../nar/write.ts";
import { STORE_DIR, type StorePath } from "../path.ts";
import { BUILDING, COLLECTING } from "./locks.ts";
import { liveRoots } from "./roots.ts";
import type { State } from "./state.ts";
import { removeTree } from "./trees.ts";

/** What a collection did. */
export interface Collected {
  readonly removed: readonly StorePath[];
  /** Sum of the archives' sizes, in bytes. */
  readonly freed: number;
}

/** Remove every path that no root reaches and that was registered more than `graceSeconds` ago, and all garbage. */
export async function collectGarbage(state: State, graceSeconds: number): Promise<Collected> {
  const release = state.locks.announce(COLLECTING, BUILDING);
  if (release === undefined) {
    return fail({
      code: "store-busy",
      message: `something is being built in the store at ${state.layout.root}`,
      fix: "Wait until it is done, then collect again.",
    });
  }
  try {
    const young = Date.now() / 1000 - graceSeconds;
    const all = state.infos.all().filter((path) => state.infos.isValid(path));
    const recent = all.filter((path) => (state.infos.get(path)?.registrationTime ?? 0) > young);
    const alive = reachable(state, [...liveRoots(state), ...recent]);
    const removed = state.infos.all().filter((path) => !alive.has(path));
    const freed = removed.reduce((sum, path) => sum + (state.infos.get(path)?.narSize ?? 0), 0);
    // All become invalid before the first is removed: what refers to a removed path must never look valid.
    for (const path of removed) state.infos.forget(path);
    for (const name of readdirSync(state.layout.store)) {
      if (alive.has(`${STORE_DIR}/${name}`)) continue;
      removeTree(`${state.layout.store}/${name}`);
      await setImmediate();
    }
    return { removed, freed };
  } finally {
    release();
  }
}

/** Make every path invalid whose content no longer has the registered hash, and answer which. */
export async function verify(state: State): Promise<StorePath[]> {
  const damaged: StorePath[] = [];
  for (const path of state.infos.all()) {
    const info = state.infos.get(path);
    if (info !== undefined && toSri(hashNar(lentNarOfPath(state.physical(path))).hash) !== info.narHash) {
      state.infos.forget(path);
      damaged.push(path);
    }
    await setImmediate();
  }
  return damaged;
}

/** What can be reached from some paths. Unlike a closure it takes a damaged store as it is. */
function reachable(state: State, from: readonly StorePath[]): Set<StorePath> {
  const alive = new Set<StorePath>();
  const open = [...from];
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    const info = alive.has(path) ? undefined : state.infos.get(path);
    if (info === undefined) continue;
    alive.add(path);
    open.push(...info.references);
  }
  return alive;
}
