/**
 * The search behind the resolver: choosing packages one dependency at a time, and taking choices back.
 *
 * What is to do is a stack of dependencies, so that each package's own come before those of its siblings. A choice that
 * had another way leaves a choice point; a dead end goes back to the latest one that had a part in it (`#backTo`).
 */
import { fail, type ProblemInput } from "../problems/index.ts";
import { answersTo, meets } from "./meets.ts";
import { FIELD_NAMES, type PackageRecord, relationsOf } from "./record.ts";
import { formatGroup, formatRelation, type Relation, type RelationGroup } from "./relation.ts";
import type { PackageUniverse } from "./universe.ts";

/** What a resolution takes into account besides the roots. */
export interface ResolveOptions {
  /** Also take what packages recommend, where it can be had. Default: no. */
  readonly recommends?: boolean;
  /** Also take every `Essential: yes` package of the universe. Default: no. */
  readonly essential?: boolean;
  /** Packages to do without: never chosen, and a dependency on one counts as met. */
  readonly exclude?: readonly string[];
}

/** Why a package was chosen. */
export type Reason =
  | { readonly kind: "root" }
  | { readonly kind: "essential" }
  | { readonly kind: "dependency"; readonly of: string; readonly field: string; readonly relation: string };

/** A chosen package. */
export interface ResolvedPackage {
  readonly record: PackageRecord;
  readonly reason: Reason;
}

/** Choices tried before giving up; apt's own answers for real machines need a few dozen. */
const STEP_LIMIT = 50_000;

/** One group of alternatives that still has to be met. */
interface Pending {
  readonly group: RelationGroup;
  readonly of: PackageRecord;
  readonly field: "preDepends" | "depends" | "recommends";
}

/** What is still to do, as a list that shares its tail: taking a choice back is keeping an older head. */
interface Agenda {
  readonly item: Pending;
  readonly next: Agenda | undefined;
}

/** A choice that had another way. */
interface ChoicePoint {
  readonly item: Pending;
  readonly choices: readonly PackageRecord[];
  readonly nextChoice: number;
  readonly selectedCount: number;
  readonly agenda: Agenda | undefined;
  /** Chosen packages that stood in the way of the choices tried so far. */
  readonly obstacles: ReadonlySet<string>;
}

/** A package that cannot stand beside those chosen. */
interface Clash {
  readonly with: PackageRecord;
  readonly why: string;
}

const VERBS = { conflicts: "conflicts with", breaks: "breaks" } as const;

/** One resolution in progress; `selected` is the answer once `run` returns. */
export class Search {
  readonly selected = new Map<string, ResolvedPackage>();
  readonly #universe: PackageUniverse;
  readonly #fields: readonly Pending["field"][];
  readonly #excludedNames: ReadonlySet<string>;
  /** Names in the order of their selection, for taking back. */
  readonly #order: string[] = [];
  /** Chosen packages by the names they answer to: their own and those they provide. */
  readonly #answering = new Map<string, PackageRecord[]>();
  /** Negative relations of chosen packages, by the name they are about. */
  readonly #excluded = new Map<string, { owner: PackageRecord; field: "conflicts" | "breaks"; relation: Relation }[]>();
  readonly #choicePoints: ChoicePoint[] = [];
  /** The first dead end. Later ones are met on detours and would puzzle whoever reads about them. */
  #firstFailure: ProblemInput | undefined;

  constructor(universe: PackageUniverse, options: ResolveOptions) {
    this.#universe = universe;
    this.#excludedNames = new Set(options.exclude);
    this.#fields = options.recommends === true ? ["preDepends", "depends", "recommends"] : ["preDepends", "depends"];
  }

