/**
 * A tar reader for package data: bytes in, a tree in memory out. Used for the few packages that are needed before any
 * builder can run; all others are unpacked in the sandbox.
 *
 * A tree cannot reach outside itself: names are split into parts, `..` and absolute names are refused, and nothing is
 * ever written through a symlink, because the tree is complete before anything is written at all. A name may come twice
 * only for a directory, so it does not matter which of two another reader would take. Owners, times and setuid bits are
 * dropped, as a store does. Devices, pipes and sparse files are refused: no package that is read here has any.
 */
import { fail, quoted } from "../problems/index.ts";
import type { Tree } from "../store/index.ts";

/** A directory that is being filled. */
interface OpenDirectory {
  readonly type: "directory";
  readonly entries: Map<string, Tree>;
}

const BLOCK = 512;

/** Linux takes no longer path. */
const MAX_PATH = 4095;

/** Far deeper than any package; what walks a tree calls itself, and the stack ends somewhere behind 1500 of them. */
const MAX_DEPTH = 256;

const MAX_NAME = 255;

/** Read an uncompressed tar (ustar, GNU long names, pax paths). */
export function readTar(bytes: Uint8Array, name: string): Tree {
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const root: OpenDirectory = { type: "directory", entries: new Map() };
  let longName: string | undefined;
  let longLink: string | undefined;
  let paxSize: number | undefined;
  for (let at = 0; at + BLOCK <= data.length; ) {
    const header = data.subarray(at, at + BLOCK);
    if (header.every((byte) => byte === 0)) return root;
    verifyChecksum(header, name);
    const size = number(header.subarray(124, 136), name);
    const start = at + BLOCK;
    if (start + size > data.length) damaged(name, "it ends within a file");
    const body = data.subarray(start, start + size);
    at = start + Math.ceil(size / BLOCK) * BLOCK;

    const type = String.fromCharCode(header[156]!);
    if (type === "L") longName = untilZero(body, name);
    else if (type === "K") longLink = untilZero(body, name);
    else if (type === "x") {
      ({ path: longName = longName, linkpath: longLink = longLink, size: paxSize } = pax(body, name));
    } else if (type === "g") {
      if (Object.keys(pax(body, name)).length > 0) damaged(name, "a header that gives one name to all files");
    } else {
      // A file of 8 GiB or more needs the other size; ignoring it would take contents for headers.
      if (paxSize !== undefined && paxSize !== size) damaged(name, "two sizes for one file");
      const path = longName ?? fullName(header, name);
      const link = longLink ?? untilZero(header.subarray(157, 257), name);
      add(root, path, entry(root, type, link, number(header.subarray(100, 108), name), body, name), name);
      longName = longLink = paxSize = undefined;
    }
  }
  // Archives end with two empty blocks; one that was cut off between two files would look complete otherwise.
  return damaged(name, "its end is missing");
}

/** What is at a path of a tree, without following symlinks. */
export function treeAt(tree: Tree, path: string): Tree | undefined {
  let at: Tree | undefined = tree;
  for (const part of parts(path)) at = at?.type === "directory" ? at.entries.get(part) : undefined;
  return at;
}

function entry(root: Tree, type: string, link: string, mode: number, body: Buffer, name: string): Tree {
  switch (type) {
    case "0":
    case "\0":
    case "7":
      return { type: "regular", executable: (mode & 0o111) !== 0, contents: body };
    case "1": {
      const target = treeAt(root, link);
      if (target?.type !== "regular") damaged(name, `a hard link to ${quoted(link)}, which is no file of it`);
      return target;
    }
    case "2":
      if (link === "" || Buffer.byteLength(link) > MAX_PATH) damaged(name, "a symlink without a usable target");
      return { type: "symlink", target: link };
    case "5":
      return { type: "directory", entries: new Map() };
    default:
      return damaged(name, `an entry of type ${quoted(type)}, which no package has`);
  }
}

