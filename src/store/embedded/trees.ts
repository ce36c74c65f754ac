/**
 * Trees on their way into the store: made canonical, or thrown away.
 */
import { chmodSync, lstatSync, lutimesSync, readdirSync, renameSync, rmdirSync, unlink, unlinkSync } from "node:fs";
import { promisify } from "node:util";
import { fail } from "../../problems/index.ts";
import { entriesOf } from "../nar/archive.ts";
import { type ByteString, toBytes, toPath, toText } from "../nar/bytes.ts";
import { STORE_TIME } from "../nar/unpack.ts";
import { several } from "./several.ts";

/**
 * Take away everything that an archive does not keep: owner's whims in modes become 0444 or 0555, setuid and write
 * permission go, times become 1. Two builds that differ in those only are then the same files, too.
 */
export function canonicalise(path: string): void {
  try {
    visit(toBytes(path));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENAMETOOLONG") throw error;
    fail(
      {
        code: "nar-path-too-long",
        message: `a builder made directories in directories below ${path} until no path leads to the last one`,
        fix: "Keep paths below 4096 bytes.",
      },
      error,
    );
  }
}

/** Make the top of a canonical tree canonical again after a move. */
export function seal(path: string): void {
  if (lstatSync(path).isDirectory()) chmodSync(path, 0o555);
  lutimesSync(path, STORE_TIME, STORE_TIME);
}

/** Remove a tree, read-only directories and odd names included; nothing there is fine. */
export function removeTree(path: string): void {
  removeBytes(toBytes(path));
}

/** Remove the entries of a directory whose names, one character per byte, are to go. */
export function removeEntries(directory: string, goes: (name: ByteString) => boolean): void {
  const path = toBytes(directory);
  for (const name of readdirSync(directory, "latin1")) if (goes(name)) removeBytes(`${path}/${name}`);
}

function visit(path: ByteString): void {
  const at = toPath(path);
  const stat = lstatSync(at);
  if (stat.isDirectory()) {
    if ((stat.mode & 0o700) !== 0o700) chmodSync(at, 0o755);
    for (const name of readdirSync(at, "latin1")) visit(`${path}/${name}`);
    chmodSync(at, 0o555);
  } else if (stat.isFile()) {
    const mode = (stat.mode & 0o100) === 0 ? 0o444 : 0o555;
    if ((stat.mode & 0o7777) !== mode) chmodSync(at, mode);
  } else if (!stat.isSymbolicLink()) {
    fail({
      code: "nar-file-special",
      message: `a builder made ${toText(path)}, which is neither a file, a directory nor a symlink`,
      fix: "The store holds nothing else: remove the socket, pipe or device before the builder ends.",
    });
  }
  lutimesSync(at, STORE_TIME, STORE_TIME);
}

/** {@link removeTree} of a name as bytes. */
export function removeBytes(path: ByteString): void {
  for (const files of removal(path)) for (const file of files) unlinkSync(toPath(file));
}

/**
 * {@link removeTree}, several files at a time and while others are removed. Where a file's room is given back to the disk
 * at once (ext4 with `discard`), removing it waits for that, and the disk takes several at a time.
 */
export async function removeTreeLater(path: string): Promise<void> {
  for (const files of removal(toBytes(path))) await several(files, AT_A_TIME, (file) => unlinkLater(toPath(file)));
}

/**
 * The way through a tree that is removed: whoever goes it unlinks the files that it yields before going on.
 *
 * A builder can go down one directory at a time, to where no path leads any more. What is deep is therefore moved up to
 * the top, whose entries are looked at until there are none.
 */
function* removal(path: ByteString): Generator<readonly ByteString[], void> {
  const stat = lstatSync(toPath(path), { throwIfNoEntry: false });
  if (stat === undefined) return;
  if (!stat.isDirectory()) return yield [path];
  if ((stat.mode & 0o700) !== 0o700) chmodSync(toPath(path), 0o700);
  let moved = 0;
  const empty = function* (directory: ByteString): Generator<readonly ByteString[], void> {
    const files: ByteString[] = [];
    const directories: ByteString[] = [];
    for (const entry of entriesOf(directory))
      (entry.isDirectory() ? directories : files).push(`${directory}/${entry.name}`);
    if (files.length > 0) yield files;
    for (const child of directories) {
      const at = toPath(child);
      // Those of a store cannot be written to, and those that can mind nothing.
      chmodSync(at, 0o700);
      if (child.length > path.length + DEEP) {
        renameSync(at, toPath(`${path}/.deep-${++moved}-${Math.random().toString(36).slice(2)}`));
        continue;
      }
      yield* empty(child);
      rmdirSync(at);
    }
  };
  do yield* empty(path);
  while (readdirSync(toPath(path)).length > 0);
  rmdirSync(toPath(path));
}

const unlinkLater = promisify(unlink);

/** How much is removed at a time: more than Node's threads for this, of which there are four unless somebody said otherwise. */
export const AT_A_TIME = 8;

/** Bytes below the top, after which a directory is deep. */
const DEEP = 1500;