  run(wanted: readonly ResolvedPackage[]): void {
    let agenda: Agenda | undefined;
    for (const entry of wanted) {
      const clash = this.#clash(entry.record);
      if (clash !== undefined) fail(this.#unsatisfiable(entry.record, clash.why, []));
      this.#select(entry);
    }
    for (const entry of [...wanted].reverse()) agenda = this.#push(agenda, entry.record);

    for (let steps = 0; agenda !== undefined; steps++) {
      if (steps > STEP_LIMIT) this.#giveUp();
      const { item, next }: Agenda = agenda;
      if (this.#isMet(item.group)) {
        agenda = next;
        continue;
      }
      const choices = this.#choicesFor(item);
      // A provider can be excluded as well. The next best one is not wanted in its place.
      if (choices[0] !== undefined && this.#excludedNames.has(choices[0].name)) {
        agenda = next;
        continue;
      }
      const selectedCount = this.#order.length;
      agenda = this.#choose({ item, choices, nextChoice: 0, selectedCount, agenda: next, obstacles: new Set() });
    }
  }

  /** Take the first choice that clashes with nothing; with none left, go back to an earlier choice point. */
  #choose(start: ChoicePoint): Agenda | undefined {
    let point: ChoicePoint | undefined = start;
    while (point !== undefined) {
      const { item, choices, agenda }: ChoicePoint = point;
      const obstacles: Set<string> = new Set(point.obstacles);
      for (let index: number = point.nextChoice; index < choices.length; index++) {
        const record = choices[index]!;
        const clash = this.#clash(record);
        if (clash !== undefined) {
          obstacles.add(clash.with.name);
          this.#remember(item, `${record.name} ${record.version} cannot be used: ${clash.why}`);
          continue;
        }
        if (index + 1 < choices.length || item.field === "recommends") {
          this.#choicePoints.push({ ...point, nextChoice: index + 1, obstacles });
        }
        const relation = formatGroup(item.group);
        const reason = { kind: "dependency", of: item.of.name, field: FIELD_NAMES[item.field], relation } as const;
        this.#select({ record, reason });
        return this.#push(agenda, record);
      }
      // A recommendation that cannot be had is done without.
      if (item.field === "recommends") return agenda;
      if (choices.length === 0) this.#remember(item, this.#whyNoChoice(item.group));
      point = this.#backTo(obstacles.add(item.of.name));
    }
    this.#giveUp();
  }

