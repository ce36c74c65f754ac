/**
 * Problems as text. The only place that words their layout:
 *
 *     error: services.nginx.enable has conflicting definitions            [definition-conflict]
 *       machine.ts:12  true   (priority 100)
 *       hardening.ts:4  false   (priority 100)
 *       … while evaluating system.build.toplevel
 *       fix: wrap one of them in mkForce, or the other in mkDefault.
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
}

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
  const p = safe(given);
  const paint = painter(options.color ?? false);
  const head = p.option === undefined || p.message.includes(p.option) ? p.message : `${p.option}: ${p.message}`;
  const lines = [`${paint.red("error:")} ${paint.bold(head)} ${paint.dim(`[${p.code}]`)}`];
  for (const site of p.sites) lines.push(...renderSite(site, options, paint));
  for (const note of p.notes) lines.push(...note.split("\n").map((line) => paint.dim(`  ${line}`)));
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
  return problems.map((p) => renderProblem(p, options)).join("\n\n");
}

/** Every text of a problem may quote what somebody else wrote. */
function safe(p: Problem): Problem {
  return {
    ...p,
    message: printable(p.message),
    notes: p.notes.map(printable),
    sites: p.sites.map((site) => ({
      ...site,
      file: printable(site.file),
      ...(site.value === undefined ? {} : { value: printable(site.value) }),
    })),
    ...(p.fix === undefined ? {} : { fix: printable(p.fix) }),
  };
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
