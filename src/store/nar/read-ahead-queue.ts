/**
 * What the two threads share of which one reads an archive ahead for the other (read-ahead.ts):
 *
 *     reader  ─►  chunk 0 │ chunk 1 │ … │ chunk 15  ─►  user          GIVEN, TAKEN: how many chunks so far
 *
 * Neither says anything to the other: who has nothing to do waits for the other's counter. A chunk may have gaps: files
 * that the reader leaves to the user when that one would have nothing to do. In a gap lies the file's path.
 *
 * Little memory is shared, since memory that a processor has not just had in its hands is what costs most here.
 */
import { CHUNK_SIZE } from "./encode.ts";

/** How many chunks lie between the two. */
export const CHUNKS = 16;

/** How many files are left to the user at a time. */
export const GAPS = 4;

/** Places in the counters: chunks given, chunks taken. */
export const GIVEN = 0;
export const TAKEN = 1;
/** {@link READY} when the reader's thread runs, and {@link FAILED} when it could not read. */
export const STATE = 2;
/** How many archives the reader was asked for; it looks for the last one's path and first entry in {@link jobIn}, {@link FROM}. */
export const JOB = 3;
export const FROM = 4;
export const PATH_LENGTH = 5;
const SLOTS = 6;

/** Places in a chunk's slot: its length, how many gaps it has, and of each where it is and how long its path is. */
export const LENGTH = 0;
export const GAP_COUNT = 1;
export const FIRST_GAP = 2;
export const GAP_INTS = 2;
const SLOT_INTS = FIRST_GAP + GAPS * GAP_INTS;

/** Stands for a length, behind the last chunk. */
export const END = -1;

export const READY = 1;
export const FAILED = 2;

/** What the kernel takes as a path. */
const PATH_MOST = 4096;

/** What both threads share. */
export interface Shared {
  readonly memory: SharedArrayBuffer;
  readonly counters: Int32Array;
}

/** Memory for the two. */
export function newShared(): Shared {
  return {
    memory: new SharedArrayBuffer(CHUNKS * CHUNK_SIZE + PATH_MOST),
    counters: new Int32Array(new SharedArrayBuffer((SLOTS + CHUNKS * SLOT_INTS) * Int32Array.BYTES_PER_ELEMENT)),
  };
}

/** Where the slot of the nth chunk begins. */
export function slotOf(nth: number): number {
  return SLOTS + (nth % CHUNKS) * SLOT_INTS;
}

/** Where the chunks lie, in turn. */
export function chunksIn({ memory }: Shared): Buffer[] {
  return Array.from({ length: CHUNKS }, (_, i) => Buffer.from(memory, i * CHUNK_SIZE, CHUNK_SIZE));
}

/** Where the path lies of what is to be read. */
export function jobIn({ memory }: Shared): Buffer {
  return Buffer.from(memory, CHUNKS * CHUNK_SIZE, PATH_MOST);
}
