/**
 * A second thread that reads an archive's files ahead, for a thread that hashes them.
 *
 * Reading thousands of files takes about as long as hashing what they hold. Both threads walk through the tree: the user
 * alone, until the reader's thread has started, which takes 60 ms; from the entry behind that one the reader goes ahead, and
 * leaves to the user some files whenever that one would wait. The thread stays for the next archive. Run from TypeScript
 * sources there is none: a thread is started from a file, and Node cannot run that one.
 */
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { archive, file, type Span } from "./archive.ts";
import { NarBuffer } from "./encode.ts";
import {
  chunksIn,
  END,
  FAILED,
  FIRST_GAP,
  FROM,
  GAP_COUNT,
  GAP_INTS,
  GIVEN,
  JOB,
  jobIn,
  LENGTH,
  newShared,
  PATH_LENGTH,
  READY,
  STATE,
  slotOf,
  TAKEN,
} from "./read-ahead-queue.ts";

/** Chunks after which an archive is worth another thread: what is smaller is read before one has started. */
const SMALL = 12;

/** How often the reader's counter is looked at before waiting for it: being woken takes longer than a file. */
const LOOKS = 2000;

/** How long the user waits for a thread that does nothing, where it cannot be told why. */
const STALLED_MS = 10_000;

const idle: Reader[] = [];
let made = 0;

/** The archive of what lies at `path`, read with help, in chunks that are good until the next one is asked for. */
export function* narReadAhead(path: string, own: Buffer): Generator<Uint8Array, void> {
  const reader = takeReader();
  if (reader === undefined) return yield* archive(path, new NarBuffer({ chunks: [own] }));
  try {
    yield* reader.read(path, own);
  } finally {
    if (reader.isIdle) idle.push(reader);
    else reader.end();
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
  #worker: Worker | undefined;
  /** True while nothing is read for anybody. */
  isIdle = true;
  #ended = false;

  *read(path: string, own: Buffer): Generator<Uint8Array, void> {
    const { counters } = this.#shared;
    const span = { next: 0, to: undefined as number | undefined } satisfies Span;
    let size = 0;
    let chunks = 0;
    // 1. Alone, until the other thread has started.
    for (const chunk of archive(path, new NarBuffer({ chunks: [own] }), span)) {
      yield chunk;
      size += chunk.length;
      chunks += 1;
      if (chunks === SMALL) this.#worker ??= this.#start();
      if (chunks < SMALL || span.to !== undefined || counters[STATE] !== READY) continue;
      // The rest of this entry here, what follows it there.
      span.to = span.next;
      this.#ask(path, span.to);
    }
    if (this.isIdle) return;
    // 2. What the other thread reads.
    for (const chunk of this.#given(own)) {
      if (chunk === undefined) break;
      yield chunk;
      size += chunk.length;
    }
    if (this.isIdle) return;
    // 3. It could not go on: once more alone, from where it was. A file that cannot be read is told of here.
    this.end();
    let skipped = 0;
    for (const chunk of archive(path, new NarBuffer({ chunks: [own] }))) {
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
  *#given(own: Buffer): Generator<Uint8Array | undefined, void> {
    const { counters } = this.#shared;
    for (let taken = 0; ; taken += 1) {
      if (!this.#wait(taken) || Atomics.load(counters, STATE) === FAILED) return yield undefined;
      const slot = slotOf(taken);
      const length = counters[slot + LENGTH] as number;
      if (length === END) break;
      const chunk = (this.#chunks[taken % this.#chunks.length] as Buffer).subarray(0, length);
      if (counters[slot + GAP_COUNT] === 0) yield chunk;
      else yield* filled(chunk, counters, slot, own);
      Atomics.store(counters, TAKEN, taken + 1);
      Atomics.notify(counters, TAKEN);
    }
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
  #ask(path: string, from: number): void {
    const { counters } = this.#shared;
    this.isIdle = false;
    Atomics.store(counters, GIVEN, 0);
    Atomics.store(counters, TAKEN, 0);
    counters[FROM] = from;
    counters[PATH_LENGTH] = jobIn(this.#shared).write(path);
    Atomics.add(counters, JOB, 1);
    Atomics.notify(counters, JOB);
  }

  #start(): Worker {
    const worker = new Worker(new URL("./read-ahead-thread.js", import.meta.url), { workerData: this.#shared });
    // Waiting for an archive keeps no process alive; and without a reader, everything is read here.
    worker.unref();
    worker.on("error", () => {});
    return worker;
  }
}

/** A chunk with the files that belong into its gaps. */
function* filled(chunk: Buffer, counters: Int32Array, slot: number, own: Buffer): Generator<Uint8Array, void> {
  const out = new NarBuffer({ chunks: [own] });
  let from = 0;
  const literal = function* (to: number): Generator<Uint8Array, void> {
    while (from < to) {
      if (out.full) yield out.flush();
      const end = Math.min(to, from + out.room);
      out.raw(chunk.subarray(from, end));
      from = end;
    }
  };
  for (let i = 0; i < (counters[slot + GAP_COUNT] as number); i += 1) {
    const gap = slot + FIRST_GAP + i * GAP_INTS;
    yield* literal(counters[gap] as number);
    const end = from + (counters[gap + 1] as number);
    yield* file(out, chunk.toString("latin1", from, end));
    from = end;
  }
  yield* literal(chunk.length);
  yield out.flush();
}
