/**
 * Problems: what osmod says when something is wrong.
 *
 * A problem is data. Every layer (module system, store, packages, launcher) makes problems of this one shape, collects
 * as many as it can find, and throws them together. Codes are stable and are the only thing that control flow may look
 * at; the words are for people and may change. One file, `render.ts`, turns problems into text.
 */
export { printable, quoted } from "./quote.ts";
export { type RenderOptions, renderProblem, renderProblems } from "./render.ts";

/** A place that has to do with a problem: a definition, a declaration, a file, a log. */
export interface Site {
  /** Absolute path or name of the file; whatever the user would open. */
  readonly file: string;
  /** One-based. */
  readonly line?: number;
  /** One-based. */
  readonly column?: number;
  /** What stands at that place, in a word or two: `defined here`, `declared here`, `builder`. */
  readonly label?: string;
  /** Priority of the definition made there (100 is a plain one; a lower number wins). */
  readonly priority?: number;
  /** The value defined there, already printed. Several lines are allowed. */
  readonly value?: string;
}

/** One thing that is wrong, and what to do about it. */
export interface Problem {
  /** Stable, kebab-case, for example `option-unknown`. */
  readonly code: string;
  /** The option's path as written by a user, for example `services.nginx.enable`; absent when no option is involved. */
  readonly option?: string;
  /** What is wrong, one sentence, without a trailing newline. */
  readonly message: string;
  readonly sites: readonly Site[];
  /** Further facts, one a line: how evaluation got here, the last lines of a log. */
  readonly notes: readonly string[];
  /** What the user can do, in the imperative. */
  readonly fix?: string;
}

/** What {@link problem} takes: a problem whose lists may be left out. */
export type ProblemInput = Omit<Problem, "sites" | "notes"> & Partial<Pick<Problem, "sites" | "notes">>;

/** Complete a problem: lists that were left out become empty. */
export function problem(input: ProblemInput): Problem {
  return { sites: [], notes: [], ...input };
}

/**
 * The error that carries problems; at least one.
 *
 * @example
 * import { ProblemError } from "osmod/lib";
 *
 * export const codesOf = (error: unknown): readonly string[] =>
 *   error instanceof ProblemError ? error.problems.map(({ code }) => code) : [];
 * codesOf(1); // []
 */
export class ProblemError extends Error {
  override readonly name: string = "ProblemError";
  readonly problems: readonly [Problem, ...Problem[]];

  constructor(problems: readonly [Problem, ...Problem[]], options?: { readonly cause?: unknown }) {
    super(messageOf(problems), options);
    this.problems = problems;
  }

  /** True when one of the problems has this code. */
  has(code: string): boolean {
    return this.problems.some((p) => p.code === code);
  }
}

/** Throw a single problem. `cause` is kept on the error. */
export function fail(input: ProblemInput, cause?: unknown): never {
  throw new ProblemError([problem(input)], cause === undefined ? undefined : { cause });
}

/** As many messages as somebody reads. */
function messageOf(problems: readonly Problem[]): string {
  const shown = problems.slice(0, 100).map(messageWithOption);
  const left = problems.length - shown.length;
  return (left === 0 ? shown : [...shown, `… and ${left} more problems`]).join("\n");
}

/** Most messages name their option themselves. */
function messageWithOption({ option, message }: Problem): string {
  return option === undefined || message.includes(option) ? message : `${option}: ${message}`;
}
