/** Rows of measurements as a Markdown table: median, spread, ratio to the row they are compared with. */

/**
 * @typedef {{ suite: string, what: string, seconds: number[], against?: string, note?: string }} Row
 * `against` names the `what` of the row in the same suite that this one is compared with.
 */

/** @param {number[]} numbers */
export function median(numbers) {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** @param {Row[]} rows */
export function renderTable(rows) {
  const lines = ["| suite | what | median s | min–max | ratio | note |", "|---|---|---:|---|---:|---|"];
  for (const row of rows) {
    const base = rows.find((other) => other.suite === row.suite && other.what === row.against);
    const ratio = base === undefined ? "" : `${(median(row.seconds) / median(base.seconds)).toFixed(2)} × ${base.what}`;
    const time = row.seconds.length === 0 ? "–" : median(row.seconds).toFixed(3);
    const spread =
      row.seconds.length === 0 ? "" : `${Math.min(...row.seconds).toFixed(2)}–${Math.max(...row.seconds).toFixed(2)}`;
    lines.push(`| ${row.suite} | ${row.what} | ${time} | ${spread} | ${ratio} | ${row.note ?? ""} |`);
  }
  return lines.join("\n");
}
