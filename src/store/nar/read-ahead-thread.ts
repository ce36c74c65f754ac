/**
 * The reader's side of read-ahead.ts: a thread that reads one archive after the other, as far ahead as there is memory, and
 * looks for hash parts in what it read.
 */
import { receiveMessageOnPort, workerData } from "node:worker_threads";
import { archive } from "./archive.ts";
import { NarBuffer } from "./encode.ts";
import {
  CHUNKS,
  chunksIn,
  END,
  FAILED,
  GIVEN,
  JOB,
  type Job,
  LOW,
  lengthOf,
  READY,
  type ReaderData,
  STATE,
  TAKEN,
} from "./read-ahead-queue.ts";
import { ReferenceScanner } from "./references.ts";

const data: ReaderData = workerData;
const { counters, port } = data;
const chunks = chunksIn(data);
let given = 0;

Atomics.store(counters, STATE, READY);
for (let job = 0; ; job += 1) {
  while (Atomics.load(counters, JOB) === job) Atomics.wait(counters, JOB, job);
  try {
    port.postMessage([...read(receiveMessageOnPort(port)?.message as Job)]);
    give(END);
  } catch {
    // Who reads there itself is told why.
    Atomics.store(counters, STATE, FAILED);
    give(END);
  }
}

/** Read an archive from an entry on, and answer which hash parts were found in what was read here. */
function read({ path, from, wanted }: Job): ReadonlySet<string> {
  given = 0;
  const scanner = new ReferenceScanner(wanted);
  const out = new NarBuffer(chunks);
  for (const chunk of archive(path, out, { from })) {
    give(chunk.length);
    // The user hashes it meanwhile.
    scanner.push(chunk);
    // The next one is written to where that of the first turn lies.
    let taken = Atomics.load(counters, TAKEN);
    if (given - taken < CHUNKS) continue;
    for (; given - taken > LOW; taken = Atomics.load(counters, TAKEN)) Atomics.wait(counters, TAKEN, taken);
  }
  return scanner.found;
}

function give(length: number): void {
  counters[lengthOf(given)] = length;
  given += 1;
  Atomics.store(counters, GIVEN, given);
  Atomics.notify(counters, GIVEN);
}
