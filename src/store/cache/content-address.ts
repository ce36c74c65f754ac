/**
 * Paths that prove themselves: the path follows from the content, so nobody has to vouch for it.
 *
 *     text:sha256:<base 32>           a text file, by what it says and refers to
 *     fixed:r:<algo>:<base 32>        any tree, by its NAR (sources; recursive fixed outputs)
 *     fixed:<algo>:<base 32>          one plain file, by its bytes (downloads)
 *
 * Checking is done in two steps. Before anything is fetched: does the path follow from the address? When it is there:
 * does the content have the hash that the address names?
 */
import { createHash } from "node:crypto";
import { closeSync, lstatSync, openSync, readSync } from "node:fs";
import { type Hash, type HashAlgo, isHashAlgo, parseHash, sameHash, toBase32 } from "../hash.ts";
import { lentNarOfPath } from "../nar/disk.ts";
import { type FixedMode, fixedPath, parseStorePath, type StorePath, textPathOfHash } from "../path.ts";

/** A content address, taken apart. */
export type ContentAddress =
  | { readonly kind: "text"; readonly hash: Hash }
  | { readonly kind: "fixed"; readonly mode: FixedMode; readonly hash: Hash };

/** What a path is checked against. */
export interface Addressed {
  readonly path: StorePath;
  readonly narHash: Hash;
  readonly references: readonly StorePath[];
}

/** Files up to this size are read to learn their content address; a text in a store is small. */
const LARGEST_TEXT = 16 * 1024 * 1024;

/** Read a content address, or undefined when it is none. */
export function parseContentAddress(text: string): ContentAddress | undefined {
  const match = /^(text|fixed:r|fixed):([a-z0-9]+):(.+)$/.exec(text);
  const [, kind = "", algo = "", digits = ""] = match ?? [];
  if (!isHashAlgo(algo)) return undefined;
  try {
    const hash = parseHash(digits, algo);
    if (kind === "text") return algo === "sha256" ? { kind: "text", hash } : undefined;
    return { kind: "fixed", mode: kind === "fixed:r" ? "recursive" : "flat", hash };
  } catch {
    return undefined;
  }
}

/** True when the path follows from the address. Objects that refer to themselves are not supported. */
export function pathFollows(address: ContentAddress, { path, references }: Addressed): boolean {
  const name = parseStorePath(path)?.name;
  if (name === undefined || references.includes(path)) return false;
  if (address.kind === "text") return textPathOfHash(name, address.hash, references) === path;
  const isSource = address.mode === "recursive" && address.hash.algo === "sha256";
  if (references.length > 0 && !isSource) return false;
  return fixedPath(name, address.mode, address.hash, references) === path;
}

/** True when what lies at `place` has the hash that the address names. `narHash` is that of the place's archive. */
export function contentFollows(address: ContentAddress, place: string, narHash: Hash): boolean {
  if (address.kind === "fixed" && address.mode === "recursive") {
    if (address.hash.algo === "sha256") return sameHash(address.hash, narHash);
    const hasher = createHash(address.hash.algo);
    for (const chunk of lentNarOfPath(place)) hasher.update(chunk);
    return sameHash(address.hash, { algo: address.hash.algo, bytes: hasher.digest() });
  }
  const stat = lstatSync(place);
  if (!stat.isFile() || (stat.mode & 0o100) !== 0) return false;
  return sameHash(address.hash, hashFile(place, address.hash.algo));
}

/** The content address of what lies at `place`, if its path follows from its content. */
export function contentAddressOf(info: Addressed, place: string): string | undefined {
  const spell = (kind: string, hash: Hash) => `${kind}:${hash.algo}:${toBase32(hash)}`;
  const recursive = { kind: "fixed", mode: "recursive", hash: info.narHash } as const;
  if (pathFollows(recursive, info)) return spell("fixed:r", info.narHash);
  const stat = lstatSync(place);
  if (!stat.isFile() || (stat.mode & 0o100) !== 0) return undefined;
  // Downloads may be large, but refer to nothing; texts that refer to something are small.
  if (info.references.length > 0 && stat.size > LARGEST_TEXT) return undefined;
  const hash = hashFile(place, "sha256");
  if (pathFollows({ kind: "text", hash }, info)) return spell("text", hash);
  if (pathFollows({ kind: "fixed", mode: "flat", hash }, info)) return spell("fixed", hash);
  return undefined;
}

function hashFile(place: string, algo: HashAlgo): Hash {
  const hasher = createHash(algo);
  const buffer = Buffer.alloc(256 * 1024);
  const fd = openSync(place, "r");
  try {
    for (let got = readSync(fd, buffer); got > 0; got = readSync(fd, buffer)) hasher.update(buffer.subarray(0, got));
  } finally {
    closeSync(fd);
  }
  return { algo, bytes: hasher.digest() };
}
