import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { formatLock, type Lock, openPackageSource, parseLock, readLock, writeLock } from "../../src/packages/index.ts";
import { ProblemError } from "../../src/problems/index.ts";
import { problemOf, problemOfAsync } from "./support/problems.ts";
import { record } from "./support/records.ts";

const directory = mkdtempSync(join(tmpdir(), "osmod-lock-"));
afterAll(() => rmSync(directory, { recursive: true }));

const busybox = { version: "1.37", sha256: "b".repeat(64), narHash: `sha256-${"A".repeat(43)}=` };
const lockOf = (...records: ReturnType<typeof record>[]): Lock => ({
  version: 1,
  suites: [
    {
      archive: "debian",
      suite: "trixie",
      version: "13.7",
      date: "Sat, 12 Sep 2026 07:55:41 UTC",
      sha256: "c".repeat(64),
    },
  ],
  bootstrap: { busybox },
  packages: Object.fromEntries(records.map((entry) => [entry.name, entry])),
});
const lock = lockOf(
  record("web", { depends: "lib (>= 1)", multiArch: "foreign" }),
  record("lib", { essential: true, provides: "v (= 1)" }),
);

describe("a lock", () => {
  it("is read back as it was written", async () => {
    const file = join(directory, "osmod.lock.json");
    await writeLock(file, lock);
    expect(await readLock(file)).toEqual(lock);
    expect(readdirSync(directory)).toEqual(["osmod.lock.json"]);
  });

  it("has a line a package, sorted, whatever the order in which it was made", () => {
    const text = formatLock(lock);
    const lines = text.split("\n").filter((line) => line.includes('"filename"'));
    expect(lines.map((line) => line.trim().split('"')[1])).toEqual(["lib", "web"]);
    const reversed = lockOf(...Object.values(lock.packages).reverse());
    expect(formatLock(reversed)).toBe(text);
    expect(text.endsWith("}\n")).toBe(true);
  });

  it("names no mirror", () => {
    expect(formatLock(lock)).not.toMatch(/:\/\//);
  });

  it("that is not there is no lock", async () => {
    expect(await readLock(join(directory, "none.json"))).toBeUndefined();
  });

  it("that was damaged is a problem with the line", async () => {
    const text = formatLock(lock);
    const line = (needle: string) => text.slice(0, text.indexOf(needle)).split("\n").length;
    const cases: readonly [string, string, RegExp, number | undefined][] = [
      ['"size":1000', '"size":"1000"', /lib.*size/, line('"lib"')],
      [`"sha256":"${"0".repeat(64)}"`, '"sha256":"0"', /lib.*sha256/, line('"lib"')],
      ["pool/main/lib", "../lib", /lib.*filename/, line('"lib"')],
      ['"essential":true', '"essential":"yes"', /lib.*not text|essential/, line('"lib"')],
      ['"multiArch"', '"multiarch"', /web.*unknown field "multiarch"/, line('"web"')],
      ['"version": 1', '"version": 2', /version 2.*version 1/, 2],
      ['"suite":"trixie"', '"suite":1', /suites/, line('"suites"')],
      [busybox.narHash, "sha256-x", /busybox/, line('"bootstrap"')],
      ['"packages": {', '"packages": [', /not JSON/, undefined],
      ['"bootstrap": {', '"bootstrap": {"unpacker": ["../xz"],', /unpacker.*names/, line('"bootstrap"')],
    ];
    for (const [from, to, message, at] of cases) {
      expect(text).toContain(from);
      const problem = problemOf(() => parseLock(text.replace(from, to), "osmod.lock.json"));
      expect(problem).toMatchObject({ code: "lock-malformed", sites: [{ file: "osmod.lock.json" }] });
      expect(problem.message).toMatch(message);
      if (at !== undefined) expect(problem.sites[0]?.line, to).toBe(at);
    }
    const file = join(directory, "cut.json");
    writeFileSync(file, text.slice(0, text.length / 2));
    expect((await problemOfAsync(readLock(file))).code).toBe("lock-malformed");
  });

  it("may name what unpacks packages", () => {
    const named = { ...lock, bootstrap: { ...lock.bootstrap, unpacker: ["libc6", "xz-utils"] } };
    expect(parseLock(formatLock(named), "x")).toEqual(named);
    expect(parseLock(formatLock(lock), "x").bootstrap).not.toHaveProperty("unpacker");
    const source = openPackageSource({ lock: named });
    expect(problemOf(() => source.unpacker()).code).toBe("package-not-locked");
    expect(source.missing).toEqual(["libc6"]);
    expect(openPackageSource({ lock }).unpacker()).toBeUndefined();
  });

  it("with anything else in it is refused with a problem, never with another error", () => {
    fc.assert(
      fc.property(fc.json(), fc.nat(), (json, at) => {
        const text = formatLock(lock);
        const cut = at % text.length;
        for (const broken of [json, text.slice(0, cut) + json + text.slice(cut)]) {
          try {
            parseLock(broken, "x");
          } catch (error) {
            expect(error).toBeInstanceOf(ProblemError);
          }
        }
      }),
    );
  });
});

describe("a source behind a lock alone", () => {
  it("answers what the lock has", () => {
    const source = openPackageSource({ lock });
    expect(source.find("web").version).toBe("1.0");
    expect(source.resolve(["web"]).packages.map((entry) => entry.record.name)).toEqual(["lib", "web"]);
    expect([...source.used.keys()].sort()).toEqual(["lib", "web"]);
    expect(source.missing).toEqual([]);
  });

  it("notes what it cannot answer, however the problem is treated", () => {
    const source = openPackageSource({ lock: lockOf(record("web", { depends: "lib" })) });
    const problem = problemOf(() => source.resolve(["web"]));
    expect(problem.code).toBe("package-not-locked");
    expect(problem.notes.join()).toContain("there is no package lib");
    expect(problemOf(() => source.find("other")).code).toBe("package-not-locked");
    expect(source.missing).toEqual(["web", "other"]);
  });

  it("does not trust a pinned busybox that belongs to another package file", () => {
    const source = openPackageSource({ lock: lockOf(record("busybox-static", { sha256: "d".repeat(64) })) });
    expect(problemOf(() => source.requireBusybox()).code).toBe("package-not-locked");
    const same = openPackageSource({ lock: lockOf(record("busybox-static", { sha256: busybox.sha256 })) });
    expect(same.requireBusybox()).toEqual(busybox);
  });
});
