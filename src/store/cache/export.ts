/**
 * Writing a binary cache: a directory that osmod and Nix read, over a file system or from any web server.
 *
 *     nix-cache-info
 *     <digits>.narinfo                  one a path, written when everything it speaks of is there
 *     nar/<sha256 of the file>.nar.br   the archives
 *
 * A narinfo comes after its archive and after those of its references, each by one rename, so whoever reads meanwhile
 * sees a cache that is complete as far as it goes. What is there already stays and only gets a signature it lacks.
 */
import { createHash } from "node:crypto";
import { createWriteStream, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { fail } from "../../problems/index.ts";
import { ioProblem } from "../embedded/problems.ts";
import { Slots } from "../embedded/slots.ts";
import { type Hash, parseHash, sameHash, toBase32 } from "../hash.ts";
import { hashPart } from "../mentions.ts";
import { narOfPath } from "../nar/disk.ts";
import type { StorePath } from "../path.ts";
import type { PathInfo, Store } from "../store.ts";
import { CACHE_INFO, parseCacheInfo, printCacheInfo } from "./cache-info.ts";
import { compress, WRITTEN } from "./compression.ts";
import { contentAddressOf } from "./content-address.ts";
import { isSignedBy, parsePublicKey, publicKeyOf, type SecretKey, signPath } from "./keys.ts";
import { type NarInfo, parseNarInfo, printNarInfo } from "./narinfo.ts";

/** How to export. */
export interface ExportOptions {
  /** Signs every path. */
  readonly sign?: SecretKey;
  readonly signal?: AbortSignal;
  /** Called for each path as it is in the cache. */
  readonly onPath?: (path: StorePath, written: boolean) => void;
}

/** What an export did. */
export interface Exported {
  /** Paths of the closure, all of which the cache has now. */
  readonly paths: readonly StorePath[];
  /** Those that it did not have before. */
  readonly written: number;
  /** Bytes of the archives that were written. */
  readonly bytes: number;
}

/** Archives compressed at a time; each uses a thread of Node's pool. */
const AT_A_TIME = 4;

/** A cache of ours is asked before those that keep Nix's default of 50. */
const PRIORITY = 40;

/**
 * Write paths of a store and all that they refer to into the binary cache at `directory`.
 *
 * Problems: `store-path-invalid`, `cache-info-malformed`, `store-damaged`, `store-not-writable`, `disk-full`.
 */
export async function exportToCache(
  store: Pick<Store, "closure" | "info" | "physical">,
  paths: readonly StorePath[],
  directory: string,
  options: ExportOptions = {},
): Promise<Exported> {
  const infos = store.closure(paths).map((path) => store.info(path) as PathInfo);
  try {
    prepare(directory);
    const slots = new Slots(AT_A_TIME);
    const running = new Map<StorePath, Promise<number>>();
    const byPath = new Map(infos.map((info) => [info.path, info]));
    const once = (info: PathInfo): Promise<number> => {
      const known = running.get(info.path);
      if (known !== undefined) return known;
      const references = info.references.filter((path) => path !== info.path);
      const work = (async () => {
        const below = await Promise.all(references.map((path) => once(byPath.get(path) as PathInfo)).map(settled));
        for (const outcome of below) if (outcome !== undefined) throw outcome.error;
        return slots.use(async () => {
          options.signal?.throwIfAborted();
          const bytes = await writePath(store.physical(info.path), info, directory, options);
          options.onPath?.(info.path, bytes > 0);
          return bytes;
        });
      })();
      running.set(info.path, work);
      return work;
    };
    const outcomes = await Promise.allSettled(infos.map(once));
    for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
    const sizes = outcomes.map((outcome) => (outcome.status === "fulfilled" ? outcome.value : 0));
    return {
      paths: infos.map((info) => info.path),
      written: sizes.filter((size) => size > 0).length,
      bytes: sizes.reduce((sum, size) => sum + size, 0),
    };
  } catch (error) {
    throw ioProblem(error, directory);
  }
}

function settled(work: Promise<unknown>): Promise<{ readonly error: unknown } | undefined> {
  return work.then(
    () => undefined,
    (error: unknown) => ({ error }),
  );
}

function prepare(directory: string): void {
  mkdirSync(join(directory, "nar"), { recursive: true });
  const file = join(directory, CACHE_INFO);
  if (existsSync(file)) parseCacheInfo(readFileSync(file, "utf8"), file);
  else replace(file, printCacheInfo({ priority: PRIORITY }));
}

/** Answers the bytes written, 0 when the path was there. */
async function writePath(place: string, info: PathInfo, directory: string, options: ExportOptions): Promise<number> {
  const file = join(directory, `${hashPart(info.path)}.narinfo`);
  const narHash = parseHash(info.narHash, "sha256");
  const known = knownInfo(file, info.path, directory);
  if (known !== undefined && sameHash(known.narHash, narHash)) {
    const signed = signedBy(known, options.sign);
    if (signed !== known) replace(file, printNarInfo(signed));
    return 0;
  }
  const archive = await writeArchive(place, info, narHash, directory, options.signal);
  const contentAddress = contentAddressOf({ ...info, narHash }, place);
  const fresh: NarInfo = {
    path: info.path,
    url: archive.url,
    compression: WRITTEN,
    fileHash: archive.hash,
    fileSize: archive.size,
    narHash,
    narSize: info.narSize,
    references: info.references,
    ...(info.deriver === undefined ? {} : { deriver: info.deriver }),
    signatures: [],
    ...(contentAddress === undefined ? {} : { contentAddress }),
  };
  replace(file, printNarInfo(signedBy(fresh, options.sign)));
  return archive.size;
}

/** What the cache says already, if it can be read and its archive is there. */
function knownInfo(file: string, path: StorePath, directory: string): NarInfo | undefined {
  if (!existsSync(file)) return undefined;
  try {
    const info = parseNarInfo(readFileSync(file, "utf8"), file, path);
    return existsSync(join(directory, info.url)) ? info : undefined;
  } catch {
    // Damaged: it is written anew.
    return undefined;
  }
}

function signedBy(info: NarInfo, key: SecretKey | undefined): NarInfo {
  if (key === undefined || isSignedBy([parsePublicKey(publicKeyOf(key))], info.signatures, info)) return info;
  const others = info.signatures.filter((text) => !text.startsWith(`${key.name}:`));
  return { ...info, signatures: [...others, signPath(key, info)] };
}

async function writeArchive(
  place: string,
  info: PathInfo,
  narHash: Hash,
  directory: string,
  signal: AbortSignal | undefined,
): Promise<{ readonly url: string; readonly hash: Hash; readonly size: number }> {
  const temporary = join(directory, "nar", `.tmp-${process.pid}-${hashPart(info.path)}`);
  const [nar, file] = [createHash("sha256"), createHash("sha256")];
  let size = 0;
  const watched = function* (): Generator<Uint8Array> {
    for (const chunk of narOfPath(place)) {
      nar.update(chunk);
      yield chunk;
    }
  };
  try {
    await pipeline(
      compress(watched()),
      async function* (chunks: AsyncIterable<Uint8Array>) {
        for await (const chunk of chunks) {
          file.update(chunk);
          size += chunk.length;
          yield chunk;
        }
      },
      createWriteStream(temporary, { mode: 0o644 }),
      ...(signal === undefined ? [] : [{ signal }]),
    );
    if (!sameHash(narHash, { algo: "sha256", bytes: nar.digest() })) damaged(info.path);
    const hash: Hash = { algo: "sha256", bytes: file.digest() };
    const url = `nar/${toBase32(hash)}.nar.${WRITTEN}`;
    renameSync(temporary, join(directory, url));
    return { url, hash, size };
  } finally {
    rmSync(temporary, { force: true });
  }
}

function damaged(path: StorePath): never {
  fail({
    code: "store-damaged",
    message: `${path} is no longer what was registered, and is not exported`,
    fix: "Verify the store and build the path again.",
  });
}

function replace(file: string, text: string): void {
  const temporary = `${file}.tmp-${process.pid}`;
  writeFileSync(temporary, text);
  renameSync(temporary, file);
}
