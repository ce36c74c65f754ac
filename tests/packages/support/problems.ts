import { expect } from "vitest";
import { type Problem, ProblemError } from "../../../src/problems/index.ts";

/** The only problem that an action fails with. */
export function problemOf(action: () => unknown): Problem {
  try {
    action();
  } catch (error) {
    return only(error);
  }
  return expect.fail("it did not fail");
}

/** The only problem that a promise fails with. */
export async function problemOfAsync(promise: Promise<unknown>): Promise<Problem> {
  return promise.then(() => expect.fail("it did not fail"), only);
}

function only(error: unknown): Problem {
  if (!(error instanceof ProblemError)) throw error;
  expect(error.problems).toHaveLength(1);
  expect(error.problems[0].fix, "a problem says what to do").toBeTruthy();
  return error.problems[0];
}
