/**
 * Problems as text. The only place that words their layout:
 *
 *     error: services.nginx.enable has conflicting definitions            [definition-conflict]
 *       machine.ts:12  true   (priority 100)
 *       hardening.ts:4  false   (priority 100)
 *       … while evaluating system.build.toplevel
 *       fix: wrap one of them in mkForce, or the other in mkDefault.
 *
 * A text is for somebody who reads it: of many problems, and of many places and notes in one of them, the first few are
 * printed, and how many more there are. The problems themselves keep all.
 */
import { isAbsolute, relative } from "node:path";
import type { Problem, Site } from "./index.ts";
import { printable } from "./quote.ts";

/** How problems are printed. */
export interface RenderOptions {
  /** Files below this directory are printed relative to it. Default: the working directory. */
  readonly cwd?: string;
  /** ANSI colours. Default: no. */
  readonly color?: boolean;
  /** Print everything, however much it is. Default: no. */
  readonly all?: boolean;
  /** How the reader gets to see all, such as `--all`; said where something is left out. */
  readonly allBy?: string;
  /** Applied to the problems that are printed. */
  readonly refine?: (problems: readonly Problem[]) => readonly Problem[];
}

/** How much of each is printed. A build's log is cut by whoever makes a note of it. */
const most = { problems: 100, sites: 20, notes: 50, text: 4000 } as const;

/**
 * Print one problem, several lines, without a trailing newline.
 *
 * @example
 * import { ProblemError, renderProblem } from "osmod/lib";
 *
 * export function firstOf(error: unknown): string {
 *   return error instanceof ProblemError ? renderProblem(error.problems[0]) : "";
 * }
 */
export function renderProblem(given: Problem, options: RenderOptions = {}): string {
  const limit = limitOf(options);
  const p = safe(given, limit("text"));
  const paint = painter(options.color ?? false);
  const head = p.option === undefined || p.message.includes(p.option) ? p.message : `${p.option}: ${p.message}`;
  const lines = [`${paint.red("error:")} ${paint.bold(head)} ${paint.dim(`[${p.code}]`)}`];
  for (const site of p.sites.slice(0, limit("sites"))) lines.push(...renderSite(site, options, paint));
  lines.push(...leftOut(p.sites.length - limit("sites"), "place", options).map((line) => paint.dim(`  ${line}`)));
  for (const note of p.notes.slice(0, limit("notes")))
    lines.push(...note.split("\n").map((line) => paint.dim(`  ${line}`)));
  lines.push(...leftOut(p.notes.length - limit("notes"), "note", options).map((line) => paint.dim(`  ${line}`)));
  if (p.fix !== undefined) {
    const [first = "", ...rest] = p.fix.split("\n");
    lines.push(`  ${paint.green("fix:")} ${first}`, ...rest.map((line) => `       ${line}`));
  }
  return lines.join("\n");
}

/**
 * Print problems one below the other, an empty line between them.
 *
 * @example
 * import { ProblemError, renderProblems } from "osmod/lib";
 *
 * export function textOf(error: unknown): string {
 *   return error instanceof ProblemError ? renderProblems(error.problems) : String(error);
 * }
 */
export function renderProblems(problems: readonly Problem[], options: RenderOptions = {}): string {
  const limit = limitOf(options)("problems");
  const shown = problems.slice(0, limit);
  const { refine = (same) => same } = options;
  const texts = refine(shown).map((p) => renderProblem(p, options));
  return [...texts, ...leftOut(problems.length - limit, "problem", options)].join("\n\n");
}

function limitOf({ all = false }: RenderOptions): (of: keyof typeof most) => number {
  return (of) => (all ? Number.POSITIVE_INFINITY : most[of]);
}

/** A line about what is not printed, if anything is not. */
function leftOut(count: number, what: string, { allBy }: RenderOptions): string[] {
  if (count <= 0) return [];
  return [`… and ${count} more ${what}${count === 1 ? "" : "s"}${allBy === undefined ? "" : ` (${allBy} shows all)`}`];
}

/** Every text of a problem may quote what somebody else wrote. */
function safe(p: Problem, limit: number): Problem {
  const clean = (text: string): string => printable(cut(text, limit));
  return {
    ...p,
    message: clean(p.message),
    notes: p.notes.map(clean),
    sites: p.sites.map((site) => ({
      ...site,
      file: printable(site.file),
      ...(site.value === undefined ? {} : { value: clean(site.value) }),
    })),
    ...(p.fix === undefined ? {} : { fix: clean(p.fix) }),
  };
}

function cut(text: string, limit: number): string {
  return text.length <= limit ? text : `${text.slice(0, limit)}… (${text.length - limit} more characters)`;
}

function renderSite(site: Site, options: RenderOptions, paint: Painter): string[] {
  const where = [shorten(site.file, options.cwd ?? process.cwd()), site.line, site.line && site.column]
    .filter((part) => part !== undefined)
    .join(":");
  const extra = [site.label, site.priority === undefined ? undefined : `priority ${site.priority}`].filter(Boolean);
  const tail = extra.length === 0 ? "" : paint.dim(`   (${extra.join(", ")})`);
  if (site.value === undefined) return [`  ${paint.cyan(where)}${tail}`];
  const value = site.value.split("\n");
  if (value.length === 1) return [`  ${paint.cyan(where)}  ${site.value}${tail}`];
  return [`  ${paint.cyan(where)}${tail}`, ...value.map((line) => `      ${line}`)];
}

function shorten(file: string, cwd: string): string {
  if (!isAbsolute(file)) return file;
  const path = relative(cwd, file);
  return path.startsWith("..") ? file : path;
}

interface Painter {
  readonly red: (s: string) => string;
  readonly green: (s: string) => string;
  readonly cyan: (s: string) => string;
  readonly bold: (s: string) => string;
  readonly dim: (s: string) => string;
}

function painter(color: boolean): Painter {
  const sgr = (code: number) => (s: string) => (color ? `\u001b[${code}m${s}\u001b[0m` : s);
  return { red: sgr(31), green: sgr(32), cyan: sgr(36), bold: sgr(1), dim: sgr(2) };
}
