/**
 * Archives of trees in memory.
 */
import { createHash } from "node:crypto";
import { fail, quoted } from "../../problems/index.ts";
import type { Hash } from "../hash.ts";
import { HEADROOM, NarBuffer, TOKENS } from "./encode.ts";
import type { Tree } from "./tree.ts";

/** The archive of a tree, in chunks. */
export function* narOfTree(tree: Tree): Generator<Uint8Array, void> {
  const out = new NarBuffer();
  out.raw(TOKENS.start);
  yield* node(out, tree);
  yield out.flush();
}

/** Hash and size of an archive given in chunks. */
export function hashNar(chunks: Iterable<Uint8Array>): { readonly hash: Hash; readonly size: number } {
  const sha = createHash("sha256");
  let size = 0;
  for (const chunk of chunks) {
    sha.update(chunk);
    size += chunk.length;
  }
  return { hash: { algo: "sha256", bytes: sha.digest() }, size };
}

/** Throw `nar-name-invalid` unless a directory may have an entry of this name. */
export function checkEntryName(name: Uint8Array): void {
  const text = Buffer.from(name.buffer, name.byteOffset, name.byteLength);
  if (text.length > 0 && text.length <= 255 && !text.includes(0) && !text.includes(0x2f)) {
    const shown = text.toString("latin1");
    if (shown !== "." && shown !== "..") return;
  }
  fail({
    code: "nar-name-invalid",
    message: `${quoted(text.toString())} cannot be the name of a file`,
    fix: "A name has 1 to 255 bytes, no slash and no zero byte, and is neither `.` nor `..`; rename the entry where the tree is made.",
  });
}

function* node(out: NarBuffer, tree: Tree): Generator<Uint8Array, void> {
  if (out.full) yield out.flush();
  out.raw(TOKENS.open);
  if (tree.type === "symlink") {
    out.raw(TOKENS.symlink);
    out.string(target(tree.target));
  } else if (tree.type === "regular") {
    out.raw(tree.executable ? TOKENS.executable : TOKENS.regular);
    out.size(tree.contents.length);
    if (tree.contents.length + HEADROOM <= out.room) {
      out.raw(tree.contents);
    } else {
      yield out.flush();
      yield tree.contents;
    }
    out.pad(tree.contents.length);
  } else {
    out.raw(TOKENS.directory);
    for (const [name, child] of sortedEntries(tree.entries)) {
      if (out.full) yield out.flush();
      out.raw(TOKENS.entry);
      out.string(name);
      out.raw(TOKENS.node);
      yield* node(out, child);
      if (out.full) yield out.flush();
      out.raw(TOKENS.close);
    }
  }
  if (out.full) yield out.flush();
  out.raw(TOKENS.close);
}

function sortedEntries(entries: ReadonlyMap<string, Tree>): [Buffer, Tree][] {
  return [...entries]
    .map(([name, tree]): [Buffer, Tree] => {
      const bytes = Buffer.from(name);
      checkEntryName(bytes);
      return [bytes, tree];
    })
    .sort(([a], [b]) => Buffer.compare(a, b));
}

function target(text: string): Buffer {
  const bytes = Buffer.from(text);
  if (bytes.length > 0 && bytes.length <= 4095 && !bytes.includes(0)) return bytes;
  return fail({
    code: "nar-target-invalid",
    message: `${JSON.stringify(text.slice(0, 80))} cannot be the target of a symlink`,
    fix: "A target has 1 to 4095 bytes and no zero byte.",
  });
}