function add(root: OpenDirectory, path: string, tree: Tree, name: string): void {
  if (Buffer.byteLength(path) > MAX_PATH) damaged(name, `the name ${quoted(path)} is too long`);
  const names = parts(path);
  if (names.some((part) => Buffer.byteLength(part) > MAX_NAME)) damaged(name, `a part of ${quoted(path)} is too long`);
  if (names.length > MAX_DEPTH) damaged(name, `the name ${quoted(path)} is nested too deep`);
  if (path.startsWith("/") || names.includes("..")) damaged(name, `the name ${quoted(path)} leads outside`);
  const last = names.pop();
  if (last === undefined) {
    if (tree.type !== "directory") damaged(name, "its root is no directory");
    return;
  }
  let at = root;
  for (const part of names) {
    let next = at.entries.get(part);
    if (next === undefined) {
      next = { type: "directory", entries: new Map() };
      at.entries.set(part, next);
    }
    if (next.type !== "directory") damaged(name, `${quoted(path)} goes through something that is no directory`);
    at = next as OpenDirectory;
  }
  const there = at.entries.get(last);
  if (tree.type === "directory" && there?.type === "directory") return;
  if (there !== undefined) damaged(name, `the name ${quoted(path)} comes twice`);
  at.entries.set(last, tree);
}

function parts(path: string): string[] {
  return path.split("/").filter((part) => part !== "" && part !== ".");
}

function fullName(header: Buffer, file: string): string {
  const name = untilZero(header.subarray(0, 100), file);
  if (header.toString("latin1", 257, 263) !== "ustar\0") return name;
  const prefix = untilZero(header.subarray(345, 500), file);
  return prefix === "" ? name : `${prefix}/${name}`;
}

function untilZero(bytes: Buffer, file: string): string {
  const end = bytes.indexOf(0);
  return utf8(end < 0 ? bytes : bytes.subarray(0, end), file);
}

/** Two names must not become one, as they could with a character that stands for all that are none. */
function utf8(bytes: Buffer, file: string): string {
  const text = bytes.toString();
  if (text.includes("\0")) damaged(file, "a zero byte in a name");
  return Buffer.from(text).equals(bytes) ? text : damaged(file, `the name ${quoted(text)} is not UTF-8`);
}

/** Octal text, or GNU's base 256 for what does not fit. */
function number(field: Buffer, name: string): number {
  if ((field[0]! & 0x80) !== 0) {
    const value = field.subarray(1).reduce((sum, byte) => sum * 256 + byte, field[0]! & 0x7f);
    return Number.isSafeInteger(value) ? value : damaged(name, "a number that is too large");
  }
  const text = (field.toString("latin1").split("\0")[0] as string).trim();
  if (!/^[0-7]*$/.test(text)) damaged(name, `${quoted(text)} where a number should be`);
  return text === "" ? 0 : Number.parseInt(text, 8);
}

function verifyChecksum(header: Buffer, name: string): void {
  const expected = number(header.subarray(148, 156), name);
  let sum = 8 * 32;
  for (const [index, byte] of header.entries()) if (index < 148 || index >= 156) sum += byte;
  if (sum !== expected) damaged(name, "a header whose checksum is wrong");
}

/** What a pax header may change here. */
interface PaxFields {
  path?: string;
  linkpath?: string;
  size?: number;
}

/** `<length> <key>=<value>\n` records, of which three concern us; those of sparse files would change what contents are. */
function pax(body: Buffer, name: string): PaxFields {
  const found: PaxFields = {};
  for (let at = 0; at < body.length; ) {
    // A length that cannot be read must not become a step of nothing, or of a part of a byte.
    const digits = /^([1-9][0-9]{0,9}) /.exec(body.toString("latin1", at, at + 11))?.[1] ?? "";
    const end = at + Number(digits);
    if (digits === "" || end <= at + digits.length + 1 || body[end - 1] !== 10)
      damaged(name, "a pax header that cannot be read");
    const record = body.subarray(at + digits.length + 1, end - 1);
    const equals = record.indexOf("=");
    const key = record.toString("latin1", 0, Math.max(0, equals));
    const value = record.subarray(equals + 1);
    if (key.startsWith("GNU.sparse.")) damaged(name, "a sparse file, which no package has");
    if (key === "path" || key === "linkpath") found[key] = utf8(value, name);
    if (key === "size") found.size = decimal(value.toString("latin1"), name);
    at = end;
  }
  return found;
}

function decimal(text: string, name: string): number {
  return /^[0-9]{1,15}$/.test(text) ? Number(text) : damaged(name, `${quoted(text)} where a size should be`);
}

function damaged(name: string, what: string): never {
  fail({
    code: "package-damaged",
    message: `the data of ${name} cannot be unpacked: ${what}`,
    fix: "The file is not a proper Debian package; take it from another mirror.",
  });
}
