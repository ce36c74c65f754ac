import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { projectRoot } from "../helpers/installed.ts";

const osmod = (...args: string[]) =>
  spawnSync(process.execPath, [join(projectRoot, "dist/cli/main.js"), ...args], { encoding: "utf8" });

describe("the command line", () => {
  it("lists its verbs when asked for help, and ends with 0", () => {
    const { status, stdout } = osmod("--help");
    expect(status).toBe(0);
    for (const verb of ["build-vm", "build", "dry-run", "eval", "explain", "lock", "why"])
      expect(stdout).toContain(`  ${verb} `);
  });

  it("ends with 2 for a verb that does not exist", () => {
    const { status, stderr } = osmod("biuld");
    expect(status).toBe(2);
    expect(stderr).toContain(`no verb "biuld"`);
  });

  it("ends with 2 and the usage line for an option that does not exist", () => {
    const { status, stderr } = osmod("build-vm", "--fast");
    expect(status).toBe(2);
    expect(stderr).toContain("osmod build-vm [options] [machine.ts]");
  });

  it("prints a verb's own help", () => {
    const { status, stdout } = osmod("build-vm", "--help");
    expect(status).toBe(0);
    expect(stdout).toContain("--max-jobs");
  });

  it("ends with 2 and the usage line for a test that is not named", () => {
    const { status, stderr } = osmod("build-test", "--kvm");
    expect(status).toBe(2);
    expect(stderr).toContain("osmod build-test [options] <file.test.ts ...>");
  });

  it("prints its version", () => {
    expect(osmod("--version").stdout).toMatch(/^osmod \d+\.\d+\.\d+\n$/);
  });
});
