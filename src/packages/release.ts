/**
 * A suite's `Release`: what it is, when it was made, until when it counts, and the hashes of its indexes.
 */
import { fail, quoted } from "../problems/index.ts";
import { type Paragraph, parseParagraph } from "./deb822.ts";
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
    files: parseFiles(fields.get("sha256") ?? unhashed(fields, name), name),
  };
}

/** When the archive made a release, in milliseconds since 1970; undefined for text that is no such date. */
export function releaseTime(date: string): number | undefined {
  // What `Date.parse` makes of other texts is its own affair.
  if (
    !/^(?:[A-Z][a-z]{2}, )?[ 0-3]?[0-9] [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} (?:UTC|GMT|\+0000)$/.test(
      date,
    )
  )
    return undefined;
  const time = Date.parse(date);
  return Number.isNaN(time) ? undefined : time;
}

/** Host clocks may be this much behind the archive's. */
const TOLERANCE = 24 * 60 * 60 * 1000;

/** Throw unless this is the suite that was asked for and it counts at `now`: made before, and not past its time. */
export function checkRelease(release: Release, suite: string, name: string, now: Date): void {
  if (release.codename !== suite) {
    fail({
      code: "archive-wrong-suite",
      message: `${name} says it is ${release.codename}, but ${suite} was asked for`,
      fix: "The mirror mixes up its suites; use another one.",
    });
  }
  const made = releaseTime(release.date) ?? missing(name, `Date that is one (found ${quoted(release.date)})`);
  if (made > now.getTime() + TOLERANCE) {
    fail({
      code: "archive-not-yet-valid",
      message: `${name} was made ${release.date}, and this host's clock says ${now.toUTCString()}`,
      notes: ["with a clock that is behind, nothing could tell a release that is past its time"],
      fix: "Set the clock of this host.",
    });
  }
  if (release.validUntil === undefined) return;
  const until = releaseTime(release.validUntil) ?? missing(name, "Valid-Until that is a date");
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
    const before = files.get(path);
    if (before !== undefined && before.sha256 !== sha256) missing(name, `single SHA256 of ${quoted(path)}`);
    files.set(path, { sha256, size: Number(size) });
  }
  return files;
}

function unhashed(fields: Paragraph, name: string): never {
  const weak = ["md5sum", "sha1"].filter((field) => fields.has(field));
  if (weak.length === 0) missing(name, "SHA256");
  fail({
    code: "archive-weak-hashes",
    message: `${name} names its indexes by ${weak.join(" and ")} only`,
    notes: ["files with a given MD5 or SHA-1 can be forged"],
    fix: "Use a mirror of Debian's own archive, which has SHA256; archives without it are not trusted.",
  });
}

function missing(name: string, what: string): never {
  fail({
    code: "archive-malformed",
    message: `${name} has no ${what}`,
    fix: "The address does not lead to a Debian archive; check OSMOD_DEBIAN_MIRROR.",
  });
}
