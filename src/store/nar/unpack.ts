/**
 * Trees and archives to disk.
 *
 * Everything is created, nothing is opened that exists: what is at the destination already is a problem, and since an
 * archive names each entry once (see read.ts), no write can be led elsewhere by a symlink the archive brought. Where a
 * file system takes two names for one (case, Unicode), the second is such a problem, too: `nar-entry-refused`.
 */
import {
  chmodSync,
  closeSync,
  fchmodSync,
  fstatSync,
  futimesSync,
  lutimesSync,
  mkdirSync,
  openSync,
  symlinkSync,
  writeSync,
} from "node:fs";
import { fail, quoted } from "../../problems/index.ts";
import { type ByteString, toBytes, toPath, toText } from "./bytes.ts";
import { NarReader, type NarSink, readNar, readNarStream } from "./read.ts";
import type { Tree } from "./tree.ts";
import { narOfTree } from "./write.ts";

/** The time everything in a store has, in seconds since 1970; 0 would mean "unknown" to some programs. */
export const STORE_TIME = 1;

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

/** Unpacks an archive that somebody hands over to a place where nothing is, in the form that a store has: see {@link DiskSink}. */
export class NarUnpacker {
  readonly #sink: DiskSink;
  readonly #reader: NarReader;

  constructor(destination: string) {
    this.#sink = new DiskSink(destination, true);
    this.#reader = new NarReader(this.#sink);
  }

  /** Write what the next chunk holds. */
  push(chunk: Uint8Array): void {
    this.#reader.push(chunk);
  }

  /** There are no more chunks. */
  end(): void {
    this.#reader.end();
  }

  /** Close the file that is open, if any. */
  abandon(): void {
    this.#sink.abandon();
  }
}

/** Writes what it is told of. What is to be `canonical` has the modes and the time of a store when it is done with. */
class DiskSink implements NarSink {
  readonly #path: ByteString[];
  readonly #canonical: boolean;
  #fd: number | undefined;
  #mode = 0;
  /** By mode: whether files that are made with it have it. */
  readonly #kept = new Map<number, boolean>();

  constructor(destination: string, canonical = false) {
    this.#path = [toBytes(destination)];
    this.#canonical = canonical;
  }

  directory(name: Buffer | undefined): void {
    const path = this.#at(name);
    created(path, (at) => mkdirSync(at, 0o755));
    // The top is the last one left as well.
    if (name !== undefined) this.#path.push(path);
  }
  leave(): void {
    const at = toPath(this.#path.at(-1) as ByteString);
    if (this.#path.length > 1) this.#path.pop();
    if (!this.#canonical) return;
    chmodSync(at, 0o555);
    lutimesSync(at, STORE_TIME, STORE_TIME);
  }
  symlink(name: Buffer | undefined, target: Buffer): void {
    const path = this.#at(name);
    created(path, (at) => symlinkSync(target, at));
    if (this.#canonical) lutimesSync(toPath(path), STORE_TIME, STORE_TIME);
  }
  file(name: Buffer | undefined, executable: boolean): void {
    this.#mode = executable ? 0o555 : 0o444;
    this.#fd = created(this.#at(name), (at) => openSync(at, "wx", this.#mode | (this.#canonical ? 0 : 0o200)));
  }
  contents(chunk: Uint8Array): void {
    for (let done = 0; done < chunk.length; ) done += writeSync(this.#fd as number, chunk, done);
  }
  close(): void {
    if (this.#canonical) {
      this.#keepMode();
      futimesSync(this.#fd as number, STORE_TIME, STORE_TIME);
    }
    this.abandon();
  }
  /** The umask, or what a directory hands down, may take some of a mode: of each such file then, and the first tells. */
  #keepMode(): void {
    const fd = this.#fd as number;
    let kept = this.#kept.get(this.#mode);
    if (kept === undefined) {
      kept = (fstatSync(fd).mode & 0o7777) === this.#mode;
      this.#kept.set(this.#mode, kept);
    }
    if (!kept) fchmodSync(fd, this.#mode);
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
