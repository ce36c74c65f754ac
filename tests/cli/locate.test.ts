import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { locateExplanation, locateProblems } from "../../src/cli/locate.ts";
import { tokenize } from "../../src/cli/locate-tokens.ts";
import { defineModule, evalModules, explain, mkOption, t, using } from "../../src/lib/index.ts";
import { ProblemError, problem } from "../../src/problems/index.ts";

const directory = mkdtempSync(join(tmpdir(), "locate-"));
afterAll(() => rmSync(directory, { recursive: true }));
let files = 0;

/** The line and column that a problem with `option`, defined by the wrapper at `line`, is moved to. */
function located(source: string, line: number, option: string, value?: string, column?: number): string {
  const file = join(directory, `m${files++}.ts`);
  writeFileSync(file, source);
  const site = { file, line, ...(value === undefined ? {} : { value }), ...(column === undefined ? {} : { column }) };
  const [found] = locateProblems([problem({ code: "x", option, message: "x", sites: [site] })]);
  const place = found?.sites[0];
  return place?.column === undefined ? `${place?.line}` : `${place.line}:${place.column}`;
}

const machine = `import { define, mkIf, mkForce, mkMerge } from "osmod";
// A machine: { port: 1 }
export default defineMachine({
  config: ({ config, port }) =>
    define({
      /* services: { web: { port: 2 } } */
      text: \`\${[{ port: 3 }].map((p) => \`port: \${p.port} }\`)} {\`,
      pattern: /[/{]port: "4/.source,
      ratio: config.a / 2, // {
      services: {
        db: { port: 5432 },
        "web-1": { port: 80 },
        web: mkForce({
          port: 8080,
          names: ["a", \`b\`, ...more, "c"],
        }),
        api: mkIf(() => config.on && { port: 1 }.port > 0, {
          port: 9090,
        }),
        [dynamic]: { retries: 3 },
        worker: ({ name }) => define({ port: 1, home: \`/\${name}\` }),
        method({ port }) { return { limit: 1 }; },
        get lazy() { return 5; },
        port,
      },
      merged: mkMerge<A<B>, C>([{ port: 1 }, { port: 2 }, cond ? { port: 3 } : { other: 4 }]),
      users: mapAttrs(accounts, (name, { port }) => ({ shell: "/bin/sh" })),
      disks: { ...common, root: true },
    }),
});
`;

describe("the line of a property", () => {
  it.each([
    ["services.db.port", "11:15"],
    ['services."web-1".port', "12:20"],
    ["services.web.port", "14:11"],
    ["services.web.names", "15:11"],
    ["services.web.names[1]", "15:24"],
    ["services.api.port", "18:11"],
    ["services.anything.retries", "20:22"],
    ["services.worker.port", "21:40"],
    ["services.worker.home", "21:49"],
    ["services.method.limit", "22:37"],
    ["services.lazy", "23:13"],
    ["services.port", "24:9"],
    ["services", "10:7"],
    ["text", "7:7"],
    ["pattern", "8:7"],
    ["ratio", "9:7"],
  ])("is found in a large literal: %s", (option, place) => {
    expect(located(machine, 5, option)).toBe(place);
    expect(located(machine, 3, option)).toBe(place);
  });

  it("is that of the property that holds what a spread, a variable or a call puts in", () => {
    expect(located(machine, 5, "disks.other")).toBe("28:7");
    expect(located(machine, 5, "users.alice.uid")).toBe("27:7");
    expect(located(machine, 5, "services.web.names[3]")).toBe("15:11");
  });

  it("is found in the call that begins at the wrapper's line, not in others", () => {
    expect(located(machine, 13, "services.web.port")).toBe("14:11");
    expect(located(machine, 17, "services.api.port")).toBe("18:11");
    expect(located(machine, 13, "services.api.port")).toBe("14:11");
  });

  it("of several is the one whose value looks like the definition's", () => {
    expect(located(machine, 26, "merged.port", "2")).toBe("26:48");
    expect(located(machine, 26, "merged.port", "3")).toBe("26:68");
    expect(located(machine, 26, "merged.port", "7")).toBe("26:35");
    const source = "define({\n  a: mkIf(() => x, 'text'),\n})\n+ define({ a: 1 });\n";
    expect(located(source, 1, "a", '"text"')).toBe("2:3");
    const thunks = "mkMerge([\n  { a: 1 },\n  { a: () => 2 },\n  { a: [1, 'b'] },\n])";
    expect(located(thunks, 1, "a", "() => …")).toBe("3:5");
    expect(located(thunks, 1, "a", '[1, "b"]')).toBe("4:5");
  });

  it("stays that of the wrapper when the property is not there", () => {
    expect(located(machine, 5, "services.db.prot")).toBe("5");
    expect(located(machine, 5, "nothing.of.the.sort")).toBe("5");
    expect(located(machine, 1, "services.db.port")).toBe("1");
    expect(located(machine, 500, "services.db.port", undefined, 3)).toBe("500:3");
  });

  it("stays that of the wrapper in a source that cannot be read", () => {
    expect(located("define({ a: (1 })", 1, "a")).toBe("1");
    const site = { file: join(directory, "missing.ts"), line: 3 };
    expect(locateProblems([problem({ code: "x", option: "a", message: "x", sites: [site] })])[0]?.sites).toEqual([
      site,
    ]);
    const data = { file: "machine.json", line: 3, column: 5, value: "1" };
    expect(locateProblems([problem({ code: "x", option: "a", message: "x", sites: [data] })])[0]?.sites).toEqual([
      data,
    ]);
  });

  it("is looked for by the options of a circle", () => {
    const file = join(directory, "circle.ts");
    writeFileSync(file, "define({\n  a: () => config.b,\n  b: () => config.a,\n})");
    const sites = [
      { file, line: 1, label: "a needs b" },
      { file, line: 1, label: "b needs a" },
      { file, line: 1, label: "declared here" },
    ];
    const [found] = locateProblems([problem({ code: "infinite-recursion", option: "a", message: "x", sites })]);
    expect(found?.sites.map(({ line }) => line)).toEqual([2, 3, 1]);
  });

  it("never throws, whatever the source and the path", () => {
    const pieces = fc.constantFrom(
      ..."(){}[],:;`'\"/$\\<>.=? \n",
      "a",
      "port",
      "=>",
      "...",
      "define",
      "${",
      "//",
      "/*",
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 40 }), fc.string({ maxLength: 12 }), (source, option) => {
        expect(located(`define({ ${source.join("")} port: 1 })`, 1, option)).toMatch(/^\d/);
      }),
      { numRuns: 300 },
    );
  });
});

