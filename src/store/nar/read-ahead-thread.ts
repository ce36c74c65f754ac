/** The reader's side of read-ahead.ts: a thread that reads one archive after the other, as far ahead as there is memory. */
import { workerData } from "node:worker_threads";
import { archive } from "./archive.ts";
import { NarBuffer } from "./encode.ts";
import {
  CHUNKS,
  chunksIn,
  END,
  FAILED,
  FIRST_GAP,
  FROM,
  GAP_COUNT,
  GAP_INTS,
  GAPS,
  GIVEN,
  JOB,
  jobIn,
  LENGTH,
  PATH_LENGTH,
  READY,
  type Shared,
  STATE,
  slotOf,
  TAKEN,
} from "./read-ahead-queue.ts";

/** With so few chunks before it, the user will soon have nothing to do. */
const FEW = 1;

const shared: Shared = workerData;
const { counters } = shared;
const chunks = chunksIn(shared);
let given = 0;
let gaps = 0;

Atomics.store(counters, STATE, READY);
for (let job = 0; ; job += 1) {
  while (Atomics.load(counters, JOB) === job) Atomics.wait(counters, JOB, job);
  try {
    read(jobIn(shared).toString("utf8", 0, counters[PATH_LENGTH]), counters[FROM] as number);
  } catch {
    // Who reads there itself is told why.
    Atomics.store(counters, STATE, FAILED);
    give(END);
  }
}

/** Read an archive from an entry on. */
function read(path: string, from: number): void {
  given = 0;
  gaps = 0;
  const out = new NarBuffer({ chunks, leave });
  for (const chunk of archive(path, out, { from })) {
    give(chunk.length);
    // The next one is written to where that of the first turn lies.
    let taken = Atomics.load(counters, TAKEN);
    while (given - taken >= CHUNKS) {
      Atomics.wait(counters, TAKEN, taken);
      taken = Atomics.load(counters, TAKEN);
    }
  }
  give(END);
}

/** Whether a file is to be left to the user, at this place; `full` when no more of them are. */
function leave(at: number, length: number): false | "some" | "full" {
  if (given - Atomics.load(counters, TAKEN) > FEW && gaps === 0) return false;
  const gap = slotOf(given) + FIRST_GAP + gaps * GAP_INTS;
  counters[gap] = at;
  counters[gap + 1] = length;
  gaps += 1;
  return gaps === GAPS ? "full" : "some";
}

function give(length: number): void {
  const slot = slotOf(given);
  counters[slot + LENGTH] = length;
  counters[slot + GAP_COUNT] = gaps;
  gaps = 0;
  given += 1;
  Atomics.store(counters, GIVEN, given);
  Atomics.notify(counters, GIVEN);
}
