/**
 * Trees and archives to disk.
 *
 * Everything is created, nothing is opened that exists: what is at the destination already is a problem, and since an
 * archive names each entry once (see read.ts), no write can be led elsewhere by a symlink the archive brought. Where a
 * file system takes two names for one (case, Unicode), the second is such a problem, too: `nar-entry-refused`.
 */
import { closeSync, mkdirSync, openSync, symlinkSync, writeSync } from "node:fs";
import { fail, quoted } from "../../problems/index.ts";
import { type ByteString, toBytes, toPath, toText } from "./bytes.ts";
import { type NarSink, readNar, readNarStream } from "./read.ts";
import type { Tree } from "./tree.ts";
import { narOfTree } from "./write.ts";

/** Unpack an archive given in chunks to `destination`, which must not exist. */
export function unpackNar(chunks: Iterable<Uint8Array>, destination: string): void {
  const sink = new DiskSink(destination);
  try {
    readNar(chunks, sink);
  } finally {
    sink.abandon();
  }
}

/** Unpack an archive that arrives over time to `destination`, which must not exist. */
export async function unpackNarStream(chunks: AsyncIterable<Uint8Array>, destination: string): Promise<void> {
  const sink = new DiskSink(destination);
  try {
    await readNarStream(chunks, sink);
  } finally {
    sink.abandon();
  }
}

/** Write a tree from memory to `destination`, which must not exist. */
export function writeTree(tree: Tree, destination: string): void {
  // By way of the archive: one place checks names, one place creates files.
  unpackNar(narOfTree(tree), destination);
}

class DiskSink implements NarSink {
  readonly #path: ByteString[];
  #fd: number | undefined;

  constructor(destination: string) {
    this.#path = [toBytes(destination)];
  }

  directory(name: Buffer | undefined): void {
    const path = this.#at(name);
    created(path, (at) => mkdirSync(at, 0o755));
    if (name !== undefined) this.#path.push(path);
  }
  leave(): void {
    this.#path.pop();
  }
  symlink(name: Buffer | undefined, target: Buffer): void {
    created(this.#at(name), (at) => symlinkSync(target, at));
  }
  file(name: Buffer | undefined, executable: boolean): void {
    this.#fd = created(this.#at(name), (at) => openSync(at, "wx", executable ? 0o755 : 0o644));
  }
  contents(chunk: Uint8Array): void {
    for (let done = 0; done < chunk.length; ) done += writeSync(this.#fd as number, chunk, done);
  }
  close(): void {
    this.abandon();
  }
  /** Close the file that is open, if any. */
  abandon(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }
  #at(name: Buffer | undefined): ByteString {
    const parent = this.#path.at(-1) as ByteString;
    return name === undefined ? parent : `${parent}/${name.toString("latin1")}`;
  }
}

/** What an archive may hold and this file system does not take. Everything else that goes wrong is about the disk. */
const REFUSALS: Readonly<Record<string, string>> = {
  EEXIST: "something is there already, under this name or one that the file system takes for the same",
  ENAMETOOLONG: "the path is longer than the system allows",
  EILSEQ: "the file system takes no such name",
  EINVAL: "the file system takes no such name",
};

function created<T>(path: ByteString, create: (at: ReturnType<typeof toPath>) => T): T {
  try {
    return create(toPath(path));
  } catch (error) {
    const why = REFUSALS[(error as NodeJS.ErrnoException).code ?? ""];
    if (why === undefined) throw error;
    return fail(
      {
        code: "nar-entry-refused",
        message: `${quoted(toText(path), 200)} cannot be made: ${why}`,
        fix: "Unpack to a place that is free and whose path is short, on a file system that tells names apart by their bytes.",
      },
      error,
    );
  }
}
