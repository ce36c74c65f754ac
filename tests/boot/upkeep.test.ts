/** A store that is cleaned up while a virtual machine runs from it and something is built in it. */
import { type ChildProcess, execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { GuestConsole } from "../helpers/console.ts";
import { type Finished, Installed } from "../helpers/installed.ts";

const home = new Installed("upkeep");
const own = join(home.home, "own store");
const env = { OSMOD_STORE_ROOT: own };
let directory: string;
let vm: ChildProcess;
let guest: GuestConsole;
let launcher: string;

const osmod = (...args: string[]): Promise<Finished> => home.osmod(args, { cwd: directory, env });

beforeAll(async () => {
  directory = home.copy("examples/minimal", "a machine");
  const built = await home.osmod(["build-vm"], { cwd: directory });
  expect(built.code, built.stderr).toBe(0);
  // A store of its own with the same files: what is removed from it stays in the one that all tests share.
  const { code, stderr } = await home.run("cp", ["-al", home.storeRoot, own]);
  expect(code, stderr).toBe(0);
  expect((await osmod("build-vm")).code).toBe(0);
  launcher = readlinkSync(join(directory, "result"));
});

afterAll(() => {
  vm?.kill("SIGKILL");
  // Only directories: the files are those of the shared store.
  execFileSync("find", [own, "-type", "d", "-exec", "chmod", "u+w", "{}", "+"]);
  rmSync(own, { recursive: true, force: true });
  home.remove();
});

describe("a store with a running machine", () => {
  it("lets equal files be one before it boots", async () => {
    const { code, stdout, stderr } = await osmod("store", "optimise", "--json");
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stdout).freed).toBeGreaterThan(1_000_000);
    expect((await osmod("store", "verify")).code).toBe(0);
  });

  it("keeps all that the machine and a build use, though the link is gone", async () => {
    vm = home.start(join(launcher, "bin/run-minimal-vm"), [], { cwd: directory });
    if (vm.stdin === null || vm.stdout === null) throw new Error("the launcher has no console");
    guest = new GuestConsole(vm.stdin, vm.stdout);
    await guest.login("root", "root", 480);
    rmSync(join(directory, "result"));
    writeFileSync(
      join(directory, "slow.ts"),
      `import { define, defineMachine } from "osmod";
import minimal from "./machine.ts";
export default defineMachine({ imports: [minimal], config: ({ pkgs }) => define({ environment: { etc: { slow: { text: () => \`\${pkgs.runCommand("slow", {}, "sleep 25; echo > $out")}\` } } } }) });
`,
    );
    let building = true;
    const build = osmod("build-vm", "slow.ts", "--out-link", "slow").finally(() => {
      building = false;
    });
    while (building && !builds().some((name) => name.startsWith("build."))) await pause(100);
    await pause(1000);

    const collected = await osmod("store", "gc", "--older-than", "0s", "--json");
    expect(building, "the build went on meanwhile").toBe(true);
    expect(collected.code, collected.stderr).toBe(0);
    const { removed, freed } = JSON.parse(collected.stdout) as { removed: string[]; freed: number };
    expect(removed.length + freed).toBeGreaterThan(0);
    for (const line of readFileSync(join(launcher, "share/osmod/store-paths"), "utf8").trim().split("\n")) {
      expect(removed).not.toContain(line.split(" ")[1]);
    }

    const built = await build;
    expect(built.code, built.stderr).toBe(0);
    expect((await osmod("store", "verify")).code).toBe(0);
    expect(await guest.succeed("echo 3 > /proc/sys/vm/drop_caches; find /nix/store | wc -l")).toMatch(/^\d{4,}\n$/);
    expect(
      await guest.succeed("cat $(find /nix/store/*-system-path/usr/share/ -type f | head -n 200) | wc -c"),
    ).toMatch(/^\d+\n$/);
    expect(await guest.succeed("systemctl --failed --no-legend --plain")).toBe("");
    const listed = await osmod("store", "root", "list");
    expect(listed.stdout).toContain("virtual machine, process");
  });

  it("lets go of it when it ends", async () => {
    guest.send("poweroff");
    expect(await new Promise((resolve) => vm.once("close", resolve))).toBe(0);
    expect(builds()).toEqual([]);
    const { stdout } = await osmod("store", "gc", "--older-than", "0s", "--json");
    expect(JSON.parse(stdout).removed.map((path: string) => join(own, path))).toContain(launcher);
    expect(existsSync(launcher)).toBe(false);
    expect((await osmod("store", "verify")).stdout).toContain("no damage");
    expect((await osmod("path-info", "./slow")).code).toBe(0);
  });

  const builds = () => readdirSync(join(own, "nix/var/osmod/running"));
  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
});
