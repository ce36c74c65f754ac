/**
 * Decompression in this process, for the few files that are needed before any builder can run.
 */
import { promisify } from "node:util";
import { Worker } from "node:worker_threads";
import { gunzip } from "node:zlib";
import { fail } from "../problems/index.ts";

const gunzipAsync = promisify(gunzip);

/**
 * Unpack `.xz` bytes. What is large is unpacked in another thread: this one has files to fetch meanwhile. Run from TypeScript
 * sources there is none, a thread is started from a file that Node can run.
 */
export async function unxz(bytes: Uint8Array, name: string, limit: number): Promise<Uint8Array> {
  const here = bytes.length < LARGE || !import.meta.url.endsWith(".js");
  const unpacked = await (here ? unxzHere(bytes, limit) : inThread(bytes, limit)).catch((error: unknown) =>
    damaged(name, error),
  );
  return unpacked ?? damaged(name, new Error(`it holds more than ${limit} bytes`));
}

/** From here on, unpacking takes longer than a thread's start. */
const LARGE = 500_000;

/** The unpacked bytes, undefined for more than `limit`. The decoder is a small WebAssembly module, imported on first use. @internal */
export async function unxzHere(bytes: Uint8Array, limit: number): Promise<Uint8Array | undefined> {
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

function inThread(bytes: Uint8Array, limit: number): Promise<Uint8Array | undefined> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL("./xz-thread.js", import.meta.url), { workerData: { bytes, limit } });
    worker.once("message", resolve);
    worker.once("error", reject);
    worker.once("exit", () => reject(new Error("the thread that unpacks it has ended")));
  });
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
