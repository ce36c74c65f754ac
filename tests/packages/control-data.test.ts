import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseParagraph, parseParagraphs, splitParagraphs } from "../../src/packages/deb822.ts";
import { parseRecord, SAFE_FILENAME } from "../../src/packages/record.ts";
import { formatGroup, parseRelations } from "../../src/packages/relation.ts";
import { ProblemError } from "../../src/problems/index.ts";
import { problemOf } from "./support/problems.ts";

describe("deb822", () => {
  it("reads fields, continuation lines and comments", () => {
    const [first, second] = parseParagraphs("A: 1\nB: x\n y\n .\n z\n# no field\n\n\nC:\n two\n", "test");
    expect(Object.fromEntries(first!)).toEqual({ a: "1", b: "x\ny\n\nz" });
    expect(Object.fromEntries(second!)).toEqual({ c: "\ntwo" });
  });

  it("tells the line of what is no control data", () => {
    expect(problemOf(() => parseParagraphs("A: 1\nnonsense\n", "Packages"))).toMatchObject({
      code: "archive-malformed",
      sites: [{ file: "Packages", line: 2 }],
    });
    expect(problemOf(() => parseParagraphs(" lonely\n", "x")).message).toMatch(/continuation line without a field/);
    expect(problemOf(() => parseParagraphs("A: 1\nA: 2\n", "x")).message).toMatch(/second time/);
    expect(problemOf(() => parseParagraph("<html>\n", "x")).code).toBe("archive-malformed");
  });

  it("either parses a text or says what is wrong with it", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(..."Ab: \n\t.#<"), maxLength: 60 }), (text) => {
        try {
          parseParagraphs(text, "x");
        } catch (error) {
          expect(error).toBeInstanceOf(ProblemError);
        }
      }),
    );
  });

  it("splits a large text into the paragraphs that parsing gives", () => {
    const paragraph = fc.array(fc.constantFrom("A: 1\n", "B: 2\n x\n", "C: y\n"), { minLength: 1, maxLength: 1 });
    fc.assert(
      fc.property(fc.array(paragraph), fc.constantFrom("\n", "\n\n"), (paragraphs, gap) => {
        const text = paragraphs.map((lines) => lines.join("")).join(gap);
        const found: string[] = [];
        splitParagraphs(text, (start, end) => found.push(text.slice(start, end)));
        expect(found).toEqual(paragraphs.map((lines) => lines.join("")));
      }),
    );
  });
});

describe("relations", () => {
  it("are read and printed", () => {
    const text = "libc6 (>= 2.38), default-mta | mail-transport-agent, python3:any, x (<< 1:2~)";
    expect(parseRelations(text).map(formatGroup).join(", ")).toBe(text);
    expect(parseRelations("a (> 1), b (< 2),").map(formatGroup)).toEqual(["a (>= 1)", "b (<= 2)"]);
    expect(parseRelations(undefined)).toEqual([]);
  });

  it("that cannot be read are a problem that names the package", () => {
    for (const text of ["a (~ 1)", "a [amd64]", "A", "a b", "a (= )", "|a", "a;b"]) {
      const problem = problemOf(() => parseRelations(text, "Depends of web"));
      expect(problem).toMatchObject({ code: "package-field-malformed" });
      expect(problem.message).toContain("Depends of web");
    }
  });
});

describe("a package's paragraph", () => {
  const good = `Package: web\nVersion: 1:2-3\nArchitecture: all\nFilename: pool/main/w/web_2-3_all.deb\nSize: 10\nSHA256: ${"a".repeat(64)}\n`;

  it("becomes a record of what is needed", () => {
    const text = `${good}Source: web-src (2)\nDepends: a,\n b\nEssential: yes\nMulti-Arch: foreign\nPriority: required\nDescription: x\n`;
    expect(parseRecord(text, "debian", "x")).toEqual({
      name: "web",
      version: "1:2-3",
      architecture: "all",
      archive: "debian",
      filename: "pool/main/w/web_2-3_all.deb",
      size: 10,
      sha256: "a".repeat(64),
      source: "web-src",
      depends: "a, b",
      essential: true,
      multiArch: "foreign",
      priority: "required",
    });
  });

  it("with a missing or impossible field is refused", () => {
    const bad: readonly [string, string][] = [
      ["pool/main/w/web_2-3_all.deb", "../../etc/passwd"],
      ["pool/main/w/web_2-3_all.deb", "/etc/passwd"],
      ["pool/main/w/web_2-3_all.deb", "pool/../../x.deb"],
      ["pool/main/w/web_2-3_all.deb", "pool/x.deb?mirror=evil"],
      ["Size: 10", "Size: -1"],
      ["Size: 10", "Size: 1e3"],
      ["a".repeat(64), "a".repeat(63)],
      ["Package: web", "Package: ../web"],
      ["1:2-3", "1 2"],
    ];
    const read = (from: string, to: string) =>
      problemOf(() => parseRecord(good.replace(from, to), "debian", "Packages"));
    for (const [from, to] of bad) expect(read(from, to).code).toBe("archive-malformed");
    expect(read("SHA256", "SHA1").code).toBe("archive-weak-hashes");
  });

  it("never has a file name that leads out of the archive", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(..."a./_"), maxLength: 12 }), (name) => {
        if (!SAFE_FILENAME.test(name)) return;
        expect(new URL(name, "file:///archive/").pathname.startsWith("/archive/")).toBe(true);
        expect(name.split("/")).not.toContain("..");
      }),
    );
  });
});
