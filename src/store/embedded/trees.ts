/**
 * Trees on their way into the store: made canonical, or thrown away.
 */
import { chmodSync, lstatSync, lutimesSync, readdirSync, renameSync, rmdirSync, unlinkSync } from "node:fs";
import { fail } from "../../problems/index.ts";
import { type ByteString, toBytes, toPath, toText } from "../nar/bytes.ts";

/** The time everything in the store has, in seconds since 1970; 0 would mean "unknown" to some programs. */
const STORE_TIME = 1;

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

/**
 * {@link removeTree} of a name as bytes. A builder can go down one directory at a time, to where no path leads any more. What is deep is therefore moved up to
 * the top, whose entries are looked at until there are none.
 */
export function removeBytes(path: ByteString): void {
  const stat = lstatSync(toPath(path), { throwIfNoEntry: false });
  if (stat === undefined) return;
  if (!stat.isDirectory()) {
    unlinkSync(toPath(path));
    return;
  }
  if ((stat.mode & 0o700) !== 0o700) chmodSync(toPath(path), 0o700);
  let moved = 0;
  const empty = (directory: ByteString): void => {
    for (const name of readdirSync(toPath(directory), "latin1")) {
      const child = `${directory}/${name}`;
      const at = toPath(child);
      const found = lstatSync(at);
      if (!found.isDirectory()) {
        unlinkSync(at);
        continue;
      }
      if ((found.mode & 0o700) !== 0o700) chmodSync(at, 0o700);
      if (child.length > path.length + DEEP) {
        renameSync(at, toPath(`${path}/.deep-${++moved}-${Math.random().toString(36).slice(2)}`));
        continue;
      }
      empty(child);
      rmdirSync(at);
    }
  };
  do empty(path);
  while (readdirSync(toPath(path)).length > 0);
  rmdirSync(toPath(path));
}

/** Bytes below the top, after which a directory is deep. */
const DEEP = 1500;
