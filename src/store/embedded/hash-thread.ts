/** A thread of hash-pool.ts: takes places, answers what lies there hashes to. */
import { parentPort } from "node:worker_threads";
import { type Answer, hashHere } from "./hash-pool.ts";

parentPort?.on("message", (place: string) => {
  void hashHere(place)
    .catch((error: unknown): Answer => {
      const { code, message } = error as { code?: string; message?: string };
      return { code, message: message ?? String(error) };
    })
    .then((answer) => parentPort?.postMessage(answer));
});
