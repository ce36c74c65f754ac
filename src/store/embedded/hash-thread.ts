/** A thread of hash-pool.ts: takes places, answers what lies there hashes to. */
import { parentPort } from "node:worker_threads";
import { hashAll } from "./hash-pool.ts";

parentPort?.on("message", (places: readonly string[]) => {
  void hashAll(places).then((answers) => parentPort?.postMessage(answers));
});
