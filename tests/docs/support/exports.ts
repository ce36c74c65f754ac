/**
 * What the doors export, and where each name is declared. Reads the sources as text: doors consist of
 * `export { … } from`, `export * from` and declarations, and the house has no other form.
 */
import { readFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import { projectRoot } from "../../consumer/support/project.ts";

/** A name that can be imported. */
export interface Exported {
  /** The name it is imported by. */
  readonly name: string;
  /** The file that declares it, relative to the project. */
  readonly file: string;
  /** The line of its (first) declaration, counted from 1; 0 when there is none. */
  readonly line: number;
  /** The docstring right above the declaration, without its stars. */
  readonly docstring: string | undefined;
}

const DECLARATION =
  /^export (?:declare )?(?:abstract )?(?:async )?(?:function\*?|const|let|class|interface|type|namespace) ([\w$]+)/;
const LIST = /^export (?:type )?\{([^}]*)\} from "(\.[^"]+)";/gm;
const IMPORTED = /^import (?:type )?\{([^}]*)\} from "(\.[^"]+)";/gm;
const ALL = /^export (?:type )?\*(?: as [\w$]+)? from "(\.[^"]+)";/gm;

/** Every name that a file exports, its own and those of others. */
export function exportsOf(file: string): readonly Exported[] {
  const text = readFileSync(join(projectRoot, file), "utf8");
  const own = [...text.matchAll(new RegExp(DECLARATION, "gm"))].map(([, name = ""]) => declarationOf(name, file));
  const listed = [...text.matchAll(LIST)].flatMap(([, names = "", from = ""]) =>
    namesIn(names).map(([name, alias]) => ({ ...declarationOf(name, beside(file, from)), name: alias })),
  );
  const all = [...text.matchAll(ALL)].flatMap(([, from = ""]) => exportsOf(beside(file, from)));
  const byPlace = new Map([...own, ...listed, ...all].map((one) => [`${one.file} ${one.name}`, one]));
  return [...byPlace.values()];
}

/** The names of a list, each with the one it is known by outside: `a, type b, c as d`. */
function namesIn(list: string): readonly (readonly [name: string, alias: string])[] {
  return list
    .split(",")
    .map((entry) => entry.trim().replace(/^type /, ""))
    .filter((entry) => entry !== "")
    .map((entry) => {
      const [name = "", alias = name] = entry.split(" as ");
      return [name, alias];
    });
}

function beside(file: string, specifier: string): string {
  return posix.join(dirname(file), specifier);
}

/** Follow a name to the file that declares it. */
function declarationOf(name: string, file: string): Exported {
  const lines = readFileSync(join(projectRoot, file), "utf8").split("\n");
  const index = lines.findIndex((line) => DECLARATION.exec(line)?.[1] === name);
  if (index < 0) return passedOn(name, file, lines.join("\n"));
  return { name, file, line: index + 1, docstring: docstringAbove(lines, index) };
}

/** A name that its file does not declare: exported from elsewhere, or imported and then exported. */
function passedOn(name: string, file: string, text: string): Exported {
  const elsewhere = exportsOf(file).find((one) => one.name === name);
  if (elsewhere !== undefined) return elsewhere;
  for (const [, names = "", from = ""] of text.matchAll(IMPORTED)) {
    if (namesIn(names).some(([, alias]) => alias === name)) return declarationOf(name, beside(file, from));
  }
  return { name, file, line: 0, docstring: undefined };
}

/** The docstring that ends right above a line; a linter's directive may stand between. */
function docstringAbove(lines: readonly string[], index: number): string | undefined {
  let end = index - 1;
  while (lines[end]?.startsWith("// biome-ignore")) end -= 1;
  if (!lines[end]?.endsWith("*/")) return undefined;
  let start = end;
  while (start > 0 && !lines[start]?.startsWith("/**")) start -= 1;
  const text = lines
    .slice(start, end + 1)
    .map((line) => line.replace(/^\s*(?:\/\*\*|\*\/|\*)? ?/, "").replace(/ ?\*\/$/, ""))
    .join("\n")
    .trim()
    .replace(/ ?@internal$/, "");
  return text === "" ? undefined : text;
}
