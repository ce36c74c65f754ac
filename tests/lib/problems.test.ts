import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  ConfigError,
  checkAssertions,
  dataModule,
  defineModule,
  deprecationWarnings,
  doRename,
  evalModules,
  explain,
  genAttrs,
  literalCode,
  literalExpression,
  literalMD,
  mapAttrs,
  mapAttrsTo,
  mapDefinitionValue,
  mergeTypes,
  mkAliasOptionModule,
  mkChangedOptionModule,
  mkDefinition,
  mkEnableOption,
  mkMergedOptionModule,
  mkOption,
  mkRemovedOptionModule,
  mkRenamedOptionModule,
  mkRenamedOptionModuleWith,
  type OptionType,
  parsePath,
  renderDiff,
  showOption,
  t,
} from "../../src/lib/index.ts";
import { ProblemError, renderProblems } from "../../src/problems/index.ts";
import { broken } from "./fixtures/broken.ts";
import { brokenCalls } from "./fixtures/broken-calls.ts";
import { brokenChanges } from "./fixtures/broken-changes.ts";
import { brokenDeclarations } from "./fixtures/broken-declarations.ts";
import { brokenModules } from "./fixtures/broken-modules.ts";
import { brokenTypes } from "./fixtures/broken-types.ts";

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
    ...brokenTypes,
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

  it("is a problem of the call, too, where an argument is nothing that the function can use", () => {
    const wrong = (value: unknown): never => value as never;
    const calls: { readonly [name: string]: () => unknown } = {
      mkAliasOptionModule: () => mkAliasOptionModule(wrong("old"), ["new"]),
      mkRenamedOptionModule: () => mkRenamedOptionModule(["old"], wrong("new")),
      mkRenamedOptionModuleWith: () => mkRenamedOptionModuleWith(wrong(null)),
      doRename: () => doRename(wrong({})),
      mkRemovedOptionModule: () => mkRemovedOptionModule(wrong("old"), "Gone."),
      mkMergedOptionModule: () => mkMergedOptionModule(wrong(["old"]), ["new"], () => 1),
      mkChangedOptionModule: () => mkChangedOptionModule(["old"], ["new"], wrong(1)),
      mkEnableOption: () => mkEnableOption(wrong(undefined)),
      mkDefinition: () => mkDefinition(wrong(null)),
      mapDefinitionValue: () => mapDefinitionValue(wrong(1), 2),
      mapAttrs: () => mapAttrs(wrong(null), () => 1),
      mapAttrsTo: () => mapAttrsTo({}, wrong(1)),
      genAttrs: () => genAttrs(wrong("ab"), () => 1),
      mergeTypes: () => mergeTypes(t.int, wrong(1)),
      literalExpression: () => literalExpression(wrong(1)),
      literalMD: () => literalMD(wrong(1)),
      literalCode: () => literalCode("nix", wrong(1)),
      showOption: () => showOption(wrong("a.b")),
      parsePath: () => parsePath(wrong(null)),
      explain: () => explain(wrong(null), "a"),
      renderDiff: () => renderDiff(wrong(null)),
      checkAssertions: () => checkAssertions(wrong(null)),
      deprecationWarnings: () => deprecationWarnings(wrong(null)),
    };
    for (const [name, call] of Object.entries(calls)) {
      let error: unknown;
      try {
        call();
      } catch (thrown) {
        error = thrown;
      }
      expect(error, name).toBeInstanceOf(ConfigError);
      const [{ code, message }] = (error as ConfigError).problems;
      expect([code, message]).toEqual(["call-invalid", expect.stringMatching(`^${name} takes `)]);
    }
  });

  it("of twenty thousand things is a text that somebody can read", () => {
    const wrong = Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`name${i}`, i]));
    const names = Object.fromEntries(Array.from({ length: 3000 }, (_, i) => [`nmae${i}`, mkOption({ type: t.int })]));
    const modules = [defineModule({ options: names }), dataModule("a.json", wrong), dataModule("b.json", wrong)];
    const error = caught(() => evalModules({ modules }).config);
    const text = renderProblems(error.problems);
    expect(error.problems.length).toBe(20_000);
    expect(text.length + error.message.length).toBeLessThan(50_000);
    expect(text).toContain("did you mean nmae0");
    expect(text).toMatch(/… and 19900 more problems$/);
    expect(renderProblems(error.problems, { allBy: "--all" })).toMatch(
      /… and 19900 more problems \(--all shows all\)$/,
    );
    expect(renderProblems(error.problems, { all: true })).toContain("the option name19999 does not exist");
  });

  it("says of a long text how much longer it is", () => {
    const type = t.enum(Array.from({ length: 10_000 }, (_, i) => `value ${i}`));
    const declare = defineModule({ options: { a: mkOption({ type }) } });
    const { problems } = caught(
      () => evalModules({ modules: [declare, dataModule("a.json", { a: 1 })] }).config["a" as never],
    );
    expect(renderProblems(problems).length).toBeLessThan(50_000);
    expect(renderProblems(problems)).toMatch(/… \(\d+ more characters\)/);
    expect(renderProblems(problems, { all: true })).toContain('"value 9999"');
  });

  it("of an alias is that of the option which it is another name of", () => {
    const declare = (type: OptionType) => defineModule({ options: { a: mkOption({ type }) } });
    const alias = mkAliasOptionModule(["old"], ["a"]);
    const { config } = evalModules({
      modules: [declare(t.int), declare(t.str), alias, dataModule("a.json", { old: 1 })],
    });
    const told = ["a", "old"].map((name) => caught(() => config[name as never]).problems);
    for (const problems of told)
      expect(problems.map(({ code, option }) => [code, option])).toEqual([["option-declared-twice", "a"]]);
    expect(told[1]?.[0].notes).toEqual(["… while evaluating old"]);
  });

  it("has an expected text for every code", () => {
    const codes = [...sources("src/lib").matchAll(/(?:\bcode: |\bcustom\(\s*)"([a-z-]+)"/g)].map(([, code]) => code);
    const texts = sources("tests/lib/expected");
    expect(codes.length).toBeGreaterThan(40);
    expect(codes.filter((code) => !texts.includes(`[${code}]`))).toEqual([]);
  });
});

function caught(run: () => unknown): ProblemError {
  try {
    run();
  } catch (error) {
    if (error instanceof ProblemError) return error;
    throw error;
  }
  throw new Error("nothing went wrong");
}

/** All files below a directory. */
function sources(directory: string): string {
  return readdirSync(directory, { withFileTypes: true })
    .map(({ name, parentPath }) => join(parentPath, name))
    .map((path) => (/\.\w+$/.test(path) ? readFileSync(path, "utf8") : sources(path)))
    .join("\n");
}
