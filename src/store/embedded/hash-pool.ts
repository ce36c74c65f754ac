/**
 * Hashing many objects at a time: as many threads as there are processors, each reading and hashing by itself.
 *
 * One thread hashes some 600 MB/s, a disk reads several times that. Most objects are small, and telling a thread of one
 * takes longer than hashing it; so a thread is told of many. Run from TypeScript sources there are none: a
 * thread is started from a file, and Node cannot run that one.
 */
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { toSri } from "../hash.ts";
import { digestOf } from "./digest.ts";

/** What an object's archive hashes to. */
export interface Digest {
  /** SRI. */
  readonly narHash: string;
  readonly narSize: number;
}

/** What a thread answers about one place. @internal */
export type Answer = Digest | { readonly code: string | undefined; readonly message: string };

/** One object that waits to be hashed. */
interface Job {
  readonly place: string;
  readonly resolve: (digest: Digest) => void;
  readonly reject: (error: unknown) => void;
}

/** Places that a thread is told of at a time, while there are enough for all threads. */
const BATCH = 64;

/** Hashes objects, several at a time. */
export class HashPool {
  readonly #waiting: Job[] = [];
  readonly #size: number;
  readonly #signal: AbortSignal | undefined;
  readonly #idle: Worker[] = [];
  readonly #all: Worker[] = [];
  /** Batches at work. */
  #busy = 0;

  constructor(signal?: AbortSignal, size = availableParallelism()) {
    this.#signal = signal;
    this.#size = import.meta.url.endsWith(".js") ? size : 1;
  }

  /** Hash what lies at a place. Errors of the file system are thrown with their code. */
  hash(place: string): Promise<Digest> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ place, resolve, reject });
      // Whoever asks for many has asked for all of them by then.
      if (this.#waiting.length === 1) setImmediate(() => this.#next());
    });
  }

  /** End the threads. */
  async close(): Promise<void> {
    await Promise.all(this.#all.splice(0).map((worker) => worker.terminate()));
  }

  #next(): void {
    while (this.#busy < this.#size && this.#waiting.length > 0) {
      const fair = Math.ceil(this.#waiting.length / this.#size);
      const jobs = this.#waiting.splice(0, this.#size > 1 ? Math.min(BATCH, fair) : 1);
      this.#busy += 1;
      void this.#do(jobs).then(() => {
        this.#busy -= 1;
        this.#next();
      });
    }
  }

  async #do(jobs: readonly Job[]): Promise<void> {
    try {
      this.#signal?.throwIfAborted();
      const places = jobs.map((job) => job.place);
      const answers = this.#size > 1 ? await this.#inThread(places) : await hashAll(places);
      for (const [i, job] of jobs.entries()) {
        const answer = answers[i] as Answer;
        if ("narHash" in answer) job.resolve(answer);
        else job.reject(Object.assign(new Error(answer.message), { code: answer.code }));
      }
    } catch (error) {
      for (const job of jobs) job.reject(error);
    }
  }

  async #inThread(places: readonly string[]): Promise<readonly Answer[]> {
    const worker = this.#idle.pop() ?? this.#start();
    const answers = await new Promise<readonly Answer[]>((resolve, reject) => {
      const end = (settle: () => void): void => {
        worker.off("message", told);
        worker.off("error", failed);
        settle();
      };
      const told = (message: readonly Answer[]): void => end(() => resolve(message));
      const failed = (error: unknown): void => end(() => reject(error as Error));
      worker.on("message", told);
      worker.on("error", failed);
      worker.postMessage(places);
    });
    this.#idle.push(worker);
    return answers;
  }

  #start(): Worker {
    const worker = new Worker(new URL("./hash-thread.js", import.meta.url));
    this.#all.push(worker);
    return worker;
  }
}

/** Hash in this thread, with breaks. */
export async function hashHere(place: string): Promise<Digest> {
  const { hash, size } = await digestOf(place, { helped: false });
  return { narHash: toSri(hash), narSize: size };
}

/** The same for several, and what goes wrong is an answer. @internal */
export async function hashAll(places: readonly string[]): Promise<Answer[]> {
  const answers: Answer[] = [];
  for (const place of places) {
    try {
      answers.push(await hashHere(place));
    } catch (error) {
      const { code, message } = error as { code?: string; message?: string };
      answers.push({ code, message: message ?? String(error) });
    }
  }
  return answers;
}
