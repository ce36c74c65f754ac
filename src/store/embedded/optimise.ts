/**
 * Equal files take their place once.
 *
 * Files of valid paths that have the same size, mode and content become one file with several names (hard links). That
 * is safe because nothing in a store is ever written: an object is made elsewhere and appears by a rename, and a repair
 * replaces names, not contents. It has one price: when the disk damages such a file, all the paths with it are damaged;
 * verifying finds each of them, and repairing gives each its own file back.
 *
 * Modes, owners and times belong to the file, so only those that agree in them are joined; in a store all do.
 */
import { createHash } from "node:crypto";
import {
  chmodSync,
  closeSync,
  linkSync,
  lstatSync,
  lutimesSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
} from "node:fs";
import { setImmediate } from "node:timers/promises";
import { type ByteString, toBytes, toPath } from "../nar/bytes.ts";
import { COLLECTING } from "./locks.ts";
import { announceUse } from "./running.ts";
import type { State } from "./state.ts";
import { removeBytes } from "./trees.ts";

/** How to join equal files. */
export interface OptimiseOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

/** What joining equal files did. */
export interface Optimised {
  /** Files of valid paths that were looked at. */
  readonly files: number;
  /** Files that became another name of an equal one. */
  readonly joined: number;
  /** Room on the disk that became free, in bytes. */
  readonly freed: number;
}

interface File {
  readonly at: ByteString;
  readonly inode: string;
  readonly size: number;
  readonly room: number;
}

const BLOCK = 512;

/** Join equal files of all valid paths. */
export async function optimise(state: State, options: OptimiseOptions = {}): Promise<Optimised> {
  // Whoever collects meanwhile leaves everything where it is.
  const release = announceUse(state, state.infos.all());
  try {
    await state.locks.ended(COLLECTING, options.signal);
    const bySize = new Map<string, File[]>();
    let files = 0;
    for (const path of state.infos.all()) {
      if (!state.infos.isValid(path)) continue;
      files += gather(toBytes(state.physical(path)), bySize);
      await setImmediate();
    }
    const groups = [...bySize.values()].filter((group) => new Set(group.map(({ inode }) => inode)).size > 1);
    const candidates = groups.reduce((sum, group) => sum + group.length, 0);
    let [done, joined, freed] = [0, 0, 0];
    for (const group of groups) {
      const first = new Map<string, File>();
      const digests = new Map<string, string>();
      for (const file of group) {
        options.signal?.throwIfAborted();
        const digest = digests.get(file.inode) ?? digestOf(file.at);
        digests.set(file.inode, digest);
        const other = first.get(digest);
        if (other === undefined) first.set(digest, file);
        else if (other.inode !== file.inode && join(state, other, file)) {
          joined++;
          // Where it had names outside this group's view its room stays taken; the next collection's sum is exact.
          freed += file.room;
        }
        if (++done % 64 === 0) {
          options.onProgress?.(done, candidates);
          await setImmediate();
        }
      }
    }
    return { files, joined, freed };
  } finally {
    release();
  }
}

function gather(at: ByteString, into: Map<string, File[]>): number {
  const stat = lstatSync(toPath(at), { throwIfNoEntry: false });
  if (stat?.isDirectory() === true) {
    return readdirSync(toPath(at), "latin1").reduce((sum, name) => sum + gather(`${at}/${name}`, into), 0);
  }
  // An empty file takes no room but its name.
  if (stat?.isFile() !== true || stat.size === 0) return stat?.isFile() === true ? 1 : 0;
  const key = [stat.size, stat.mode, stat.uid, stat.gid, stat.mtimeMs, stat.dev].join(":");
  const file: File = { at, inode: String(stat.ino), size: stat.size, room: stat.blocks * BLOCK };
  const group = into.get(key);
  if (group === undefined) into.set(key, [file]);
  else group.push(file);
  return 1;
}

/** Make `file` another name of `other`: a link beside the store's objects, then a rename over the file. */
function join(state: State, other: File, file: File): boolean {
  const temporary = toBytes(state.temporaries.next());
  const directory = file.at.slice(0, file.at.lastIndexOf("/"));
  const inObject = directory !== toBytes(state.layout.store);
  try {
    linkSync(toPath(other.at), toPath(temporary));
    if (inObject) chmodSync(toPath(directory), 0o755);
    renameSync(toPath(temporary), toPath(file.at));
    return true;
  } catch (error) {
    const { code } = error as { code?: string };
    // A file can only have so many names, and some file systems allow one only.
    if (code === "EMLINK" || code === "EPERM" || code === "ENOTSUP") return false;
    throw error;
  } finally {
    removeBytes(temporary);
    if (inObject) {
      chmodSync(toPath(directory), 0o555);
      lutimesSync(toPath(directory), 1, 1);
    }
  }
}

function digestOf(at: ByteString): string {
  const hash = createHash("sha256");
  const buffer = Buffer.allocUnsafe(256 * 1024);
  const fd = openSync(toPath(at), "r");
  try {
    for (let got = readSync(fd, buffer); got > 0; got = readSync(fd, buffer)) hash.update(buffer.subarray(0, got));
  } finally {
    closeSync(fd);
  }
  return hash.digest("hex");
}
