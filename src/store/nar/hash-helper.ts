/**
 * A second thread for hashing: one reads an archive from the disk into memory that both share, the other hashes it.
 *
 *     reader  ─►  chunk 0 │ chunk 1 │ … │ chunk 15  ─►  hasher        GIVEN, TAKEN: how many chunks so far
 *
 * Neither says anything to the other: who has nothing to do waits for the other's counter. The thread is started when the first
 * archive comes that is worth it, which takes 50 ms, and stays for the next. Run from TypeScript sources there is none: a
 * thread is started from a file, and Node cannot run that one.
 *
 * Little memory is shared, since memory that a processor has not just had in its hands is what costs most here.
 */
import { createHash } from "node:crypto";
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { CHUNK_SIZE } from "./encode.ts";

const CHUNKS = 16;

/** Chunks after which an archive is worth another thread: what is smaller is hashed before one has started. */
const SMALL = 12;

/** Places in the counters: how many chunks were given and taken, the chunks' lengths, whether there is a digest, and the digest. */
const GIVEN = 0;
const TAKEN = 1;
const LENGTHS = 2;
const DONE = LENGTHS + CHUNKS;
const DIGEST = DONE + 1;
const DIGEST_BYTES = 32;
const COUNTERS_BYTES = DIGEST * Int32Array.BYTES_PER_ELEMENT + DIGEST_BYTES;

/** Stands for a length, behind the last chunk. */
const END = -1;

/** How long a thread waits at most before it looks after other things. */
const PATIENCE_MS = 5;

/** How long the reader waits for a thread that does nothing, where it cannot be told why. */
const STALLED_MS = 10_000;

/** What both threads share. */
export interface Shared {
  readonly memory: SharedArrayBuffer;
  readonly counters: Int32Array;
  /** True when the reader waits for the digest with its thread: it is left in the counters, and no message is sent. */
  readonly waits?: boolean;
}

const idle: HashHelper[] = [];
let made = 0;

/** A helper that nobody else has. There are as many as there are processors besides the one that reads. */
export function takeHelper(): HashHelper | undefined {
  const helper = idle.pop();
  if (helper !== undefined) return helper;
  if (made >= availableParallelism() - 1 || !import.meta.url.endsWith(".js")) return undefined;
  made += 1;
  return new HashHelper();
}

/** Let others have it. */
export function releaseHelper(helper: HashHelper): void {
  if (helper.reset()) idle.push(helper);
  else made -= 1;
}

