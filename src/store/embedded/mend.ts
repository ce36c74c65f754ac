/**
 * Putting a right tree in the place of a damaged one, without a moment in which nothing is there.
 *
 * No call of Node exchanges two directories. So the damaged tree is mended file by file: what differs is replaced by a
 * rename, what is too much goes. At each moment a reader sees a file as it was or as it should be, and being killed
 * leaves fewer damaged files than before. A virtual machine that has the tree mounted gets what was mended, too.
 */
import {
  chmodSync,
  lstatSync,
  lutimesSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  type Stats,
} from "node:fs";
import { type ByteString, toBytes, toPath } from "../nar/bytes.ts";
import { removeBytes } from "./trees.ts";

/** Make `damaged` the same as `right`, both canonical, in one directory's file system; `right` is used up. */
export function mend(damaged: string, right: string): void {
  place(toBytes(damaged), toBytes(right));
}

function place(to: ByteString, from: ByteString): void {
  const [is, should] = [statOf(to), lstatSync(toPath(from))];
  if (is !== undefined && same(to, is, from, should)) return;
  if (is?.isDirectory() === true && should.isDirectory()) {
    mendDirectory(to, from);
    return;
  }
  // A rename replaces a file; a directory has to go first, or may not be replaced.
  if (is !== undefined && (is.isDirectory() || should.isDirectory())) removeBytes(to);
  if (should.isDirectory()) chmodSync(toPath(from), 0o755);
  renameSync(toPath(from), toPath(to));
  if (should.isDirectory()) settle(to);
}

function mendDirectory(to: ByteString, from: ByteString): void {
  chmodSync(toPath(to), 0o755);
  chmodSync(toPath(from), 0o755);
  const names = new Set(readdirSync(toPath(from), "latin1"));
  for (const name of names) place(`${to}/${name}`, `${from}/${name}`);
  for (const name of readdirSync(toPath(to), "latin1")) if (!names.has(name)) removeBytes(`${to}/${name}`);
  settle(to);
}

function settle(directory: ByteString): void {
  chmodSync(toPath(directory), 0o555);
  lutimesSync(toPath(directory), 1, 1);
}

/** True for files and links that need not be touched. */
function same(to: ByteString, is: Stats, from: ByteString, should: Stats): boolean {
  if (is.isSymbolicLink() && should.isSymbolicLink()) {
    return readlinkSync(toPath(to), "buffer").equals(readlinkSync(toPath(from), "buffer"));
  }
  if (!is.isFile() || !should.isFile() || is.size !== should.size) return false;
  if ((is.mode & 0o7777) !== (should.mode & 0o7777)) return false;
  try {
    return readFileSync(toPath(to)).equals(readFileSync(toPath(from)));
  } catch {
    // A file that cannot be read is what has to be replaced.
    return false;
  }
}

function statOf(path: ByteString): Stats | undefined {
  return lstatSync(toPath(path), { throwIfNoEntry: false });
}
