/**
 * A universe made of `Packages` indexes: 68 000 packages, of which a machine needs a few hundred.
 *
 * The texts stay texts. One pass notes where each package's paragraph is and who provides what; a paragraph is parsed
 * when the resolver first asks for it. That takes a quarter of a second for Debian's main index where parsing all of it
 * would take several.
 *
 * Of several versions of a name, in one suite or several, the newest is the candidate.
 */
import { splitParagraphs } from "./deb822.ts";
import { PACKAGE_NAME, type PackageRecord, parseRecord } from "./record.ts";
import { makeUniverse, type PackageUniverse } from "./universe.ts";
import { compareVersions } from "./version.ts";

/** The text of one `Packages` file and where it is from. */
export interface PackagesText {
  readonly text: string;
  /** The archive that has the files it lists. */
  readonly archive: string;
  /** Names the index in problems: `debian trixie main`. */
  readonly label: string;
}

interface Place {
  readonly index: PackagesText;
  readonly start: number;
  readonly end: number;
}

/** The universe of all packages in the indexes. */
export function indexUniverse(indexes: readonly PackagesText[]): PackageUniverse {
  const places = new Map<string, Place | Place[]>();
  const provided = new Map<string, Set<string>>();
  const essential = new Set<string>();
  for (const index of indexes) scan(index, places, provided, essential);

  const records = new Map<string, PackageRecord>();
  const find = (name: string): PackageRecord | undefined => {
    const known = records.get(name);
    if (known !== undefined) return known;
    const found = places.get(name);
    if (found === undefined) return undefined;
    const [first, ...others] = (Array.isArray(found) ? found : [found]).map(read);
    const newest = others.reduce((a, b) => (compareVersions(b.version, a.version) > 0 ? b : a), first!);
    records.set(name, newest);
    return newest;
  };
  return makeUniverse(places.keys(), find, provided, essential);
}

function read(place: Place): PackageRecord {
  return parseRecord(place.index.text.slice(place.start, place.end), place.index.archive, place.index.label);
}

function scan(
  index: PackagesText,
  places: Map<string, Place | Place[]>,
  provided: Map<string, Set<string>>,
  essential: Set<string>,
): void {
  const { text } = index;
  const provides = finder(text, "\nProvides: ");
  const essentials = finder(text, "\nEssential: yes");
  splitParagraphs(text, (start, end) => {
    const name = packageName(text, start, end);
    if (name === undefined) return;
    const place = { index, start, end };
    const before = places.get(name);
    if (before === undefined) places.set(name, place);
    else if (Array.isArray(before)) before.push(place);
    else places.set(name, [before, place]);

    const at = provides(start, end);
    if (at !== undefined) {
      const field = text.slice(at, text.indexOf("\n", at));
      for (const part of field.split(/[,|]/)) {
        const virtual = /^\s*([a-z0-9][a-z0-9+.-]*)/.exec(part)?.[1];
        if (virtual === undefined) continue;
        const providers = provided.get(virtual);
        if (providers) providers.add(name);
        else provided.set(virtual, new Set([name]));
      }
    }
    if (essentials(start, end) !== undefined) essential.add(name);
  });
}

/** The paragraph's package. The field comes first in every index that Debian makes; others are looked through. */
function packageName(text: string, start: number, end: number): string | undefined {
  const field = "Package: ";
  let at = start;
  if (!text.startsWith(field, start)) {
    const within = text.slice(start, end).indexOf(`\n${field}`);
    if (within < 0) return undefined;
    at = start + within + 1;
  }
  const name = text.slice(at + field.length, text.indexOf("\n", at)).trim();
  return PACKAGE_NAME.test(name) ? name : undefined;
}

/**
 * Find a string within growing windows. Searching from the window's start each time would run to the end of the text
 * for every paragraph without the field; the last find is kept until a window reaches it.
 */
function finder(text: string, needle: string): (start: number, end: number) => number | undefined {
  let next = text.indexOf(needle);
  return (start, end) => {
    while (next >= 0 && next < start) next = text.indexOf(needle, start);
    return next >= 0 && next < end ? next + needle.length : undefined;
  };
}
