/** The thread of hash-helper.ts. */
import { parentPort } from "node:worker_threads";
import { hashChunks, leaveDigest, type Shared } from "./hash-helper.ts";

parentPort?.on("message", (shared: Shared) => {
  const digest = hashChunks(shared);
  if (shared.waits === true) leaveDigest(shared, digest);
  else parentPort?.postMessage(digest);
});