/** Hashes one archive after the other; the reader's side. */
export class HashHelper {
  /** Where the chunks of an archive are to lie, in turn. */
  readonly chunks: readonly Buffer[];
  readonly #shared: Shared = {
    memory: new SharedArrayBuffer(CHUNKS * CHUNK_SIZE),
    counters: new Int32Array(new SharedArrayBuffer(COUNTERS_BYTES)),
  };
  /** Chunks of an archive that may turn out to be small. */
  #first: Uint8Array[] = [];
  #worker: Worker | undefined;
  #answer: Promise<Uint8Array> | undefined;
  #settle: { readonly resolve: (digest: Uint8Array) => void; readonly reject: (error: unknown) => void } | undefined;
  #failed = false;
  /** How the digest of this archive is asked for: by {@link digest} or in {@link hashNow}. */
  #waits = false;

  constructor() {
    this.chunks = chunksIn(this.#shared.memory);
  }

  /** Hash an archive while this thread stands still for it. Undefined when the other thread does not answer. */
  hashNow(archive: (chunks: readonly Buffer[]) => Iterable<Uint8Array>): HashedNow | undefined {
    this.#waits = true;
    let size = 0;
    for (const chunk of archive(this.chunks)) {
      size += chunk.length;
      this.give(chunk);
      if (!this.#until(() => !this.isBehind, TAKEN)) return undefined;
    }
    if (this.#answer === undefined) return { bytes: this.#digestOfFirst(), size };
    this.#count(END);
    const { counters } = this.#shared;
    if (!this.#until(() => Atomics.load(counters, DONE) === 1, DONE)) return undefined;
    this.#answer = undefined;
    this.#worker?.unref();
    const at = counters.byteOffset + DIGEST * Int32Array.BYTES_PER_ELEMENT;
    return { bytes: new Uint8Array(counters.buffer, at, DIGEST_BYTES).slice(), size };
  }

  /** The next chunk was written. */
  give(chunk: Uint8Array): void {
    this.#count(chunk.length);
    if (this.#answer !== undefined) return;
    this.#first.push(chunk);
    if (this.#first.length === SMALL) this.#start();
  }

  /** True when every chunk still has to be hashed, and none may be written. */
  get isBehind(): boolean {
    const { counters } = this.#shared;
    return !this.#failed && (counters[GIVEN] as number) - Atomics.load(counters, TAKEN) >= CHUNKS;
  }

  /** Wait for a chunk to be hashed, for a few milliseconds. */
  wait(): void {
    const { counters } = this.#shared;
    Atomics.wait(counters, TAKEN, (counters[GIVEN] as number) - CHUNKS, PATIENCE_MS);
  }

  /** The digest, when there are no more chunks. */
  async digest(): Promise<Uint8Array> {
    if (this.#answer === undefined) return this.#digestOfFirst();
    this.#count(END);
    const digest = await this.#answer;
    this.#answer = undefined;
    // Waiting for the next archive keeps no process alive.
    this.#worker?.unref();
    return digest;
  }

  /** Be ready for another archive. False when somebody stopped in the middle of one, and the thread as well. */
  reset(): boolean {
    this.#first = [];
    this.#waits = false;
    this.#shared.counters.fill(0);
    if (this.#answer === undefined) return true;
    void this.#worker?.terminate();
    return false;
  }

  #digestOfFirst(): Uint8Array {
    const sha = createHash("sha256");
    for (const chunk of this.#first) sha.update(chunk);
    return sha.digest();
  }

  /** Wait for a counter to change until something holds; false when the other thread did nothing for too long. */
  #until(holds: () => boolean, counter: number): boolean {
    const { counters } = this.#shared;
    let taken = Atomics.load(counters, TAKEN);
    for (let since = performance.now(); !holds(); ) {
      Atomics.wait(counters, counter, Atomics.load(counters, counter), PATIENCE_MS);
      const now = Atomics.load(counters, TAKEN);
      if (now === taken && performance.now() - since > STALLED_MS) return false;
      if (now !== taken) since = performance.now();
      taken = now;
    }
    return true;
  }

  #start(): void {
    this.#worker ??= this.#open();
    this.#worker.ref();
    this.#answer = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    // Told to whoever asks for the digest.
    this.#answer.catch(() => {});
    this.#worker.postMessage({ ...this.#shared, waits: this.#waits } satisfies Shared);
  }

  #open(): Worker {
    const worker = new Worker(new URL("./hash-helper-thread.js", import.meta.url));
    worker.on("message", (digest: Uint8Array) => this.#settle?.resolve(digest));
    worker.on("error", (error) => {
      this.#failed = true;
      this.#settle?.reject(error);
    });
    return worker;
  }

  #count(length: number): void {
    const { counters } = this.#shared;
    const given = counters[GIVEN] as number;
    counters[LENGTHS + (given % CHUNKS)] = length;
    Atomics.store(counters, GIVEN, given + 1);
    Atomics.notify(counters, GIVEN);
  }
}

/** What {@link HashHelper.hashNow} answers. */
export interface HashedNow {
  readonly bytes: Uint8Array;
  readonly size: number;
}

/** The hasher's side: leave the digest where the reader waits for it. @internal */
export function leaveDigest({ counters }: Shared, digest: Uint8Array): void {
  new Uint8Array(counters.buffer, counters.byteOffset + DIGEST * Int32Array.BYTES_PER_ELEMENT).set(digest);
  Atomics.store(counters, DONE, 1);
  Atomics.notify(counters, DONE);
}

/** The hasher's side: hash all chunks of an archive, as they come. @internal */
export function hashChunks({ memory, counters }: Shared): Uint8Array {
  const chunks = chunksIn(memory);
  const sha = createHash("sha256");
  for (let taken = 0; ; taken += 1) {
    // Asked again after each waking: what the reader said of the last chunk may come after that chunk was hashed.
    while (Atomics.load(counters, GIVEN) === taken) Atomics.wait(counters, GIVEN, taken);
    const length = counters[LENGTHS + (taken % CHUNKS)] as number;
    if (length === END) return sha.digest();
    sha.update((chunks[taken % CHUNKS] as Buffer).subarray(0, length));
    Atomics.store(counters, TAKEN, taken + 1);
    Atomics.notify(counters, TAKEN);
  }
}

function chunksIn(memory: SharedArrayBuffer): Buffer[] {
  return Array.from({ length: CHUNKS }, (_, i) => Buffer.from(memory, i * CHUNK_SIZE, CHUNK_SIZE));
}