  /**
   * The latest choice point that has something to do with the obstacles: it chose one of them, or something that led
   * to one. Going back to just any choice point would try, say, every provider of a mail server before it gets to the
   * one that matters.
   */
  #backTo(obstacles: ReadonlySet<string>): ChoicePoint | undefined {
    const involved = new Set<string>();
    for (const name of obstacles) {
      for (let at: string | undefined = name; at !== undefined && !involved.has(at); ) {
        involved.add(at);
        const reason: Reason | undefined = this.selected.get(at)?.reason;
        at = reason?.kind === "dependency" ? reason.of : undefined;
      }
    }
    for (let point = this.#choicePoints.pop(); point !== undefined; point = this.#choicePoints.pop()) {
      const chosen = this.#order[point.selectedCount]!;
      if (!involved.has(chosen)) continue;
      this.#takeBack(point.selectedCount);
      // If the other ways fail too, what stood in the way here still does.
      return { ...point, obstacles: new Set([...point.obstacles, ...involved].filter((name) => name !== chosen)) };
    }
    return undefined;
  }

  #giveUp(): never {
    fail(
      this.#firstFailure ?? {
        code: "package-unsatisfiable",
        message: "the dependencies have no solution that could be found in reasonable time",
        fix: "Name fewer or more specific packages.",
      },
    );
  }

  #isMet(group: RelationGroup): boolean {
    return group.some(
      (relation) =>
        this.#excludedNames.has(relation.name) ||
        (this.#answering.get(relation.name) ?? []).some((record) => meets(record, relation)),
    );
  }

  #choicesFor(item: Pending): readonly PackageRecord[] {
    const choices = new Set<PackageRecord>();
    for (const relation of item.group) {
      const real = this.#universe.find(relation.name);
      if (real !== undefined && meets(real, relation)) choices.add(real);
      for (const provider of this.#universe.providers(relation.name)) {
        if (meets(provider, relation)) choices.add(provider);
      }
    }
    const [first, ...rest] = choices;
    return first === undefined ? [] : [first, ...rest.filter((record) => !this.#excludedNames.has(record.name))];
  }

  #select(entry: ResolvedPackage): void {
    const { record } = entry;
    if (this.selected.has(record.name)) return;
    this.selected.set(record.name, entry);
    this.#order.push(record.name);
    for (const name of answersTo(record)) append(this.#answering, name, record);
    for (const field of ["conflicts", "breaks"] as const) {
      for (const relation of relationsOf(record, field).flat()) {
        append(this.#excluded, relation.name, { owner: record, field, relation });
      }
    }
  }

  #takeBack(count: number): void {
    while (this.#order.length > count) {
      const name = this.#order.pop()!;
      const record = this.selected.get(name)!.record;
      this.selected.delete(name);
      for (const answered of answersTo(record)) this.#answering.get(answered)?.pop();
      for (const field of ["conflicts", "breaks"] as const) {
        for (const relation of relationsOf(record, field).flat()) this.#excluded.get(relation.name)?.pop();
      }
    }
  }

  /** Put a package's dependencies before everything else that is to do, in their order. */
  #push(agenda: Agenda | undefined, record: PackageRecord): Agenda | undefined {
    let head = agenda;
    for (const field of [...this.#fields].reverse()) {
      for (const group of [...relationsOf(record, field)].reverse())
        head = { item: { group, of: record, field }, next: head };
    }
    return head;
  }

  /** Why a package cannot stand beside those chosen, or undefined when it can. */
  #clash(record: PackageRecord): Clash | undefined {
    for (const field of ["conflicts", "breaks"] as const) {
      for (const relation of relationsOf(record, field).flat()) {
        const other = (this.#answering.get(relation.name) ?? []).find(
          (chosen) => chosen.name !== record.name && meets(chosen, relation),
        );
        if (other !== undefined) {
          const why = `it ${VERBS[field]} ${formatRelation(relation)}, and ${other.name} ${other.version} is there`;
          return { with: other, why };
        }
      }
    }
    for (const name of answersTo(record)) {
      for (const { owner, field, relation } of this.#excluded.get(name) ?? []) {
        if (owner.name !== record.name && meets(record, relation)) {
          const why = `${owner.name} ${owner.version}, which is there, ${VERBS[field]} ${formatRelation(relation)}`;
          return { with: owner, why };
        }
      }
    }
    return undefined;
  }

  #whyNoChoice(group: RelationGroup): string {
    return group
      .map((relation) => {
        const real = this.#universe.find(relation.name);
        if (real === undefined) return `there is no package ${relation.name}, nor one that provides it`;
        if (relation.qualifier !== undefined) return `${real.name} does not meet ${formatRelation(relation)}`;
        return `the only version of ${real.name} is ${real.version}`;
      })
      .join("; ");
  }

  #remember(item: Pending, why: string): void {
    if (this.#firstFailure !== undefined || item.field === "recommends") return;
    const relation = `${FIELD_NAMES[item.field]}: ${formatGroup(item.group)}`;
    this.#firstFailure = this.#unsatisfiable(
      item.of,
      `${relation} cannot be met, for ${why}`,
      chain(this.selected, item.of.name),
    );
  }

  #unsatisfiable(record: PackageRecord, why: string, notes: readonly string[]): ProblemInput {
    return {
      code: "package-unsatisfiable",
      message: `${record.name} ${record.version} cannot be had: ${why}`,
      notes,
      fix: "Take one of the packages out; or, when versions of a lock stand in the way, move it with `osmod lock --update`.",
    };
  }
}

/** The chain of reasons from a root to a package. */
export function chain(selected: ReadonlyMap<string, ResolvedPackage>, name: string): readonly string[] {
  const lines: string[] = [];
  for (let entry = selected.get(name); entry !== undefined; ) {
    const { record, reason } = entry;
    if (reason.kind !== "dependency") {
      lines.unshift(`${record.name} ${record.version} is ${reason.kind === "root" ? "asked for" : "essential"}`);
      break;
    }
    lines.unshift(`${reason.of} ${reason.field}: ${reason.relation} → ${record.name} ${record.version}`);
    entry = selected.get(reason.of);
  }
  return lines;
}

/** Add to the list under a key. */
export function append<V>(table: Map<string, V[]>, key: string, value: V): void {
  const list = table.get(key);
  if (list) list.push(value);
  else table.set(key, [value]);
}
