/**
 * Who answers to a dependency: a package by its own name and version, or by what it provides.
 */
import { type PackageRecord, relationsOf } from "./record.ts";
import type { Relation } from "./relation.ts";
import { versionSatisfies } from "./version.ts";

/** Tell whether a record meets a relation, by its own name or by what it provides. */
export function meets(record: PackageRecord, relation: Relation): boolean {
  if (record.name === relation.name) {
    return (
      qualifierFits(record, relation) &&
      (relation.constraint === undefined ||
        versionSatisfies(record.version, relation.constraint.operator, relation.constraint.version))
    );
  }
  if (record.provides === undefined || !record.provides.includes(relation.name)) return false;
  return relationsOf(record, "provides").some((group) =>
    group.some((provided) => {
      if (provided.name !== relation.name || !qualifierFits(record, relation)) return false;
      if (relation.constraint === undefined) return true;
      // A provided name without a version meets no versioned relation.
      return (
        provided.constraint !== undefined &&
        versionSatisfies(provided.constraint.version, relation.constraint.operator, relation.constraint.version)
      );
    }),
  );
}

/** `:any` asks for a package that allows to be used from every architecture; `:amd64` is what all our packages are. */
function qualifierFits(record: PackageRecord, relation: Relation): boolean {
  switch (relation.qualifier) {
    case undefined:
    case "amd64":
    case "native":
      return true;
    case "any":
      return record.multiArch === "allowed";
    default:
      return false;
  }
}

/** The names a package answers to: its own, and those it provides. */
export function answersTo(record: PackageRecord): readonly string[] {
  if (record.provides === undefined) return [record.name];
  const names = relationsOf(record, "provides").flatMap((group) => group.map((relation) => relation.name));
  return [...new Set([record.name, ...names])];
}
