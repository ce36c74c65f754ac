/**
 * A suite's `Release`: what it is, when it was made, until when it counts, and the hashes of its indexes.
 */
import { fail } from "../problems/index.ts";
import { parseParagraph } from "./deb822.ts";
import type { Expected } from "./download.ts";

/** What a `Release` says. */
export interface Release {
  readonly codename: string;
  /** `13.7`; absent for suites that are not releases. */
  readonly version?: string;
  /** As written in the file, for example `Sat, 12 Sep 2026 07:55:41 UTC`. */
  readonly date: string;
  readonly validUntil?: string;
  readonly byHash: boolean;
  /** Size and sha256 of every index, by its path below the suite. */
  readonly files: ReadonlyMap<string, Expected>;
}

/** Parse the verified text of a `Release`. */
export function parseRelease(text: string, name: string): Release {
  const fields = parseParagraph(text, name);
  const codename = fields.get("codename") ?? missing(name, "Codename");
  const date = fields.get("date") ?? missing(name, "Date");
  const version = fields.get("version");
  const validUntil = fields.get("valid-until");
  return {
    codename,
    date,
    ...(version === undefined ? {} : { version }),
    ...(validUntil === undefined ? {} : { validUntil }),
    byHash: fields.get("acquire-by-hash") === "yes",
    files: parseFiles(fields.get("sha256") ?? missing(name, "SHA256"), name),
  };
}

/** Throw unless this is the suite that was asked for and it still counts at `now`. */
export function checkRelease(release: Release, suite: string, name: string, now: Date): void {
  if (release.codename !== suite) {
    fail({
      code: "archive-wrong-suite",
      message: `${name} says it is ${release.codename}, but ${suite} was asked for`,
      fix: "The mirror mixes up its suites; use another one.",
    });
  }
  if (release.validUntil === undefined) return;
  const until = Date.parse(release.validUntil);
  if (Number.isNaN(until)) missing(name, "Valid-Until that is a date");
  if (now.getTime() > until) {
    fail({
      code: "archive-expired",
      message: `${name} was valid until ${release.validUntil}`,
      notes: [`it was made ${release.date}; the clock of this host says ${now.toUTCString()}`],
      fix: "The mirror is stale, or holds back updates: use another one. For a dated snapshot of the archive, where this is meant, set OSMOD_DEBIAN_ALLOW_EXPIRED=1.",
    });
  }
}

function parseFiles(list: string, name: string): ReadonlyMap<string, Expected> {
  const files = new Map<string, Expected>();
  for (const line of list.split("\n")) {
    if (line.trim() === "") continue;
    const match = /^([0-9a-f]{64}) +([0-9]{1,15}) +(\S+)$/.exec(line.trim());
    if (match === null) missing(name, `SHA256 line that can be read (found ${JSON.stringify(line.slice(0, 80))})`);
    const [, sha256 = "", size = "", path = ""] = match;
    files.set(path, { sha256, size: Number(size) });
  }
  return files;
}

function missing(name: string, what: string): never {
  fail({
    code: "archive-malformed",
    message: `${name} has no ${what}`,
    fix: "The address does not lead to a Debian archive; check OSMOD_DEBIAN_MIRROR.",
  });
}
