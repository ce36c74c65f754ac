/** The thread of hash-helper.ts. */
import { parentPort } from "node:worker_threads";
import { hashChunks, type Shared } from "./hash-helper.ts";

parentPort?.on("message", (shared: Shared) => parentPort?.postMessage(hashChunks(shared)));
