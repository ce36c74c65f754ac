/**
 * The lines of single properties.
 *
 * A definition remembers the line of the wrapper around it, and one `define({ … })` may hold a whole machine. Before a
 * problem or an explanation is printed, the user's source is read and the property that the option's path names is
 * looked for in the call that begins at that line:
 *
 *     3  config: () => define({                      services.web.port   machine.ts:3  →  machine.ts:5:7
 *     4    services: { web: {
 *     5      port: "http",
 *
 * The names inside the call have to be the last part of the option's path; the longest such part is meant, and of several
 * the one whose value looks like the definition's. Where nothing fits, the place stays as it was. Places in compiled files
 * that have a source map beside them become places in their source. Nothing here throws: a place is a courtesy.
 */
import { existsSync, readFileSync, statSync } from "node:fs";
import { SourceMap, type SourceMapPayload } from "node:module";
import { dirname, resolve } from "node:path";
import { type Explanation, parsePath } from "../lib/index.ts";
import type { Problem, Site } from "../problems/index.ts";
import { type Property, propertiesIn, type Segment } from "./locate-literals.ts";
import { type Token, tokenize } from "./locate-tokens.ts";

const maxSize = 1_000_000;

/** A place in a file. */
interface Place {
  readonly file: string;
  readonly line?: number;
  readonly column?: number;
}

/** The same problems, with the lines of the properties themselves. */
export function locateProblems(problems: readonly Problem[]): readonly Problem[] {
  const sources = new Sources();
  return problems.map((problem) => ({
    ...problem,
    sites: problem.sites.map((site) => {
      const option = optionOf(problem, site);
      return { ...site, ...sources.locate(site, option, site.value) };
    }),
  }));
}

/** The same explanation, with the lines of the properties themselves. */
export function locateExplanation(explanation: Explanation): Explanation {
  const sources = new Sources();
  const place = (text: string): string => {
    const [, file, line] = /^(.*):(\d+)$/.exec(text) ?? [];
    if (file === undefined) return text;
    const found = sources.locate({ file, line: Number(line) }, undefined, undefined);
    return `${found.file}:${found.line ?? line}`;
  };
  return {
    ...explanation,
    declarations: explanation.declarations.map(place),
    definitions: explanation.definitions.map((definition) => ({
      ...definition,
      ...sources.locate(definition, definition.isDefault ? undefined : explanation.option, definition.value),
      ...(definition.conditionAt === undefined
        ? {}
        : { conditionAt: definition.conditionAt.split(", ").map(place).join(", ") }),
    })),
  };
}

/** The option that a site defines; a declaration is at its own line already. */
function optionOf(problem: Problem, { label }: Site): string | undefined {
  if (label === undefined || label === "threw") return problem.option;
  return / needs /.test(label) ? label.slice(0, label.indexOf(" needs ")) : undefined;
}

/** Sources that were read, and what was found in them; for as long as one report is being printed. */
class Sources {
  readonly #tokens = new Map<string, readonly Token[] | undefined>();
  readonly #maps = new Map<string, SourceMap | undefined>();

  locate(place: Place, option: string | undefined, value: string | undefined): Place {
    try {
      const mapped = this.#mapped(place);
      const found = option === undefined ? undefined : this.#property(mapped, segmentsOf(option), value);
      const { file, line, column } = found ?? mapped;
      return { file, ...(line === undefined ? {} : { line }), ...(column === undefined ? {} : { column }) };
    } catch {
      return place.line === undefined ? { file: place.file } : { file: place.file, line: place.line };
    }
  }

  /** A place in compiled code as a place in its source. */
  #mapped(place: Place): Place {
    const { file, line, column } = place;
    if (line === undefined || !file.endsWith(".js")) return place;
    if (!this.#maps.has(file)) this.#maps.set(file, readMap(file));
    const map = this.#maps.get(file);
    const at = column ?? firstColumn(file, line);
    const entry = map?.findEntry(line - 1, at - 1);
    if (entry === undefined || !("originalSource" in entry)) return place;
    const source = resolve(dirname(file), entry.originalSource);
    if (!existsSync(source)) return place;
    return {
      file: source,
      line: entry.originalLine + 1,
      ...(column === undefined ? {} : { column: entry.originalColumn + 1 }),
    };
  }

  #property(place: Place, path: readonly Segment[], value: string | undefined): Place | undefined {
    const { file, line, column } = place;
    if (line === undefined || !/\.[cm]?[jt]sx?$/.test(file)) return undefined;
    if (!this.#tokens.has(file)) this.#tokens.set(file, tokenize(read(file)));
    const tokens = this.#tokens.get(file);
    if (tokens === undefined) return undefined;
    const properties = callsAt(tokens, line, column).flatMap(([from, to]) => propertiesIn(tokens, from, to));
    const found = choose(properties, path, value) ?? choose(properties, withoutIndex(path), undefined);
    return found === undefined ? undefined : { file, line: found.line, column: found.column };
  }
}

function read(file: string): string {
  return statSync(file).size > maxSize ? "" : readFileSync(file, "utf8");
}

function readMap(file: string): SourceMap | undefined {
  return existsSync(`${file}.map`) ? new SourceMap(JSON.parse(read(`${file}.map`)) as SourceMapPayload) : undefined;
}

