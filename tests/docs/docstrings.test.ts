import { describe, expect, it } from "vitest";
import { doors } from "../consumer/support/project.ts";
import { exportsOf } from "./support/exports.ts";

const sourceOf = (door: string) => `src/${door.replace(/^osmod\/?/, "")}/index.ts`.replace("//", "/");

describe.each(doors)("the docstrings of %s", (door) => {
  const names = exportsOf(sourceOf(door));

  it("are about names whose declarations were found, and as many as there are at run time", async () => {
    expect(names.filter(({ line }) => line === 0)).toEqual([]);
    const known = new Set(names.map(({ name }) => name));
    const module: object = await import(`../../${sourceOf(door)}`);
    expect(Object.keys(module).filter((name) => !known.has(name) && name !== "raw")).toEqual([]);
  });

  it("are there for every name", () => {
    const missing = names.filter(({ docstring }) => docstring === undefined);
    expect(missing.map(({ file, line, name }) => `${file}:${line} ${name}`)).toEqual([]);
  });

  it("are sentences: they start with a capital or a name, and end with a full stop", () => {
    const loose = names.filter(({ docstring }) => {
      const first = docstring?.split("\n\n")[0]?.split("\n@")[0] ?? "A.";
      return !/^[A-Z`"{/]/.test(first) || !/[.:!?)`]$/.test(first);
    });
    expect(loose.map(({ file, line, docstring }) => `${file}:${line} ${docstring?.split("\n")[0]}`)).toEqual([]);
  });
});

describe("the docstrings of the module system", () => {
  it("have an example each, where there is something to run", async () => {
    const running = new Set(Object.keys(await import("../../src/lib/index.ts")));
    const without = exportsOf("src/lib/index.ts").filter(
      ({ name, docstring }) => running.has(name) && name !== "raw" && !docstring?.includes("@example"),
    );
    expect(without.map(({ name }) => name)).toEqual([]);
  });
});
