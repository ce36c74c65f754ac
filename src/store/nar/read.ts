/**
 * The NAR format, reading side.
 *
 * An archive may come from anywhere, so the parser takes exactly what the writer writes and nothing else: names are
 * single path components in strictly ascending order (so none comes twice, and nothing can be written through a symlink
 * that the archive made before), padding is zero, sizes are believed only as far as bytes follow, nesting has a limit.
 * Anything else is the problem `nar-malformed`.
 *
 * The parser is a generator that is fed chunks and calls a sink, so that one parser serves archives in memory and
 * archives that come over a wire.
 */
import { fail, quoted } from "../../problems/index.ts";
import { padding } from "./encode.ts";
import type { Directory, Tree } from "./tree.ts";
import { checkEntryName } from "./write.ts";

/** Receives what an archive holds, depth first. Names are bytes; the root has none. */
export interface NarSink {
  directory(name: Buffer | undefined): void;
  /** Ends the directory begun last. */
  leave(): void;
  symlink(name: Buffer | undefined, target: Buffer): void;
  file(name: Buffer | undefined, executable: boolean, size: number): void;
  /** A part of the file begun last; valid during the call only. */
  contents(chunk: Uint8Array): void;
  /** Ends the file begun last. */
  close(): void;
}

/** Deeper than any tree that a path on Linux could reach with names of two letters. */
const MAX_DEPTH = 1000;

/** Read an archive given in chunks. Problems: `nar-malformed`, `nar-name-invalid`. */
export function readNar(chunks: Iterable<Uint8Array>, sink: NarSink): void {
  const reader = new NarReader(sink);
  for (const chunk of chunks) if (reader.push(chunk)) return;
  reader.end();
}

/** Read an archive that arrives over time. */
export async function readNarStream(chunks: AsyncIterable<Uint8Array>, sink: NarSink): Promise<void> {
  const reader = new NarReader(sink);
  for await (const chunk of chunks) if (reader.push(chunk)) return;
  reader.end();
}

/** Reads an archive that somebody hands over; a chunk is done with when {@link push} returns. */
export class NarReader {
  readonly #parser: Parser<void>;

  constructor(sink: NarSink) {
    this.#parser = archive(new Input(), sink);
    this.#parser.next();
  }

  /** Read the next chunk; true when there is nothing more to read. */
  push(chunk: Uint8Array): boolean {
    return this.#parser.next(chunk).done === true;
  }

  /** There are no more chunks. */
  end(): void {
    this.#parser.next(undefined);
  }
}

/** Read an archive to a tree in memory; names have to be UTF-8. */
export function treeOfNar(chunks: Iterable<Uint8Array>): Tree {
  const sink = new TreeSink();
  readNar(chunks, sink);
  return sink.root as Tree;
}

type Parser<T> = Generator<void, T, Uint8Array | undefined>;

function* archive(input: Input, sink: NarSink): Parser<void> {
  yield* input.expect("nix-archive-1");
  yield* node(input, sink, undefined, 0);
  if ((yield* input.more()) !== undefined) input.malformed("something follows the archive");
}

function* node(input: Input, sink: NarSink, name: Buffer | undefined, depth: number): Parser<void> {
  if (depth > MAX_DEPTH) input.malformed(`directories are nested more than ${MAX_DEPTH} deep`);
  yield* input.expect("(");
  yield* input.expect("type");
  const type = yield* input.word();
  if (type === "regular") return yield* regular(input, sink, name);
  if (type === "directory") return yield* directory(input, sink, name, depth);
  if (type !== "symlink") input.malformed(`there is no type ${JSON.stringify(type)}`);
  yield* input.expect("target");
  const target = yield* input.string(4095);
  if (target.length === 0 || target.includes(0)) input.malformed("a symlink has no usable target");
  yield* input.expect(")");
  sink.symlink(name, target);
}

function* regular(input: Input, sink: NarSink, name: Buffer | undefined): Parser<void> {
  let word = yield* input.word();
  const executable = word === "executable";
  if (executable) {
    yield* input.expect("");
    word = yield* input.word();
  }
  if (word !== "contents") input.malformed(`expected "contents", not ${JSON.stringify(word)}`);
  const size = yield* input.size();
  sink.file(name, executable, size);
  let left = size;
  while (left > 0) {
    const chunk = yield* input.upTo(left);
    sink.contents(chunk);
    left -= chunk.length;
  }
  yield* input.padding(size);
  yield* input.expect(")");
  sink.close();
}

