import { describe, expect, it } from "vitest";
import { ProblemError } from "../../src/problems/index.ts";
import { type Derivation, type DerivationSpec, StoreScope } from "../../src/store/index.ts";

function make(scope: StoreScope, name: string, more: Partial<DerivationSpec> = {}): Derivation {
  return scope.derivation({ name, system: "x86_64-linux", builder: "/bin/sh", ...more });
}
function problemOf(work: () => unknown) {
  try {
    work();
  } catch (error) {
    if (error instanceof ProblemError) return error.problems[0];
    throw error;
  }
  throw new Error("nothing was thrown");
}

describe("a scope", () => {
  it("makes objects that are their path", () => {
    const drv = make(new StoreScope(), "hello");
    expect(`${drv.path}`).toBe(drv.outPath);
    expect(drv.toString()).toMatch(/^\/nix\/store\/[0-9a-z]{32}-hello$/);
    expect(drv.drvPath).toMatch(/-hello\.drv$/);
  });

  it("finds inputs in whatever text names them: builder, arguments, values, in the middle of words", () => {
    const scope = new StoreScope();
    const [a, b, c] = ["a", "b", "c"].map((name) => make(scope, name)) as [Derivation, Derivation, Derivation];
    const text = scope.text("conf", `x=${scope.text("inner", "1").path}.`);
    const user = make(scope, "user", {
      builder: `${a.path}/bin/sh`,
      args: ["-c", `echo=${b.path}=yes.`, text],
      env: { c },
    });
    expect(user.inputDerivations.map((input) => input.derivation.name).sort()).toEqual(["a", "b", "c"]);
    expect(user.inputSources).toEqual([text]);
    expect(text.references.map((source) => source.name)).toEqual(["inner"]);
  });

  it("asks for the output that was named", () => {
    const scope = new StoreScope();
    const multi = make(scope, "multi", { outputs: ["bin", "dev"] });
    expect(multi.path).toMatch(/-multi-bin$/);
    const user = make(scope, "user", { env: { x: `${multi.outputs["dev"]}/include` } });
    expect(user.inputDerivations).toEqual([{ derivation: multi, outputs: ["dev"] }]);
    expect(scope.lookup(multi.outputs["dev"] as string)).toBe(multi);
    expect(scope.lookup(multi.drvPath)).toBe(multi);
  });

  it("gives the same object for the same description", () => {
    const scope = new StoreScope();
    expect(make(scope, "a", { env: { x: "1" } })).toBe(make(scope, "a", { env: { x: "1" } }));
    expect(scope.text("t", "x")).toBe(scope.text("t", "x"));
    expect(make(scope, "a", { env: { x: "2" } })).not.toBe(make(scope, "a", { env: { x: "1" } }));
  });

  it("gives a fixed output one path however it is fetched, downstream too", () => {
    const scope = new StoreScope();
    const fixedOutput = { hash: "0".repeat(64), algo: "sha256", mode: "flat" } as const;
    const from = (url: string) => make(scope, "f", { builder: "builtin:fetchurl", env: { url }, fixedOutput });
    const [one, two] = [from("http://one/f"), from("http://two/f")];
    expect(one.drvPath).not.toBe(two.drvPath);
    expect(one.path).toBe(two.path);
    const users = [one, two].map((f) => make(scope, "user", { env: { f } }));
    expect(users[0]?.path).toBe(users[1]?.path);
  });

  it("refuses a store path that nothing here makes", () => {
    const path = "/nix/store/sl7jwdgx1lk79shwjw6sv4q16kiq3524-hello";
    expect(problemOf(() => make(new StoreScope(), "user", { env: { path: `see ${path} there` } }))).toMatchObject({
      code: "store-path-unknown",
      message: `user names ${path}, which nothing here makes`,
    });
    const scope = new StoreScope();
    const hello = make(scope, "hello");
    expect(problemOf(() => make(scope, "user", { args: [hello.path.slice(0, -1)] })).code).toBe("store-path-unknown");
  });

  it("says what to name instead of a .drv", () => {
    const scope = new StoreScope();
    const hello = make(scope, "hello");
    expect(problemOf(() => make(scope, "user", { args: [hello.drvPath] })).fix).toContain(hello.outPath);
  });

  it("does not take an object of another scope for its own", () => {
    const stranger = make(new StoreScope(), "stranger");
    expect(problemOf(() => make(new StoreScope(), "user", { env: { stranger } })).code).toBe("store-path-unknown");
  });

  it("refuses a text that names something to be built", () => {
    const scope = new StoreScope();
    const hello = make(scope, "hello");
    const problem = problemOf(() => scope.text("conf", `exec ${hello.path}`));
    expect(problem.code).toBe("text-refers-to-derivation");
    expect(problem.fix).toContain("writeText");
  });

  it.each([
    [{ outputs: [] }, "has no outputs"],
    [{ outputs: ["out", "out"] }, "names an output twice"],
    [{ outputs: ["a/b"] }, 'an output called "a/b"'],
    [{ name: "x.drv" }, "ends in .drv"],
    [{ outputs: ["dev"], fixedOutput: { hash: "0".repeat(64), algo: "sha256", mode: "flat" } }, "has the outputs dev"],
  ] as [Partial<DerivationSpec>, string][])("refuses the derivation %j", (more, why) => {
    const problem = problemOf(() => make(new StoreScope(), more.name ?? "x", more));
    expect(problem.code).toBe("derivation-invalid");
    expect(problem.message).toContain(why);
  });

  it("ignores text that only looks like a store path from afar", () => {
    const args = [
      "/nix/store",
      "/nix/store/x",
      "/nix/store/eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee-x",
      "/nix/store/.links/abc",
    ];
    expect(make(new StoreScope(), "user", { args }).inputDerivations).toEqual([]);
  });
});
