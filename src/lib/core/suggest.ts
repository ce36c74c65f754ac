/**
 * "Did you mean": the names nearest to one that does not exist.
 *
 * In small sets, names that differ in up to a third of their letters are offered, three at most; in larger sets only those
 * at most two edits away, since there something is always near.
 */
const offered = 3;

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

/** Levenshtein distance; anything beyond `limit` may come out as any larger number. */
function distance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit) return limit + 1;
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}
