/**
 * Reading a binary cache: a directory, or a site.
 *
 * What a cache does not have is `undefined`; a cache that does not answer, or answers nonsense, is a problem. Nothing that
 * comes from it is trusted here: whoever imports checks signatures and hashes (trust.ts, ../embedded/substitute.ts).
 */
import { closeSync, createReadStream, existsSync, openSync, readdirSync, readSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import { fail, ProblemError } from "../../problems/index.ts";
import { hashPart } from "../mentions.ts";
import type { StorePath } from "../path.ts";
import { CACHE_INFO, parseCacheInfo } from "./cache-info.ts";
import { type ByteStream, decompress } from "./compression.ts";
import { malformed } from "./lines.ts";
import { type NarInfo, parseNarInfo } from "./narinfo.ts";

/** A binary cache that has answered once. */
export interface BinaryCache {
  readonly url: string;
  /** Lower is asked first. */
  readonly priority: number;
  /** What it says of a path. Problems: `narinfo-malformed`, `cache-unreachable`. */
  info(path: StorePath, signal: AbortSignal): Promise<NarInfo | undefined>;
  /** The archive of a path, uncompressed. Problems come while it is read. */
  archive(info: NarInfo, signal: AbortSignal): ByteStream;
  /** Every path, of caches that can be listed: directories. */
  all(): readonly StorePath[] | undefined;
}

const ATTEMPTS = 3;
const PAUSE_MS = 300;

/** A narinfo or cache info that is larger is none. */
const LARGEST_TEXT = 1024 * 1024;

/** Open a cache by its URL (`http:`, `https:`, `file:`) or directory. Problems: `cache-unreachable`, `cache-info-malformed`. */
export async function openCache(location: string, signal: AbortSignal): Promise<BinaryCache> {
  const base = baseOf(location);
  const at = `${base.href}${CACHE_INFO}`;
  const text = await readText(new URL(at), signal);
  if (text === undefined) unreachable(base.href, `there is no ${CACHE_INFO} in it, so it is no binary cache`);
  return new Cache(base, parseCacheInfo(text, at).priority);
}

class Cache implements BinaryCache {
  readonly url: string;
  readonly priority: number;
  readonly #base: URL;

  constructor(base: URL, priority: number) {
    this.#base = base;
    this.url = base.href.replace(/\/$/, "");
    this.priority = priority;
  }

  async info(path: StorePath, signal: AbortSignal): Promise<NarInfo | undefined> {
    const at = new URL(`${hashPart(path)}.narinfo`, this.#base);
    const text = await readText(at, signal);
    return text === undefined ? undefined : parseNarInfo(text, at.href, path);
  }

  archive(info: NarInfo, signal: AbortSignal): ByteStream {
    const at = new URL(info.url, this.#base);
    return decompress(info.compression, bytesOf(at, signal), at.href);
  }

  all(): readonly StorePath[] | undefined {
    if (this.#base.protocol !== "file:") return undefined;
    const directory = fileURLToPath(this.#base);
    return readdirSync(directory)
      .filter((name) => name.endsWith(".narinfo"))
      .map((name) => storePathIn(join(directory, name)));
  }
}

/** A narinfo is found by its digits alone; only its text has the whole path. */
function storePathIn(file: string): StorePath {
  const text = readStart(file);
  const path = /^StorePath: (\S+)$/m.exec(text)?.[1];
  return path ?? malformed(file, "narinfo-malformed", "it has no StorePath");
}

function baseOf(location: string): URL {
  // A lone letter before a colon would be a drive; everything else with a colon early on is a URL.
  const isUrl = /^[a-z][a-z0-9+.-]+:/i.test(location);
  if (isUrl && !URL.canParse(location)) unreachable(location, "it is no URL");
  const url = isUrl ? new URL(location) : pathToFileURL(resolve(location));
  if (!["file:", "http:", "https:"].includes(url.protocol))
    unreachable(location, "only file, http and https are understood");
  // Nix's settings of a store (`?priority=10`) are not part of an address.
  url.search = "";
  url.hash = "";
  if (!url.pathname.endsWith("/")) url.pathname += "/";
  return url;
}

async function readText(url: URL, signal: AbortSignal): Promise<string | undefined> {
  for (let attempt = 1; ; attempt++) {
    try {
      const chunks: Uint8Array[] = [];
      let size = 0;
      for await (const chunk of bytesOf(url, signal)) {
        size += chunk.length;
        if (size > LARGEST_TEXT) unreachable(url.href, `it is larger than ${LARGEST_TEXT} bytes`);
        chunks.push(chunk);
      }
      return Buffer.concat(chunks).toString();
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof Absent) return undefined;
      if (error instanceof ProblemError) throw error;
      if (attempt === ATTEMPTS || url.protocol === "file:") unreachable(url.href, reasonOf(error), error);
      await sleep(PAUSE_MS * 3 ** (attempt - 1), undefined, { signal });
    }
  }
}

/** The cache answered that it does not have it. */
class Absent extends Error {}

async function* bytesOf(url: URL, signal: AbortSignal): ByteStream {
  if (url.protocol === "file:") {
    const file = fileURLToPath(url);
    if (!existsSync(file)) throw new Absent(`${file} is not there`);
    return yield* createReadStream(file, { signal }) as AsyncIterable<Uint8Array>;
  }
  // TLS and HTTP take long to load.
  const { get } = await import("../embedded/http.ts");
  const answer = await get(url, signal);
  // Stores of objects that may not be listed answer 403 for what they do not have.
  if ([403, 404, 410].includes(answer.status)) {
    answer.discard();
    throw new Absent(`${url.href}: the server answered ${answer.status}`);
  }
  if (answer.status !== 200) {
    answer.discard();
    throw new Error(`the server answered ${answer.status}`);
  }
  let received = 0;
  for await (const chunk of answer.body) {
    received += chunk.length;
    yield chunk;
  }
  if (answer.length !== undefined && received !== answer.length)
    throw new Error(`it ended after ${received} of ${answer.length} bytes`);
}

function readStart(file: string): string {
  const fd = openSync(file, "r");
  try {
    const buffer = Buffer.alloc(4096);
    return buffer.toString("utf8", 0, readSync(fd, buffer));
  } finally {
    closeSync(fd);
  }
}

function reasonOf(error: unknown): string {
  const inner = error instanceof AggregateError && error.errors.length > 0 ? error.errors[0] : error;
  return inner instanceof Error ? inner.message : String(inner);
}

function unreachable(url: string, why: string, cause?: unknown): never {
  fail(
    {
      code: "cache-unreachable",
      message: `the cache ${url} cannot be used: ${why}`,
      fix: "Check the address and the network, or leave the cache out (OSMOD_SUBSTITUTERS, --from); what it has can be built instead.",
    },
    cause,
  );
}
