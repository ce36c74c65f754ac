/**
 * Where the archives are served: found, never built in.
 *
 * In this order: the environment (`OSMOD_DEBIAN_MIRROR`, `OSMOD_DEBIAN_SECURITY_MIRROR`), what the caller gives, the
 * host's own apt configuration. The security archive is optional, and `none` does without it. Of apt's entries the one that serves Debian's `main` counts, whatever release the host
 * runs: the archive has all of them. Which mirror it is changes nothing in what is built.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fail } from "../problems/index.ts";
import { parseParagraphs } from "./deb822.ts";

/** Names that a lock uses for archives. */
export type ArchiveName = "debian" | "debian-security";

/** Base addresses of the archives, without a slash at the end. An archive without an address cannot be asked. */
export type Mirrors = { readonly [archive in ArchiveName]?: string };

/** Where {@link findMirrors} looks. */
export interface MirrorSources {
  /** Default: `process.env`. */
  readonly env?: { readonly [name: string]: string | undefined };
  /** What the machine's configuration or a command line says; the environment goes before it. */
  readonly given?: Mirrors;
  /** apt's configuration directory. Default: `/etc/apt`. */
  readonly aptDirectory?: string;
}

/** One entry of apt's source lists, as far as it matters here. */
export interface AptEntry {
  readonly uri: string;
  readonly suite: string;
  readonly components: readonly string[];
  readonly signedBy?: string;
}

/** Find the archives' addresses. Nothing is asked over the network; what is not found is absent. */
export function findMirrors(sources: MirrorSources = {}): Mirrors {
  const env = sources.env ?? process.env;
  const apt = lazily(() => aptEntries(sources.aptDirectory ?? "/etc/apt"));
  const debian = address(env.OSMOD_DEBIAN_MIRROR) ?? address(sources.given?.debian) ?? archiveOf(apt(), isMainSuite);
  const security =
    address(env.OSMOD_DEBIAN_SECURITY_MIRROR) ??
    address(sources.given?.["debian-security"]) ??
    archiveOf(apt(), isSecuritySuite);
  return {
    ...(debian === undefined ? {} : { debian }),
    ...(security === undefined || security === "none" ? {} : { "debian-security": security }),
  };
}

/** The address of an archive, or the problem `mirror-unknown`. */
export function requireMirror(mirrors: Mirrors, archive: string): string {
  const found = mirrors[archive as ArchiveName];
  if (found !== undefined) return found;
  const security = archive === "debian-security";
  const variable = security ? "OSMOD_DEBIAN_SECURITY_MIRROR" : "OSMOD_DEBIAN_MIRROR";
  fail({
    code: "mirror-unknown",
    message: `no address is known for the ${security ? "Debian security archive" : "Debian archive"}`,
    notes: ["the host's apt configuration has no entry for it"],
    fix: `Set ${variable} to the base address of a mirror, the directory that has ${security ? "dists/trixie-security" : "dists/trixie"} below it.`,
  });
}

/** Read all entries of apt's source lists, in apt's order. What cannot be read or understood is passed over. */
export function aptEntries(directory: string): readonly AptEntry[] {
  const files = [join(directory, "sources.list")];
  try {
    const parts = readdirSync(join(directory, "sources.list.d")).filter((name) => /\.(list|sources)$/.test(name));
    files.push(...parts.sort().map((name) => join(directory, "sources.list.d", name)));
  } catch {
    // No such directory: the host is not Debian's kin, or keeps everything in one file.
  }
  return files.flatMap((file) => {
    const text = readIfThere(file);
    if (text === undefined) return [];
    const entries = file.endsWith(".sources") ? parseSources(text, file) : parseSourcesList(text);
    return entries.flatMap((entry) => {
      const uri = plainAddress(entry.uri);
      return uri === undefined ? [] : [{ ...entry, uri }];
    });
  });
}

