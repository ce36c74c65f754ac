/**
 * How Nix's programs write to each other: 64-bit numbers, little end first, and strings as in a NAR.
 */
import type { Readable, Writable } from "node:stream";
import { padding } from "../nar/encode.ts";

/** A number. */
export function number(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

/** A string. */
export function string(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([number(bytes.length), bytes, Buffer.alloc(padding(bytes.length))]);
}

/** A list of strings. */
export function strings(items: readonly string[]): Buffer {
  return Buffer.concat([number(items.length), ...items.map(string)]);
}

/** No answer we ask for has a string of this length. */
const LONGEST = 64 * 1024 * 1024;

/** The reading end. When the other side ends too early, the pending read is rejected with what `ended` says. */
export class WireReader {
  readonly #chunks: Buffer[] = [];
  #length = 0;
  #wake: () => void = () => {};
  #failure: Error | undefined;

  constructor(stream: Readable) {
    stream.on("data", (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.#length += chunk.length;
      this.#wake();
    });
  }

  /** Nothing more will come, because of this. */
  end(failure: Error): void {
    this.#failure ??= failure;
    this.#wake();
  }

  async number(): Promise<number> {
    const value = (await this.#take(8)).readBigUInt64LE();
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new Error("Nix answered with an impossible number");
    return Number(value);
  }

  async string(): Promise<string> {
    const length = await this.number();
    if (length > LONGEST) throw new Error("Nix answered with an impossible string");
    const text = (await this.#take(length)).toString();
    await this.#take(padding(length));
    return text;
  }

  async strings(): Promise<string[]> {
    const items: string[] = [];
    for (let left = await this.number(); left > 0; left--) items.push(await this.string());
    return items;
  }

  async #take(count: number): Promise<Buffer> {
    while (this.#length < count) {
      if (this.#failure !== undefined) throw this.#failure;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const all = this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks);
    const rest = all.subarray(count);
    this.#chunks.splice(0, this.#chunks.length, ...(rest.length === 0 ? [] : [rest]));
    this.#length = rest.length;
    return all.subarray(0, count);
  }
}

/** Write, and wait while the other side is behind. */
export async function write(stream: Writable, bytes: Uint8Array): Promise<void> {
  if (stream.write(bytes)) return;
  if (stream.destroyed) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      stream.off("drain", done).off("close", done);
      resolve();
    };
    stream.on("drain", done).on("close", done);
  });
}
