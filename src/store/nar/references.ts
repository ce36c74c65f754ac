/**
 * Which store paths occur in a stream of bytes.
 *
 * An object refers to another when the other's 32 digits occur anywhere in its archive, names and link targets
 * included. The scan looks at windows of 32 bytes from their end: a byte that is no digit at all moves the window
 * behind it, so binary data costs about one look per 32 bytes and prose about one in six.
 */
import { BASE32_ALPHABET } from "../base32.ts";
import { HASH_LENGTH } from "../path.ts";

/** The length, as a constant of this module: the inner loop reads it for every window. */
const WINDOW = HASH_LENGTH;

const NOTHING = Buffer.alloc(0);

/** Collects which of some hash parts occur in what it is shown. */
export class ReferenceScanner {
  readonly found = new Set<string>();
  readonly wanted: ReadonlySet<string>;
  /** By the first two digits of a window: whether any wanted hash begins so. Spares nearly all string building. */
  readonly #heads = new Uint8Array(1024);
  /** The last digits of what came before, for hashes that lie across a border. */
  #tail: Buffer = NOTHING;

  constructor(hashes: Iterable<string>) {
    this.wanted = new Set(hashes);
    for (const hash of this.wanted) this.#heads[headOf(hash.charCodeAt(0), hash.charCodeAt(1))] = 1;
  }

  /** Look at the next bytes. */
  push(chunk: Uint8Array): void {
    if (this.found.size === this.wanted.size) return;
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    if (this.#tail.length > 0) this.#scan(Buffer.concat([this.#tail, bytes.subarray(0, WINDOW - 1)]));
    this.#scan(bytes);
    // Only digits at the end can be the beginning of a hash.
    let digits = 0;
    while (digits < WINDOW - 1 && digits < bytes.length && isDigit(bytes[bytes.length - 1 - digits])) digits++;
    if (digits === bytes.length) this.#tail = Buffer.from(Buffer.concat([this.#tail, bytes]).subarray(1 - WINDOW));
    else this.#tail = digits === 0 ? NOTHING : Buffer.from(bytes.subarray(bytes.length - digits));
  }

  /** Take over what was found elsewhere. */
  add(found: Iterable<string>): void {
    for (const hash of found) this.found.add(hash);
  }

  #scan(bytes: Buffer): void {
    const last = bytes.length - WINDOW;
    let at = 0;
    // How many bytes at the window's start are already known to be digits.
    let known = 0;
    while (at <= last) {
      let i = WINDOW - 1;
      while (i >= known && (DIGIT[bytes[at + i] as number] as number) < NO_DIGIT) i--;
      if (i >= known) {
        at += i + 1;
        known = WINDOW - 1 - i;
        continue;
      }
      if (this.#heads[headOf(bytes[at] as number, bytes[at + 1] as number)] === 1) {
        const hash = bytes.toString("latin1", at, at + WINDOW);
        if (this.wanted.has(hash)) this.found.add(hash);
      }
      at += 1;
      known = WINDOW - 1;
    }
  }
}

function isDigit(byte: number | undefined): boolean {
  return (DIGIT[byte as number] as number) < NO_DIGIT;
}

function headOf(first: number, second: number): number {
  return ((DIGIT[first] as number) << 5) | (DIGIT[second] as number);
}

const NO_DIGIT = 32;

/** What each byte is worth as a digit. */
const DIGIT = new Uint8Array(256).fill(NO_DIGIT);
for (const [value, digit] of [...BASE32_ALPHABET].entries()) DIGIT[digit.charCodeAt(0)] = value;
