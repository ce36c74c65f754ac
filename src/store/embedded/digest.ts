/**
 * One pass over what lies in a store: the hash and size of its archive, and which hash parts occur in it.
 *
 * Reading thousands of files takes about as long as hashing what they hold. So this thread reads, and what is not small
 * is hashed by another one meanwhile, where there is a processor for it (nar/hash-helper.ts).
 */
import { createHash } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import type { Hash } from "../hash.ts";
import { lentNarOfPath } from "../nar/disk.ts";
import { releaseHelper, takeHelper } from "../nar/hash-helper.ts";
import { ReferenceScanner } from "./references.ts";

/** What an archive is known by. */
export interface Digest {
  readonly hash: Hash;
  readonly size: number;
  /** The hash parts that occur in it. */
  readonly found: ReadonlySet<string>;
}

/** What to look for, and how. */
export interface DigestOptions {
  /** Hash parts to look for. */
  readonly wanted?: Iterable<string>;
  readonly signal?: AbortSignal;
  /** Given each chunk while it may be hashed already; it is to be done with when this returns. */
  readonly also?: (chunk: Uint8Array) => void;
  /** False for one of many that are hashed at a time and keep all processors busy. Default: true. */
  readonly helped?: boolean;
}

/** How long the pass may keep the event loop waiting. */
const BREATH_MS = 15;

/** Read what lies at a place and answer what its archive is known by. */
export async function digestOf(place: string, options: DigestOptions): Promise<Digest> {
  const scanner = new ReferenceScanner(options.wanted ?? []);
  const helper = options.helped === false ? undefined : takeHelper();
  const sha = createHash("sha256");
  let size = 0;
  let since = performance.now();
  try {
    for (const chunk of lentNarOfPath(place, helper?.chunks)) {
      size += chunk.length;
      scanner.push(chunk);
      if (helper === undefined) sha.update(chunk);
      else helper.give(chunk);
      options.also?.(chunk);
      // The next chunk will lie where an earlier one does.
      while (helper?.isBehind === true || performance.now() - since > BREATH_MS) {
        helper?.wait();
        if (performance.now() - since < BREATH_MS) continue;
        await setImmediate();
        options.signal?.throwIfAborted();
        since = performance.now();
      }
    }
    const bytes = helper === undefined ? sha.digest() : await helper.digest();
    return { hash: { algo: "sha256", bytes }, size, found: scanner.found };
  } finally {
    if (helper !== undefined) releaseHelper(helper);
  }
}
