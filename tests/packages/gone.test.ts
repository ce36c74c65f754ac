import { describe, expect, it } from "vitest";
import { explainGone } from "../../src/packages/index.ts";
import { ProblemError, problem } from "../../src/problems/index.ts";

const gone = (name: string) => problem({ code: "fetch-not-found", message: `${name} is not there` });
const errorOf = (...names: string[]) => new ProblemError([gone("a"), ...names.map(gone)]);

describe("files that the mirror dropped", () => {
  it("are one problem, which counts them, names some, and leads to the two ways out", () => {
    const error = explainGone(errorOf("b", "c", "d", "e", "f", "g"), "/m/osmod.lock.json");
    if (!(error instanceof ProblemError)) throw new Error("no problem");
    expect(error.problems).toHaveLength(1);
    const [first] = error.problems;
    expect(first.message).toBe("the mirror no longer has 7 files of the lock");
    expect(first.notes).toContain("a is not there");
    expect(first.notes).toContain("and 2 more");
    expect(first.fix).toMatch(/osmod lock --update.*snapshot/);
    expect(first.sites[0]?.file).toBe("/m/osmod.lock.json");
  });

  it("leave other problems beside them, and other errors alone", () => {
    const other = problem({ code: "hash-mismatch", message: "x" });
    const mixed = explainGone(new ProblemError([gone("a"), other]), "lock");
    expect((mixed as ProblemError).problems.map((p) => p.code)).toEqual(["fetch-not-found", "hash-mismatch"]);
    const plain = new ProblemError([other]);
    expect(explainGone(plain, "lock")).toBe(plain);
  });
});
