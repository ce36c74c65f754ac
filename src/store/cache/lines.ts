/**
 * Files of the form `Name: value`, one a line, as binary caches have them.
 */
import { fail } from "../../problems/index.ts";

/** What a file says; a name may come more than once. */
export type Fields = ReadonlyMap<string, readonly string[]>;

/** More than any narinfo has: a thousand references are 60 kB. */
const LARGEST = 1024 * 1024;

/** Read the lines. Anything else is a problem with the given code; `where` is the file or URL. */
export function parseLines(text: string, where: string, code: string): Fields {
  if (text.length > LARGEST) malformed(where, code, `it is longer than ${LARGEST} characters`);
  const fields = new Map<string, string[]>();
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    const match = /^([A-Za-z][A-Za-z0-9]*):(?:[ \t](.*))?$/.exec(line.replace(/\r$/, ""));
    if (match === null) malformed(where, code, `line ${index + 1} is ${JSON.stringify(line.slice(0, 80))}`);
    const [, name = "", value = ""] = match;
    const known = fields.get(name);
    if (known === undefined) fields.set(name, [value.trim()]);
    else known.push(value.trim());
  }
  return fields;
}

/** Throw the problem that a file of a cache is not what it should be. */
export function malformed(where: string, code: string, why: string): never {
  fail({
    code,
    message: `${where} cannot be used: ${why}`,
    fix: "The cache is damaged, or a proxy on the way answers with pages of its own. Write it anew (`osmod store export`, `nix copy --to`), or use another cache.",
  });
}
