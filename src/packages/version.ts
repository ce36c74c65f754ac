/**
 * Debian version numbers: `[epoch:]upstream[-revision]`, ordered exactly as dpkg orders them.
 *
 * Both parts are read as alternating runs of non-digits and digits. Digits compare as numbers; in non-digits a tilde
 * comes before everything, even the end of the part, then the end, then letters, then all other characters:
 *
 *     1.0~rc1 < 1.0 < 1.0a < 1.0+b1 < 1.0.1 < 1:0.1
 *
 * Comparing never fails: like dpkg, an odd version still has a place in the order.
 */

/** Operators of version constraints. `<<` and `>>` are strict; `<` and `>` are dpkg's old spelling of `<=` and `>=`. */
export type VersionOperator = "<<" | "<=" | "=" | ">=" | ">>";

/** Compare two versions. Negative when `a` is older, positive when newer, 0 when they are equal for dpkg (`1.0` and `1.0-0`). */
export function compareVersions(a: string, b: string): number {
  if (a === b) return 0;
  const left = split(a);
  const right = split(b);
  return (
    compareNumbers(left.epoch, right.epoch) ||
    comparePart(left.upstream, right.upstream) ||
    comparePart(left.revision, right.revision)
  );
}

/** Tell whether `version` meets `operator wanted`, for example `2.41-12`, `>=`, `2.38`. */
export function versionSatisfies(version: string, operator: VersionOperator, wanted: string): boolean {
  const order = compareVersions(version, wanted);
  switch (operator) {
    case "<<":
      return order < 0;
    case "<=":
      return order <= 0;
    case "=":
      return order === 0;
    case ">=":
      return order >= 0;
    case ">>":
      return order > 0;
  }
}

function split(version: string): { epoch: string; upstream: string; revision: string } {
  const colon = version.indexOf(":");
  const rest = colon < 0 ? version : version.slice(colon + 1);
  const dash = rest.lastIndexOf("-");
  return {
    epoch: colon < 0 ? "0" : version.slice(0, colon),
    upstream: dash < 0 ? rest : rest.slice(0, dash),
    revision: dash < 0 ? "" : rest.slice(dash + 1),
  };
}

/** Epochs and runs of digits; as text, because a date-like version may be longer than a double is exact. */
function compareNumbers(a: string, b: string): number {
  const left = a.replace(/^0+/, "");
  const right = b.replace(/^0+/, "");
  if (left.length !== right.length) return left.length - right.length;
  return left < right ? -1 : left > right ? 1 : 0;
}

function comparePart(a: string, b: string): number {
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    while ((i < a.length && !isDigit(a, i)) || (j < b.length && !isDigit(b, j))) {
      const difference = weight(a, i) - weight(b, j);
      if (difference !== 0) return difference;
      i++;
      j++;
    }
    const startA = i;
    const startB = j;
    while (isDigit(a, i)) i++;
    while (isDigit(b, j)) j++;
    const difference = compareNumbers(a.slice(startA, i), b.slice(startB, j));
    if (difference !== 0) return difference;
  }
  return 0;
}

function isDigit(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code >= 48 && code <= 57;
}

/** Order of one character within a run of non-digits; the end of the run (or a digit) weighs 0. */
function weight(text: string, at: number): number {
  if (at >= text.length || isDigit(text, at)) return 0;
  const code = text.charCodeAt(at);
  if (code === 126) return -1;
  const isLetter = (code >= 65 && code <= 90) || (code >= 97 && code <= 122);
  return isLetter ? code : code + 256;
}
