/** Generations beside a disk: how they come to be, and what a start makes of them. */
import { existsSync, lstatSync, mkdirSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ProblemError } from "../../src/problems/index.ts";
import type { Store } from "../../src/store/index.ts";
import { generationBefore, generationOf, generationsOf, makeDefault } from "../../src/vm/generations.ts";
import { launcherFiles } from "../../src/vm/launcher.ts";
import type { MachineSpec } from "../../src/vm/spec.ts";
import { differences } from "../../src/vm/switch.ts";
import { FakeStore, launcherPath } from "./fake-store.ts";
import { diskless, plain } from "./machines.ts";

vi.setConfig({ testTimeout: 60_000 });

let store: FakeStore;
beforeEach(() => {
  store = new FakeStore(plain);
});
afterEach(() => store.remove());

const pathOf = (letter: string) => `/nix/store/${letter.repeat(32)}-run-web-vm`;

describe("the generations of a disk", () => {
  it("begin with what runs, and have the new system as their default", () => {
    install("1");
    const made = makeDefault(links(), disk(), pathOf("1"), launcherPath);
    expect(made).toMatchObject({ number: 2, isDefault: true, toplevel: systemOf("1") });
    expect(generationsOf(disk()).map(({ number, isDefault }) => [number, isDefault])).toEqual([
      [1, false],
      [2, true],
    ]);
  });

  it("have no system twice", () => {
    install("1");
    makeDefault(links(), disk(), pathOf("1"), launcherPath);
    expect(makeDefault(links(), disk(), launcherPath)).toMatchObject({ number: 1, isDefault: true });
    expect(makeDefault(links(), disk(), pathOf("1")).number).toBe(2);
  });

  it("never reuse the number of one that was removed", () => {
    for (const letter of ["1", "2", "3"]) install(letter);
    makeDefault(links(), disk(), pathOf("1"), launcherPath);
    makeDefault(links(), disk(), pathOf("2"));
    rmSync(join(`${disk()}.generations`, "2"));
    expect(makeDefault(links(), disk(), pathOf("3")).number).toBe(4);
  });

  it("leave out what is not in the store any more", () => {
    install("1");
    makeDefault(links(), disk(), pathOf("1"), launcherPath);
    rmSync(join(store.root, pathOf("1")), { recursive: true });
    expect(generationsOf(disk()).map(({ number }) => number)).toEqual([1]);
  });

  it("can be gone back, as far as there are any", () => {
    expect(codeOf(() => generationBefore(disk()))).toBe("generation-first");
    install("1");
    makeDefault(links(), disk(), pathOf("1"), launcherPath);
    expect(generationBefore(disk()).number).toBe(1);
    makeDefault(links(), disk(), launcherPath);
    expect(codeOf(() => generationBefore(disk()))).toBe("generation-first");
    expect(codeOf(() => generationOf(disk(), 7))).toBe("generation-unknown");
  });
});

