/**
 * Hashes: making them, folding them, and the four spellings people and files use.
 *
 *     hex     e3b0c442…              64 digits for sha256
 *     base32  0mdqa9w1…              52 digits
 *     base64  47DEQpj8HBSa+/TImW…=
 *     SRI     sha256-47DEQpj8…=      also `sha256:<any of the three above>`
 *
 * The length tells the spellings apart, since an algorithm has one length in each.
 */
import { createHash } from "node:crypto";
import { fail, quoted } from "../problems/index.ts";
import { base32Length, decodeBase32, encodeBase32 } from "./base32.ts";

/** Algorithms that fixed outputs may name. */
export type HashAlgo = "md5" | "sha1" | "sha256" | "sha512";

/** A digest and how it was made. */
export interface Hash {
  readonly algo: HashAlgo;
  readonly bytes: Uint8Array;
}

const SIZES: Readonly<Record<HashAlgo, number>> = { md5: 16, sha1: 20, sha256: 32, sha512: 64 };

/** True for the name of an algorithm. */
export function isHashAlgo(text: string): text is HashAlgo {
  return Object.hasOwn(SIZES, text);
}

/** The sha256 of bytes, or of a string's UTF-8. */
export function sha256(data: string | Uint8Array): Hash {
  return { algo: "sha256", bytes: createHash("sha256").update(data).digest() };
}

/** Fold a digest to `size` bytes by XOR, as store paths do (20 bytes). */
export function compressHash(bytes: Uint8Array, size = 20): Uint8Array {
  const folded = new Uint8Array(size);
  for (let i = 0; i < bytes.length; i++) folded[i % size] = (folded[i % size] as number) ^ (bytes[i] as number);
  return folded;
}

/** Write a hash in hex. */
export function toHex(hash: Hash): string {
  return Buffer.from(hash.bytes).toString("hex");
}

/** Write a hash in Nix's base 32. */
export function toBase32(hash: Hash): string {
  return encodeBase32(hash.bytes);
}

/** Write a hash as SRI: `sha256-<base64>`. */
export function toSri(hash: Hash): string {
  return `${hash.algo}-${Buffer.from(hash.bytes).toString("base64")}`;
}

/** True when both are the same digest of the same algorithm. */
export function sameHash(a: Hash, b: Hash): boolean {
  return a.algo === b.algo && Buffer.compare(a.bytes, b.bytes) === 0;
}

/**
 * Read a hash in any spelling. A bare digest needs `algo`; when the text names an algorithm as well, the two must
 * agree. Problem: `hash-malformed`.
 */
export function parseHash(text: string, algo?: HashAlgo): Hash {
  const prefix = /^([a-z0-9]+)([-:])(.*)$/s.exec(text);
  if (prefix === null) {
    if (algo === undefined) malformed(text, "it names no algorithm");
    return { algo, bytes: digest(text, text, algo) };
  }
  const [, named = "", separator = "", rest = ""] = prefix;
  if (!isHashAlgo(named)) malformed(text, `${quoted(named)} is not a known algorithm`);
  if (algo !== undefined && algo !== named) malformed(text, `it is a ${named} hash where ${algo} is asked for`);
  if (separator === "-" && !isBase64(rest, SIZES[named])) malformed(text, `what follows "${named}-" must be base 64`);
  return { algo: named, bytes: digest(text, rest, named) };
}

function digest(whole: string, text: string, algo: HashAlgo): Uint8Array {
  const size = SIZES[algo];
  if (text.length === size * 2 && /^[0-9a-fA-F]*$/.test(text)) return Buffer.from(text, "hex");
  if (text.length === base32Length(size)) return decodeBase32(text);
  if (isBase64(text, size)) return Buffer.from(text, "base64");
  return malformed(
    whole,
    `a ${algo} digest has ${size * 2} hex digits, ${base32Length(size)} base-32 or ${base64Length(size)} base-64 characters`,
  );
}

function base64Length(size: number): number {
  return Math.ceil(size / 3) * 4;
}

function isBase64(text: string, size: number): boolean {
  return (
    text.length === base64Length(size) && /^[A-Za-z0-9+/]*=*$/.test(text) && Buffer.from(text, "base64").length === size
  );
}

function malformed(text: string, why: string): never {
  return fail({
    code: "hash-malformed",
    message: `${quoted(text)} is not a hash: ${why}`,
    fix: 'Write it as SRI ("sha256-<base64>"), or in hex with its algorithm beside it.',
  });
}
