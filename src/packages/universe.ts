/**
 * A universe: the packages that a resolution may choose from. One candidate a name, as in apt: the newest version of
 * the suites, or the locked one. What else is in the archive does not exist for the resolver.
 */
import { type PackageRecord, relationsOf } from "./record.ts";

/** Packages to choose from. */
export interface PackageUniverse {
  /** The candidate of a real package. */
  find(name: string): PackageRecord | undefined;
  /** Candidates whose `Provides` has the name, best first. Does not include the real package of that name. */
  providers(name: string): readonly PackageRecord[];
  /** All candidates that are `Essential: yes`, by name. */
  essential(): readonly PackageRecord[];
  /** All names of real packages. */
  names(): Iterable<string>;
}

/** A universe of the records given; two of one name: the later one counts. */
export function universeOf(records: Iterable<PackageRecord>): PackageUniverse {
  const byName = new Map<string, PackageRecord>();
  for (const record of records) byName.set(record.name, record);
  const provided = new Map<string, Set<string>>();
  for (const record of byName.values()) {
    for (const name of providedNames(record)) addTo(provided, name, record.name);
  }
  return makeUniverse(byName.keys(), (name) => byName.get(name), provided);
}

/**
 * Lay one universe over another: candidates of `upper` hide those of `lower`.
 *
 * This is how a lock holds versions while an index supplies what the lock does not have.
 */
export function overlay(upper: PackageUniverse, lower: PackageUniverse): PackageUniverse {
  return {
    find: (name) => upper.find(name) ?? lower.find(name),
    providers: (name) =>
      [
        ...upper.providers(name),
        ...lower.providers(name).filter((record) => upper.find(record.name) === undefined),
      ].sort(compareProviders),
    essential: () =>
      [...upper.essential(), ...lower.essential().filter((record) => upper.find(record.name) === undefined)].sort(
        byName,
      ),
    *names() {
      yield* upper.names();
      for (const name of lower.names()) if (upper.find(name) === undefined) yield name;
    },
  };
}

/** @internal The universe behind a table of names and of who provides what. */
export function makeUniverse(
  names: Iterable<string>,
  find: (name: string) => PackageRecord | undefined,
  provided: ReadonlyMap<string, ReadonlySet<string>>,
  essentialNames?: Iterable<string>,
): PackageUniverse {
  const present = (record: PackageRecord | undefined): record is PackageRecord => record !== undefined;
  const allNames = [...names];
  return {
    find,
    providers: (name) =>
      [...(provided.get(name) ?? [])]
        .map(find)
        .filter(present)
        // The table is made of every version; the candidate itself may no longer provide the name.
        .filter((record) => record.name !== name && providedNames(record).includes(name))
        .sort(compareProviders),
    essential: () =>
      [...(essentialNames ?? allNames)]
        .map(find)
        .filter(present)
        .filter((record) => record.essential === true)
        .sort(byName),
    names: () => allNames,
  };
}

/** Names that a record provides besides its own. */
export function providedNames(record: PackageRecord): readonly string[] {
  return relationsOf(record, "provides").flatMap((group) => group.map((relation) => relation.name));
}

/**
 * apt's order among providers of one name: essential ones, then Debian's priority. Where those say nothing apt takes
 * the one that its cache met last; the index being sorted, that is nearly always the last by name.
 */
export function compareProviders(a: PackageRecord, b: PackageRecord): number {
  return Number(b.essential === true) - Number(a.essential === true) || priority(a) - priority(b) || byName(b, a);
}

function byName(a: PackageRecord, b: PackageRecord): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}

const PRIORITIES = ["required", "important", "standard", "optional", "extra"];

function priority(record: PackageRecord): number {
  const rank = PRIORITIES.indexOf(record.priority ?? "optional");
  return rank < 0 ? PRIORITIES.length : rank;
}

function addTo(table: Map<string, Set<string>>, key: string, value: string): void {
  const set = table.get(key);
  if (set) set.add(value);
  else table.set(key, new Set([value]));
}