/** Parse apt's deb822 format: one entry for each address and suite of an enabled `deb` paragraph. */
export function parseSources(text: string, file: string): readonly AptEntry[] {
  let paragraphs: ReturnType<typeof parseParagraphs>;
  try {
    paragraphs = parseParagraphs(text, file);
  } catch {
    return [];
  }
  const words = (value: string | undefined) => (value ?? "").split(/\s+/).filter((word) => word !== "");
  return paragraphs.flatMap((fields) => {
    if (/^(no|false|off|0|disable|without)$/i.test(fields.get("enabled") ?? "yes")) return [];
    if (!words(fields.get("types")).includes("deb")) return [];
    const components = words(fields.get("components"));
    const signedBy = fields.get("signed-by");
    return words(fields.get("uris")).flatMap((uri) =>
      words(fields.get("suites")).map((suite) => ({
        uri,
        suite,
        components,
        ...(signedBy === undefined ? {} : { signedBy }),
      })),
    );
  });
}

/** Parse the one-line format: `deb [options] address suite components…`. */
export function parseSourcesList(text: string): readonly AptEntry[] {
  const entries: AptEntry[] = [];
  for (const line of text.split("\n")) {
    const match = /^\s*deb\s+(?:\[([^\]]*)\]\s*)?(\S+)\s+(\S+)((?:\s+[^\s#]+)*)/.exec(line.replace(/#.*/, ""));
    if (match === null) continue;
    const [, options = "", uri = "", suite = "", components = ""] = match;
    const signedBy = /(?:^|\s)signed-by=(\S+)/i.exec(options)?.[1];
    entries.push({
      uri,
      suite,
      components: components.split(/\s+/).filter((word) => word !== ""),
      ...(signedBy === undefined ? {} : { signedBy }),
    });
  }
  return entries;
}

const RELEASES = "buster|bullseye|bookworm|trixie|forky|duke|sid|oldoldstable|oldstable|stable|testing|unstable";
const MAIN_SUITE = new RegExp(`^(?:${RELEASES})$`);
const SECURITY_SUITE = new RegExp(`^(?:${RELEASES})(?:-security|/updates)$`);

function isMainSuite(suite: string): boolean {
  return MAIN_SUITE.test(suite);
}

function isSecuritySuite(suite: string): boolean {
  return SECURITY_SUITE.test(suite);
}

/**
 * The likeliest address among the entries for such a suite. Vendors also write `stable main`; Debian's own entry is
 * told from theirs by its keyring, its path, and the other suites of the same address.
 */
function archiveOf(entries: readonly AptEntry[], isSuite: (suite: string) => boolean): string | undefined {
  let best: { uri: string; score: number } | undefined;
  for (const entry of entries) {
    if (!isSuite(entry.suite) || !entry.components.includes("main")) continue;
    const score =
      (entry.signedBy === undefined ? 0 : entry.signedBy.includes("debian-archive") ? 4 : -4) +
      (/\/debian(-security)?(\/|$)/.test(entry.uri) ? 2 : 0) +
      (entries.some((other) => other.uri === entry.uri && other.suite.endsWith("-updates")) ? 1 : 0);
    if (best === undefined || score > best.score) best = { uri: entry.uri, score };
  }
  return best === undefined || best.score < 0 ? undefined : best.uri;
}

/** What we can fetch from: http, https and file. `mirror+file:` (cloud images) means the first address in that file. */
function plainAddress(uri: string): string | undefined {
  const list = /^mirror\+file:(?:\/\/)?(\/.*)$/.exec(uri)?.[1];
  if (list !== undefined) {
    const first = readIfThere(list)
      ?.split("\n")
      .map((line) => line.replace(/#.*/, "").trim().split(/\s+/)[0] ?? "")
      .find((line) => line !== "");
    return first === undefined || first.startsWith("mirror") ? undefined : plainAddress(first);
  }
  const plain = uri.replace(/^(?:copy|file):(?:\/\/)?(?=\/)/, "file://");
  return /^(?:https?|file):\/\//.test(plain) && !plain.includes("$(") ? address(plain) : undefined;
}

function address(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const trimmed = text.trim();
  let end = trimmed.length;
  // Not by a pattern: that would look for the end from every slash.
  while (end > 0 && trimmed[end - 1] === "/") end--;
  return end === 0 ? undefined : trimmed.slice(0, end);
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}

function lazily<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
