/**
 * What a test is told when a machine does not do as expected.
 *
 * Test runners print an error's message and little else, so the message is the rendered problem: the command, what it said, the unit's
 * journal, the console's last lines.
 */
import { stripVTControlCharacters } from "node:util";
import { type Problem, ProblemError, type ProblemInput, problem, renderProblem } from "../problems/index.ts";

/** A problem of a machine under test. */
export class GuestError extends ProblemError {
  override readonly name = "GuestError";

  constructor(input: ProblemInput, cause?: unknown) {
    const complete: Problem = problem(input);
    super([complete], cause === undefined ? undefined : { cause });
    this.message = renderProblem(complete).replace(/^error: /, "");
  }
}

const LINES = 20;

/** A title and the last lines of a text, as notes; nothing for an empty text. */
export function excerpt(title: string, text: string): readonly string[] {
  const lines = stripVTControlCharacters(text).replaceAll("\r", "").trimEnd().split("\n");
  if (lines.length === 1 && lines[0]?.trim() === "") return [];
  return [`${title}:`, ...lines.slice(-LINES).map((line) => `    ${line}`)];
}
