/**
 * The directories a builder writes to, used again by the next builder.
 *
 * Every input needs a mount point in the scratch store, and most inputs (the shell, the tools) are those of the build
 * before. Removing a directory can take two milliseconds on some file systems, more than a small builder runs; so what
 * the next build needs as well is left in place, and everything else goes.
 */
import { mkdirSync } from "node:fs";
import { storeBaseName } from "../path.ts";
import type { SandboxInput } from "./sandbox.ts";
import type { Temporaries } from "./temporaries.ts";
import { removeEntries, removeTree } from "./trees.ts";

/** One builder's directories. */
export class Scratch {
  /** Becomes `/nix/store`. */
  readonly store: string;
  /** Becomes `/build`. */
  readonly build: string;
  readonly #place: string;
  /** Names in the scratch store that bubblewrap made, and nobody could change: something was mounted on them. */
  #mountPoints: ReadonlySet<string> = new Set();

  constructor(place: string) {
    this.#place = place;
    this.store = `${place}/store`;
    this.build = `${place}/build`;
    // Nobody else comes in: a builder may make setuid programs and world-writable files as long as it runs.
    mkdirSync(place, 0o700);
    for (const directory of [this.store, this.build]) mkdirSync(directory, 0o755);
  }

  /** Empty the directories but for the mount points that these inputs need. */
  prepare(inputs: readonly SandboxInput[]): void {
    const names = inputs.filter((input) => input.symlink === undefined).map((input) => storeBaseName(input.path));
    const needed = new Set(names);
    removeEntries(this.store, (name) => !needed.has(name) || !this.#mountPoints.has(name));
    removeEntries(this.build, () => true);
    this.#mountPoints = needed;
  }

  /** Remove everything. */
  remove(): void {
    removeTree(this.#place);
  }
}

/** Scratch directories that are free, one for each builder that ran at the same time. */
export class ScratchPool {
  readonly #temporaries: Temporaries;
  readonly #free: Scratch[] = [];

  constructor(temporaries: Temporaries) {
    this.#temporaries = temporaries;
  }

  /** Run `work` with a scratch of its own; one in which something failed is not used again. */
  async use<T>(work: (scratch: Scratch) => Promise<T>): Promise<T> {
    const scratch = this.#free.pop() ?? new Scratch(this.#temporaries.next());
    try {
      const result = await work(scratch);
      this.#free.push(scratch);
      return result;
    } catch (error) {
      scratch.remove();
      throw error;
    }
  }

  /** Remove what is free. */
  close(): void {
    for (const scratch of this.#free.splice(0)) scratch.remove();
  }
}
