/**
 * Making paths invalid.
 *
 * A valid path refers to valid paths only; everything relies on it, so that one look at a machine's own path tells
 * whether all below it is there. Whatever refers to a path that is forgotten is therefore forgotten as well: its object
 * stays where it is, as garbage, and is made again when somebody needs it.
 */
import type { StorePath } from "../path.ts";
import { several } from "./several.ts";
import type { State } from "./state.ts";
import { syncPath } from "./sync.ts";
import { AT_A_TIME } from "./trees.ts";

/**
 * Make paths invalid whose referrers are all among them, so that none is valid any more even if the power goes in the
 * next moment. Several at a time, and each after all that refer to it: being killed in between leaves no valid path that refers to an
 * invalid one.
 */
export async function forgetGarbage(state: State, paths: readonly StorePath[]): Promise<void> {
  if (paths.length === 0) return;
  /** How many of those that refer to a path are still valid. */
  const referrers = new Map(paths.map((path) => [path, 0]));
  const below = (path: StorePath): readonly StorePath[] =>
    referencesOf(state, path).filter((reference) => reference !== path && referrers.has(reference));
  const references = new Map(paths.map((path) => [path, below(path)]));
  for (const list of references.values()) for (const path of list) referrers.set(path, (referrers.get(path) ?? 0) + 1);
  let free = paths.filter((path) => referrers.get(path) === 0);
  let left = paths.length - free.length;
  while (free.length > 0) {
    await several(free, AT_A_TIME, (path) => state.infos.forgetLater(path));
    const next: StorePath[] = [];
    for (const reference of free.flatMap((path) => references.get(path) ?? [])) {
      const still = (referrers.get(reference) ?? 0) - 1;
      referrers.set(reference, still);
      if (still === 0) next.push(reference);
    }
    free = next;
    left -= next.length;
  }
  // Only in a damaged store do paths refer to each other in a circle.
  if (left > 0) for (const [path, count] of referrers) if (count > 0) state.infos.forget(path);
  syncPath(state.layout.infos);
}

/** Make paths invalid with all that refer to them, however far; answers which. */
export function forgetWithReferrers(state: State, paths: readonly StorePath[]): readonly StorePath[] {
  if (paths.length === 0) return [];
  const referrers = new Map<StorePath, StorePath[]>();
  for (const path of state.infos.all()) {
    for (const reference of referencesOf(state, path)) {
      const list = referrers.get(reference);
      if (list === undefined) referrers.set(reference, [path]);
      else list.push(path);
    }
  }
  const gone = new Set<StorePath>();
  const visit = (path: StorePath): void => {
    if (gone.has(path)) return;
    gone.add(path);
    // Referrers first: being killed here leaves no valid path that refers to an invalid one.
    for (const referrer of referrers.get(path) ?? []) visit(referrer);
    state.infos.forget(path);
  };
  for (const path of paths) visit(path);
  return [...gone];
}

function referencesOf(state: State, path: StorePath): readonly StorePath[] {
  try {
    return state.infos.registered(path)?.references ?? [];
  } catch {
    return [];
  }
}
