import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { meets } from "../../src/packages/meets.ts";
import { indexUniverse } from "../../src/packages/package-index.ts";
import { resolve } from "../../src/packages/resolver.ts";
import { overlay, universeOf } from "../../src/packages/universe.ts";
import { problemOf } from "./support/problems.ts";
import { packagesIndex, record, universe } from "./support/records.ts";

const names = (text: string, roots: string[], options = {}) =>
  resolve(universe(text), roots, options).packages.map((entry) => entry.record.name);

describe("a resolution", () => {
  it("holds what roots depend on, dependencies first", () => {
    const text = `
      Package: web
      Depends: lib (>= 1)
      Pre-Depends: base

      Package: lib
      Depends: base

      Package: base

      Package: other`;
    expect(names(text, ["web"])).toEqual(["base", "lib", "web"]);
  });

  it("does not depend on the order in which roots are named", () => {
    const text = "Package: a\nDepends: x | y\n\nPackage: b\nDepends: y\n\nPackage: x\n\nPackage: y";
    expect(names(text, ["a", "b"])).toEqual(names(text, ["b", "a"]));
  });

  it("takes the first alternative, unless another one is there already", () => {
    const text = "Package: a\nDepends: x | y\n\nPackage: x\n\nPackage: y";
    expect(names(text, ["a"])).toEqual(["x", "a"]);
    expect(names(text, ["a", "y"])).toEqual(["y", "a"]);
  });

  it("skips an alternative that does not exist, is too old, or leads nowhere", () => {
    expect(names("Package: a\nDepends: gone | y\n\nPackage: y", ["a"])).toEqual(["y", "a"]);
    expect(names("Package: a\nDepends: x (>= 2) | y\n\nPackage: x\n\nPackage: y", ["a"])).toEqual(["y", "a"]);
    expect(names("Package: a\nDepends: x | y\n\nPackage: x\nDepends: gone\n\nPackage: y", ["a"])).toEqual(["y", "a"]);
  });

  it("takes a choice back when a later dependency cannot stand beside it", () => {
    const text = `
      Package: office
      Depends: writer, full

      Package: writer
      Depends: core-nogui | core

      Package: core-nogui
      Conflicts: core

      Package: core

      Package: full
      Depends: core`;
    expect(names(text, ["office"])).toEqual(["core", "writer", "full", "office"]);
  });

  it("prefers the real package to those that provide its name, and among those the more important", () => {
    const text = `
      Package: a
      Depends: mailer

      Package: b
      Depends: awk

      Package: mailer

      Package: aaa-mailer
      Provides: mailer

      Package: mawk
      Provides: awk
      Priority: required

      Package: zawk
      Provides: awk`;
    expect(names(text, ["a", "b"])).toEqual(["mailer", "a", "mawk", "b"]);
  });

  it("lets only a versioned Provides meet a versioned dependency", () => {
    const api = record("plain", { provides: "api" });
    const versioned = record("versioned", { provides: "api (= 3)" });
    const relation = { name: "api", constraint: { operator: ">=", version: "2" } } as const;
    expect(meets(api, relation)).toBe(false);
    expect(meets(versioned, relation)).toBe(true);
    expect(meets(api, { name: "api" })).toBe(true);
  });

  it("takes `:any` to ask for a package that allows it", () => {
    expect(meets(record("python3", { multiArch: "allowed" }), { name: "python3", qualifier: "any" })).toBe(true);
    expect(meets(record("python3"), { name: "python3", qualifier: "any" })).toBe(false);
    expect(meets(record("libc6"), { name: "libc6", qualifier: "amd64" })).toBe(true);
    expect(meets(record("libc6"), { name: "libc6", qualifier: "i386" })).toBe(false);
  });

  it("takes recommended and essential packages only when asked", () => {
    const text =
      "Package: a\nRecommends: r, gone\n\nPackage: r\nDepends: q\n\nPackage: q\n\nPackage: e\nEssential: yes";
    expect(names(text, ["a"])).toEqual(["a"]);
    expect(names(text, ["a"], { recommends: true })).toEqual(["q", "r", "a"]);
    expect(names(text, ["a"], { essential: true })).toEqual(["a", "e"]);
  });

  it("does without excluded packages and whatever only they need", () => {
    const text = `
      Package: kernel
      Depends: initramfs-tools | linux-initramfs-tool, kmod

      Package: image
      Depends: linux-initramfs-tool

      Package: initramfs-tools
      Provides: linux-initramfs-tool
      Depends: cpio

      Package: dracut
      Provides: linux-initramfs-tool
      Priority: extra

      Package: cpio

      Package: kmod`;
    const options = { exclude: ["initramfs-tools"] };
    expect(names(text, ["kernel"], options)).toEqual(["kmod", "kernel"]);
    expect(names(text, ["image"], options)).toEqual(["image"]);
  });

  it("survives cycles", () => {
    expect(names("Package: a\nDepends: b\n\nPackage: b\nDepends: a", ["b"])).toEqual(["a", "b"]);
  });

  it("says why a package is there", () => {
    const found = resolve(
      universe("Package: web\nDepends: lib (>= 1)\n\nPackage: lib\nPre-Depends: base\n\nPackage: base"),
      ["web"],
    );
    expect(found.why("base")).toEqual([
      "web 1.0 is asked for",
      "web Depends: lib (>= 1) → lib 1.0",
      "lib Pre-Depends: base → base 1.0",
    ]);
    expect(found.why("stranger")).toEqual([]);
  });
});

