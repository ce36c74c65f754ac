/** The thread of xz.ts: unpacks what it was started with, and says so. */
import { parentPort, workerData } from "node:worker_threads";
import { unxzHere } from "./xz.ts";

const { bytes, limit } = workerData as { readonly bytes: Uint8Array; readonly limit: number };
const unpacked = await unxzHere(bytes, limit);
// Memory that the decoder has nothing in; it changes hands without being copied.
parentPort?.postMessage(unpacked, unpacked === undefined ? [] : [unpacked.buffer as ArrayBuffer]);
