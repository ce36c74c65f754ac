import { describe, expect, it } from "vitest";
import { ConfigError } from "../../src/lib/index.ts";
import { ProblemError, renderProblems } from "../../src/problems/index.ts";
import { broken } from "./fixtures/broken.ts";
import { brokenCalls } from "./fixtures/broken-calls.ts";
import { brokenChanges } from "./fixtures/broken-changes.ts";
import { brokenDeclarations } from "./fixtures/broken-declarations.ts";
import { brokenModules } from "./fixtures/broken-modules.ts";

async function problemsOf(run: () => unknown): Promise<ProblemError> {
  try {
    await run();
  } catch (error) {
    if (error instanceof ProblemError) return error;
    throw error;
  }
  throw new Error("nothing went wrong");
}

describe("what is wrong with a configuration", () => {
  for (const [name, run] of Object.entries({
    ...broken,
    ...brokenCalls,
    ...brokenChanges,
    ...brokenDeclarations,
    ...brokenModules,
  })) {
    it(`is told as expected: ${name}`, async () => {
      const error = await problemsOf(run);
      await expect(`${renderProblems(error.problems)}\n`).toMatchFileSnapshot(
        `expected/${name.replaceAll(" ", "-")}.txt`,
      );
    });

    it(`is a ConfigError that says what to do: ${name}`, async () => {
      const error = await problemsOf(run);
      expect(error).toBeInstanceOf(ConfigError);
      for (const problem of error.problems) expect(problem.fix).toBeTruthy();
      const [code] = /^[a-z]+-[a-z-]+/.exec(name) ?? [];
      if (code !== undefined) expect(error.has(code)).toBe(true);
    });
  }
});
