import { describe, expect, it } from "vitest";
import { createPackageSet, type Lock, openPackageSource, requireFetchable } from "../../src/packages/index.ts";
import { type Derivation, fixedPath, hashNar, narOfTree, StoreScope } from "../../src/store/index.ts";
import { problemOf } from "./support/problems.ts";
import { record } from "./support/records.ts";

const sha = (digit: string) => digit.repeat(64);
const lock: Lock = {
  version: 1,
  suites: [],
  bootstrap: { busybox: { version: "1", sha256: sha("b"), narHash: `sha256-${"A".repeat(43)}=` } },
  packages: {
    "busybox-static": record("busybox-static", { sha256: sha("b") }),
    nginx: record("nginx", {
      version: "1:2~rc",
      filename: "pool/main/n/nginx_2~rc%3a_amd64.deb",
      sha256: sha("1"),
      depends: "lib",
    }),
    lib: record("lib", { sha256: sha("2"), archive: "debian-security" }),
  },
};
const make = (mirrors = {}) =>
  createPackageSet({ source: openPackageSource({ lock }), mirrors, scope: new StoreScope() });
const env = (drv: Derivation, name: string) => drv.data.env.get(name);
const fetchOf = (drv: Derivation) => drv.inputDerivations[0]!.derivation;

describe("a tree in memory", () => {
  it("is a source, with the path that its content gives it", async () => {
    const tree = { type: "regular", executable: false, contents: Buffer.from("hello\n") } as const;
    const source = make().treeSource("greeting", tree);
    expect(source.path).toBe(fixedPath("greeting", "recursive", hashNar(narOfTree(tree)).hash));
    expect(make().treeSource("greeting", tree).path).toBe(source.path);
    expect(source.content.kind === "tree" && (await source.content.provide())).toEqual(tree);
  });
});

describe("a package", () => {
  it("costs nothing until it is asked for something", () => {
    const pkgs = make();
    const unknown = pkgs["nothing-of-that-name"]!;
    expect(unknown.name).toBe("nothing-of-that-name");
    expect(problemOf(() => unknown.version).code).toBe("package-not-locked");
    expect(problemOf(() => `${unknown}`).code).toBe("package-not-locked");
    expect(pkgs.nginx).toBe(pkgs["nginx"]);
    expect(pkgs.nginx!.version).toBe("1:2~rc");
  });

  it("stands for its unpacked tree, made from its file", () => {
    const { nginx } = make({ debian: "http://deb.test/debian" });
    const { unpacked } = nginx!;
    expect(`${nginx}`).toBe(unpacked.outPath);
    expect(unpacked.name).toBe("nginx-1_2_rc");
    const file = fetchOf(unpacked);
    expect(file).toMatchObject({
      name: "nginx_2_rc_3a_amd64.deb",
      fixedOutput: { algo: "sha256", hash: sha("1"), mode: "flat" },
    });
    expect(env(file, "url")).toBe("http://deb.test/debian/pool/main/n/nginx_2~rc%3a_amd64.deb");
  });

  it("has the same path whatever the mirror", () => {
    const one = make({ debian: "http://one.test", "debian-security": "http://s.test" });
    const two = make({ debian: "http://two.test" });
    expect(`${one.nginx}`).toBe(`${two.nginx}`);
    expect(one.mergedTree("t", [one.nginx!]).path).toBe(two.mergedTree("t", [two.nginx!]).path);
  });

  it("whose archive has no known address is a problem only when it has to be fetched", () => {
    const pkgs = make({ debian: "http://deb.test" });
    expect(() => requireFetchable({ fetch: [fetchOf(pkgs.nginx!.unpacked)] })).not.toThrow();
    const problem = problemOf(() => requireFetchable({ fetch: [fetchOf(pkgs.lib!.unpacked)] }));
    expect(problem).toMatchObject({ code: "mirror-unknown" });
    expect(problem.fix).toContain("OSMOD_DEBIAN_SECURITY_MIRROR");
  });
});

describe("a package set", () => {
  it("can be printed, awaited and asked for names that are no packages", async () => {
    const pkgs = make();
    expect(await Promise.resolve(pkgs)).toBe(pkgs);
    expect((pkgs as unknown as { toJSON: unknown }).toJSON).toBeUndefined();
    expect("nginx" in pkgs).toBe(true);
    expect("No Package" in pkgs).toBe(false);
    expect(pkgs.hostPlatform.debianArch).toBe("amd64");
  });

  it("resolves closures with their reasons", () => {
    const pkgs = make();
    expect(pkgs.resolveClosure([pkgs.nginx!])).toEqual([
      { name: "lib", version: "1.0", reason: "nginx Depends: lib" },
      { name: "nginx", version: "1:2~rc", reason: "asked for" },
    ]);
    expect(pkgs.resolveClosure([pkgs.nginx!], { exclude: ["lib"] }).map((entry) => entry.name)).toEqual(["nginx"]);
  });

  it("merges packages dependencies first, the same for any order of the roots", () => {
    const pkgs = make();
    const tree = pkgs.mergedTree("system", [pkgs.nginx!, pkgs.lib!]);
    expect(env(tree, "packages")).toBe(`${pkgs.lib}\n${pkgs.nginx}\n`);
    expect(pkgs.mergedTree("system", [pkgs.lib!, pkgs.nginx!]).path).toBe(tree.path);
    expect(pkgs.mergedTree("system", [pkgs.nginx!], { finish: "touch $out/x" }).path).not.toBe(tree.path);
  });
});

describe("trivial builders", () => {
  const pkgs = make();

  it("make what they were given an input, wherever it is mentioned", () => {
    const conf = pkgs.writeText("web.conf", `root ${pkgs.nginx};\n`);
    expect(conf.inputDerivations.map((input) => input.derivation.name)).toEqual(["nginx-1_2_rc"]);
    const tree = pkgs.writeTree("etc", { "web/web.conf": { text: `include ${conf};` }, copy: { source: conf } });
    expect(tree.inputDerivations.map((input) => input.derivation)).toEqual([conf]);
    const farm = pkgs.linkFarm("farm", { "a/b": pkgs.lib!, c: conf.path });
    expect(farm.inputDerivations.map((input) => input.derivation.name).sort()).toEqual(["lib-1.0", "web.conf"]);
    const run = pkgs.runCommand("x", { env: { conf }, tree: farm }, "run true");
    expect(run.inputDerivations.map((input) => input.derivation).includes(conf)).toBe(true);
  });

  it("give the same derivation for the same content", () => {
    const a = pkgs.writeTree("t", { a: { text: "1" }, b: { text: "2" } });
    expect(pkgs.writeTree("t", { b: { text: "2" }, a: { text: "1" } })).toBe(a);
    expect(pkgs.writeText("t", "1").path).not.toBe(pkgs.writeText("t", "2").path);
  });

  it("take texts of any length, as files", () => {
    const long = pkgs.writeTree("t", { a: { text: "x".repeat(1_000_000) } });
    expect(env(long, "passAsFile")).toBe("script");
    expect(Math.max(...long.data.args.map((arg) => arg.length))).toBeLessThan(1000);
  });

  it("refuse paths outside of the tree, and zero bytes", () => {
    for (const path of ["../x", "/etc/x", "a/../../x", "", "."]) {
      expect(problemOf(() => pkgs.writeTree("t", { [path]: { text: "" } })).code).toBe("tree-path-invalid");
    }
    expect(problemOf(() => pkgs.writeText("t", "\0")).code).toBe("text-has-zero-byte");
    expect(problemOf(() => pkgs.linkFarm("t", { "../x": "/y" })).code).toBe("tree-path-invalid");
  });
});
