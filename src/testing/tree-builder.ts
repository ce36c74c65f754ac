/** A tree in memory that grows by paths. */
import { posix } from "node:path";
import type { Tree } from "../store/index.ts";

/** Collects files and links by their paths below one directory. */
export class TreeBuilder {
  readonly #entries = new Map<string, Tree>();

  /** All that was added, as a directory. */
  get tree(): Tree {
    return { type: "directory", entries: this.#entries };
  }

  /** Add a file or a link; what has the path already is replaced. */
  add(path: string, entry: Tree): void {
    const parts = path.split("/");
    const name = parts.pop() as string;
    let entries = this.#entries;
    for (const part of parts) {
      let next = entries.get(part);
      if (next?.type !== "directory") {
        next = { type: "directory", entries: new Map<string, Tree>() };
        entries.set(part, next);
      }
      entries = next.entries as Map<string, Tree>;
    }
    entries.set(name, entry);
  }

  /** Add a link to another path of the tree, as seen from where the link is. */
  link(path: string, target: string): void {
    this.add(path, { type: "symlink", target: posix.relative(posix.dirname(path), target) });
  }
}
