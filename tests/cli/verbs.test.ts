import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";
import { projectRoot } from "../helpers/installed.ts";

const osmodWith = (env: Readonly<Record<string, string>>, ...args: string[]) =>
  spawnSync(process.execPath, [join(projectRoot, "dist/cli/main.js"), ...args], {
    encoding: "utf8",
    env: { ...process.env, ...env },
  });
const osmod = (...args: string[]) => osmodWith({}, ...args);

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

  it("prints the first hundred of many problems, and all if the environment says so", () => {
    const place = mkdtempSync(join(tmpdir(), "osmod many problems "));
    const machine = join(place, "machine.mjs");
    const wrong = Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`name${i}`, i]));
    const osmodUrl = JSON.stringify(pathToFileURL(join(projectRoot, "dist/index.js")).href);
    const text = `import { defineMachine } from ${osmodUrl};\nexport default defineMachine(${JSON.stringify({ config: wrong })});\n`;
    writeFileSync(machine, text);
    try {
      const { stderr } = osmod("eval", machine);
      expect(stderr).toMatch(/… and 1 more problem \(OSMOD_ALL_PROBLEMS=1 shows all\)\n$/);
      const { stderr: all } = osmodWith({ OSMOD_ALL_PROBLEMS: "1" }, "eval", machine);
      expect(all).not.toContain("more problem");
      expect(all.match(/^error: /gm)).toHaveLength(101);
    } finally {
      rmSync(place, { recursive: true });
    }
  });

  it("says of a file that cannot be loaded just that, and asks no archive any more", async () => {
    const place = mkdtempSync(join(tmpdir(), "osmod broken "));
    writeFileSync(join(place, "machine.ts"), "export default {{;\n");
    // Takes connections and never answers.
    const silent = createServer().listen(0, "127.0.0.1");
    await once(silent, "listening");
    const env = {
      ...process.env,
      OSMOD_DEBIAN_MIRROR: `http://127.0.0.1:${(silent.address() as AddressInfo).port}`,
      OSMOD_STORE_ROOT: join(place, "store"),
    };
    try {
      const words = [join(projectRoot, "dist/cli/main.js"), "build", join(place, "machine.ts")];
      const child = spawn(process.execPath, words, { env, stdio: ["ignore", "pipe", "pipe"] });
      let said = "";
      child.stderr.setEncoding("utf8").on("data", (text: string) => {
        said += text;
      });
      const [code] = await once(child, "close");
      expect(code).toBe(1);
      expect(said).toMatch(/^error: .*machine\.ts cannot be loaded.*\[machine-file-broken\]\n/);
      expect(said).not.toContain("reading");
      expect(existsSync(join(place, "osmod.lock.json"))).toBe(false);
    } finally {
      silent.close();
      rmSync(place, { recursive: true, force: true });
    }
  });

  it("prints its version", () => {
    expect(osmod("--version").stdout).toMatch(/^osmod \d+\.\d+\.\d+\n$/);
  });
});
