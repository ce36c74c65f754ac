/**
 * A second thread that reads an archive's files ahead, for a thread that hashes them.
 *
 * Reading thousands of files takes half as long as hashing what they hold, and looking for references in it a sixth. Both
 * threads walk through the tree: the user alone, until the reader's thread has started, which takes 60 ms; from the entry
 * behind that one on only the reader. The thread stays for the next archive. Run from TypeScript sources there is none: a
 * thread is started from a file, and Node cannot run that one.
 */
import { availableParallelism } from "node:os";
import { MessageChannel, receiveMessageOnPort, Worker } from "node:worker_threads";
import { archive, type Span } from "./archive.ts";
import { NarBuffer } from "./encode.ts";
import {
  chunksIn,
  END,
  FAILED,
  GIVEN,
  JOB,
  type Job,
  LOW,
  lengthOf,
  newShared,
  READY,
  type ReaderData,
  STATE,
  TAKEN,
} from "./read-ahead-queue.ts";
import type { ReferenceScanner } from "./references.ts";

/** Chunks after which an archive is worth another thread: what is smaller is read before one has started. */
const SMALL = 12;

/** How often the reader's counter is looked at before waiting for it: being woken takes longer than a file. */
const LOOKS = 2000;

/** How long the user waits for a thread that does nothing, where it cannot be told why. */
const STALLED_MS = 10_000;

const idle: Reader[] = [];
let made = 0;

/**
 * The archive of what lies at `path`, read with help, in chunks that are good until the next one is asked for. At its end the
 * scanner has found what occurs in it.
 */
export function* narReadAhead(path: string, own: Buffer, scanner: ReferenceScanner): Generator<Uint8Array, void> {
  const reader = takeReader();
  if (reader === undefined) return yield* scanned(archive(path, new NarBuffer([own])), scanner);
  try {
    yield* reader.read(path, own, scanner);
  } finally {
    if (reader.isIdle) idle.push(reader);
    else reader.end();
  }
}

/** What is yielded, looked at on its way. */
export function* scanned(chunks: Iterable<Uint8Array>, scanner: ReferenceScanner): Generator<Uint8Array, void> {
  for (const chunk of chunks) {
    scanner.push(chunk);
    yield chunk;
  }
}

/** A reader that nobody else has. There are as many as there are processors besides the one that hashes. */
function takeReader(): Reader | undefined {
  const reader = idle.pop();
  if (reader !== undefined) return reader;
  if (made >= availableParallelism() - 1 || !import.meta.url.endsWith(".js")) return undefined;
  made += 1;
  return new Reader();
}

class Reader {
  readonly #shared = newShared();
  readonly #chunks = chunksIn(this.#shared);
  /** Jobs go this way, and what they found comes back. */
  readonly #channel = new MessageChannel();
  #worker: Worker | undefined;
  /** True while nothing is read for anybody. */
  isIdle = true;
  #ended = false;

  *read(path: string, own: Buffer, scanner: ReferenceScanner): Generator<Uint8Array, void> {
    const { counters } = this.#shared;
    const span = { next: 0, to: undefined as number | undefined } satisfies Span;
    let size = 0;
    let chunks = 0;
    // 1. Alone, until the other thread has started.
    for (const chunk of scanned(archive(path, new NarBuffer([own]), span), scanner)) {
      yield chunk;
      size += chunk.length;
      chunks += 1;
      if (chunks === SMALL) this.#worker ??= this.#start();
      if (chunks < SMALL || span.to !== undefined || counters[STATE] !== READY) continue;
      // The rest of this entry here, what follows it there.
      span.to = span.next;
      this.#ask({ path, from: span.to, wanted: scanner.wanted });
    }
    if (this.isIdle) return;
    // 2. What the other thread reads.
    for (const chunk of this.#given(scanner)) {
      if (chunk === undefined) break;
      yield chunk;
      size += chunk.length;
    }
    if (this.isIdle) return;
    // 3. It could not go on: once more alone, from where it was. A file that cannot be read is told of here.
    this.end();
    let skipped = 0;
    for (const chunk of scanned(archive(path, new NarBuffer([own])), scanner)) {
      const rest = chunk.subarray(Math.max(0, Math.min(chunk.length, size - skipped)));
      skipped += chunk.length;
      if (rest.length > 0) yield rest;
    }
  }

  /** The thread ends, and nobody gets this reader again. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    made -= 1;
    void this.#worker?.terminate();
  }

  /** The chunks that are given; undefined for no more, although there should be. */
  *#given(scanner: ReferenceScanner): Generator<Uint8Array | undefined, void> {
    const { counters } = this.#shared;
    for (let taken = 0; ; taken += 1) {
      if (!this.#wait(taken) || Atomics.load(counters, STATE) === FAILED) return yield undefined;
      const length = counters[lengthOf(taken)] as number;
      if (length === END) break;
      yield (this.#chunks[taken % this.#chunks.length] as Buffer).subarray(0, length);
      Atomics.store(counters, TAKEN, taken + 1);
      if (Atomics.load(counters, GIVEN) - (taken + 1) <= LOW) Atomics.notify(counters, TAKEN);
    }
    scanner.add(receiveMessageOnPort(this.#channel.port1)?.message as string[]);
    this.isIdle = true;
  }

  /** Wait for the next chunk; false when the other thread did nothing for too long. */
  #wait(taken: number): boolean {
    const { counters } = this.#shared;
    for (let i = 0; i < LOOKS; i += 1) if (Atomics.load(counters, GIVEN) !== taken) return true;
    while (Atomics.load(counters, GIVEN) === taken)
      if (Atomics.wait(counters, GIVEN, taken, STALLED_MS) === "timed-out") return false;
    return true;
  }

  /** Have an archive read from an entry on. */
  #ask(job: Job): void {
    const { counters } = this.#shared;
    this.isIdle = false;
    Atomics.store(counters, GIVEN, 0);
    Atomics.store(counters, TAKEN, 0);
    this.#channel.port1.postMessage(job);
    Atomics.add(counters, JOB, 1);
    Atomics.notify(counters, JOB);
  }

  #start(): Worker {
    const workerData: ReaderData = { ...this.#shared, port: this.#channel.port2 };
    const transferList = [this.#channel.port2];
    const worker = new Worker(new URL("./read-ahead-thread.js", import.meta.url), { workerData, transferList });
    // Waiting for an archive keeps no process alive; and without a reader, everything is read here.
    worker.unref();
    worker.on("error", () => {});
    return worker;
  }
}
