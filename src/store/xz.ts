/**
 * Undoing xz as bytes arrive. The decoder is a small WebAssembly module, imported on first use.
 */
import { Readable } from "node:stream";

/** The bytes that were compressed. Damaged data is thrown as the decoder throws it. */
export async function* fromXz(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const { XzReadableStream } = (await import("xz-decompress")).default;
  const reader = new XzReadableStream(Readable.toWeb(Readable.from(bytes)) as ReadableStream<Uint8Array>).getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      // The decoder reuses its memory for the next chunk.
      yield Uint8Array.from(value);
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}
