/**
 * Relationship fields of Debian control data: `Depends`, `Provides`, `Conflicts` and the like.
 *
 *     libc6 (>= 2.38), default-mta | mail-transport-agent, python3:any
 *       →  [[libc6 >= 2.38], [default-mta, mail-transport-agent], [python3:any]]
 *
 * A field is a list of groups (all must hold), a group a list of alternatives (one must hold). In the archive's binary
 * indexes no architecture or build-profile restriction occurs; one that does is refused rather than ignored.
 */
import { fail } from "../problems/index.ts";
import type { VersionOperator } from "./version.ts";

/** One alternative: a package name, perhaps with a version constraint and an architecture qualifier. */
export interface Relation {
  readonly name: string;
  /** `any`, or an architecture's name; absent for the usual unqualified relation. */
  readonly qualifier?: string;
  readonly constraint?: { readonly operator: VersionOperator; readonly version: string };
}

/** Alternatives of which one must hold. */
export type RelationGroup = readonly Relation[];

const SHAPE =
  /^([a-z0-9][a-z0-9+.-]*)(?::([a-z0-9][a-z0-9-]*))?(?:\s*\(\s*(<<|<=|=|>=|>>|<|>)\s*([A-Za-z0-9.+:~-]+)\s*\))?$/;

const OPERATORS: { readonly [spelling: string]: VersionOperator } = {
  "<<": "<<",
  "<=": "<=",
  "<": "<=",
  "=": "=",
  ">=": ">=",
  ">": ">=",
  ">>": ">>",
};

/**
 * Parse a relationship field. Empty and absent fields give no groups.
 *
 * @param context names the place for the problem, for example `Depends of nginx`.
 */
export function parseRelations(field: string | undefined, context = "a relationship field"): readonly RelationGroup[] {
  if (field === undefined) return [];
  const groups: RelationGroup[] = [];
  for (const part of field.split(",")) {
    const text = part.trim();
    // dpkg tolerates a trailing comma; some packages of the archive have one.
    if (text === "") continue;
    groups.push(text.split("|").map((alternative) => parseRelation(alternative.trim(), context)));
  }
  return groups;
}

/** Print a relation as control data has it. */
export function formatRelation(relation: Relation): string {
  const name = relation.qualifier === undefined ? relation.name : `${relation.name}:${relation.qualifier}`;
  return relation.constraint === undefined
    ? name
    : `${name} (${relation.constraint.operator} ${relation.constraint.version})`;
}

/** Print a group: alternatives with bars between. */
export function formatGroup(group: RelationGroup): string {
  return group.map(formatRelation).join(" | ");
}

function parseRelation(text: string, context: string): Relation {
  const match = SHAPE.exec(text);
  if (match === null) {
    fail({
      code: "package-field-malformed",
      message: `${context} has a relation that cannot be read: ${JSON.stringify(text.slice(0, 120))}`,
      fix: "Check that the index or lock was not edited by hand; make a new one with `osmod lock --update`.",
    });
  }
  const [, name = "", qualifier, operator, version] = match;
  return {
    name,
    ...(qualifier === undefined ? {} : { qualifier }),
    ...(operator === undefined || version === undefined
      ? {}
      : { constraint: { operator: OPERATORS[operator] ?? "=", version } }),
  };
}
