/**
 * Names for what is being made.
 *
 * They lie in the store directory itself, because only a rename within one directory needs no write permission on a
 * read-only tree, and carry their owner, so that what a killed process left is recognised and removed.
 */
import { existsSync, readdirSync } from "node:fs";
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
    for (const place of this.left()) removeTree(place);
  }

  /** What processes left that are gone. */
  left(): string[] {
    return [this.#directory, this.#infos].flatMap((directory) =>
      // The store may not have been made yet.
      (existsSync(directory) ? readdirSync(directory) : [])
        .filter((name) => name.startsWith(PREFIX))
        .map((name) => [name, `${directory}/${name}`] as const)
        .filter(([name, place]) => !ownerLives(name.slice(PREFIX.length, name.lastIndexOf(".")), place))
        .map(([, place]) => place),
    );
  }
}
