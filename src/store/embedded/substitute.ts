/**
 * Copying paths from binary caches into the embedded store.
 *
 *     ask for the closure → judge every path → archive by archive: unpack, hash, size → rename → registration
 *
 * Nothing is fetched before every path of the closure is known and believed, and a path becomes visible only when what
 * it refers to is valid. What a cache says is checked twice: its words by trust.ts, its bytes here, as they are unpacked.
 */
import { createHash } from "node:crypto";
import { setMaxListeners } from "node:events";
import { fail, type Problem, ProblemError, problem } from "../../problems/index.ts";
import { contentFollows } from "../cache/content-address.ts";
import { parsePublicKey } from "../cache/keys.ts";
import type { NarInfo } from "../cache/narinfo.ts";
import { type BinaryCache, openCache } from "../cache/reader.ts";
import { type Ground, judge, type Trust } from "../cache/trust.ts";
import { type Hash, toSri } from "../hash.ts";
import { unpackNarStream } from "../nar/unpack.ts";
import type { StorePath } from "../path.ts";
import { ioProblem } from "./problems.ts";
import { checkHash, settle } from "./publish.ts";
import { Slots } from "./slots.ts";
import type { State } from "./state.ts";
import { canonicalise, removeTree } from "./trees.ts";

/** Where paths may come from, and whom to believe. */
export interface SubstituterOptions {
  /** Directories or URLs. */
  readonly caches: readonly string[];
  /** Public keys as text. */
  readonly trustedPublicKeys: readonly string[];
  readonly allowUnsigned?: boolean;
  /** Downloads at a time. */
  readonly maxFetches: number;
  readonly signal: AbortSignal;
  readonly onCopied?: (path: StorePath, from: string) => void;
  /** A cache, or one path of it, cannot be used. */
  readonly onRefused?: (from: string, problem: Problem) => void;
}

/** A path that can be copied. */
interface Offer {
  readonly cache: BinaryCache;
  readonly info: NarInfo;
  readonly ground: Ground;
}

/** A closure of more paths than this is no machine's. */
const MOST_PATHS = 100_000;

/** Copies paths from caches; remembers what it asked. */
export class Substituter {
  readonly #state: State;
  readonly #options: SubstituterOptions;
  readonly #trust: Trust;
  readonly #fetches: Slots;
  readonly #questions: Slots;
  readonly #offers = new Map<StorePath, Promise<Offer | undefined>>();
  readonly #copies = new Map<StorePath, Promise<void>>();
  #caches: Promise<readonly BinaryCache[]> | undefined;

