/**
 * The archives of what lies on the disk.
 */
import type { Hash } from "../hash.ts";
import { archive } from "./archive.ts";
import { NarBuffer, newChunk } from "./encode.ts";
import { narReadAhead, scanned } from "./read-ahead.ts";
import { ReferenceScanner } from "./references.ts";
import { hashNar } from "./write.ts";

/** The archive of what lies at `path`, in chunks. */
export function narOfPath(path: string): Generator<Uint8Array, void> {
  return archive(path, new NarBuffer());
}

/** How an archive is read; for {@link lentNarOfPath}. */
export interface LentOptions {
  readonly helped?: boolean;
  /** What to look for on the way. Default: nothing. */
  readonly scanner?: ReferenceScanner;
}

/**
 * The same for whoever is done with a chunk when the next one is asked for: all lie in one place, or few. Fresh memory costs
 * more than hashing it, the kernel clears every page of it. With `helped`, another thread reads ahead where there is a
 * processor for it. The scanner has seen all of it in the end.
 */
export function* lentNarOfPath(
  path: string,
  { helped = false, scanner = new ReferenceScanner([]) }: LentOptions = {},
): Generator<Uint8Array, void> {
  const own = spare ?? newChunk();
  spare = undefined;
  try {
    if (helped) yield* narReadAhead(path, own, scanner);
    else yield* scanned(archive(path, new NarBuffer([own])), scanner);
  } finally {
    spare = own;
  }
}

/** Memory of the last archive: most archives are so small that getting some for each would be half the work. */
let spare: Buffer | undefined;

/** Hash and size of the archive of what lies at `path`. */
export function hashPath(path: string): { readonly hash: Hash; readonly size: number } {
  return hashNar(lentNarOfPath(path, { helped: true }));
}
