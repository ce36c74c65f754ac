/**
 * Making paths invalid.
 *
 * A valid path refers to valid paths only; everything relies on it, so that one look at a machine's own path tells
 * whether all below it is there. Whatever refers to a path that is forgotten is therefore forgotten as well: its object
 * stays where it is, as garbage, and is made again when somebody needs it.
 */
import type { StorePath } from "../path.ts";
import type { State } from "./state.ts";

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
