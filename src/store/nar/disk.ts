/**
 * Archives of trees on disk, read as they are written out: memory does not grow with the tree.
 *
 * The calls are the synchronous ones. A package tree is thousands of small files, and each asynchronous call would cost
 * several times what the work itself does; whoever has other things to do takes a break between two chunks.
 */
import { closeSync, lstatSync, openSync, readdirSync, readlinkSync, readSync, type Stats } from "node:fs";
import { fail } from "../../problems/index.ts";
import { type ByteString, toBytes, toPath, toText } from "./bytes.ts";
import { HEADROOM, NarBuffer, TOKENS } from "./encode.ts";

/** The archive of what lies at `path`, in chunks. */
export function narOfPath(path: string): Generator<Uint8Array, void> {
  return archive(path, new NarBuffer());
}

/**
 * The same for whoever is done with a chunk before asking for the next: all chunks are in the same memory. Fresh memory
 * costs more than hashing it, the kernel clears every page of it.
 */
export function lentNarOfPath(path: string): Generator<Uint8Array, void> {
  return archive(path, new NarBuffer(true));
}

function* archive(path: string, out: NarBuffer): Generator<Uint8Array, void> {
  out.raw(TOKENS.start);
  const bytes = toBytes(path);
  yield* node(out, bytes, lstatSync(toPath(bytes)));
  yield out.flush();
}

function* node(out: NarBuffer, path: ByteString, stat: Stats): Generator<Uint8Array, void> {
  if (out.full) yield out.flush();
  if (stat.isFile()) {
    yield* file(out, path, stat);
  } else if (stat.isDirectory()) {
    out.raw(TOKENS.open);
    out.raw(TOKENS.directory);
    for (const name of readdirSync(toPath(path), "latin1").sort()) {
      const child = `${path}/${name}`;
      const childStat = lstatSync(toPath(child));
      if (out.full) yield out.flush();
      out.raw(TOKENS.entry);
      out.string(Buffer.from(name, "latin1"));
      out.raw(TOKENS.node);
      // Nearly all files fit into what is left of the buffer, and need no generator.
      if (!fits(out, childStat)) yield* node(out, child, childStat);
      else wholeFile(out, child, childStat);
      if (out.full) yield out.flush();
      out.raw(TOKENS.close);
    }
    if (out.full) yield out.flush();
    out.raw(TOKENS.close);
  } else if (stat.isSymbolicLink()) {
    out.raw(TOKENS.open);
    out.raw(TOKENS.symlink);
    out.string(readlinkSync(toPath(path), "buffer"));
    out.raw(TOKENS.close);
  } else {
    special(path);
  }
}

function fits(out: NarBuffer, stat: Stats): boolean {
  return stat.isFile() && stat.size + HEADROOM <= out.room;
}

/** A file that fits. */
function wholeFile(out: NarBuffer, path: ByteString, stat: Stats): void {
  head(out, stat);
  if (stat.size > 0) {
    const fd = openSync(toPath(path), "r");
    try {
      for (let left = stat.size; left > 0; ) left -= take(out, fd, left, path);
    } finally {
      closeSync(fd);
    }
  }
  out.pad(stat.size);
  out.raw(TOKENS.close);
}

/** A file of any size. */
function* file(out: NarBuffer, path: ByteString, stat: Stats): Generator<Uint8Array, void> {
  head(out, stat);
  if (stat.size > 0) {
    const fd = openSync(toPath(path), "r");
    try {
      for (let left = stat.size; left > 0; ) {
        if (out.full) yield out.flush();
        left -= take(out, fd, left, path);
      }
    } finally {
      closeSync(fd);
    }
  }
  if (out.full) yield out.flush();
  out.pad(stat.size);
  out.raw(TOKENS.close);
}

function head(out: NarBuffer, stat: Stats): void {
  out.raw(TOKENS.open);
  out.raw((stat.mode & 0o100) === 0 ? TOKENS.regular : TOKENS.executable);
  out.size(stat.size);
}

/** Read straight into the buffer the archive is written through; contents are never copied. */
function take(out: NarBuffer, fd: number, left: number, path: ByteString): number {
  const got = readSync(fd, out.bytes, out.length, Math.min(left, out.room), null);
  if (got === 0) changed(path);
  out.length += got;
  return got;
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
