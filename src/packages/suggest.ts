/**
 * "Did you mean": the names closest to one that does not exist.
 *
 * Closeness is the number of edits (insert, delete, replace, swap of neighbours); names more than a third of their
 * length away are never offered, for a bad guess is worse than none. A name that has the asked one as a dash-separated
 * part counts as close, since Debian's names are built that way (`openssh` → `openssh-server`).
 */

/** Up to `limit` names of `known` that a user may have meant by `name`, best first. */
export function suggest(name: string, known: Iterable<string>, limit = 3): readonly string[] {
  const allowed = Math.max(1, Math.floor(name.length / 3));
  const found: { name: string; score: number }[] = [];
  for (const other of known) {
    if (other.startsWith(`${name}-`) || other.endsWith(`-${name}`)) {
      found.push({ name: other, score: 0.5 + other.length / 1000 });
      continue;
    }
    if (Math.abs(other.length - name.length) > allowed) continue;
    const distance = editDistance(name, other, allowed);
    if (distance <= allowed) found.push({ name: other, score: distance });
  }
  found.sort((a, b) => a.score - b.score || (a.name < b.name ? -1 : 1));
  return found.slice(0, limit).map((entry) => entry.name);
}

/** Edits between two words; gives up with `limit + 1` as soon as a row exceeds the limit. */
function editDistance(a: string, b: string, limit: number): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    let best = i;
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let cost = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        cost = Math.min(cost, beforeLast[j - 2]! + 1);
      row.push(cost);
      if (cost < best) best = cost;
    }
    if (best > limit) return limit + 1;
    beforeLast = last;
    last = row;
  }
  return last[b.length]!;
}
