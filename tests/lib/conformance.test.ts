import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import * as docs from "../../src/conformance/docs.ts";
import * as modules from "../../src/conformance/modules.ts";

const shared = join(process.env["OSMOD_SHARED"] ?? join(import.meta.dirname, "../../../shared"), "corpus");
const read = (file: string): unknown => JSON.parse(readFileSync(join(shared, file), "utf8"));

describe.skipIf(!existsSync(shared))("modules evaluated as Nix evaluates them", () => {
  it("have the same values, errors and facts in every case of the corpus", () => {
    const cases = modules.casesOf(read("modules.json"));
    const failed = cases.flatMap((item) => modules.check(item) ?? []);
    expect(failed).toEqual([]);
    expect(cases.length).toBeGreaterThan(100);
  });

  it("have the same documentation in every case of the corpus", () => {
    const cases = docs.casesOf(read("modules-docs.json"), join(shared, "modules-docs.json"));
    expect(cases.flatMap((item) => docs.check(item) ?? [])).toEqual([]);
    expect(cases.length).toBeGreaterThan(100);
  });

  for (const name of ["a", "b", "c", "d"]) {
    it(`have the same values in the large case ${name}`, () => {
      const { modules: list } = read(`perf/${name}.json`) as { modules: modules.ModuleCase["modules"] };
      const expected = { ok: read(`perf/${name}.expected.json`) as never };
      expect(modules.check({ id: name, modules: list, expected })).toBeUndefined();
    });
  }
});