function* directory(input: Input, sink: NarSink, name: Buffer | undefined, depth: number): Parser<void> {
  sink.directory(name);
  let last: Buffer | undefined;
  for (;;) {
    const word = yield* input.word();
    if (word === ")") break;
    if (word !== "entry") input.malformed(`expected "entry", not ${JSON.stringify(word)}`);
    yield* input.expect("(");
    yield* input.expect("name");
    const entry = yield* input.string(255);
    checkEntryName(entry);
    if (last !== undefined && Buffer.compare(last, entry) >= 0)
      input.malformed(`${JSON.stringify(entry.toString())} comes after ${JSON.stringify(last.toString())}`);
    last = entry;
    yield* input.expect("node");
    yield* node(input, sink, entry, depth + 1);
    yield* input.expect(")");
  }
  sink.leave();
}

/** Bytes not yet consumed. Each method asks for chunks until it has what it needs. */
class Input {
  #chunk: Buffer = Buffer.alloc(0);
  #at = 0;
  #consumed = 0;

  /** At least one byte's worth of buffered input, or undefined at the end. */
  *more(): Parser<Buffer | undefined> {
    while (this.#at === this.#chunk.length) {
      const next = yield;
      if (next === undefined) return undefined;
      this.#consumed += this.#chunk.length;
      this.#chunk = Buffer.from(next.buffer, next.byteOffset, next.byteLength);
      this.#at = 0;
    }
    return this.#chunk;
  }

  /** A view of some bytes, at most `limit`. */
  *upTo(limit: number): Parser<Buffer> {
    const chunk = yield* this.more();
    if (chunk === undefined) return this.malformed("it ends too early");
    const part = chunk.subarray(this.#at, Math.min(chunk.length, this.#at + limit));
    this.#at += part.length;
    return part;
  }

  /** A copy of exactly `count` bytes, where `count` is small. */
  *exactly(count: number): Parser<Buffer> {
    const bytes = Buffer.alloc(count);
    for (let have = 0; have < count; ) {
      const part = yield* this.upTo(count - have);
      part.copy(bytes, have);
      have += part.length;
    }
    return bytes;
  }

  *size(): Parser<number> {
    const bytes = yield* this.exactly(8);
    const size = bytes.readUInt32LE(0) + bytes.readUInt32LE(4) * 0x1_0000_0000;
    if (!Number.isSafeInteger(size)) this.malformed("a length is impossible");
    return size;
  }

  *string(limit: number): Parser<Buffer> {
    const size = yield* this.size();
    if (size > limit) this.malformed(`a string is ${size} bytes long where ${limit} are allowed`);
    const bytes = yield* this.exactly(size);
    yield* this.padding(size);
    return bytes;
  }

  *padding(size: number): Parser<void> {
    if (padding(size) === 0) return;
    const zeros = yield* this.exactly(padding(size));
    if (zeros.some((byte) => byte !== 0)) this.malformed("padding is not zero");
  }

  *word(): Parser<string> {
    return (yield* this.string(16)).toString("latin1");
  }

  *expect(word: string): Parser<void> {
    const got = yield* this.word();
    if (got !== word) this.malformed(`expected ${JSON.stringify(word)}, not ${JSON.stringify(got)}`);
  }

  malformed(why: string): never {
    return fail({
      code: "nar-malformed",
      message: `not a NAR archive: ${why} (near byte ${this.#consumed + this.#at})`,
      fix: "The archive is damaged or was changed; get it again from where it came from.",
    });
  }
}

class TreeSink implements NarSink {
  root: Tree | undefined;
  readonly #open: Map<string, Tree>[] = [];
  #file: { name: Buffer | undefined; executable: boolean; parts: Buffer[] } | undefined;

  directory(name: Buffer | undefined): void {
    const entries = new Map<string, Tree>();
    const tree: Directory = { type: "directory", entries };
    this.#put(name, tree);
    this.#open.push(entries);
  }
  leave(): void {
    this.#open.pop();
  }
  symlink(name: Buffer | undefined, target: Buffer): void {
    this.#put(name, { type: "symlink", target: utf8(target) });
  }
  file(name: Buffer | undefined, executable: boolean): void {
    this.#file = { name, executable, parts: [] };
  }
  contents(chunk: Uint8Array): void {
    this.#file?.parts.push(Buffer.from(chunk));
  }
  close(): void {
    const { name, executable, parts } = this.#file as {
      name: Buffer | undefined;
      executable: boolean;
      parts: Buffer[];
    };
    this.#put(name, { type: "regular", executable, contents: Buffer.concat(parts) });
  }
  #put(name: Buffer | undefined, tree: Tree): void {
    if (name === undefined) this.root = tree;
    else this.#open.at(-1)?.set(utf8(name), tree);
  }
}

function utf8(bytes: Buffer): string {
  const text = bytes.toString();
  if (Buffer.from(text).equals(bytes)) return text;
  return fail({
    code: "nar-name-invalid",
    message: `${quoted(text)} is not UTF-8, so a tree in memory cannot hold it`,
    fix: "Unpack the archive to disk, where names are bytes.",
  });
}
