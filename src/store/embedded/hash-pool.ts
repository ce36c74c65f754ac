/**
 * Hashing many objects at a time: as many threads as there are processors, each reading and hashing by itself.
 *
 * One thread hashes some 400 MB/s, a disk reads several times that. Threads are made when the second object waits, since
 * starting one takes longer than hashing most objects. Run from TypeScript sources there are none: a thread is started
 * from a file, and Node cannot run that one.
 */
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { toSri } from "../hash.ts";
import { digestOf } from "./digest.ts";
import { Slots } from "./slots.ts";

/** What an object's archive hashes to. */
export interface Digest {
  /** SRI. */
  readonly narHash: string;
  readonly narSize: number;
}

/** What a thread answers. @internal */
export type Answer = Digest | { readonly code: string | undefined; readonly message: string };

/** Hashes objects, several at a time. */
export class HashPool {
  readonly #slots: Slots;
  readonly #idle: Worker[] = [];
  readonly #all: Worker[] = [];
  readonly #threads: boolean;

  constructor(size = availableParallelism()) {
    this.#threads = size > 1 && import.meta.url.endsWith(".js");
    this.#slots = new Slots(this.#threads ? size : 1);
  }

  /** Hash what lies at a place. Errors of the file system are thrown with their code. */
  hash(place: string): Promise<Digest> {
    return this.#slots.use(() => (this.#threads ? this.#inThread(place) : hashHere(place)));
  }

  /** End the threads. */
  async close(): Promise<void> {
    await Promise.all(this.#all.splice(0).map((worker) => worker.terminate()));
  }

  async #inThread(place: string): Promise<Digest> {
    const worker = this.#idle.pop() ?? this.#start();
    const answer = await new Promise<Answer>((resolve, reject) => {
      const end = (settle: () => void): void => {
        worker.off("message", told);
        worker.off("error", failed);
        settle();
      };
      const told = (message: Answer): void => end(() => resolve(message));
      const failed = (error: unknown): void => end(() => reject(error as Error));
      worker.on("message", told);
      worker.on("error", failed);
      worker.postMessage(place);
    });
    this.#idle.push(worker);
    if ("narHash" in answer) return answer;
    throw Object.assign(new Error(answer.message), { code: answer.code });
  }

  #start(): Worker {
    const worker = new Worker(new URL("./hash-thread.js", import.meta.url));
    this.#all.push(worker);
    return worker;
  }
}

/** Hash in this thread, with breaks. */
export async function hashHere(place: string): Promise<Digest> {
  const { hash, size } = await digestOf(place, {});
  return { narHash: toSri(hash), narSize: size };
}
