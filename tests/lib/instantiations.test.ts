import { appendFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, describe, expect, it } from "vitest";

/** What an option may cost the compiler, with its share of definitions that refer to it: 77 as measured, and some air. */
const BUDGET = 82;

interface Generator {
  readonly OPTIONS_PER_MODULE: number;
  readonly writeTypedModules: (
    folder: string,
    spec: { readonly modules: number; readonly users: number; readonly lib: string; readonly types: string },
  ) => void;
}
interface Compiler {
  readonly compile: (folder: string) => { readonly instantiations: number };
}

const root = resolve(import.meta.dirname, "../..");
const support = (name: string) => import(pathToFileURL(join(root, "bench/support", name)).href);
const { writeTypedModules, OPTIONS_PER_MODULE } = (await support("typed-modules.mjs")) as Generator;
const { compile } = (await support("compile.mjs")) as Compiler;
const folder = mkdtempSync(join(tmpdir(), "typed-modules-"));
afterAll(() => rmSync(folder, { recursive: true }));

const write = (modules: number): string => {
  const directory = join(folder, String(modules));
  const lib = join(root, "src/lib/index.ts");
  writeTypedModules(directory, { modules, users: modules / 5, lib, types: join(root, "node_modules/@types") });
  return directory;
};

describe("modules that refer to each other in circles", () => {
  it("cost the compiler no more an option than they did", { timeout: 60_000 }, () => {
    // The difference of two sizes leaves out what checking the library itself costs.
    const [few, many] = [5, 25];
    const cost = compile(write(many)).instantiations - compile(write(few)).instantiations;
    const each = cost / ((many - few) * OPTIONS_PER_MODULE);
    expect(each).toBeLessThan(BUDGET);
    // A generator that no longer exercises the types would pass any budget.
    expect(each).toBeGreaterThan(BUDGET / 2);
  });

  it("are still checked", { timeout: 60_000 }, () => {
    const directory = write(5);
    appendFileSync(
      join(directory, "m0.ts"),
      "defineModule<Std>({ config: mkIf(() => true, { services: { s4: mkForce({ prot: 1 }) } }) });\n",
    );
    expect(() => compile(directory)).toThrow(/'prot' does not exist in type /);
  });
});
