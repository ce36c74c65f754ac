/**
 * Archives of trees on disk, read as they are written out: memory does not grow with the tree.
 *
 * The calls are the synchronous ones. A package tree is thousands of small files, and each asynchronous call would cost
 * several times what the work itself does; whoever has other things to do takes a break between two chunks.
 */
import { closeSync, lstatSync, openSync, readdirSync, readlinkSync, readSync, type Stats } from "node:fs";
import { fail } from "../../problems/index.ts";
import { type ByteString, toBytes, toPath, toText } from "./bytes.ts";
import { NarBuffer, TOKENS } from "./encode.ts";

/** The archive of what lies at `path`, in chunks. */
export function* narOfPath(path: string): Generator<Uint8Array, void> {
  const out = new NarBuffer();
  out.raw(TOKENS.start);
  yield* node(out, toBytes(path));
  yield out.flush();
}

function* node(out: NarBuffer, path: ByteString): Generator<Uint8Array, void> {
  const stat = lstatSync(toPath(path));
  if (out.full) yield out.flush();
  out.raw(TOKENS.open);
  if (stat.isFile()) {
    yield* file(out, path, stat);
  } else if (stat.isSymbolicLink()) {
    out.raw(TOKENS.symlink);
    out.string(readlinkSync(toPath(path), "buffer"));
  } else if (stat.isDirectory()) {
    out.raw(TOKENS.directory);
    for (const name of readdirSync(toPath(path), "latin1").sort()) {
      if (out.full) yield out.flush();
      out.raw(TOKENS.entry);
      out.string(Buffer.from(name, "latin1"));
      out.raw(TOKENS.node);
      yield* node(out, `${path}/${name}`);
      if (out.full) yield out.flush();
      out.raw(TOKENS.close);
    }
  } else {
    special(path);
  }
  if (out.full) yield out.flush();
  out.raw(TOKENS.close);
}

function* file(out: NarBuffer, path: ByteString, stat: Stats): Generator<Uint8Array, void> {
  out.raw((stat.mode & 0o100) === 0 ? TOKENS.regular : TOKENS.executable);
  out.size(stat.size);
  if (stat.size > 0) {
    const fd = openSync(toPath(path), "r");
    try {
      let left = stat.size;
      while (left > 0) {
        if (out.full) yield out.flush();
        // Straight into the buffer the archive is written through; contents are never copied.
        const got = readSync(fd, out.bytes, out.length, Math.min(left, out.room), null);
        if (got === 0) changed(path);
        out.length += got;
        left -= got;
      }
    } finally {
      closeSync(fd);
    }
  }
  if (out.full) yield out.flush();
  out.pad(stat.size);
}

function changed(path: ByteString): never {
  return fail({
    code: "nar-file-changed",
    message: `${toText(path)} became shorter while it was read`,
    fix: "Something else writes to it; stop that and try again.",
  });
}

function special(path: ByteString): never {
  return fail({
    code: "nar-file-special",
    message: `${toText(path)} is neither a file, a directory nor a symlink`,
    fix: "The store holds nothing else: remove the socket, pipe or device before the builder ends.",
  });
}
