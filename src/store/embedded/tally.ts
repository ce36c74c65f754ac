/**
 * What trees take on the disk, where files may have several names.
 *
 * A file's room is freed when its last name goes. So each file is counted once, with how many of its names were seen.
 */
import { lstatSync, readdirSync } from "node:fs";
import { type ByteString, toBytes, toPath } from "../nar/bytes.ts";

const BLOCK = 512;

/** Adds up the room of trees. */
export class Tally {
  readonly #files = new Map<string, { bytes: number; names: number; links: number }>();
  #directories = 0;

  /** Add a tree; what is not there takes no room. */
  add(place: string): void {
    this.#visit(toBytes(place));
  }

  /** What all takes, each file once. */
  get total(): number {
    let sum = this.#directories;
    for (const { bytes } of this.#files.values()) sum += bytes;
    return sum;
  }

  /** What would be free if all were removed: files with names elsewhere stay. */
  get freed(): number {
    let sum = this.#directories;
    for (const { bytes, names, links } of this.#files.values()) if (names === links) sum += bytes;
    return sum;
  }

  /** What is saved by files having several names among those that were added. */
  get saved(): number {
    let sum = 0;
    for (const { bytes, names } of this.#files.values()) sum += bytes * (names - 1);
    return sum;
  }

  #visit(path: ByteString): void {
    const at = toPath(path);
    const stat = lstatSync(at, { throwIfNoEntry: false });
    if (stat === undefined) return;
    if (!stat.isDirectory()) {
      const key = `${stat.dev}:${stat.ino}`;
      const file = this.#files.get(key);
      if (file === undefined) this.#files.set(key, { bytes: stat.blocks * BLOCK, names: 1, links: stat.nlink });
      else file.names++;
      return;
    }
    this.#directories += stat.blocks * BLOCK;
    for (const name of readdirSync(at, "latin1")) this.#visit(`${path}/${name}`);
  }
}
