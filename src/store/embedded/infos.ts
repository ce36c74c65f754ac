/**
 * What is known of valid paths: one small JSON file each, named like the path.
 *
 * A path is valid when its file is there. The file comes into being by a rename after the object has its final name, so
 * validity is never claimed for something half-made; an object without a file is garbage. No index, no database: a
 * lookup is two calls of `lstat`, and several processes need no agreement.
 */
import { existsSync, lstatSync, readdirSync, readFileSync, renameSync, rmSync, unlink, writeFileSync } from "node:fs";
import { promisify } from "node:util";
import { fail } from "../../problems/index.ts";
import { isStorePath, STORE_DIR, type StorePath } from "../path.ts";
import type { PathInfo } from "../store.ts";
import { infoFile, type Layout, physicalPath } from "./layout.ts";
import { thisOwner } from "./owner.ts";

/** The valid paths of one store. */
export class Infos {
  readonly #layout: Layout;
  /** Read once: what is known of a path never changes while it is valid. */
  readonly #read = new Map<StorePath, PathInfo>();
  #count = 0;

  constructor(layout: Layout) {
    this.#layout = layout;
  }

  /** True when the path is registered and there; text that is no store path is not. */
  isValid(path: StorePath): boolean {
    if (!isStorePath(path)) return false;
    if (!existsSync(this.#layout.infos + path.slice(STORE_DIR.length))) return false;
    // An object may be a symlink to nowhere, which is there all the same.
    return lstatSync(physicalPath(this.#layout, path), { throwIfNoEntry: false }) !== undefined;
  }

  /** What was registered, or undefined when the path is not valid. */
  get(path: StorePath): PathInfo | undefined {
    if (!this.isValid(path)) return undefined;
    return this.registered(path);
  }

  /** True when the path is registered, readable or not, whether or not the object is there. */
  isRegistered(path: StorePath): boolean {
    return isStorePath(path) && existsSync(infoFile(this.#layout, path));
  }

  /** What was registered, whether or not the object is there. Problem: `store-damaged`. */
  registered(path: StorePath): PathInfo | undefined {
    const file = infoFile(this.#layout, path);
    const known = this.#read.get(path);
    if (known !== undefined) return existsSync(file) ? known : undefined;
    let text: string;
    try {
      text = readFileSync(file, "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
    const info = parse(path, text);
    this.#read.set(path, info);
    return info;
  }

  /** Make a path valid. The object must have its final name already. */
  register(info: PathInfo): void {
    const file = infoFile(this.#layout, info.path);
    const { path: _, ...rest } = info;
    const temporary = `${this.#layout.infos}/.tmp-${thisOwner()}.${++this.#count}`;
    writeFileSync(temporary, `${JSON.stringify(rest)}\n`);
    renameSync(temporary, file);
    this.#read.set(info.path, info);
  }

  /** Make a path invalid, before its object is removed. */
  forget(path: StorePath): void {
    rmSync(infoFile(this.#layout, path), { force: true });
    this.#read.delete(path);
  }

  /** The same, while others do something else. */
  async forgetLater(path: StorePath): Promise<void> {
    this.#read.delete(path);
    try {
      await unlinkLater(infoFile(this.#layout, path));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }

  /** Every registered path. */
  all(): StorePath[] {
    return readdirSync(this.#layout.infos)
      .map((name) => `${STORE_DIR}/${name}`)
      .filter(isStorePath);
  }

  /** The paths and all that they refer to, sorted. */
  closure(paths: Iterable<StorePath>): StorePath[] {
    const found = new Set<StorePath>(paths);
    // A set is walked in the order of insertion, including what is inserted on the way.
    for (const path of found) {
      const info = this.get(path);
      if (info === undefined) {
        fail({
          code: "store-path-invalid",
          message: `${path} is not in the store at ${this.#layout.root}`,
          fix: "Build it first (`realise`); if it was there before, the store was changed by hand.",
        });
      }
      for (const reference of info.references) found.add(reference);
    }
    return [...found].sort();
  }
}

const unlinkLater = promisify(unlink);

function parse(path: StorePath, text: string): PathInfo {
  try {
    const info = JSON.parse(text) as Omit<PathInfo, "path">;
    if (typeof info.narHash === "string" && Array.isArray(info.references)) return { path, ...info };
  } catch {
    // Told below.
  }
  return fail({
    code: "store-damaged",
    message: `what the store knows of ${path} cannot be read`,
    notes: [text.slice(0, 200)],
    fix: "Remove the file of this name below nix/var/osmod/info in the store and build again.",
  });
}
