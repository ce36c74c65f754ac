/**
 * Collecting garbage: removing what nothing needs.
 *
 * Alive is what roots and running programs reach through references, and the descriptions (`.drv`) of all that, so that
 * it can be repaired. What was made lately stays as well: somebody may be about to make a root for it.
 *
 * Builds go on meanwhile. Each has said what it uses (running.ts); one that begins during a collection waits for its end.
 */
import { readdirSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { fail } from "../../problems/index.ts";
import { STORE_DIR, type StorePath } from "../path.ts";
import { forgetGarbage } from "./forget.ts";
import { COLLECTING } from "./locks.ts";
import { roots, sweepRoots } from "./roots.ts";
import { sweepRunning, usedNow } from "./running.ts";
import { several } from "./several.ts";
import type { State } from "./state.ts";
import { Tally } from "./tally.ts";
import { AT_A_TIME, removeTreeLater } from "./trees.ts";

/** How to collect. */
export interface CollectOptions {
  /** What was registered in this many last seconds stays, with all it refers to. Default: 600. */
  readonly graceSeconds?: number;
  /** Only say what would be removed. */
  readonly dryRun?: boolean;
  /** Called before a path is removed. */
  readonly onRemove?: (path: StorePath) => void;
}

/** What a collection did, or would do. */
export interface Collected {
  readonly removed: readonly StorePath[];
  /** How many things were removed that were never valid: what killed processes left. */
  readonly litter: number;
  /** Room on the disk that became free, in bytes. */
  readonly freed: number;
  /** Paths that are kept only because they were made lately. */
  readonly spared: number;
}

/** Between the end of a build and its root lies some time in which nothing may take its result away. */
const DEFAULT_GRACE_SECONDS = 600;

/** Remove what nothing needs. Problem: `store-busy`, when another collection is going on. */
export async function collectGarbage(state: State, options: CollectOptions = {}): Promise<Collected> {
  const release = state.locks.exclusive(COLLECTING);
  if (release === undefined) {
    return fail({
      code: "store-busy",
      message: `another collection is going on in the store at ${state.layout.root}`,
      fix: "Wait until it is done.",
    });
  }
  try {
    const young = Date.now() / 1000 - (options.graceSeconds ?? DEFAULT_GRACE_SECONDS);
    const used = usedNow(state);
    const all = state.infos.all();
    const needed = reachable(state, [...roots(state).map(({ path }) => path), ...used]);
    const recent = all.filter((path) => !needed.has(path) && registeredAt(state, path) > young);
    const alive = recent.length === 0 ? needed : reachable(state, [...needed, ...recent]);
    const removed = all.filter((path) => !alive.has(path));
    const litter = unregistered(state, new Set(all), used);
    const places = [...removed.map((path) => state.physical(path)), ...litter];
    const freed = await room(places);
    if (options.dryRun !== true) {
      // All become invalid before the first is removed: what refers to a removed path must never look valid.
      await forgetGarbage(state, removed);
      await several(removed, AT_A_TIME, async (path) => {
        options.onRemove?.(path);
        await removeTreeLater(state.physical(path));
      });
      await several(litter, AT_A_TIME, removeTreeLater);
      sweepRoots(state);
      sweepRunning(state);
    }
    return { removed, litter: litter.length, freed, spared: alive.size - needed.size };
  } finally {
    release();
  }
}

/**
 * What can be reached from some paths, with the descriptions of it. Unlike a closure it takes a damaged store as it is:
 * a path that is missing is kept registered, so that it is noticed and repaired.
 */
export function reachable(state: State, from: readonly StorePath[], derivers = true): Set<StorePath> {
  const alive = new Set<StorePath>();
  const open = [...from];
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    if (alive.has(path)) continue;
    const info = attempt(() => state.infos.registered(path as StorePath));
    if (info === undefined) continue;
    alive.add(path);
    if (info === "broken") continue;
    open.push(...info.references);
    if (derivers && info.deriver !== undefined) open.push(info.deriver);
  }
  return alive;
}

/** What lies in the store without being registered, and is not being made right now. */
function unregistered(state: State, registered: ReadonlySet<StorePath>, used: ReadonlySet<StorePath>): string[] {
  const objects = readdirSync(state.layout.store)
    .filter((name) => !name.startsWith(".tmp-"))
    .filter((name) => !registered.has(`${STORE_DIR}/${name}`) && !used.has(`${STORE_DIR}/${name}`))
    // Registered since the list was made, by a build that then is in nobody's list of what is used any more.
    .filter((name) => !state.infos.isRegistered(`${STORE_DIR}/${name}`));
  return [...objects.map((name) => `${state.layout.store}/${name}`), ...state.temporaries.left()];
}

async function room(places: readonly string[]): Promise<number> {
  const tally = new Tally();
  for (const place of places) {
    tally.add(place);
    await setImmediate();
  }
  return tally.freed;
}

function registeredAt(state: State, path: StorePath): number {
  const info = attempt(() => state.infos.registered(path));
  return info === undefined || info === "broken" ? 0 : info.registrationTime;
}

function attempt<T>(read: () => T): T | "broken" {
  try {
    return read();
  } catch {
    return "broken";
  }
}
