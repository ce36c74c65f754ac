/**
 * Store objects as programs hold them: plain values whose string is a store path.
 *
 * Making one does nothing. It knows its path from what it is made of, and carries what a store needs to make it:
 * a derivation its text and its inputs, a source its content or the way to it.
 */
import type { DerivationData } from "./aterm.ts";
import type { HashAlgo } from "./hash.ts";
import type { Tree } from "./nar/tree.ts";
import type { FixedMode, StorePath } from "./path.ts";

/** Anything that stands for a store path: `` `${object}` `` is that path. */
export interface StoreObject {
  readonly path: StorePath;
  /** Who makes the path, for objects that only stand for another one (a package for its unpacked tree). */
  readonly origin?: Derivation | Source;
  toString(): string;
}

/** Something a builder makes. Its `path` is that of its first output. */
export interface Derivation extends StoreObject {
  readonly type: "derivation";
  readonly name: string;
  readonly system: string;
  readonly drvPath: StorePath;
  /** Path of the first output; the same as `path`. */
  readonly outPath: StorePath;
  readonly outputs: { readonly [output: string]: StorePath };
  /** Output names in the order they were given; the first is what the object stands for. */
  readonly outputNames: readonly string[];
  readonly fixedOutput?: { readonly algo: HashAlgo /** hex */; readonly hash: string; readonly mode: FixedMode };
  /** What its `.drv` says. */
  readonly data: DerivationData;
  /** The text of its `.drv` file. */
  readonly text: string;
  readonly inputDerivations: readonly DerivationInput[];
  readonly inputSources: readonly Source[];
  /** What stands for it in the hashes of derivations that use it, hex. */
  readonly modulo: string;
}

/** One derivation another one reads, and which of its outputs. */
export interface DerivationInput {
  readonly derivation: Derivation;
  readonly outputs: readonly string[];
}

/** Something added to the store by its content. */
export interface Source extends StoreObject {
  readonly type: "source";
  readonly name: string;
  /** Sources this one names; only texts have any. */
  readonly references: readonly Source[];
  readonly content: SourceContent;
}

/** What a source holds: a text, or a tree that is fetched from somewhere when a store first needs it. */
export type SourceContent =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "tree"; readonly narHash: string; readonly provide: ProvideSource };

/** Answers a path on disk (a file or a directory, copied from there) or a tree in memory. */
export type ProvideSource = (signal?: AbortSignal) => Promise<string | Tree>;

/** The derivation or source behind an object, or undefined when it stands for nothing a store could make. */
export function originOf(object: StoreObject): Derivation | Source | undefined {
  const own = object as Partial<Derivation | Source>;
  if (own.type === "derivation" || own.type === "source") return object as Derivation | Source;
  return object.origin;
}
