/**
 * "Did you mean": the names nearest to one that does not exist.
 *
 * In small sets, names that differ in up to a third of their letters are offered, three at most; in larger sets only those
 * at most two edits away, since there something is always near.
 */
const offered = 3;

/** How many names are compared for one error, at most: a tenth of a second. */
const patience = 500_000;

/** The candidates that a misspelt name may have meant, nearest first. */
export function nearest(name: string, candidates: readonly string[]): string[] {
  const limit = candidates.length < 100 ? Math.max(2, Math.floor(name.length / 3)) : 2;
  return candidates
    .map((candidate) => ({ candidate, edits: distance(name, candidate, limit) }))
    .filter(({ edits }) => edits <= limit)
    .sort((a, b) => a.edits - b.edits || (a.candidate < b.candidate ? -1 : 1))
    .slice(0, offered)
    .map(({ candidate }) => candidate);
}

/**
 * The same for many names that do not exist. Thousands of them in a group of thousands would take minutes, and nobody reads
 * the suggestions for all: when enough names were compared, there are no more.
 */
export function suggesting(): (name: string, candidates: ReadonlyMap<string, unknown>) => string[] {
  const listed = new Map<ReadonlyMap<string, unknown>, readonly string[]>();
  let left = patience;
  return (name, candidates) => {
    if (left <= 0) return [];
    left -= candidates.size;
    let names = listed.get(candidates);
    if (names === undefined) {
      names = [...candidates.keys()];
      listed.set(candidates, names);
    }
    return nearest(name, names);
  };
}

/** Levenshtein distance; anything beyond `limit` may come out as any larger number. */
function distance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit) return limit + 1;
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    let least = i;
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const edits = Math.min(replaced, (row[j] as number) + 1, (next[j - 1] as number) + 1);
      if (edits < least) least = edits;
      next.push(edits);
    }
    // What is left can only add to it.
    if (least > limit) return least;
    row = next;
  }
  return row[b.length] as number;
}
