/**
 * Locations: where in the configuration something is.
 *
 * A location is a linked list towards the root, so that making the location of a child is one allocation however deep
 * it lies. It becomes text only for a person: `services.nginx.virtualHosts."example.org".root`.
 */

/** The path to an option or to a value below one; `undefined` is the root. */
export class Loc {
  readonly parent: Loc | undefined;
  readonly name: string;

  constructor(parent: Loc | undefined, name: string) {
    this.parent = parent;
    this.name = name;
  }
}

/** The names from the root to `loc`. */
export function names(loc: Loc | undefined): string[] {
  const path: string[] = [];
  for (let at = loc; at !== undefined; at = at.parent) path.push(at.name);
  return path.reverse();
}

/** Make a location from names. */
export function locOf(path: readonly string[], base?: Loc): Loc | undefined {
  return path.reduce<Loc | undefined>((parent, name) => new Loc(parent, name), base);
}

/** A path as a user would write it; names that are no identifiers are quoted, list elements are counted from 0. */
export function showPath(path: readonly string[]): string {
  let text = "";
  for (const name of path) {
    const element = /^\[definition \d+-entry (\d+)\]$/.exec(name);
    if (element !== null) text += `[${Number(element[1]) - 1}]`;
    else text += (text === "" ? "" : ".") + (isBare(name) ? name : JSON.stringify(name));
  }
  return text;
}

/** A location as a user would write it. */
export function showLoc(loc: Loc | undefined): string {
  return showPath(names(loc));
}

/** Placeholders (`*`, `<name>`) stand for themselves. */
function isBare(name: string): boolean {
  return /^[A-Za-z_$][\w'$-]*$/.test(name) || /^(\*|<.*>)$/.test(name);
}