  /** Problem: `key-malformed`. */
  constructor(state: State, options: SubstituterOptions) {
    this.#state = state;
    this.#options = options;
    this.#trust = {
      keys: options.trustedPublicKeys.map(parsePublicKey),
      allowUnsigned: options.allowUnsigned === true,
    };
    this.#fetches = new Slots(options.maxFetches);
    this.#questions = new Slots(2 * options.maxFetches);
    setMaxListeners(0, options.signal);
  }

  /** Make paths valid, with all they refer to. Answers false when the caches do not have everything. */
  async copy(paths: readonly StorePath[]): Promise<boolean> {
    const closure = await this.#closure(paths);
    if (closure === undefined) return false;
    const order = inReferenceOrder(closure);
    const copies = order.map((offer) => this.#copy(offer));
    // All are awaited: none may go on unseen when one has failed.
    for (const outcome of await Promise.allSettled(copies)) if (outcome.status === "rejected") throw outcome.reason;
    return true;
  }

  /** What {@link copy} would copy, or undefined when the caches do not have everything. */
  async offered(paths: readonly StorePath[]): Promise<readonly NarInfo[] | undefined> {
    const closure = await this.#closure(paths);
    return closure && [...closure.values()].map((offer) => offer.info);
  }

  /** What has to be copied for these, by path; undefined when a part of it is nowhere. */
  async #closure(paths: readonly StorePath[]): Promise<ReadonlyMap<StorePath, Offer> | undefined> {
    const found = new Map<StorePath, Offer>();
    let open = paths.filter((path) => !this.#state.infos.isValid(path));
    const seen = new Set(open);
    while (open.length > 0) {
      if (seen.size > MOST_PATHS) return undefined;
      const offers = await Promise.all(open.map((path) => this.#offer(path)));
      const next: StorePath[] = [];
      for (const offer of offers) {
        if (offer === undefined) return undefined;
        found.set(offer.info.path, offer);
        for (const reference of offer.info.references) {
          if (seen.has(reference) || this.#state.infos.isValid(reference)) continue;
          seen.add(reference);
          next.push(reference);
        }
      }
      open = next;
    }
    return found;
  }

  #offer(path: StorePath): Promise<Offer | undefined> {
    const known = this.#offers.get(path) ?? this.#questions.use(() => this.#ask(path));
    this.#offers.set(path, known);
    return known;
  }

  async #ask(path: StorePath): Promise<Offer | undefined> {
    this.#caches ??= this.#open();
    for (const cache of await this.#caches) {
      try {
        const info = await cache.info(path, this.#options.signal);
        if (info !== undefined) return { cache, info, ground: judge(info, this.#trust, cache.url) };
      } catch (error) {
        this.#refused(cache.url, error);
      }
    }
    return undefined;
  }

  /** The caches that answer, in the order in which they want to be asked. */
  async #open(): Promise<readonly BinaryCache[]> {
    const opened = await Promise.all(
      this.#options.caches.map(async (location) => {
        try {
          return [await openCache(location, this.#options.signal)];
        } catch (error) {
          this.#refused(location, error);
          return [];
        }
      }),
    );
    return opened.flat().sort((a, b) => a.priority - b.priority);
  }

  #refused(from: string, error: unknown): void {
    this.#options.signal.throwIfAborted();
    if (!(error instanceof ProblemError)) throw error;
    this.#options.onRefused?.(from, error.problems[0]);
  }

  #copy(offer: Offer): Promise<void> {
    const known = this.#copies.get(offer.info.path);
    if (known !== undefined) return known;
    const { path, references } = offer.info;
    // Those that came earlier in the order are under way; the others are valid.
    const below = references.flatMap((reference) => (reference === path ? [] : (this.#copies.get(reference) ?? [])));
    const copy = Promise.all(below).then(() => this.#fetches.use(() => this.#import(offer)));
    this.#copies.set(path, copy);
    return copy;
  }

  async #import({ cache, info, ground }: Offer): Promise<void> {
    const { signal } = this.#options;
    signal.throwIfAborted();
    await this.#state.locks.with([info.path], signal, async () => {
      if (this.#state.infos.isValid(info.path)) return;
      const temporary = this.#state.temporaries.next();
      try {
        const hash = await unpackChecked(cache, info, temporary, signal);
        if (ground.by === "content" && !contentFollows(ground.address, temporary, hash)) notItself(info, cache.url);
        canonicalise(temporary);
        settle(this.#state, temporary, {
          path: info.path,
          narHash: toSri(info.narHash),
          narSize: info.narSize,
          references: info.references,
          ...(info.deriver === undefined ? {} : { deriver: info.deriver }),
          registrationTime: Math.floor(Date.now() / 1000),
        });
      } catch (error) {
        signal.throwIfAborted();
        throw broken(ioProblem(error, this.#state.layout.root), info, cache.url);
      } finally {
        removeTree(temporary);
      }
    });
    this.#options.onCopied?.(info.path, cache.url);
  }
}

/** Unpack an archive and answer its hash; not a byte more is read than it may have. */
async function unpackChecked(cache: BinaryCache, info: NarInfo, place: string, signal: AbortSignal): Promise<Hash> {
  const sha = createHash("sha256");
  let size = 0;
  const watched = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of cache.archive(info, signal)) {
      size += chunk.length;
      if (size > info.narSize) wrongSize(info, cache.url, `more than ${info.narSize}`);
      sha.update(chunk);
      yield chunk;
    }
  };
  await unpackNarStream(watched(), place);
  if (size !== info.narSize) wrongSize(info, cache.url, String(size));
  const hash: Hash = { algo: "sha256", bytes: sha.digest() };
  checkHash({ name: info.path, hash: info.narHash, mode: "recursive", url: cache.url }, hash);
  return hash;
}

/** Each after what it refers to. A circle is nothing that a store could have. */
function inReferenceOrder(offers: ReadonlyMap<StorePath, Offer>): Offer[] {
  const order: Offer[] = [];
  const state = new Map<StorePath, "open" | "done">();
  // Without recursion: a hostile chain may be longer than a stack is deep.
  for (const start of offers.keys()) {
    const stack = [start];
    for (let path = stack.at(-1); path !== undefined; path = stack.at(-1)) {
      const offer = offers.get(path);
      if (offer === undefined || state.get(path) === "done") {
        stack.pop();
        continue;
      }
      const below = offer.info.references.filter((reference) => reference !== path && offers.has(reference));
      const left = below.filter((reference) => state.get(reference) !== "done");
      if (left.length === 0) {
        state.set(path, "done");
        order.push(offer);
        stack.pop();
        continue;
      }
      if (state.get(path) === "open") circle(offer);
      state.set(path, "open");
      stack.push(...left);
    }
  }
  return order;
}

function circle({ cache, info }: Offer): never {
  fail({
    code: "narinfo-malformed",
    message: `${cache.url} cannot be used: ${info.path} refers to itself by way of others`,
    fix: "The cache is damaged. Write it anew, or use another cache.",
  });
}

function wrongSize(info: NarInfo, cache: string, got: string): never {
  fail({
    code: "hash-mismatch",
    message: `${info.path} of ${cache} has another size than the one it is signed for`,
    notes: [`expected  ${info.narSize} bytes`, `got       ${got} bytes`],
    fix: "The cache is damaged or was changed. Write it anew, or use another cache. Nothing of it was kept.",
  });
}

function notItself(info: NarInfo, cache: string): never {
  fail({
    code: "hash-mismatch",
    message: `${info.path} of ${cache} is not what its path says`,
    notes: [`it is claimed to be  ${info.contentAddress}`],
    fix: "The cache is damaged or was changed. Write it anew, or use another cache. Nothing of it was kept.",
  });
}

/** What is no problem yet came from the network. */
function broken(error: unknown, info: NarInfo, cache: string): unknown {
  if (error instanceof ProblemError) return error;
  const found = problem({
    code: "cache-unreachable",
    message: `${info.url} of ${cache} cannot be fetched: ${error instanceof Error ? error.message : String(error)}`,
    fix: "Check the network and try again; what was copied is kept. Without the cache it can be built instead.",
  });
  return new ProblemError([found], { cause: error });
}
