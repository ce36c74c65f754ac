/**
 * Compressed archives, by what Node has and one dependency that is there anyway.
 *
 * Written is brotli: every Nix since 2.0 reads it, every Node since 20 writes it, and at quality 3 it is both faster and
 * smaller than gzip (bench/README.md). Read is also what others write: gzip, xz (`nix copy`'s default), and zstd where Node has it.
 */
import { pipeline, Readable, type Transform } from "node:stream";
import zlib from "node:zlib";
import { fail } from "../../problems/index.ts";
import { fromXz } from "../xz.ts";
import type { Compression } from "./narinfo.ts";

/** How an archive is written. */
export const WRITTEN: Compression = "br";

/** The knee of the curve: quality 5 takes three times as long and gains another six per cent. */
const BROTLI_QUALITY = 3;

/** Bytes over time. */
export type ByteStream = AsyncIterable<Uint8Array>;

/** Undo a compression. Damaged data ends the stream with the problem `archive-damaged`. */
export async function* decompress(compression: Compression, bytes: ByteStream, where: string): ByteStream {
  if (compression === "none") return yield* bytes;
  const source = watched(bytes);
  try {
    if (compression === "xz") yield* fromXz(source.bytes);
    else yield* through(source.bytes, decompressor(compression, where));
  } catch (error) {
    // What the source said of itself is not the data's fault.
    if (source.failure !== undefined) throw source.failure.error;
    if ((error as { problems?: unknown }).problems !== undefined) throw error;
    fail(
      {
        code: "archive-damaged",
        message: `${where} is no ${compression} data: ${error instanceof Error ? error.message : String(error)}`,
        fix: "The file is damaged or was cut off; write it anew into the cache, or use another cache.",
      },
      error,
    );
  }
}

/** Compress as {@link WRITTEN} says. */
export function compress(bytes: Iterable<Uint8Array>): ByteStream {
  const options = { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: BROTLI_QUALITY } };
  return through(Readable.from(bytes, { objectMode: true }), zlib.createBrotliCompress(options));
}

function decompressor(compression: "br" | "gzip" | "zstd", where: string): Transform {
  if (compression === "br") return zlib.createBrotliDecompress();
  if (compression === "gzip") return zlib.createGunzip();
  const { createZstdDecompress } = zlib as { createZstdDecompress?: () => Transform };
  return (
    createZstdDecompress?.() ??
    fail({
      code: "compression-unsupported",
      message: `${where} is compressed by zstd, which this Node (${process.versions.node}) cannot undo`,
      fix: "Use Node 22.15 or later, or write the cache with another compression (`nix copy --to 'file:///dir?compression=xz'`).",
    })
  );
}

function through(bytes: ByteStream, transform: Transform): ByteStream {
  // An error on either side ends the other; the reader of the transform is told.
  pipeline(Readable.from(bytes), transform, () => {});
  return transform as AsyncIterable<Uint8Array>;
}

/** A stream that remembers what it failed with. */
function watched(bytes: ByteStream): { readonly bytes: ByteStream; failure?: { readonly error: unknown } } {
  const result: { bytes: ByteStream; failure?: { readonly error: unknown } } = { bytes };
  result.bytes = (async function* () {
    try {
      yield* bytes;
    } catch (error) {
      result.failure = { error };
      throw error;
    }
  })();
  return result;
}
