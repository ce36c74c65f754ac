/**
 * The NAR format, writing side.
 *
 * An archive is a sequence of strings, each a little-endian 64-bit length, the bytes, and zeros up to a multiple of
 * eight. A node is written as
 *
 *     "(" "type" "regular" ["executable" ""] "contents" <bytes> ")"
 *     "(" "type" "symlink" "target" <bytes> ")"
 *     "(" "type" "directory" { "entry" "(" "name" <bytes> "node" <node> ")" } ")"
 *
 * after the string "nix-archive-1"; a directory's entries are in the order of their names' bytes.
 *
 * Archives are written through a buffer that is handed out whenever it is full: small strings then cost a copy each and
 * no call into the hash.
 */

/** Large enough that per-chunk costs vanish, small enough for the second-level cache. */
export const CHUNK_SIZE = 256 * 1024;

/** More than any string but file contents takes: a name has at most 255 bytes, a target at most 4095. */
export const HEADROOM = 8 * 1024;

/** Fixed sequences of strings, encoded once. */
export const TOKENS = {
  start: strings("nix-archive-1"),
  open: strings("(", "type"),
  close: strings(")"),
  regular: strings("regular", "contents"),
  executable: strings("regular", "executable", "", "contents"),
  symlink: strings("symlink", "target"),
  directory: strings("directory"),
  entry: strings("entry", "(", "name"),
  node: strings("node"),
} as const;

/** Memory for one chunk of an archive. */
export function newChunk(): Buffer {
  return Buffer.allocUnsafeSlow(CHUNK_SIZE);
}

/**
 * The buffer an archive is written through. What was handed out is never written again, unless the memory is lent: then
 * a chunk is good until its memory's turn comes again, and an archive of any size takes no other.
 */
export class NarBuffer {
  bytes: Buffer;
  readonly #lent: readonly Buffer[];
  #turn = 0;
  /** Where the next byte goes. */
  length = 0;
  /** Up to here it was handed out. */
  #flushed = 0;

  /** With the memory that is lent, if any: chunks, which are written one after the other. */
  constructor(chunks: readonly Buffer[] = []) {
    this.#lent = chunks;
    this.bytes = chunks[0] ?? newChunk();
  }

  /** Bytes that fit. */
  get room(): number {
    return CHUNK_SIZE - this.length;
  }

  /** True when a few small strings might not fit any more; then {@link flush} first. */
  get full(): boolean {
    return this.room < HEADROOM;
  }

  /** Hand out what was written since the last time. */
  flush(): Uint8Array {
    const chunk = this.bytes.subarray(this.#flushed, this.length);
    if (this.#lent.length > 0) {
      this.#turn = (this.#turn + 1) % this.#lent.length;
      this.bytes = this.#lent[this.#turn] as Buffer;
      this.length = 0;
    } else if (this.full) {
      this.bytes = newChunk();
      this.length = 0;
    }
    this.#flushed = this.length;
    return chunk;
  }

  /** Write bytes that fit. */
  raw(bytes: Uint8Array): void {
    this.bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** Write a string that fits. */
  string(bytes: Uint8Array): void {
    this.size(bytes.length);
    this.raw(bytes);
    this.pad(bytes.length);
  }

  /** Write a string of one character per byte that fits. */
  latin1(text: string): void {
    this.size(text.length);
    this.length += this.bytes.write(text, this.length, "latin1");
    this.pad(text.length);
  }

  /** Write the length in front of a string. */
  size(length: number): void {
    this.bytes.writeUInt32LE(length % 0x1_0000_0000, this.length);
    this.bytes.writeUInt32LE(Math.floor(length / 0x1_0000_0000), this.length + 4);
    this.length += 8;
  }

  /** Write the zeros behind a string of this length. */
  pad(length: number): void {
    const end = this.length + padding(length);
    while (this.length < end) this.bytes[this.length++] = 0;
  }
}

/** Number of zeros behind a string of this length. */
export function padding(length: number): number {
  return (8 - (length % 8)) % 8;
}

function strings(...items: readonly string[]): Buffer {
  const parts: Buffer[] = [];
  for (const item of items) {
    const size = Buffer.alloc(8);
    size.writeUInt32LE(item.length);
    parts.push(size, Buffer.from(item), Buffer.alloc(padding(item.length)));
  }
  return Buffer.concat(parts);
}