function firstColumn(file: string, line: number): number {
  return (read(file).split("\n")[line - 1]?.search(/\S/) ?? 0) + 1;
}

/** The path as segments: `a."b.c"[2]` → `a`, `b.c`, 2. */
function segmentsOf(option: string): readonly Segment[] {
  return parsePath(option.replaceAll(/\[(\d+)\]/g, ".[$1]").replaceAll("..", ".")).map((name) => {
    const index = /^\[(\d+)\]$/.exec(name)?.[1];
    return index === undefined ? name : Number(index);
  });
}

function withoutIndex(path: readonly Segment[]): readonly Segment[] {
  return typeof path.at(-1) === "number" ? withoutIndex(path.slice(0, -1)) : path;
}

/** The arguments of the outermost calls that begin at a line; of the one at the column, if there is one. */
function callsAt(tokens: readonly Token[], line: number, column: number | undefined): (readonly [number, number])[] {
  const calls: (readonly [number, number])[] = [];
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i] as Token;
    if (token.line > line) break;
    if (token.line < line || token.kind !== "word") continue;
    const open = openingAfter(tokens, i);
    const close = tokens[open]?.partner ?? -1;
    if (close < 0) continue;
    if (token.column === column && /^(?:mk|define)/.test(token.text)) return [[open, close + 1]];
    if (!calls.some(([from, to]) => from <= open && close <= to)) calls.push([open, close + 1]);
  }
  return calls;
}

/** The parenthesis of a call, behind type arguments if there are any. */
function openingAfter(tokens: readonly Token[], word: number): number {
  let i = word + 1;
  if (tokens[i]?.text === "<") {
    for (let depth = 0; i < tokens.length && i < word + 60; i++) {
      if (tokens[i]?.text === "<") depth++;
      else if (tokens[i]?.text === ">" && --depth === 0) break;
    }
    i++;
  }
  return tokens[i]?.text === "(" ? i : -1;
}

/**
 * The property that a path means: the one with the longest end of the path for its names, and of these the one that looks
 * most like the value. What a spread, a variable or a call puts in does not show; then the property that holds it is near.
 */
function choose(
  properties: readonly Property[],
  path: readonly Segment[],
  value: string | undefined,
): Property | undefined {
  const exact = best(properties, (property) => {
    const names = matched(property.path, path);
    if (names === 0) return 0;
    const computed = property.path.filter((segment) => segment === undefined).length;
    return names * 8 - computed * 4 + (value === undefined ? 0 : likeness(property, value));
  });
  if (exact !== undefined) return exact;
  const holder = best(properties, ({ path: own }) => {
    for (let length = path.length - 1; length > 0; length--)
      if (matched(own, path.slice(0, length)) === length) return length;
    return 0;
  });
  return holder?.isOpen === true ? holder : undefined;
}

/** The first of the highest rank above 0. */
function best(properties: readonly Property[], rankOf: (property: Property) => number): Property | undefined {
  let found: Property | undefined;
  let highest = 0;
  for (const property of properties) {
    const rank = rankOf(property);
    if (rank > highest) {
      found = property;
      highest = rank;
    }
  }
  return found;
}

/** How many names of the end of `path` all of `own` is; 0 if it is not. A module's `config` is no name. */
function matched(own: readonly Segment[], path: readonly Segment[]): number {
  let at = path.length - 1;
  let names = 0;
  for (let i = own.length - 1; i >= 0; i--) {
    const segment = own[i];
    if (typeof segment === "number" && typeof path[at] !== "number") continue;
    if (at >= 0 && (segment === path[at] || segment === undefined)) {
      at--;
      names++;
    } else if (!(i === 0 && at < 0 && (segment === "config" || segment === "defaults"))) return 0;
  }
  return names;
}

/** How well a property's source fits a printed value: 2 the same, 1 alike. */
function likeness(property: Property, printed: string): number {
  const source = shown(unwrapped(property.value));
  const wanted = shown(tokenize(printed.replaceAll("…", "")) ?? []);
  if (source.join(" ") === wanted.join(" ")) return 2;
  if (wanted.includes("=>")) return source.includes("=>") || source[0] === "function" ? 1 : 0;
  return source[0] === wanted[0] ? 1 : 0;
}

function shown(tokens: readonly Token[]): string[] {
  return tokens
    .map(({ kind, text }) => (kind === "string" ? JSON.stringify(text) : text))
    .filter((text) => text !== ",");
}

/** A value without the wrappers around it: the last argument of `mkForce`, `mkIf` and the like. */
function unwrapped(tokens: readonly Token[]): readonly Token[] {
  const [name, open] = tokens;
  if (name?.kind !== "word" || !/^(?:mk|define)/.test(name.text) || open?.text !== "(") return tokens;
  const inner = tokens.slice(2, -1);
  let depth = 0;
  let start = 0;
  for (const [i, { kind, text }] of inner.entries()) {
    if (kind !== "punctuation") continue;
    if ("([{".includes(text)) depth++;
    else if (")]}".includes(text)) depth--;
    else if (text === "," && depth === 0 && i < inner.length - 1) start = i + 1;
  }
  return unwrapped(inner.slice(start).filter((token, i, all) => !(token.text === "," && i === all.length - 1)));
}
