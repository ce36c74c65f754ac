/**
 * Where evaluation spends its time: how often each option was evaluated, and for how long.
 *
 * Only while `profile` runs do the cells tell who watches them; otherwise there is nothing there that could cost anything.
 * Options whose definition is plain data are merged without being evaluated, and do not appear.
 */
import { carefully, isPlainObject, Patience } from "./core/careful.ts";
import { watchCells } from "./core/cell.ts";
import { evaluated } from "./core/evaluate.ts";
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
}

/**
 * Evaluate the same modules anew, and measure. `read` says what is wanted of the configuration; everything, if left out.
 *
 *     renderProfile(profile(evaluation, (config) => config.system.build.toplevel.drvPath))
 */
export function profile<S>(
  evaluation: Evaluation<S>,
  read: (config: Values<S>) => unknown = (config) => readAll(config, new Set(), new Patience(10), 0),
): Profile {
  const fresh = evaluated(evaluation, "profile").extendModules({ modules: [] });
  const spent = new Map<string, { evaluations: number; milliseconds: number; total: number; depth: number }>();
  /** For each cell being evaluated: when it began, and how long others took meanwhile. */
  const running: { name: string; start: number; inner: number }[] = [];
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
    () => read(fresh.config as Values<S>),
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
  };
}

/** Read all there is; what cannot be read is measured as well. */
function readAll(value: unknown, seen: Set<unknown>, patience: Patience, depth: number): void {
  if (typeof value !== "object" || value === null || seen.has(value)) return;
  seen.add(value);
  const names = carefully(() => (Array.isArray(value) || isPlainObject(value) ? Object.keys(value) : []), []);
  if (!patience.holds(depth, names.length)) return;
  for (const name of names) {
    try {
      readAll((value as Record<string, unknown>)[name], seen, patience, depth + 1);
    } catch {
      // Its time is in the profile.
    }
  }
}

/** Print the `top` most expensive entries of a profile. */
export function renderProfile({ milliseconds, entries }: Profile, top = 20): string {
  const number = (value: number): string => value.toFixed(2).padStart(10);
  return [
    `${milliseconds.toFixed(2)} ms, ${entries.reduce((sum, { evaluations }) => sum + evaluations, 0)} evaluations`,
    "   self ms   total ms   times  option",
    ...entries
      .slice(0, top)
      .map((e) => `${number(e.milliseconds)} ${number(e.total)} ${String(e.evaluations).padStart(7)}  ${e.name}`),
  ].join("\n");
}
