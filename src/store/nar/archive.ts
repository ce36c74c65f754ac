/**
 * Archives of trees on disk, read as they are written out: memory does not grow with the tree.
 *
 * The calls are the synchronous ones. A package tree is thousands of small files, and each asynchronous call would cost
 * several times what the work itself does; whoever has other things to do takes a break between two chunks.
 */
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  type Stats,
} from "node:fs";
import { fail } from "../../problems/index.ts";
import { type ByteString, toBytes, toPath, toText } from "./bytes.ts";
import { type NarBuffer, TOKENS } from "./encode.ts";

/** A part of an archive, by its entries: those of all directories are counted in the order in which they are written. */
export interface Span {
  /** The first entry that is written; default: all from the archive's start. */
  readonly from?: number;
  /** The entry before which writing ends; may be set while the archive is written. Default: none. */
  to?: number | undefined;
  /** Set to how many entries were begun. */
  next?: number;
}

/** Where in its part an archive is. */
class Position {
  readonly #span: Span;
  readonly #from: number;
  next = 0;
  /** True at the end of the part. */
  over = false;

  constructor(span: Span) {
    this.#span = span;
    this.#from = span.from ?? -1;
  }

  /** An entry begins, unless the part ends before it. */
  begin(): boolean {
    if (this.next === this.#span.to) {
      this.over = true;
      return false;
    }
    this.next += 1;
    this.#span.next = this.next;
    return true;
  }

  /** True when what is here belongs to the part. */
  get written(): boolean {
    return this.next > this.#from;
  }
}

/** The archive of what lies at `path`, or a part of it. */
export function* archive(path: string, out: NarBuffer, span: Span = {}): Generator<Uint8Array, void> {
  const position = new Position(span);
  if (position.written) out.raw(TOKENS.start);
  const bytes = toBytes(path);
  yield* node(out, bytes, lstatSync(toPath(bytes)), position);
  yield out.flush();
}

/** What a directory says of an entry: little, but at no cost. */
type Kind = Pick<Stats, "isFile" | "isDirectory" | "isSymbolicLink">;

/** An entry of a directory. @internal */
export type Entry = Kind & { readonly name: ByteString };

function* node(out: NarBuffer, path: ByteString, kind: Kind, position: Position): Generator<Uint8Array, void> {
  // What has no entries is in the part before the first one, as a whole.
  if (!position.written && !kind.isDirectory()) return;
  if (out.full) yield out.flush();
  if (kind.isFile()) {
    yield* file(out, path);
  } else if (kind.isDirectory()) {
    if (position.written) {
      out.raw(TOKENS.open);
      out.raw(TOKENS.directory);
    }
    yield* entries(out, path, position);
    if (position.over) return;
    if (out.full) yield out.flush();
    if (position.written) out.raw(TOKENS.close);
  } else if (kind.isSymbolicLink()) {
    out.raw(TOKENS.open);
    out.raw(TOKENS.symlink);
    out.string(readlinkSync(toPath(path), "buffer"));
    out.raw(TOKENS.close);
  } else {
    special(path);
  }
}

function* entries(out: NarBuffer, path: ByteString, position: Position): Generator<Uint8Array, void> {
  for (const entry of sortedEntries(path)) {
    const child = `${path}/${entry.name}`;
    if (out.full) yield out.flush();
    if (!position.begin()) return;
    if (position.written) {
      out.raw(TOKENS.entry);
      out.latin1(entry.name);
      out.raw(TOKENS.node);
    } else if (!entry.isDirectory()) {
      continue;
    }
    if (out.full || !entry.isFile()) {
      yield* node(out, child, entry, position);
      if (position.over) return;
    } else {
      // Nearly all files fit into what is left of the buffer, and are done without another generator.
      const rest = beginFile(out, child);
      if (rest !== undefined) yield* restOfFile(out, child, rest);
    }
    if (out.full) yield out.flush();
    if (position.written) out.raw(TOKENS.close);
  }
}

/** A file's node. */
function* file(out: NarBuffer, path: ByteString): Generator<Uint8Array, void> {
  if (out.full) yield out.flush();
  const rest = beginFile(out, path);
  if (rest !== undefined) yield* restOfFile(out, path, rest);
}

/** The entries of a directory, in the order of their names' bytes. */
function sortedEntries(path: ByteString): Entry[] {
  return entriesOf(path).sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The entries of a directory, in the order in which they lie there. @internal */
export function entriesOf(path: ByteString): Entry[] {
  try {
    return readdirSync(toPath(path), { encoding: "latin1", withFileTypes: true });
  } catch {
    // Some file systems do not tell kinds. Node then looks at each entry itself, and finds none whose name is not ASCII.
    const names = readdirSync(toPath(path), "latin1");
    return names.map((name) => Object.assign(lstatSync(toPath(`${path}/${name}`)), { name }));
  }
}

/** A file that is larger than what was left of the buffer. */
interface Rest {
  readonly fd: number;
  readonly size: number;
  readonly left: number;
}

/** Write a file, or its beginning. Looking at it when it is open is one look less along its path. */
function beginFile(out: NarBuffer, path: ByteString): Rest | undefined {
  const fd = openSync(toPath(path), OPEN_FILE);
  let rest: Rest | undefined;
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) special(path);
    const { size } = stat;
    out.raw(TOKENS.open);
    out.raw((stat.mode & 0o100) === 0 ? TOKENS.regular : TOKENS.executable);
    out.size(size);
    let left = size;
    while (left > 0 && !out.full) left -= take(out, fd, left, path);
    if (left === 0 && !out.full) endFile(out, size);
    else rest = { fd, size, left };
  } finally {
    if (rest === undefined) closeSync(fd);
  }
  return rest;
}

function* restOfFile(out: NarBuffer, path: ByteString, { fd, size, left }: Rest): Generator<Uint8Array, void> {
  try {
    while (left > 0) {
      if (out.full) yield out.flush();
      left -= take(out, fd, left, path);
    }
  } finally {
    closeSync(fd);
  }
  if (out.full) yield out.flush();
  endFile(out, size);
}

function endFile(out: NarBuffer, size: number): void {
  out.pad(size);
  out.raw(TOKENS.close);
}

/** A pipe that takes a file's place meanwhile does not hold us up, and a link is not followed. */
const OPEN_FILE = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

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
