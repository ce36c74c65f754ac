/**
 * One pass over what lies in a store: the hash and size of its archive, and which hash parts occur in it.
 */
import { createHash } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import type { Hash } from "../hash.ts";
import { lentNarOfPath } from "../nar/disk.ts";
import { ReferenceScanner } from "./references.ts";

/** What an archive is known by. */
export interface Digest {
  readonly hash: Hash;
  readonly size: number;
  /** The hash parts that occur in it. */
  readonly found: ReadonlySet<string>;
}

/** How long the pass may keep the event loop waiting. */
const BREATH_MS = 15;

/** Read what lies at a place and answer what its archive is known by. */
export async function digestOf(
  place: string,
  options: { readonly wanted?: Iterable<string>; readonly signal?: AbortSignal },
): Promise<Digest> {
  const sha = createHash("sha256");
  const scanner = new ReferenceScanner(options.wanted ?? []);
  let size = 0;
  let since = performance.now();
  for (const chunk of lentNarOfPath(place)) {
    sha.update(chunk);
    scanner.push(chunk);
    size += chunk.length;
    if (performance.now() - since < BREATH_MS) continue;
    await setImmediate();
    options.signal?.throwIfAborted();
    since = performance.now();
  }
  return { hash: { algo: "sha256", bytes: sha.digest() }, size, found: scanner.found };
}