describe("a resolution that fails", () => {
  it("suggests names close to an unknown one", () => {
    const problem = problemOf(() => names("Package: nginx\n\nPackage: openssh-server", ["ngnix"]));
    expect(problem).toMatchObject({ code: "package-unknown", message: "there is no package named ngnix" });
    expect(problem.fix).toContain('pkgs["nginx"]');
    expect(problemOf(() => names("Package: openssh-server", ["openssh"])).fix).toContain("openssh-server");
  });

  it("lists the packages behind a virtual name", () => {
    const text = "Package: mawk\nProvides: awk\n\nPackage: gawk\nProvides: awk";
    const problem = problemOf(() => names(text, ["awk"]));
    expect(problem.code).toBe("package-unknown");
    expect(problem.notes.join()).toContain("mawk");
    expect(names("Package: mawk\nProvides: awk", ["awk"])).toEqual(["mawk"]);
  });

  it("names the dependency, what there is instead, and the way to it", () => {
    const text = "Package: web\nDepends: lib\n\nPackage: lib\nDepends: base (>= 2)\n\nPackage: base";
    expect(problemOf(() => names(text, ["web"]))).toMatchObject({
      code: "package-unsatisfiable",
      message: "lib 1.0 cannot be had: Depends: base (>= 2) cannot be met, for the only version of base is 1.0",
      notes: ["web 1.0 is asked for", "web Depends: lib → lib 1.0"],
    });
  });

  it("names both sides of a conflict", () => {
    const roots = problemOf(() => names("Package: a\nConflicts: mta\n\nPackage: b\nProvides: mta", ["a", "b"]));
    expect(roots.code).toBe("package-unsatisfiable");
    expect(roots.message).toContain("a 1.0, which is there, conflicts with mta");
    const deep = problemOf(() =>
      names("Package: a\nBreaks: c (<< 2)\n\nPackage: b\nDepends: c\n\nPackage: c", ["a", "b"]),
    );
    expect(deep.message).toContain("a 1.0, which is there, breaks c (<< 2)");
  });

  it("lets a package conflict with what it provides itself", () => {
    expect(names("Package: a\nProvides: mta\nConflicts: mta", ["a"])).toEqual(["a"]);
  });
});

describe("universes", () => {
  it("read from an index hold the newest version of each package", () => {
    const old = packagesIndex("Package: a\nVersion: 1.9\n\nPackage: b\nProvides: v");
    const updates = packagesIndex("Package: a\nVersion: 1.10");
    const found = indexUniverse([
      { text: updates, archive: "debian-security", label: "updates" },
      { text: old, archive: "debian", label: "main" },
    ]);
    expect(found.find("a")).toMatchObject({ version: "1.10", archive: "debian-security" });
    expect(found.providers("v").map((entry) => entry.name)).toEqual(["b"]);
    expect([...found.names()].sort()).toEqual(["a", "b"]);
    expect(found.find("c")).toBeUndefined();
  });

  it("laid over another one hide its versions", () => {
    const locked = universeOf([record("a", { version: "1" })]);
    const archive = universeOf([record("a", { version: "2", provides: "v" }), record("b", { provides: "v" })]);
    const both = overlay(locked, archive);
    expect(both.find("a")?.version).toBe("1");
    expect(both.providers("v").map((entry) => entry.name)).toEqual(["b"]);
  });
});

describe("laws of resolving", () => {
  const pool = ["a", "b", "c", "d", "e", "f"].map((letter) => `p${letter}`);
  const group = fc
    .uniqueArray(fc.constantFrom(...pool, "virtual"), { minLength: 1, maxLength: 2 })
    .map((g) => g.join(" | "));
  const packages = fc.tuple(
    ...pool.map((name) =>
      fc.record({
        name: fc.constant(name),
        depends: fc.array(group, { maxLength: 3 }),
        conflicts: fc.array(fc.constantFrom(...pool), { maxLength: 1 }),
        provides: fc.constantFrom("", "virtual"),
      }),
    ),
  );
  const build = (specs: readonly { name: string; depends: string[]; conflicts: string[]; provides: string }[]) =>
    universeOf(
      specs.map((spec) =>
        record(spec.name, {
          ...(spec.depends.length > 0 ? { depends: spec.depends.join(", ") } : {}),
          ...(spec.conflicts.length > 0 ? { conflicts: spec.conflicts.join(", ") } : {}),
          ...(spec.provides === "" ? {} : { provides: spec.provides }),
        }),
      ),
    );

  it("every dependency is met and no two packages conflict, or there is a problem", () => {
    fc.assert(
      fc.property(
        packages,
        fc.uniqueArray(fc.constantFrom(...pool), { minLength: 1, maxLength: 3 }),
        (specs, roots) => {
          const found = (() => {
            try {
              return resolve(build(specs), roots);
            } catch {
              return undefined;
            }
          })();
          if (found === undefined) return;
          const chosen = new Map(found.packages.map((entry) => [entry.record.name, entry.record]));
          for (const root of roots) expect(chosen.has(root)).toBe(true);
          for (const spec of specs.filter((s) => chosen.has(s.name))) {
            for (const text of spec.depends) {
              expect(text.split(" | ").some((name) => [...chosen.values()].some((r) => meets(r, { name })))).toBe(true);
            }
            for (const name of spec.conflicts) expect(name === spec.name || !chosen.has(name)).toBe(true);
          }
        },
      ),
    );
  });

  it("resolving in a universe of just the answer gives the answer", () => {
    fc.assert(
      fc.property(
        packages,
        fc.uniqueArray(fc.constantFrom(...pool), { minLength: 1, maxLength: 2 }),
        (specs, roots) => {
          let found: ReturnType<typeof resolve>;
          try {
            found = resolve(build(specs), roots);
          } catch {
            return;
          }
          const order = (r: typeof found) => r.packages.map((entry) => entry.record.name);
          expect(order(resolve(universeOf(found.packages.map((entry) => entry.record)), roots))).toEqual(order(found));
        },
      ),
    );
  });
});
