/**
 * What is known of one binary package: the fields of its index paragraph that resolving, fetching and merging need.
 *
 * The same record stands in the archive's index and in the lock, so both can answer the resolver. Relationship fields
 * stay text, as the archive has them: that is what a person diffs in the lock. They are parsed once, on first use.
 */
import { fail } from "../problems/index.ts";
import { type Paragraph, parseParagraph } from "./deb822.ts";
import { parseRelations, type RelationGroup } from "./relation.ts";

/** One version of one binary package. */
export interface PackageRecord {
  readonly name: string;
  readonly version: string;
  /** `amd64` or `all`. */
  readonly architecture: string;
  /** Which archive serves the file: `debian` or `debian-security`. Never a host name. */
  readonly archive: string;
  /** Relative to the archive's base address: `pool/main/n/nginx/nginx_1.26.3-3_amd64.deb`. */
  readonly filename: string;
  readonly size: number;
  /** Hexadecimal. */
  readonly sha256: string;
  readonly preDepends?: string;
  readonly depends?: string;
  readonly recommends?: string;
  readonly provides?: string;
  readonly conflicts?: string;
  readonly breaks?: string;
  readonly replaces?: string;
  readonly essential?: true;
  readonly multiArch?: string;
  /** Source package, when its name differs from the binary package's. */
  readonly source?: string;
  /** Debian's priority, when it is not `optional`; ranks packages that provide the same name. */
  readonly priority?: string;
}

/** The relationship fields of a record, by their names in it. */
export type RelationField = "preDepends" | "depends" | "recommends" | "provides" | "conflicts" | "breaks" | "replaces";

/** How control data spells the relationship fields. */
export const FIELD_NAMES: { readonly [field in RelationField]: string } = {
  preDepends: "Pre-Depends",
  depends: "Depends",
  recommends: "Recommends",
  provides: "Provides",
  conflicts: "Conflicts",
  breaks: "Breaks",
  replaces: "Replaces",
};

/** Names of Debian packages, virtual ones included. */
export const PACKAGE_NAME = /^[a-z0-9][a-z0-9+.-]*$/;

const parsed = new WeakMap<PackageRecord, Map<RelationField, readonly RelationGroup[]>>();

/** The parsed groups of a record's relationship field. */
export function relationsOf(record: PackageRecord, field: RelationField): readonly RelationGroup[] {
  const text = record[field];
  if (text === undefined) return [];
  let fields = parsed.get(record);
  if (fields === undefined) {
    fields = new Map();
    parsed.set(record, fields);
  }
  let groups = fields.get(field);
  if (groups === undefined) {
    groups = parseRelations(text, `${FIELD_NAMES[field]} of ${record.name}`);
    fields.set(field, groups);
  }
  return groups;
}

/** Read one paragraph of a `Packages` index; one that lacks a field osmod needs is the problem `archive-malformed`. */
export function parseRecord(paragraph: string, archive: string, file: string): PackageRecord {
  const fields = parseParagraph(paragraph, file);
  const name = required(fields, "package", file, PACKAGE_NAME);
  const where = `${file}, package ${name}`;
  const architecture = required(fields, "architecture", where, /^[a-z0-9-]+$/);
  if (architecture !== "amd64" && architecture !== "all") foreign(where, architecture);
  if (!fields.has("sha256") && (fields.has("md5sum") || fields.has("sha1"))) weak(where);
  const multiArch = fields.get("multi-arch");
  const priority = fields.get("priority");
  const source = fields.get("source")?.split(" ")[0];
  return {
    name,
    version: required(fields, "version", where, /^[A-Za-z0-9.+:~-]+$/),
    architecture,
    archive,
    filename: required(fields, "filename", where, SAFE_FILENAME),
    size: Number(required(fields, "size", where, /^[0-9]{1,15}$/)),
    sha256: required(fields, "sha256", where, /^[0-9a-f]{64}$/),
    ...text(fields, "preDepends", "pre-depends"),
    ...text(fields, "depends", "depends"),
    ...text(fields, "recommends", "recommends"),
    ...text(fields, "provides", "provides"),
    ...text(fields, "conflicts", "conflicts"),
    ...text(fields, "breaks", "breaks"),
    ...text(fields, "replaces", "replaces"),
    ...(fields.get("essential") === "yes" ? { essential: true as const } : {}),
    ...(multiArch === undefined || multiArch === "no" ? {} : { multiArch }),
    ...(source === undefined || source === name ? {} : { source }),
    ...(priority === undefined || priority === "optional" ? {} : { priority }),
  };
}

/** A path below an archive: no `..`, in no spelling, not absolute, nothing that changes the meaning of an address. */
export const SAFE_FILENAME =
  /^(?!.*\/\.\.?(?:\/|$))(?!.*%(?:2[ef]|5c|00))[a-z0-9][a-z0-9._+~:%@-]*(?:\/[a-z0-9._+~:%@-]+)*$/i;

function text(fields: Paragraph, key: RelationField, field: string): Partial<Record<RelationField, string>> {
  const value = fields.get(field);
  return value === undefined || value === "" ? {} : { [key]: value.replace(/\n\s*/g, " ") };
}

function foreign(where: string, architecture: string): never {
  fail({
    code: "archive-wrong-architecture",
    message: `${where} is for ${architecture}, but amd64 was asked for`,
    fix: "The mirror mixes up its indexes; use another one.",
  });
}

function weak(where: string): never {
  fail({
    code: "archive-weak-hashes",
    message: `${where} is known by MD5 or SHA-1 only`,
    fix: "Use a mirror of Debian's own archive, which has SHA256; files with other hashes can be forged.",
  });
}

function required(fields: Paragraph, field: string, where: string, shape: RegExp): string {
  const value = fields.get(field);
  if (value === undefined || !shape.test(value)) {
    fail({
      code: "archive-malformed",
      message:
        value === undefined
          ? `${where}: the field ${field} is missing`
          : `${where}: the field ${field} has an impossible value ${JSON.stringify(value.slice(0, 80))}`,
      fix: "The index is damaged or not Debian's; check the mirror's address.",
    });
  }
  return value;
}
