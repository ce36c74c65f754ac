/**
 * Where evaluation spends its time: how often each option was evaluated, and for how long.
 *
 * Only while `profile` runs do the cells tell who watches them; otherwise there is nothing there that could cost anything.
 * Options whose definition is plain data are merged without being evaluated, and do not appear.
 */
import { carefully, isPlainObject, Patience } from "./core/careful.ts";
import { watchCells } from "./core/cell.ts";
import { evaluated } from "./core/evaluate.ts";
import type { GroupNode } from "./core/group.ts";
import { GroupSchema } from "./core/schema.ts";
import type { Values } from "./typed/descriptors.ts";
import type { Evaluation } from "./typed/modules.ts";

/** What was spent on one option, or on one condition or step between options. */
export interface ProfileEntry {
  /** The option's path, or words for what is none. */
  readonly name: string;
  /** More than one where a deep chain had to be started again. */
  readonly evaluations: number;
  /** Time in the option itself, without the options it read. */
  readonly milliseconds: number;
  /** Time with the options that were evaluated because it read them. */
  readonly total: number;
}

/** A profile, the most expensive options first. */
export interface Profile {
  readonly milliseconds: number;
  readonly entries: readonly ProfileEntry[];
  /** True when a value was too large to be read to its end, or had none, so that something is missing. */
  readonly isPartial: boolean;
}

/**
 * Evaluate the same modules anew, and measure. `read` says what is wanted of the configuration; if left out, every option
 * is read, and what is inside their values, nearest first, until there is no end to be expected.
 *
 *     renderProfile(profile(evaluation, (config) => config.system.build.toplevel.drvPath))
 *
 * @example
 * import { declareOptions, defineModule, evalModules, mkOption, profile, t } from "osmod/lib";
 *
 * const options = declareOptions({ port: mkOption({ type: t.port, default: 80 }) });
 * const evaluation = evalModules({ modules: [defineModule<typeof options>({ options })] });
 *
 * profile(evaluation).isPartial; // false
 */
export function profile<S>(evaluation: Evaluation<S>, read?: (config: Values<S>) => unknown): Profile {
  const fresh = evaluated(evaluation, "profile").extendModules({ modules: [] });
  const spent = new Map<string, { evaluations: number; milliseconds: number; total: number; depth: number }>();
  /** For each cell being evaluated: when it began, and how long others took meanwhile. */
  const running: { name: string; start: number; inner: number }[] = [];
  let isPartial = false;
  const begin = performance.now();
  watchCells(
    (cell) => {
      const name = cell.option() ?? cell.describe();
      const entry = spent.get(name) ?? { evaluations: 0, milliseconds: 0, total: 0, depth: 0 };
      entry.evaluations++;
      entry.depth++;
      spent.set(name, entry);
      running.push({ name, start: performance.now(), inner: 0 });
    },
    () => {
      const { name, start, inner } = running.pop() as { name: string; start: number; inner: number };
      const took = performance.now() - start;
      const entry = spent.get(name) as { milliseconds: number; total: number; depth: number };
      entry.milliseconds += took - inner;
      // A name inside itself (the elements of a list have one) is counted once.
      if (--entry.depth === 0) entry.total += took;
      const outer = running.at(-1);
      if (outer !== undefined) outer.inner += took;
    },
    () => {
      if (read === undefined)
        isPartial = !isReadToTheEnd(fresh.config as object, evaluated(fresh, "profile").scope.root);
      else read(fresh.config as Values<S>);
    },
  );
  const entries = [...spent].map(([name, { evaluations, milliseconds, total }]) => ({
    name,
    evaluations,
    milliseconds,
    total,
  }));
  return {
    milliseconds: performance.now() - begin,
    entries: entries.sort((a, b) => b.milliseconds - a.milliseconds),
    isPartial,
  };
}

/** Nothing that people write is nested deeper. */
const deepest = 50;

/** Read all there is; what cannot be read is measured as well. False when reading had to be broken off. */
function isReadToTheEnd(config: object, root: GroupNode): boolean {
  let level: object[] = [];
  readOptions(config, root, level);
  const [seen, patience] = [new Set<object>(), new Patience()];
  let isComplete = true;
  for (let depth = 0; level.length > 0; depth++) {
    const next: object[] = [];
    for (const value of level) {
      if (seen.has(value)) continue;
      seen.add(value);
      const names = namesIn(value);
      if (names.length === 0) continue;
      const isRead = depth < deepest && carefully(() => patience.lastsFor(value, names), true);
      if (isRead) for (const name of names) readMember(value, name, next);
      else isComplete = false;
    }
    level = next;
  }
  return isComplete;
}

/** Read the options of a group and those below it, however many modules declare; their values come into `found`. */
function readOptions(values: object, group: GroupNode, found: object[]): void {
  const { children } = group.schema;
  for (const name of Object.keys(values)) {
    if (children.get(name) instanceof GroupSchema) readOptions(group.group(name).object(), group.group(name), found);
    else readMember(values, name, found);
  }
}

function namesIn(value: object): readonly string[] {
  return carefully(() => (Array.isArray(value) || isPlainObject(value) ? Object.keys(value) : []), []);
}

function readMember(object: object, name: string, found: object[]): void {
  // What throws has its time in the profile.
  const value = carefully(() => (object as Record<string, unknown>)[name], undefined);
  if (typeof value === "object" && value !== null) found.push(value);
}

/**
 * Print the `top` most expensive entries of a profile.
 *
 * @example
 * import { declareOptions, defineModule, evalModules, mkOption, profile, renderProfile, t } from "osmod/lib";
 *
 * const options = declareOptions({ port: mkOption({ type: t.port, default: 80 }) });
 * const evaluation = evalModules({ modules: [defineModule<typeof options>({ options })] });
 *
 * renderProfile(profile(evaluation)).length > 0; // true
 */
export function renderProfile({ milliseconds, entries, isPartial }: Profile, top = 20): string {
  const number = (value: number): string => value.toFixed(2).padStart(10);
  return [
    `${milliseconds.toFixed(2)} ms, ${entries.reduce((sum, { evaluations }) => sum + evaluations, 0)} evaluations`,
    ...(isPartial ? ["a value has no end, or one too far away: what lies deepest was not read"] : []),
    "   self ms   total ms   times  option",
    ...entries
      .slice(0, top)
      .map((e) => `${number(e.milliseconds)} ${number(e.total)} ${String(e.evaluations).padStart(7)}  ${e.name}`),
  ].join("\n");
}
