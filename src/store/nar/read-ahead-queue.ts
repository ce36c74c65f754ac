/**
 * What the two threads share of which one reads an archive ahead for the other (read-ahead.ts):
 *
 *     reader  ─►  chunk 0 │ chunk 1 │ … │ chunk 127 ─►  user          GIVEN, TAKEN: how many chunks so far
 *
 * Who has nothing to do waits for the other's counter. What is to be read, and which hash parts were found there, goes by
 * messages, each of which lies there before the counter says so.
 *
 * The queue is long enough for the time in which a new thread is slow: V8 compiles what it does while it does it. What is not
 * needed of its memory is never touched.
 */
import type { MessagePort } from "node:worker_threads";
import { CHUNK_SIZE } from "./encode.ts";

/** How many chunks lie between the two. */
export const CHUNKS = 128;

/** When the reader goes on that had to wait: to wake it for each chunk would take both of them longer than reading one. */
export const LOW = CHUNKS / 2;

/** Places in the counters: chunks given, chunks taken. */
export const GIVEN = 0;
export const TAKEN = 1;
/** {@link READY} when the reader's thread runs, and {@link FAILED} when it could not read. */
export const STATE = 2;
/** How many archives the reader was asked for, each by a {@link Job}. */
export const JOB = 3;
const LENGTHS = 4;

/** Stands for a length, behind the last chunk. */
export const END = -1;

export const READY = 1;
export const FAILED = 2;

/** What both threads share. */
export interface Shared {
  readonly memory: SharedArrayBuffer;
  readonly counters: Int32Array;
}

/** What the reader is given when it starts: jobs come by the port, and what each found goes back. */
export interface ReaderData extends Shared {
  readonly port: MessagePort;
}

/** The message for an archive; answered, before {@link END}, by the array of hash parts that were found. */
export interface Job {
  readonly path: string;
  /** The first entry that is read. */
  readonly from: number;
  /** Hash parts to look for. */
  readonly wanted: ReadonlySet<string>;
}

/** Memory for the two. */
export function newShared(): Shared {
  return {
    memory: new SharedArrayBuffer(CHUNKS * CHUNK_SIZE),
    counters: new Int32Array(new SharedArrayBuffer((LENGTHS + CHUNKS) * Int32Array.BYTES_PER_ELEMENT)),
  };
}

/** The place in the counters of the nth chunk's length. */
export function lengthOf(nth: number): number {
  return LENGTHS + (nth % CHUNKS);
}

/** Where the chunks lie, in turn. */
export function chunksIn({ memory }: Shared): Buffer[] {
  return Array.from({ length: CHUNKS }, (_, i) => Buffer.from(memory, i * CHUNK_SIZE, CHUNK_SIZE));
}