describe("a start", () => {
  it("begins with the default generation, and says so", async () => {
    install("1", { memory: 2048 });
    makeDefault(links(), disk(), pathOf("1"), launcherPath);
    const { code, stderr } = await store.run();
    expect(code).toBe(0);
    expect(stderr).toContain("starting generation 2");
    expect(memory()).toBe("2048M");
  });

  it("begins with the one that is asked for, and passes everything else on", async () => {
    install("1", { memory: 2048 });
    makeDefault(links(), disk(), pathOf("1"), launcherPath);
    await store.run(["--generation", "1", "-device", "a b"], { QEMU_OPTS: "-snapshot" });
    expect(memory()).toBe("1024M");
    expect(store.argv().slice(-3)).toEqual(["-snapshot", "-device", "a b"]);
    await store.run(["--generation=2", "--headless", "-device", "a b"], { QEMU_OPTS: "-snapshot" });
    expect(memory()).toBe("2048M");
    expect(store.argv().slice(-3)).toEqual(["-snapshot", "-device", "a b"]);
  });

  it("begins with a launcher that was built after all of them", async () => {
    for (const letter of ["1", "2"]) install(letter, { memory: 2048 });
    makeDefault(links(), disk(), pathOf("2"), pathOf("1"));
    const { stderr } = await store.run();
    expect(stderr).not.toContain("generation");
    expect(memory()).toBe("1024M");
  });

  it("keeps to the disk whose generations it looked at", async () => {
    install("1", { disk: { image: "./other.qcow2", size: 1024, serial: "root" } });
    makeDefault(links(), disk(), pathOf("1"), launcherPath);
    await store.run();
    expect(existsSync(disk())).toBe(true);
    expect(existsSync(join(store.work, "other.qcow2"))).toBe(false);
  });

  it.each([
    [["--generation", "9"], "there is no generation 9"],
    [["--generation", "x"], "takes a number"],
    [["--generation"], "takes a number"],
  ])("refuses %j", async (args, words) => {
    const { code, stderr } = await store.run(args);
    expect(code).toBe(1);
    expect(stderr).toContain(words);
  });

  it("names a default that is not in the store any more", async () => {
    install("1");
    makeDefault(links(), disk(), pathOf("1"), launcherPath);
    rmSync(join(store.root, pathOf("1")), { recursive: true });
    const { code, stderr } = await store.run();
    expect(code).toBe(1);
    expect(stderr).toContain("generation 2");
    expect(stderr).toContain("--generation N");
  });

  it("has no generations when there is no disk", async () => {
    store.remove();
    store = new FakeStore(diskless);
    expect((await store.run(["--generation", "1"])).stderr).toContain("root in memory");
    expect((await store.run()).code).toBe(0);
  });
});

describe("what only a new start changes", () => {
  it("is told part by part, and the system itself is none of it", () => {
    const next: MachineSpec = {
      ...plain,
      toplevel: systemOf("1"),
      memory: 4096,
      boot: { ...plain.boot, kernelParams: [`init=${systemOf("1")}/init`, "console=ttyS0"] },
    };
    expect(differences(plain, next)).toEqual(["memory"]);
    expect(differences(plain, plain)).toEqual([]);
  });
});

function disk(): string {
  return join(store.work, "web.qcow2");
}

function systemOf(letter: string): string {
  return `/nix/store/${letter.repeat(32)}-osmod-system-web`;
}

/** Put another launcher into the store. */
function install(letter: string, changes: Partial<MachineSpec> = {}): void {
  const spec = { ...plain, toplevel: systemOf(letter), ...changes };
  const paths = { busybox: `/nix/store/${"f".repeat(32)}-busybox/bin/busybox`, samba: "/nix/store/samba" };
  for (const [path, file] of Object.entries(launcherFiles(spec, paths))) {
    store.write(join(pathOf(letter), path), file.text, file.mode === "0555");
  }
  store.write(join(pathOf(letter), "share/osmod/store-paths"), `path ${spec.toplevel}\n`);
}

/** As much of a store as generations need. */
function links(): Store {
  const physical = (path: string) => join(store.root, path);
  const addRoot = (link: string, target: string) => {
    mkdirSync(join(link, ".."), { recursive: true });
    expect(lstatSync(link, { throwIfNoEntry: false })).toBeUndefined();
    symlinkSync(physical(target), link);
    expect(readlinkSync(link)).toBe(physical(target));
    writeFileSync(join(store.home, "rooted"), target);
  };
  return { root: store.root, physical, addRoot } as unknown as Store;
}

function memory(): string | undefined {
  const argv = store.argv();
  return argv[argv.indexOf("-m") + 1];
}

function codeOf(action: () => unknown): string | undefined {
  try {
    action();
  } catch (error) {
    return error instanceof ProblemError ? error.problems[0]?.code : String(error);
  }
  return undefined;
}
