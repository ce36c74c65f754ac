/**
 * Names for what is being made.
 *
 * They lie in the store directory itself, because only a rename within one directory needs no write permission on a
 * read-only tree, and carry their owner, so that what a killed process left is recognised and removed.
 */
import { readdirSync } from "node:fs";
import type { Layout } from "./layout.ts";
import { ownerLives, thisOwner } from "./owner.ts";
import { removeTree } from "./trees.ts";

const PREFIX = ".tmp-";

/** Temporary places of this process in one store. */
export class Temporaries {
  readonly #directory: string;
  /** Registrations are written beside the others before they are renamed. */
  readonly #infos: string;
  #count = 0;

  constructor(layout: Layout) {
    this.#directory = layout.store;
    this.#infos = layout.infos;
  }

  /** A place where nothing is yet. */
  next(): string {
    return `${this.#directory}/${PREFIX}${thisOwner()}.${++this.#count}${Math.random().toString(36).slice(2, 8)}`;
  }

  /** Remove what processes left that are gone. */
  sweep(): void {
    for (const directory of [this.#directory, this.#infos]) {
      for (const name of readdirSync(directory)) {
        if (!name.startsWith(PREFIX)) continue;
        const place = `${directory}/${name}`;
        const owner = name.slice(PREFIX.length, name.lastIndexOf("."));
        if (!ownerLives(owner, place)) removeTree(place);
      }
    }
  }
}
