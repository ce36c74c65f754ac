/**
 * Decompression in this process, for the few files that are needed before any builder can run.
 */
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { fail } from "../problems/index.ts";

const gunzipAsync = promisify(gunzip);

/** Unpack `.xz` bytes. The decoder is a small WebAssembly module, imported on first use. */
export async function unxz(bytes: Uint8Array, name: string, limit: number): Promise<Uint8Array> {
  const unpacked = await decoded(bytes, limit).catch((error: unknown) => damaged(name, error));
  return unpacked ?? damaged(name, new Error(`it holds more than ${limit} bytes`));
}

/** The unpacked bytes, undefined for more than `limit`. */
async function decoded(bytes: Uint8Array, limit: number): Promise<Uint8Array | undefined> {
  const { XzReadableStream } = (await import("xz-decompress")).default;
  const compressed = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(bytes);
      controller.close();
    },
  });
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of new XzReadableStream(compressed)) {
    length += chunk.length;
    if (length > limit) return undefined;
    // The decoder reuses its memory for the next chunk.
    chunks.push(Uint8Array.from(chunk));
  }
  return Buffer.concat(chunks);
}

/** Unpack `.gz` bytes. */
export async function ungzip(bytes: Uint8Array, name: string, limit: number): Promise<Uint8Array> {
  const chunkSize = Math.max(MIN_CHUNK, Math.min(announcedSize(bytes), limit) + 1);
  return gunzipAsync(bytes, { maxOutputLength: limit, chunkSize }).catch((error: unknown) => damaged(name, error));
}

/** The least that is unpacked at a time. */
const MIN_CHUNK = 16 * 1024;

/** gzip packs no better than this. */
const MAX_RATIO = 1032;

/**
 * What the file says of its size, in its last four bytes, so that its content comes in one piece: in pieces of Node's 16 KiB an
 * index of 57 MB takes twice its memory and a second to put together. Where it is not true there are more pieces, or fewer.
 */
function announcedSize(bytes: Uint8Array): number {
  if (bytes.length < 18) return 0;
  const size = new DataView(bytes.buffer, bytes.byteOffset + bytes.length - 4, 4).getUint32(0, true);
  return size <= bytes.length * MAX_RATIO ? size : 0;
}

function damaged(name: string, error: unknown): never {
  fail(
    {
      code: "compression-damaged",
      message: `${name} cannot be unpacked: ${error instanceof Error ? error.message : String(error)}`,
      fix: "Fetch it again; if that does not help, the file is damaged in the archive: use another mirror.",
    },
    error,
  );
}
