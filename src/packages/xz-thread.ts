/** The thread of xz.ts: unpacks what it was started with, and says so. */
import { parentPort, workerData } from "node:worker_threads";
import { unxzHere } from "./xz.ts";

const { bytes, limit } = workerData as { readonly bytes: Uint8Array; readonly limit: number };
parentPort?.postMessage(await unxzHere(bytes, limit));
