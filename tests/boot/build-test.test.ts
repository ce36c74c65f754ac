/** Tests of machines run in builders: by the embedded store as an ordinary user, and by a real Nix that takes the machines from a cache. */
import { existsSync, readdirSync, readFileSync, realpathSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openNixStore } from "../../src/store/index.ts";
import { Installed, projectRoot } from "../helpers/installed.ts";
import { hasNix, runNix, TestFolder } from "../helpers/nix.ts";

const home = new Installed("build-test");
let project: string;

beforeAll(() => {
  project = home.makeDirectory(join(home.home, "project"));
  home.copy("tests/boot/support/built/machine.ts", "project/machine.ts");
  for (const name of ["passing", "failing"]) {
    home.copy(`tests/boot/support/built/${name}.ts`, `project/${name}.test.ts`);
  }
  home.makeDirectory(join(project, "node_modules"));
  symlinkSync(dirname(dirname(dirname(home.main))), join(project, "node_modules/osmod"));
  symlinkSync(join(projectRoot, "node_modules/vitest"), join(project, "node_modules/vitest"));
  home.giveAll(project);
});
afterAll(() => home.remove());

const buildTest = (...args: string[]) => home.osmod(["build-test", ...args], { cwd: project });

describe("osmod build-test", () => {
  it("builds when the tests pass, and keeps the reports and what the tests kept", async () => {
    const { code, stdout, stderr } = await buildTest("-L", "passing.test.ts");
    expect(code, stderr).toBe(0);
    expect(stdout).toBe("The tests of passing.test.ts have passed: ./result/log\n");
    // What the builder says is printed while it runs, unless the test was built by an earlier run of these tests.
    const log = readFileSync(join(project, "result/log"), "utf8");
    expect(log).toMatch(/✓ passing\.test\.ts > is up/);
    expect(log).toMatch(/small: up after/);
    const result = join(project, "result");
    expect(readdirSync(result).sort()).toEqual(["files", "log", "report.json", "report.xml"]);
    expect(readFileSync(join(result, "report.xml"), "utf8")).toContain('tests="1" failures="0"');
    expect(JSON.parse(readFileSync(join(result, "report.json"), "utf8"))).toMatchObject({ numPassedTests: 1 });
    expect(readFileSync(join(result, "files/hostname"), "utf8")).toBe("small\n");
    // Reports keep no machine alive.
    const info = await home.osmod(["path-info", "--json", realpathSync(result)]);
    expect(info.stdout).toMatch(/"references": \[\]/);
  });

  it("does nothing when nothing has changed", async () => {
    const { code, stderr } = await buildTest("passing.test.ts");
    expect(code).toBe(0);
    expect(stderr).not.toContain("to do");
  });

  it("fails when a test fails, and the log has the failure", async () => {
    const { code, stderr } = await buildTest("-o", "failed", "failing.test.ts");
    expect(code).toBe(1);
    expect(stderr).toContain("builder-failed");
    expect(existsSync(join(project, "failed"))).toBe(false);
    const file = /^ {2}(\/.*\.drv) +\(whole log\)$/m.exec(stderr)?.[1] ?? "";
    const log = readFileSync(file, "utf8");
    expect(log).toContain("FAIL  failing.test.ts > fails");
    expect(log).toContain("GuestError: small: echo the reason >&2; exit 7 ended with 7");
    expect(log).toContain("the reason");
    expect(log).toMatch(/the tests of failing\.test\.ts failed\n$/);
  });
});

describe.skipIf(!hasNix)("osmod build-test --store nix", () => {
  const folder = new TestFolder();
  afterAll(() => folder.remove());

  it("has Nix run the same derivation, on machines from a cache", async () => {
    const drv = readFileSync(await derivationOf(), "utf8");
    const inputs = [...drv.matchAll(/\("OSMOD_TEST_LAUNCHERS","([^"]+)"\)|\("node","([^"]+)\/bin\/node"\)/g)];
    const paths = inputs.map(([, launcher, node]) => launcher ?? node ?? "");
    expect(paths).toHaveLength(2);
    const key = await home.osmod(["store", "key", "generate", "test.example-1"], { cwd: project });
    const cache = home.makeDirectory(join(home.home, "cache"));
    const exported = await home.osmod(["store", "export", "--to", cache, "--sign", "test.example-1.secret", ...paths], {
      cwd: project,
    });
    expect(exported.code, exported.stderr).toBe(0);

    // Nix 2.8 wants a path without blanks.
    symlinkSync(cache, join(folder.path, "cache"));
    const env = folder.nix("nix root", [
      `substituters = file://${folder.path}/cache`,
      `trusted-public-keys = ${key.stdout.trim()}`,
    ]);
    // Nix wants its users to have names, so this part runs as whoever runs the tests.
    const words = [home.main, "build-test", "--store", "nix", "-o", join(folder.path, "by-nix"), "passing.test.ts"];
    runNix(env, "sh", "-c", 'cd "$1" && shift && exec "$@"', "sh", project, process.execPath, ...words);
    const result = realpathSync(join(folder.path, "by-nix"));
    expect(readFileSync(join(result, "log"), "utf8")).toMatch(/✓ passing\.test\.ts > is up/);
    expect(readFileSync(join(result, "files/hostname"), "utf8")).toBe("small\n");
    const info = openNixStore({ env }).info(`/nix/store/${result.split("/nix/store/")[1]}`);
    expect(info?.references).toEqual([]);
    expect(info?.deriver).toBe(`/nix/store/${(await derivationOf()).split("/nix/store/")[1]}`);
  });

  /** The `.drv` of the test that passed, in the embedded store. */
  async function derivationOf(): Promise<string> {
    const { stdout } = await home.osmod(["path-info", "--json", realpathSync(join(project, "result"))]);
    const [, deriver = ""] = /"deriver": "([^"]+)"/.exec(stdout) ?? [];
    return join(home.storeRoot, deriver);
  }
});
