/**
 * Nix's base 32: the spelling of hashes in store paths.
 *
 * It is not RFC 4648. The alphabet leaves out e, o, t and u, and the digits run from the last byte to the first, so
 * that the number is written most significant digit first when the bytes are read as little-endian:
 *
 *     encodeBase32(new Uint8Array([0x1f]))  →  "0z"
 */
import { fail, quoted } from "../problems/index.ts";

/** The 32 digits, in order of value. */
export const BASE32_ALPHABET = "0123456789abcdfghijklmnpqrsvwxyz";

const VALUES: ReadonlyMap<string, number> = new Map(Array.from(BASE32_ALPHABET).map((digit, value) => [digit, value]));

/** Number of digits that `bytes` bytes take. */
export function base32Length(bytes: number): number {
  return Math.ceil((bytes * 8) / 5);
}

/** Write bytes in Nix's base 32. */
export function encodeBase32(bytes: Uint8Array): string {
  let text = "";
  for (let n = base32Length(bytes.length) - 1; n >= 0; n--) {
    const byte = (n * 5) >> 3;
    const shift = (n * 5) & 7;
    const wide = (bytes[byte] ?? 0) | ((bytes[byte + 1] ?? 0) << 8);
    text += BASE32_ALPHABET[(wide >> shift) & 31];
  }
  return text;
}

/** Read Nix's base 32; a digit outside the alphabet, or bits that do not fit in whole bytes, is the problem `hash-malformed`. */
export function decodeBase32(text: string): Uint8Array {
  const bytes = new Uint8Array(Math.floor((text.length * 5) / 8));
  for (let n = 0; n < text.length; n++) {
    const value = VALUES.get(text[text.length - 1 - n] as string);
    if (value === undefined) malformed(text, `"${text[text.length - 1 - n]}" is not one of its digits`);
    const byte = (n * 5) >> 3;
    const wide = value << ((n * 5) & 7);
    const high = wide >> 8;
    if (byte < bytes.length) bytes[byte] = (bytes[byte] as number) | (wide & 255);
    else if ((wide & 255) !== 0) malformed(text, "it has bits left over");
    if (byte + 1 < bytes.length) bytes[byte + 1] = (bytes[byte + 1] as number) | high;
    else if (high !== 0) malformed(text, "it has bits left over");
  }
  if (base32Length(bytes.length) !== text.length) malformed(text, `no whole number of bytes has ${text.length} digits`);
  return bytes;
}

function malformed(text: string, why: string): never {
  fail({
    code: "hash-malformed",
    message: `${quoted(text)} is not a base-32 hash: ${why}`,
    fix: `Base-32 hashes use the digits ${BASE32_ALPHABET} only; give the hash in hex or as SRI ("sha256-…=") otherwise.`,
  });
}
