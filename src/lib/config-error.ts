/**
 * The error of the module system.
 *
 * While it travels outwards it collects which options were being evaluated; the first reader to see it finds them in
 * the problems' notes.
 */
import { type Problem, ProblemError } from "../problems/index.ts";

/**
 * One or more problems of a configuration.
 *
 * @example
 * import { ConfigError, renderProblems } from "osmod/lib";
 *
 * export function report(error: unknown): string {
 *   return error instanceof ConfigError ? renderProblems(error.problems) : String(error);
 * }
 * report(1); // "1"
 */
export class ConfigError extends ProblemError {
  override readonly name: string = "ConfigError";
  readonly #trace: string[] = [];
  readonly #notes: string[];
  readonly #ownNotes: number;

  constructor(problems: readonly [Problem, ...Problem[]], options?: { readonly cause?: unknown }) {
    const notes = [...problems[0].notes];
    super([{ ...problems[0], notes }, ...problems.slice(1)], options);
    this.#notes = notes;
    this.#ownNotes = notes.length;
  }

  /** True for an error of this class itself, whatever else claims to be one; asks no proxy. @internal */
  static isOne(error: unknown): error is ConfigError {
    return typeof error === "object" && error !== null && #trace in error;
  }

  /** Note that `what` was being evaluated. @internal */
  passThrough(what: string): void {
    const trace = this.#trace;
    // A circle already says how evaluation went.
    if (this.problems[0].code === "infinite-recursion") return;
    // The innermost one is what the problem itself is about.
    if (what === (trace.at(-1) ?? this.problems[0].option)) return;
    trace.push(what);
    const left = trace.length - 5;
    const shown = left <= 1 ? trace : [...trace.slice(0, 3), undefined, ...trace.slice(-2)];
    const notes = shown.map((name) => (name === undefined ? `… (${left} more)` : `… while evaluating ${name}`));
    this.#notes.splice(this.#ownNotes, Number.POSITIVE_INFINITY, ...notes);
  }
}

/** Make the error for one problem of a configuration. */
export function configError(problem: Problem, cause?: unknown): ConfigError {
  return new ConfigError([problem], cause === undefined ? undefined : { cause });
}