describe("tokens", () => {
  it("tell regular expressions from divisions", () => {
    const kinds = (source: string) => tokenize(source)?.map(({ kind }) => kind);
    expect(kinds("a / b / c")).not.toContain("regex");
    expect(kinds("f(x) / 2 /* / */")).not.toContain("regex");
    expect(kinds("x = /a[/]\\/b/g")).toContain("regex");
    expect(kinds("return /'/")).toContain("regex");
  });

  it("hold the whole of a template and the contents of a string", () => {
    expect(tokenize('`a${ { b: "}" } }${`c`}` + "x\\n\\u{41}\\x42"')?.map(({ text }) => text)).toEqual([
      '`a${ { b: "}" } }${`c`}`',
      "+",
      "x\nAB",
    ]);
  });

  it("are none where brackets do not match", () => {
    expect(tokenize("f([)]")).toBeUndefined();
    expect(tokenize("{")).toBeUndefined();
  });
});

describe("what users see", () => {
  const base = using()
    .declare({ a: { b: mkOption({ type: t.int }), c: mkOption({ type: t.int, default: 1 }) } })
    .defineModule({});
  const wrong = (value: unknown): never => value as never;
  const evaluation = evalModules({
    modules: [
      base,
      defineModule<{ a: { b: never } }>({
        config: wrong({
          a: {
            c: 5,
            b: "text",
          },
        }),
      }),
    ],
  });
  const here = import.meta.filename;

  it("is the property's own line in a problem", () => {
    try {
      expect(evaluation.config.a.b).toBeUndefined();
    } catch (error) {
      const [found] = locateProblems((error as ProblemError).problems);
      const before = (error as ProblemError).problems[0].sites[0]?.line ?? 0;
      expect(found?.sites[0]).toMatchObject({ file: here, line: before + 4, value: '"text"' });
      expect(error).toBeInstanceOf(ProblemError);
    }
    expect.assertions(2);
  });

  it("is the property's own line in an explanation, and the default's own", () => {
    const explanation = explain(evaluation, "a.c");
    const [own, given] = locateExplanation(explanation).definitions;
    expect(own?.line).toBe(explanation.definitions[0]?.line);
    expect(given?.line).toBe((explanation.definitions[1]?.line ?? 0) + 3);
  });

  it("is the source's place for what was compiled with a source map", () => {
    const source = join(directory, "from.ts");
    const file = join(directory, "to.js");
    writeFileSync(source, "\n\nexport const a = 1;\n");
    writeFileSync(file, "export const a = 1;\n");
    const map = { version: 3, file: "to.js", sources: ["from.ts"], names: [], mappings: "AAEA" };
    writeFileSync(`${file}.map`, JSON.stringify(map));
    const [found] = locateProblems([problem({ code: "x", message: "x", sites: [{ file, line: 1, column: 1 }] })]);
    expect(found?.sites).toEqual([{ file: source, line: 3, column: 1 }]);
  });
});
