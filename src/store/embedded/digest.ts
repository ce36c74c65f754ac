/**
 * One pass over what lies in a store: the hash and size of its archive, and which hash parts occur in it.
 *
 * Hashing takes longer than reading thousands of files and looking for hash parts in them. So this thread hashes, and the
 * rest of what is not small is done ahead by another one, where there is a processor for it (nar/read-ahead.ts).
 */
import { createHash } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import type { Hash } from "../hash.ts";
import { lentNarOfPath } from "../nar/disk.ts";
import { ReferenceScanner } from "../nar/references.ts";

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
  /** Given each chunk; it is to be done with when this returns. */
  readonly also?: (chunk: Uint8Array) => void;
  /** False for one of many that are hashed at a time and keep all processors busy. Default: true. */
  readonly helped?: boolean;
}

/** How long the pass may keep the event loop waiting. */
const BREATH_MS = 15;

/** Read what lies at a place and answer what its archive is known by. */
export async function digestOf(place: string, options: DigestOptions): Promise<Digest> {
  const scanner = new ReferenceScanner(options.wanted ?? []);
  const sha = createHash("sha256");
  let size = 0;
  let since = performance.now();
  for (const chunk of lentNarOfPath(place, { helped: options.helped !== false, scanner })) {
    size += chunk.length;
    sha.update(chunk);
    options.also?.(chunk);
    if (performance.now() - since < BREATH_MS) continue;
    await setImmediate();
    options.signal?.throwIfAborted();
    since = performance.now();
  }
  return { hash: { algo: "sha256", bytes: sha.digest() }, size, found: scanner.found };
}
