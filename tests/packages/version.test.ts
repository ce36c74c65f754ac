import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compareVersions, versionSatisfies } from "../../src/packages/index.ts";
import { hasDpkg } from "./support/apt.ts";

const part = fc.string({ unit: fc.constantFrom(..."0123456789ab.+~-"), maxLength: 8 });
const version = fc
  .tuple(
    fc.option(fc.nat(3)),
    fc.constantFrom("0", "1", "10", "2"),
    part,
    fc.option(fc.string({ unit: fc.constantFrom(..."019abz+~."), minLength: 1, maxLength: 5 })),
  )
  .map(
    ([epoch, start, rest, revision]) =>
      `${epoch === null ? "" : `${epoch}:`}${start}${rest}${revision === null ? "" : `-${revision}`}`,
  );

describe("versions", () => {
  it("are ordered as Debian's policy says", () => {
    const ordered = [
      "1.0~~",
      "1.0~~a",
      "1.0~",
      "1.0~rc1",
      "1.0",
      "1.0-1~bpo1",
      "1.0-1",
      "1.0-1+b1",
      "1.0a",
      "1.0+dfsg",
      "1.0.1",
      "1.2",
      "1.10",
      "1:0.1",
    ];
    const shuffled = [...ordered].reverse();
    expect(shuffled.sort(compareVersions)).toEqual(ordered);
  });

  it("count leading zeros, a missing revision and a revision of zero for nothing", () => {
    expect(compareVersions("1.01", "1.1")).toBe(0);
    expect(compareVersions("1.0", "1.0-0")).toBe(0);
    expect(compareVersions("0:1.0", "1.0")).toBe(0);
  });

  it("compare numbers that no double holds", () => {
    expect(compareVersions("20240101000000000001", "20240101000000000002")).toBeLessThan(0);
  });

  it("satisfy constraints", () => {
    expect(versionSatisfies("2.41-12", ">=", "2.38")).toBe(true);
    expect(versionSatisfies("2.38", ">>", "2.38")).toBe(false);
    expect(versionSatisfies("2.38~", "<<", "2.38")).toBe(true);
    expect(versionSatisfies("2.38", "=", "2.38-0")).toBe(true);
  });

  it("form a total order", () => {
    fc.assert(
      fc.property(version, version, version, (a, b, c) => {
        expect(Math.sign(compareVersions(a, b)) + Math.sign(compareVersions(b, a))).toBe(0);
        const [x, y, z] = [a, b, c].sort(compareVersions) as [string, string, string];
        expect(compareVersions(x, y)).toBeLessThanOrEqual(0);
        expect(compareVersions(x, z)).toBeLessThanOrEqual(0);
      }),
    );
  });

  it.skipIf(!hasDpkg)(
    "are ordered as dpkg orders them",
    () => {
      const pairs = fc.sample(fc.tuple(version, version), { numRuns: 300, seed: 13 });
      // One shell for all comparisons: three hundred processes of our own would take seconds.
      const script = pairs
        .map(
          ([a, b]) =>
            `for op in lt eq gt; do dpkg --compare-versions '${a}' $op '${b}' 2>/dev/null && echo $op && break; done || echo refused`,
        )
        .join("\n");
      const answers = execFileSync("sh", ["-c", script], { encoding: "utf8" }).trim().split("\n");
      const ours = pairs.map(([a, b], i) =>
        answers[i] === "refused" ? "refused" : ["lt", "eq", "gt"][Math.sign(compareVersions(a, b)) + 1],
      );
      expect(answers.filter((answer) => answer === "refused").length).toBeLessThan(30);
      expect(ours).toEqual(answers);
    },
    20_000,
  );
});
