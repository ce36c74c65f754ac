/**
 * Claims on store paths, so that two processes never build one path at the same time.
 *
 * Node has no flock. A claim is an empty file whose name says everything: `<digits>.<owner>.<n>`, unique per claimant.
 *
 *     1. wait while a living claim on the path exists        (dead ones are removed by whoever sees them)
 *     2. create the own claim
 *     3. look again: alone → the path is ours; not alone → withdraw, wait a random moment, back to 1
 *
 * Of two that pass step 1 together, the one that creates later sees the other in step 3, so both can never hold the
 * path; both may withdraw, and the random wait ends that. Since names are unique, removing a dead claim can never hit a
 * living one, which is what goes wrong with takeover of a single lock file.
 */
import { closeSync, openSync, readdirSync, rmSync, utimesSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { hashPart } from "../mentions.ts";
import type { StorePath } from "../path.ts";
import type { Layout } from "./layout.ts";
import { ownerLives, thisOwner } from "./owner.ts";

/** Owners that other namespaces cannot see prove that they live this often. */
const TOUCH_EVERY_MS = 10_000;

/** About how long to wait before looking again. */
const PAUSE_MS = 35;

/** Announced while a store is cleaned up. */
export const COLLECTING = "collecting";

/** Claims of this process in one store. */
export class Locks {
  readonly #directory: string;
  /** Claim files held now. */
  readonly #held = new Set<string>();
  /** Within this process, whoever asked last for a path; the next one waits for it. */
  readonly #queue = new Map<string, Promise<void>>();
  #heartbeat: NodeJS.Timeout | undefined;
  #count = 0;

  constructor(layout: Layout) {
    this.#directory = layout.locks;
  }

  /** Run `work` while no other process, and no other caller here, holds any of the paths. */
  async with<T>(paths: readonly StorePath[], signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const release: (() => void)[] = [];
    try {
      // One order for everybody: two that want the same two paths cannot wait for each other.
      for (const hash of [...new Set(paths.map(hashPart))].sort()) {
        release.push(await this.#turn(hash));
        release.push(await this.#claim(hash, signal));
      }
      return await work();
    } finally {
      for (const undo of release.reverse()) undo();
    }
  }

  /** Announce an activity that only one process may be at; answers how to end it, or undefined when another one is. */
  exclusive(activity: string): (() => void) | undefined {
    if (this.#contested(activity, true)) return undefined;
    const file = this.#create(activity);
    // Of two that begin together both may step back, and never does neither.
    if (!this.#contested(activity, true, file)) return () => this.#drop(file);
    this.#drop(file);
    return undefined;
  }

  /** Wait until nobody is at an activity. */
  async ended(activity: string, signal: AbortSignal | undefined): Promise<void> {
    while (this.#contested(activity, true)) {
      signal?.throwIfAborted();
      await sleep(PAUSE_MS + Math.random() * PAUSE_MS, undefined, signal === undefined ? {} : { signal });
    }
  }

  /** The same, for callers that cannot wait otherwise: this thread stands still. */
  waitForEnd(activity: string): void {
    const nothing = new Int32Array(new SharedArrayBuffer(4));
    while (this.#contested(activity)) Atomics.wait(nothing, 0, 0, PAUSE_MS);
  }

  /** Remove the claims of processes that are gone. */
  sweep(): void {
    for (const name of readdirSync(this.#directory)) {
      const file = `${this.#directory}/${name}`;
      if (!ownerLives(ownerOf(name), file)) rmSync(file, { force: true });
    }
  }

  async #turn(hash: string): Promise<() => void> {
    const before = this.#queue.get(hash);
    let done: () => void = () => {};
    const mine = new Promise<void>((resolve) => {
      done = resolve;
    });
    this.#queue.set(hash, mine);
    await before;
    return () => {
      if (this.#queue.get(hash) === mine) this.#queue.delete(hash);
      done();
    };
  }

  async #claim(hash: string, signal: AbortSignal): Promise<() => void> {
    for (;;) {
      signal.throwIfAborted();
      if (!this.#contested(hash)) {
        const file = this.#create(hash);
        if (!this.#contested(hash)) return () => this.#drop(file);
        this.#drop(file);
      }
      await sleep(Math.random() * PAUSE_MS * 2, undefined, { signal });
    }
  }

  /** True when a living claim on the path exists; those of this process count only if asked for. */
  #contested(hash: string, own = false, except?: string): boolean {
    for (const name of readdirSync(this.#directory)) {
      if (!name.startsWith(hash)) continue;
      const file = `${this.#directory}/${name}`;
      if (file === except) continue;
      if (!own && this.#held.has(file)) continue;
      if (ownerLives(ownerOf(name), file)) return true;
      rmSync(file, { force: true });
    }
    return false;
  }

  #create(hash: string): string {
    const unique = `${++this.#count}${Math.random().toString(36).slice(2, 8)}`;
    const file = `${this.#directory}/${hash}.${thisOwner()}.${unique}`;
    closeSync(openSync(file, "wx"));
    this.#held.add(file);
    this.#heartbeat ??= setInterval(() => this.#touch(), TOUCH_EVERY_MS).unref();
    return file;
  }

  #drop(file: string): void {
    this.#held.delete(file);
    rmSync(file, { force: true });
    if (this.#held.size === 0) {
      clearInterval(this.#heartbeat);
      this.#heartbeat = undefined;
    }
  }

  #touch(): void {
    const now = new Date();
    for (const file of this.#held) {
      try {
        utimesSync(file, now, now);
      } catch {
        // A store that vanishes under us fails where it is used, with a better message.
      }
    }
  }
}

/** The middle of `<digits>.<owner>.<n>`. */
function ownerOf(claim: string): string {
  return claim.slice(claim.indexOf(".") + 1, claim.lastIndexOf("."));
}
