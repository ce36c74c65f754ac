/**
 * Trees on their way into the store: made canonical, or thrown away.
 */
import { chmodSync, lstatSync, lutimesSync, readdirSync, rmdirSync, unlinkSync } from "node:fs";
import { fail } from "../../problems/index.ts";
import { type ByteString, toBytes, toPath, toText } from "../nar/bytes.ts";

/** The time everything in the store has, in seconds since 1970; 0 would mean "unknown" to some programs. */
const STORE_TIME = 1;

/**
 * Take away everything that an archive does not keep: owner's whims in modes become 0444 or 0555, setuid and write
 * permission go, times become 1. Two builds that differ in those only are then the same files, too.
 */
export function canonicalise(path: string): void {
  visit(toBytes(path));
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

/** @see removeTree */
export function removeBytes(path: ByteString): void {
  const at = toPath(path);
  const stat = lstatSync(at, { throwIfNoEntry: false });
  if (stat === undefined) return;
  if (!stat.isDirectory()) {
    unlinkSync(at);
    return;
  }
  if ((stat.mode & 0o700) !== 0o700) chmodSync(at, 0o700);
  for (const name of readdirSync(at, "latin1")) removeBytes(`${path}/${name}`);
  rmdirSync(at);
}
