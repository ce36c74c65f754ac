/**
 * A tar reader for package data: bytes in, a tree in memory out. Used for the few packages that are needed before any
 * builder can run; all others are unpacked in the sandbox.
 *
 * A tree cannot reach outside itself: names are split into parts, `..` and absolute names are refused, and nothing is
 * ever written through a symlink, because the tree is complete before anything is written at all. Owners, times and
 * setuid bits are dropped, as a store does.
 */
import { fail } from "../problems/index.ts";
import type { Tree } from "../store/index.ts";

/** A directory that is being filled. */
interface OpenDirectory {
  readonly type: "directory";
  readonly entries: Map<string, Tree>;
}

const BLOCK = 512;

/** Read an uncompressed tar (ustar, GNU long names, pax paths). */
export function readTar(bytes: Uint8Array, name: string): Tree {
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const root: OpenDirectory = { type: "directory", entries: new Map() };
  let longName: string | undefined;
  let longLink: string | undefined;
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
    if (type === "L") longName = untilZero(body);
    else if (type === "K") longLink = untilZero(body);
    else if (type === "x") ({ path: longName = longName, linkpath: longLink = longLink } = pax(body, name));
    else if (type !== "g") {
      const path = longName ?? fullName(header);
      const link = longLink ?? untilZero(header.subarray(157, 257));
      add(root, path, entry(root, type, link, number(header.subarray(100, 108), name), body, name), name);
      longName = longLink = undefined;
    }
  }
  // Archives end with two empty blocks; one that was cut off between two files would look complete otherwise.
  return damaged(name, "its end is missing");
}

/** Lay trees over each other; where two have one path, directories join and anything else is the later one's. */
export function overlayTrees(trees: readonly Tree[]): Tree {
  return trees.reduce((below, above) => {
    if (below.type !== "directory" || above.type !== "directory") return above;
    const entries = new Map(below.entries);
    for (const [name, tree] of above.entries) {
      const under = entries.get(name);
      entries.set(name, under === undefined ? tree : overlayTrees([under, tree]));
    }
    return { type: "directory", entries };
  });
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
      if (target?.type !== "regular") damaged(name, `a hard link to ${JSON.stringify(link)}, which is no file of it`);
      return target;
    }
    case "2":
      return { type: "symlink", target: link };
    case "5":
      return { type: "directory", entries: new Map() };
    default:
      return damaged(name, `an entry of type ${JSON.stringify(type)}, which no package has`);
  }
}

function add(root: OpenDirectory, path: string, tree: Tree, name: string): void {
  const names = parts(path);
  if (path.startsWith("/") || names.includes("..")) damaged(name, `the name ${JSON.stringify(path)} leads outside`);
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
    if (next.type !== "directory") damaged(name, `${JSON.stringify(path)} goes through something that is no directory`);
    at = next as OpenDirectory;
  }
  if (tree.type === "directory" && at.entries.get(last)?.type === "directory") return;
  at.entries.set(last, tree);
}

function parts(path: string): string[] {
  return path.split("/").filter((part) => part !== "" && part !== ".");
}

function fullName(header: Buffer): string {
  const prefix = untilZero(header.subarray(345, 500));
  const name = untilZero(header.subarray(0, 100));
  const isUstar = header.toString("latin1", 257, 263) === "ustar\0";
  return isUstar && prefix !== "" ? `${prefix}/${name}` : name;
}

function untilZero(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString("utf8", 0, end < 0 ? bytes.length : end);
}

/** Octal text, or GNU's base 256 for what does not fit. */
function number(field: Buffer, name: string): number {
  if ((field[0]! & 0x80) !== 0) {
    const value = field.subarray(1).reduce((sum, byte) => sum * 256 + byte, field[0]! & 0x7f);
    return Number.isSafeInteger(value) ? value : damaged(name, "a number that is too large");
  }
  const text = untilZero(field).trim();
  if (!/^[0-7]*$/.test(text)) damaged(name, `${JSON.stringify(text)} where a number should be`);
  return text === "" ? 0 : Number.parseInt(text, 8);
}

function verifyChecksum(header: Buffer, name: string): void {
  const expected = number(header.subarray(148, 156), name);
  let sum = 8 * 32;
  for (const [index, byte] of header.entries()) if (index < 148 || index >= 156) sum += byte;
  if (sum !== expected) damaged(name, "a header whose checksum is wrong");
}

/** `<length> <key>=<value>\n` records, of which two concern us. */
function pax(body: Buffer, name: string): { path?: string; linkpath?: string } {
  const found: { path?: string; linkpath?: string } = {};
  for (let at = 0; at < body.length; ) {
    const space = body.indexOf(32, at);
    const length = Number(body.toString("latin1", at, space));
    if (space < 0 || !(length > 0) || at + length > body.length) damaged(name, "a pax header that cannot be read");
    const record = body.toString("utf8", space + 1, at + length - 1);
    const equals = record.indexOf("=");
    const key = record.slice(0, equals);
    if (key === "path" || key === "linkpath") found[key] = record.slice(equals + 1);
    at += length;
  }
  return found;
}

function damaged(name: string, what: string): never {
  fail({
    code: "package-damaged",
    message: `the data of ${name} cannot be unpacked: ${what}`,
    fix: "The file is not a proper Debian package; take it from another mirror.",
  });
}
