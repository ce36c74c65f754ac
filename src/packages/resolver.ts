/**
 * The resolver: from a few names to all packages that must be there, each with its reason.
 *
 * It chooses as apt does. Roots are taken first. Then every dependency in the order of the control data, depth first:
 * one that a chosen package already meets is left alone; else the first alternative that can be had wins, the real
 * package before those that provide its name. Where a choice leads nowhere (a dependency that does not exist, a
 * conflict with a chosen package) the last choice that had another way and had a part in it is taken back. There are
 * no scores: the answer depends on nothing but the universe and the roots.
 *
 *     resolve(universe, ["nginx"])  →  base-files, gcc-14-base, libc6, …, nginx     (dependencies first)
 *
 * Pure and synchronous.
 */
import { fail } from "../problems/index.ts";
import { answersTo, meets } from "./meets.ts";
import { type PackageRecord, relationsOf } from "./record.ts";
import { append, chain, type Reason, type ResolvedPackage, type ResolveOptions, Search } from "./search.ts";
import { suggest } from "./suggest.ts";
import type { PackageUniverse } from "./universe.ts";

export type { Reason, ResolvedPackage, ResolveOptions };

/** The outcome of a resolution: packages by name, dependencies before what needs them. */
export interface Resolution {
  readonly packages: readonly ResolvedPackage[];
  get(name: string): ResolvedPackage | undefined;
  /** The chain of reasons from a root to the package, one line each; empty when it is not part of the resolution. */
  why(name: string): readonly string[];
}

/** Resolve roots to their closure, or fail with `package-unknown` or `package-unsatisfiable`. */
export function resolve(universe: PackageUniverse, roots: readonly string[], options: ResolveOptions = {}): Resolution {
  const search = new Search(universe, options);
  // Sorted, so that the order in which modules name packages does not matter.
  const names = [...new Set(roots)].sort();
  const wanted: ResolvedPackage[] = names.map((name) => ({
    record: findRoot(universe, name),
    reason: { kind: "root" },
  }));
  if (options.essential === true) {
    for (const record of universe.essential()) wanted.push({ record, reason: { kind: "essential" } });
  }
  search.run(wanted);
  return makeResolution(search.selected, wanted, options);
}

function findRoot(universe: PackageUniverse, name: string): PackageRecord {
  const real = universe.find(name);
  if (real !== undefined) return real;
  const providers = universe.providers(name);
  const [only] = providers;
  if (only !== undefined && providers.length === 1) return only;
  const close = suggest(name, universe.names());
  fail({
    code: "package-unknown",
    message:
      providers.length > 1
        ? `${name} is a virtual package that several packages provide`
        : `there is no package named ${name}`,
    notes: providers.length > 1 ? [`provided by ${providers.map((p) => p.name).join(", ")}`] : [],
    fix:
      providers.length > 1
        ? `Name one of them, for example ${providers[0]?.name}.`
        : close.length > 0
          ? `Did you mean ${close.join(", or ")}? Debian's names are written as in its archive: pkgs["${close[0]}"].`
          : "Check the name in Debian's archive; packages are named as apt names them.",
  });
}

function makeResolution(
  selected: ReadonlyMap<string, ResolvedPackage>,
  wanted: readonly ResolvedPackage[],
  options: ResolveOptions,
): Resolution {
  const packages = dependenciesFirst(selected, wanted, options);
  const byName = new Map(packages.map((entry) => [entry.record.name, entry]));
  return { packages, get: (name) => byName.get(name), why: (name) => chain(byName, name) };
}

/** Depth first from the roots, each package after what it depends on; a cycle is entered at its first member. */
function dependenciesFirst(
  selected: ReadonlyMap<string, ResolvedPackage>,
  wanted: readonly ResolvedPackage[],
  options: ResolveOptions,
): readonly ResolvedPackage[] {
  const answering = new Map<string, PackageRecord[]>();
  for (const { record } of selected.values()) for (const name of answersTo(record)) append(answering, name, record);
  const fields =
    options.recommends === true
      ? (["preDepends", "depends", "recommends"] as const)
      : (["preDepends", "depends"] as const);
  const needs = (record: PackageRecord): PackageRecord[] =>
    fields
      .flatMap((field) => relationsOf(record, field))
      .flatMap((group) => group.flatMap((r) => (answering.get(r.name) ?? []).filter((other) => meets(other, r))));

  const done: ResolvedPackage[] = [];
  const seen = new Set<string>();
  const stack: { entry: ResolvedPackage; needs: PackageRecord[] }[] = [];
  const enter = (name: string): void => {
    if (seen.has(name)) return;
    seen.add(name);
    const entry = selected.get(name)!;
    stack.push({ entry, needs: needs(entry.record).reverse() });
  };
  for (const { record } of [...wanted, ...selected.values()]) {
    enter(record.name);
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const need = top.needs.pop();
      if (need !== undefined) enter(need.name);
      else done.push(stack.pop()!.entry);
    }
  }
  return done;
}
