/**
 * The archives of what lies on the disk.
 */
import type { Hash } from "../hash.ts";
import { archive } from "./archive.ts";
import { NarBuffer, newChunk } from "./encode.ts";
import { narReadAhead } from "./read-ahead.ts";
import { hashNar } from "./write.ts";

/** The archive of what lies at `path`, in chunks. */
export function narOfPath(path: string): Generator<Uint8Array, void> {
  return archive(path, new NarBuffer());
}

/**
 * The same for whoever is done with a chunk when the next one is asked for: all lie in one place, or few. Fresh memory costs
 * more than hashing it, the kernel clears every page of it. With `helped`, another thread reads ahead where there is a
 * processor for it.
 */
export function* lentNarOfPath(path: string, helped = false): Generator<Uint8Array, void> {
  const own = spare ?? newChunk();
  spare = undefined;
  try {
    if (helped) yield* narReadAhead(path, own);
    else yield* archive(path, new NarBuffer({ chunks: [own] }));
  } finally {
    spare = own;
  }
}

/** Memory of the last archive: most archives are so small that getting some for each would be half the work. */
let spare: Buffer | undefined;

/** Hash and size of the archive of what lies at `path`. */
export function hashPath(path: string): { readonly hash: Hash; readonly size: number } {
  return hashNar(lentNarOfPath(path, true));
}
