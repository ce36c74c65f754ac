/**
 * File names as bytes.
 *
 * Linux names are bytes, and packages do carry some that are not UTF-8. Inside this folder a path is therefore a string
 * with one character per byte ("latin1"): it sorts as bytes do, joins with `+`, and becomes a Buffer only for names
 * that are not ASCII, which nearly all are.
 */
import type { PathLike } from "node:fs";

/** A path or name, one character per byte. */
export type ByteString = string;

/** The byte string of a path as Node gives it. */
export function toBytes(path: string): ByteString {
  return ASCII.test(path) ? path : Buffer.from(path).toString("latin1");
}

/** What the file system functions take for a byte string. */
export function toPath(bytes: ByteString): PathLike {
  return ASCII.test(bytes) ? bytes : Buffer.from(bytes, "latin1");
}

/** A byte string as a person reads it. */
export function toText(bytes: ByteString): string {
  return ASCII.test(bytes) ? bytes : Buffer.from(bytes, "latin1").toString();
}

const ASCII = /^[\0-\x7f]*$/;
