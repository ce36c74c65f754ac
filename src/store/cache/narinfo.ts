/**
 * `<digits>.narinfo`: what a binary cache says of one path.
 *
 *     StorePath: /nix/store/<digits>-<name>
 *     URL: nar/<hash of the file>.nar.br
 *     Compression: br
 *     FileHash: sha256:<base 32>
 *     FileSize: 71034
 *     NarHash: sha256:<base 32>
 *     NarSize: 230144
 *     References: <digits>-<name> …
 *     Deriver: <digits>-<name>.drv
 *     Sig: <key's name>:<base 64>
 *     CA: fixed:r:sha256:<base 32>
 *
 * A cache may be anybody's, so every field is checked here, before anything is done with it; what is not known is passed
 * over, as Nix does.
 */
import { type Hash, parseHash, toBase32 } from "../hash.ts";
import { isStorePath, STORE_DIR, type StorePath, storeBaseName } from "../path.ts";
import { type Fields, malformed, parseLines } from "./lines.ts";

/** How an archive in a cache is compressed. */
export type Compression = "none" | "br" | "gzip" | "xz" | "zstd";

/** What a narinfo says. */
export interface NarInfo {
  readonly path: StorePath;
  /** Of the archive, relative to the cache; without `..`. */
  readonly url: string;
  readonly compression: Compression;
  readonly narHash: Hash;
  readonly narSize: number;
  readonly references: readonly StorePath[];
  readonly deriver?: StorePath;
  /** Of the file as it lies in the cache. */
  readonly fileHash?: Hash;
  readonly fileSize?: number;
  readonly signatures: readonly string[];
  readonly contentAddress?: string;
}

const COMPRESSIONS: readonly string[] = ["none", "br", "gzip", "xz", "zstd"];

/** Read a narinfo that was asked for by `path`. Problem: `narinfo-malformed`. */
export function parseNarInfo(text: string, where: string, path?: StorePath): NarInfo {
  const fields = parseLines(text, where, "narinfo-malformed");
  const bad = (why: string): never => malformed(where, "narinfo-malformed", why);
  const storePath = one(fields, "StorePath", bad);
  if (!isStorePath(storePath)) bad(`StorePath is ${quote(storePath)}`);
  if (path !== undefined && storePath !== path) bad(`it is about ${storePath} and not about ${path}`);
  const compression = fields.get("Compression")?.[0] || "bzip2";
  if (!COMPRESSIONS.includes(compression))
    bad(`the archive is compressed by ${quote(compression)}, and only ${COMPRESSIONS.join(", ")} are understood`);
  const deriver = fields.get("Deriver")?.[0];
  const contentAddress = fields.get("CA")?.[0];
  const fileHash = fields.get("FileHash")?.[0];
  const fileSize = fields.get("FileSize")?.[0];
  return {
    path: storePath,
    url: relative(one(fields, "URL", bad), bad),
    compression: compression as Compression,
    narHash: hash(one(fields, "NarHash", bad), bad),
    narSize: size("NarSize", one(fields, "NarSize", bad), bad),
    references: references(fields.get("References")?.[0] ?? "", bad),
    ...(deriver === undefined || deriver === "" || deriver === "unknown-deriver"
      ? {}
      : { deriver: full(deriver, bad) }),
    ...(fileHash === undefined ? {} : { fileHash: hash(fileHash, bad) }),
    ...(fileSize === undefined ? {} : { fileSize: size("FileSize", fileSize, bad) }),
    signatures: fields.get("Sig") ?? [],
    ...(contentAddress === undefined || contentAddress === "" ? {} : { contentAddress }),
  };
}

/** Print a narinfo. */
export function printNarInfo(info: NarInfo): string {
  const lines = [
    `StorePath: ${info.path}`,
    `URL: ${info.url}`,
    `Compression: ${info.compression}`,
    ...(info.fileHash === undefined ? [] : [`FileHash: ${info.fileHash.algo}:${toBase32(info.fileHash)}`]),
    ...(info.fileSize === undefined ? [] : [`FileSize: ${info.fileSize}`]),
    `NarHash: ${info.narHash.algo}:${toBase32(info.narHash)}`,
    `NarSize: ${info.narSize}`,
    `References: ${info.references.map(storeBaseName).join(" ")}`,
    ...(info.deriver === undefined ? [] : [`Deriver: ${storeBaseName(info.deriver)}`]),
    ...info.signatures.map((signature) => `Sig: ${signature}`),
    ...(info.contentAddress === undefined ? [] : [`CA: ${info.contentAddress}`]),
  ];
  return `${lines.join("\n")}\n`;
}

type Bad = (why: string) => never;

function one(fields: Fields, name: string, bad: Bad): string {
  const values = fields.get(name);
  if (values === undefined || values[0] === undefined || values[0] === "") return bad(`it has no ${name}`);
  if (values.length > 1) bad(`it has ${values.length} lines ${name}`);
  return values[0];
}

/** A path below the cache: an absolute one, another site or a way out of the directory is refused. */
function relative(url: string, bad: Bad): string {
  const plain = /^[A-Za-z0-9._+=-]+(?:\/[A-Za-z0-9._+=-]+)*(?:\?[A-Za-z0-9._+=&%-]*)?$/.test(url);
  if (!plain || url.length > 1024 || url.split(/[/?]/).some((part) => part === "." || part === ".."))
    bad(`URL is ${quote(url)}, which is no file below the cache`);
  return url;
}

function hash(text: string, bad: Bad): Hash {
  let parsed: Hash | undefined;
  try {
    parsed = parseHash(text);
  } catch {
    // Told below, with the place.
  }
  if (parsed === undefined || parsed.algo !== "sha256") return bad(`${quote(text)} is no sha256`);
  return parsed;
}

function size(name: string, text: string, bad: Bad): number {
  const value = Number(text);
  if (!/^\d{1,16}$/.test(text) || !Number.isSafeInteger(value)) bad(`${name} is ${quote(text)}`);
  return value;
}

function references(text: string, bad: Bad): StorePath[] {
  const paths = text.split(" ").filter((name) => name !== "");
  return [...new Set(paths.map((name) => full(name, bad)))].sort();
}

function full(name: string, bad: Bad): StorePath {
  const path = `${STORE_DIR}/${name}`;
  if (!isStorePath(path)) bad(`${quote(name)} is not the name of a store path`);
  return path;
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 120));
}
