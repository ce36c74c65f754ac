/**
 * Surviving a loss of power.
 *
 * A rename makes a path visible at once, but its bytes may reach the disk much later; after a power cut a registered
 * file may be empty. Forcing every file to disk as it is made costs more than building it. Instead
 *
 *     mark (on disk) → make and register any number of paths → one sync of the file system → remove the mark
 *
 * While a mark is there, what was registered since it was made may be damaged. Killed processes do no harm: the kernel
 * still has what they wrote, and the next sync covers it. A mark from an earlier boot means that the machine went down
 * in between; {@link recover} then looks at the paths of that time, and forgets what is not as it was registered.
 */
import { lstatSync, readdirSync, readFileSync, rmSync, utimesSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { toBytes, toPath } from "../nar/bytes.ts";
import type { StorePath } from "../path.ts";
import { forgetWithReferrers } from "./forget.ts";
import { infoFile } from "./layout.ts";
import { ownerLives, sameBoot, thisOwner } from "./owner.ts";
import type { State } from "./state.ts";
import { syncFileSystem, syncPath, syncTree, writeDurably } from "./sync.ts";
import { examinePath } from "./verify.ts";

/** Clocks are set now and then; paths registered this much before a mark are looked at as well. */
const SLACK_SECONDS = 300;

/** Owners that other namespaces cannot see prove that they live this often. */
const TOUCH_EVERY_MS = 10_000;

/** Up to so many files are forced to disk one by one, at a millisecond or four each. */
const FEW_FILES = 200;

let count = 0;

/** Run `work`, which registers paths, so that all it made is on the disk when this resolves. */
export async function durably<T>(state: State, work: () => Promise<T>): Promise<T> {
  await recover(state);
  const { unsynced } = state.layout;
  const mark = `${unsynced}/${thisOwner()}.${++count}`;
  writeDurably(mark, `${Math.floor(Date.now() / 1000)}\n`);
  const heartbeat = setInterval(() => touch(mark), TOUCH_EVERY_MS).unref();
  try {
    const result = await work();
    for (const name of await syncMade(state, mark)) rmSync(`${unsynced}/${name}`, { force: true });
    return result;
  } finally {
    // After a failure the mark stays, and with it the memory that nothing was synced.
    clearInterval(heartbeat);
  }
}

/**
 * Force what was made to the disk; answers the marks that are covered. A few files are forced one by one: syncing the
 * file system would wait for everything that others are writing, too.
 */
async function syncMade(state: State, mark: string): Promise<string[]> {
  const { unsynced, store, infos } = state.layout;
  // Those of processes that are gone are covered by a sync of all, if they are there before it begins.
  const left = readdirSync(unsynced).filter((name) => {
    const owner = ownerOf(name);
    return sameBoot(owner) && !ownerLives(owner, `${unsynced}/${name}`);
  });
  const own = mark.slice(unsynced.length + 1);
  const made = [...state.made];
  const trees = made.flatMap((path) => [state.physical(path), infoFile(state.layout, path)]);
  if (left.length === 0 && entriesIn(trees) <= FEW_FILES) {
    for (const tree of trees) syncTree(tree);
    for (const directory of [store, infos]) syncPath(directory);
  } else {
    await syncFileSystem(store, [store, infos]);
  }
  for (const path of made) state.made.delete(path);
  return [own, ...left];
}

/** How many files and directories trees have; counting ends where it no longer matters. */
function entriesIn(trees: readonly string[]): number {
  let count = 0;
  const visit = (at: string): void => {
    count++;
    if (count > FEW_FILES || lstatSync(toPath(at), { throwIfNoEntry: false })?.isDirectory() !== true) return;
    for (const name of readdirSync(toPath(at), "latin1")) visit(`${at}/${name}`);
  };
  for (const tree of trees) visit(toBytes(tree));
  return count;
}

/** Look at what was registered before the machine went down, and forget what did not get to the disk. */
export async function recover(state: State): Promise<readonly StorePath[]> {
  const { unsynced } = state.layout;
  const marks = listed(unsynced).filter((name) => {
    const owner = ownerOf(name);
    return !sameBoot(owner) && !ownerLives(owner, `${unsynced}/${name}`);
  });
  if (marks.length === 0) return [];
  const since = Math.min(...marks.map((name) => began(`${unsynced}/${name}`))) - SLACK_SECONDS;
  const lost: StorePath[] = [];
  for (const path of state.infos.all()) {
    if (!wasRegisteredSince(state, path, since)) continue;
    if ((await examinePath(state, path)) !== undefined) lost.push(path);
    await setImmediate();
  }
  forgetWithReferrers(state, lost);
  await syncFileSystem(state.layout.store, [state.layout.infos]);
  for (const name of marks) rmSync(`${unsynced}/${name}`, { force: true });
  return lost;
}

function wasRegisteredSince(state: State, path: StorePath, since: number): boolean {
  try {
    return (state.infos.registered(path)?.registrationTime ?? 0) >= since;
  } catch {
    // A registration that cannot be read is just what may be left of one.
    return true;
  }
}

function began(mark: string): number {
  const written = Number.parseInt(readFileSync(mark, "utf8"), 10);
  // Written in one go with its directory's entry; if it is empty after all, everything is looked at.
  return Number.isFinite(written) ? written : 0;
}

function ownerOf(mark: string): string {
  return mark.slice(0, mark.lastIndexOf("."));
}

function listed(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function touch(file: string): void {
  const now = new Date();
  try {
    utimesSync(file, now, now);
  } catch {
    // A store that vanishes under us fails where it is used, with a better message.
  }
}
