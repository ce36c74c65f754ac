/**
 * Getting files from an archive: over http, https, or from a directory (`file:`).
 *
 * A file with a known size and sha256 is checked before anybody sees it. Requests that fail on the way are tried again
 * a few times; an answer that says the file is not there is final.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { fail, ProblemError } from "../problems/index.ts";

/** What a download must turn out to be. */
export interface Expected {
  readonly size: number;
  /** Hexadecimal. */
  readonly sha256: string;
}

/** How to download. */
export interface DownloadOptions {
  readonly expected?: Expected;
  readonly signal?: AbortSignal;
  /** Tries after the first. Default: 2. */
  readonly retries?: number;
}

/** Why a file of an archive is not there any more. */
export const SUPERSEDED = "An archive drops a file when a newer version has taken its place.";

/** What to do about it. */
export const WAYS_OUT =
  "Move the lock to what the archive has now (`osmod lock --update`), or set OSMOD_DEBIAN_MIRROR to a dated snapshot of the archive that still has it.";

/** No file we ask for without knowing its size (`InRelease`) comes near this. */
const UNCHECKED_LIMIT = 16 * 1024 * 1024;

/** Milliseconds without a byte after which a connection counts as dead. */
const STALL = 30_000;

/** Fetch a file whole. Problems: `fetch-not-found`, `mirror-unreachable`, `hash-mismatch`. */
export async function download(url: string, options: DownloadOptions = {}): Promise<Uint8Array> {
  const retries = options.retries ?? 2;
  for (let attempt = 0; ; attempt++) {
    try {
      const bytes = url.startsWith("file:") ? await readLocal(url) : await request(url, options);
      if (options.expected !== undefined) check(url, bytes, options.expected);
      return bytes;
    } catch (error) {
      options.signal?.throwIfAborted();
      const final = error instanceof ProblemError && !error.has("mirror-unreachable");
      if (final || attempt >= retries) throw error;
      await new Promise((resume) => setTimeout(resume, 200 * 4 ** attempt));
    }
  }
}

/** Throw `hash-mismatch` unless the bytes are what they should be. */
export function check(what: string, bytes: Uint8Array, expected: Expected): void {
  const found = createHash("sha256").update(bytes).digest("hex");
  if (bytes.length === expected.size && found === expected.sha256) return;
  fail({
    code: "hash-mismatch",
    message: `${what} is not the file that was asked for`,
    notes: [
      `expected ${expected.size} bytes, sha256 ${expected.sha256}`,
      `received ${bytes.length} bytes, sha256 ${found}`,
    ],
    fix: "Try again, or use another mirror (OSMOD_DEBIAN_MIRROR); a proxy on the way may answer with pages of its own.",
  });
}

async function request(url: string, options: DownloadOptions): Promise<Uint8Array> {
  const limit = options.expected?.size ?? UNCHECKED_LIMIT;
  const stalled = new AbortController();
  let timer = setTimeout(() => stalled.abort(), STALL);
  const signals = options.signal === undefined ? [stalled.signal] : [stalled.signal, options.signal];
  try {
    const response = await fetch(url, { signal: AbortSignal.any(signals), redirect: "follow" });
    if (response.status === 404 || response.status === 410) notFound(url);
    if (!response.ok || response.body === null)
      unreachable(url, `it answered ${response.status} ${response.statusText}`);
    const chunks: Uint8Array[] = [];
    let received = 0;
    for await (const chunk of response.body) {
      clearTimeout(timer);
      timer = setTimeout(() => stalled.abort(), STALL);
      received += chunk.length;
      // One byte too many is enough to know, and keeps an endless answer from filling the memory.
      if (received > limit) tooLong(url, limit);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  } catch (error) {
    if (error instanceof ProblemError) throw error;
    options.signal?.throwIfAborted();
    unreachable(url, stalled.signal.aborted ? `nothing came for ${STALL / 1000} seconds` : reasonOf(error), error);
  } finally {
    clearTimeout(timer);
  }
}

async function readLocal(url: string): Promise<Uint8Array> {
  try {
    return await readFile(fileURLToPath(url));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") notFound(url);
    unreachable(url, reasonOf(error), error);
  }
}

function reasonOf(error: unknown): string {
  const cause = (error as { cause?: unknown }).cause;
  const inner = cause instanceof Error ? cause : error;
  return inner instanceof Error ? inner.message : String(inner);
}

function notFound(url: string): never {
  fail({
    code: "fetch-not-found",
    message: `${url} is not there`,
    notes: [SUPERSEDED],
    fix: WAYS_OUT,
  });
}

function unreachable(url: string, why: string, cause?: unknown): never {
  fail(
    {
      code: "mirror-unreachable",
      message: `${url} cannot be fetched: ${why}`,
      fix: "Check the network, or set OSMOD_DEBIAN_MIRROR (and OSMOD_DEBIAN_SECURITY_MIRROR) to a mirror that can be reached.",
    },
    cause,
  );
}

function tooLong(url: string, limit: number): never {
  fail({
    code: "hash-mismatch",
    message: `${url} is longer than the ${limit} bytes it should have`,
    fix: "Try again, or use another mirror (OSMOD_DEBIAN_MIRROR).",
  });
}
