/**
 * Store paths: how the name of an object follows from what it is made of.
 *
 *     /nix/store/<32 digits>-<name>
 *
 * The digits are a sha256, folded to 160 bits, of a fingerprint
 * `<type>:sha256:<inner hash, hex>:/nix/store:<name>`. What differs between kinds is the type and the inner hash:
 *
 *     text file        text:<refs…>     sha256 of the text
 *     source tree      source:<refs…>   sha256 of the NAR; also every recursive sha256 fixed output
 *     fixed output     output:out       sha256 of "fixed:out:[r:]<algo>:<hash>:"
 *     built output     output:<name>    the derivation's hash modulo its fixed outputs (derivation.ts)
 *
 * The directory is always the logical `/nix/store`, wherever a store lies, so that paths agree between machines.
 */
import { fail, quoted } from "../problems/index.ts";
import { encodeBase32 } from "./base32.ts";
import { compressHash, type Hash, sha256, toHex } from "./hash.ts";

/** A logical path: `/nix/store/<32 digits>-<name>`. */
export type StorePath = string;

/** The logical store directory. */
export const STORE_DIR = "/nix/store";

/** Length of the hash part of a store path. */
export const HASH_LENGTH = 32;

/** How a fixed output is hashed: the bytes of one file, or the NAR of whatever it is. */
export type FixedMode = "flat" | "recursive";

const NAME = /^[0-9a-zA-Z+\-._?=]{1,211}$/;
const PATH = /^\/nix\/store\/([0-9abcdfghijklmnpqrsvwxyz]{32})-([0-9a-zA-Z+\-._?=]{1,211})$/;

/** The path of a text file that refers to `references`. */
export function textPath(name: string, text: string, references: readonly StorePath[] = []): StorePath {
  return textPathOfHash(name, sha256(text), references);
}

/** The path of a text file of which only the sha256 is known. */
export function textPathOfHash(name: string, hash: Hash, references: readonly StorePath[] = []): StorePath {
  return makePath(withReferences("text", references), hash, name);
}

/** The path of a fixed output, or, for recursive sha256, of a source tree added by content. */
export function fixedPath(name: string, mode: FixedMode, hash: Hash, references: readonly StorePath[] = []): StorePath {
  if (mode === "recursive" && hash.algo === "sha256") return makePath(withReferences("source", references), hash, name);
  return makePath("output:out", sha256(`fixed:out:${methodAlgo(mode, hash)}:${toHex(hash)}:`), name);
}

/** The path of one output of a derivation whose masked hash is `modulo`. */
export function outputPath(output: string, modulo: Hash, drvName: string): StorePath {
  return makePath(`output:${output}`, modulo, outputName(drvName, output));
}

/** The name part of an output's path: the derivation's, with `-<output>` unless the output is `out`. */
export function outputName(drvName: string, output: string): string {
  return output === "out" ? drvName : `${drvName}-${output}`;
}

/** How derivations spell mode and algorithm in one word: `r:sha256`. */
export function methodAlgo(mode: FixedMode, hash: Hash): string {
  return mode === "recursive" ? `r:${hash.algo}` : hash.algo;
}

/** True for the text of exactly one store path. */
export function isStorePath(text: string): boolean {
  return PATH.test(text);
}

/** Split a store path, or undefined when the text is not exactly one. */
export function parseStorePath(text: string): { readonly hash: string; readonly name: string } | undefined {
  const match = PATH.exec(text);
  return match === null ? undefined : { hash: match[1] as string, name: match[2] as string };
}

/** Take `<32 digits>-<name>` from a path; anything but a store path is the problem `store-path-malformed`. */
export function storeBaseName(path: StorePath): string {
  if (!PATH.test(path)) {
    fail({
      code: "store-path-malformed",
      message: `${quoted(path)} is not a store path`,
      fix: `A store path is ${STORE_DIR}/<32 digits>-<name>, without anything below it.`,
    });
  }
  return path.slice(STORE_DIR.length + 1);
}

/** Throw the problem `store-name-invalid` unless `name` may be the name of a store object. */
export function checkName(name: string): void {
  if (NAME.test(name) && !/^\.\.?(-|$)/.test(name)) return;
  const why =
    name === ""
      ? "it is empty"
      : name.length > 211
        ? `it is longer than 211 characters`
        : /^\.\.?(-|$)/.test(name)
          ? "it begins with a dot that stands alone"
          : `it holds ${JSON.stringify(/[^0-9a-zA-Z+\-._?=]/u.exec(name)?.[0])}`;
  fail({
    code: "store-name-invalid",
    message: `${quoted(name)} cannot be the name of a store object: ${why}`,
    fix: "Use 1 to 211 of the characters a-z A-Z 0-9 + - . _ ? = and put anything else into the object itself.",
  });
}

function makePath(type: string, inner: Hash, name: string): StorePath {
  checkName(name);
  const fingerprint = sha256(`${type}:sha256:${toHex(inner)}:${STORE_DIR}:${name}`);
  return `${STORE_DIR}/${encodeBase32(compressHash(fingerprint.bytes))}-${name}`;
}

function withReferences(type: string, references: readonly StorePath[]): string {
  return [type, ...[...new Set(references)].sort()].join(":");
}
