/** Named machines: started in the background by their real launcher, on a QEMU of stand-ins; found, asked, stopped, removed. */
import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ProblemError } from "../../src/problems/index.ts";
import { imagesOf } from "../../src/vm/images.ts";
import {
  gone,
  launcherAt,
  type MachineSpec,
  namedVm,
  namedVms,
  programOf,
  removeNamed,
  resumeKey,
  runningVm,
  runningVms,
  startInBackground,
  stopRunning,
  vmStatus,
} from "../../src/vm/index.ts";
import { obstacleOf, obstacleToSnapshot } from "../../src/vm/resumable.ts";
import { sealSleep, sleepOf } from "../../src/vm/resume.ts";
import { sshKeyPair } from "../../src/vm/ssh.ts";
import { leadingPorts } from "../../src/vm/status.ts";
import { FakeStore, launcherPath } from "./fake-store.ts";
import { biosLoader, disks, efi, efiLoader, plain } from "./machines.ts";

const fakeQemu = join(import.meta.dirname, "fake-qemu.mjs");
let store: FakeStore;
let state: string;
const outer = { ...process.env };
const started = new Set<number>();

beforeEach(() => {
  store = new FakeStore({ ...plain, guestAgent: false });
  state = mkdtempSync(join(tmpdir(), "osmod state, "));
  process.env["XDG_STATE_HOME"] = state;
  process.env["XDG_RUNTIME_DIR"] = store.runtimeBase;
});
afterEach(() => {
  for (const pid of started) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // Ended by its test.
    }
  }
  started.clear();
  process.env = { ...outer };
  store.remove();
  rmSync(state, { recursive: true, force: true });
});

const env = (more: Readonly<Record<string, string>> = {}) => ({
  OSMOD_ACCEL: "tcg",
  FAKE_ARGV: join(store.home, "argv"),
  FAKE_QEMU: "serve",
  FAKE_NODE: process.execPath,
  FAKE_SERVER: fakeQemu,
  ...more,
});

/** A machine with a launcher, not started yet. */
function made(name = "web") {
  const vm = namedVm(name);
  mkdirSync(vm.directory, { recursive: true });
  symlinkSync(join(store.root, launcherPath), vm.link);
  writeFileSync(vm.home, `${store.work}\n`);
  return vm;
}

async function start(name?: string, more?: Readonly<Record<string, string>>) {
  const vm = made(name);
  const running = await startInBackground(vm, { env: env(more), args: ["-m", "77"] });
  started.add(running.pid);
  return { vm, running };
}

const codeOf = (action: () => unknown) => {
  try {
    action();
  } catch (error) {
    if (error instanceof ProblemError) return error.problems[0].code;
    throw error;
  }
  return "none";
};
const rejection = (promise: Promise<unknown>) =>
  promise.then(
    () => "none",
    (error: unknown) => (error instanceof ProblemError ? error.problems[0].code : String(error)),
  );

describe("a named machine", () => {
  it("runs on a disk of its own, is found by its name and by its process, and leaves its logs", async () => {
    const { vm, running } = await start("mine");
    expect(running).toMatchObject({ name: "mine", disk: vm.disk, launcher: join(store.root, launcherPath) });
    expect(runningVm("mine")).toEqual(running);
    expect(runningVm(String(running.pid))).toEqual(running);
    expect(store.argv().join(" ")).toContain("-m 77");
    expect(existsSync(vm.disk)).toBe(true);
    expect(readFileSync(vm.console, "utf8")).toContain("a line of the console");
    expect(readFileSync(vm.messages, "utf8")).toContain("TCG");
    expect(statSync(running.runtime).mode & 0o777).toBe(0o700);
  });

  it("is asked how it is", async () => {
    const { running } = await start();
    expect(await vmStatus(running)).toMatchObject({
      name: "web",
      qemu: "running",
      guest: "no answer",
      ports: [{ proto: "tcp", host: "127.0.0.1:39553", guest: "10.0.3.15:1022" }],
    });
  });

  it("is not started twice", async () => {
    const { vm } = await start();
    expect(await rejection(startInBackground(vm, { env: env() }))).toBe("vm-running");
  });

  it("powers off when its button is pressed, and is gone with its private directory", async () => {
    const { running } = await start();
    expect(await stopRunning(running)).toBe("powered off");
    expect(runningVms().filter(({ pid }) => pid === running.pid)).toEqual([]);
    expect(existsSync(running.runtime)).toBe(false);
  });

  it("is ended by force when it heeds nothing", async () => {
    const { running } = await start("deaf", { FAKE_DEAF: "1" });
    expect(await stopRunning(running, { seconds: 0.3 })).toBe("ended");
    expect(await gone(running, 1)).toBe(true);
  });

  it("says what the launcher said when it cannot start", async () => {
    const vm = made();
    writeFileSync(vm.disk, "", { mode: 0o600 });
    const error = await startInBackground(vm, { env: env({ FAKE_NO_NAMESPACES: "1" }) }).catch((e: unknown) => e);
    expect((error as ProblemError).problems[0]).toMatchObject({ code: "vm-not-started" });
    expect((error as ProblemError).problems[0].notes.join("\n")).toContain("user namespaces");
  });

  it("is forgotten with its disk", async () => {
    const { vm, running } = await start();
    expect(namedVms().map(({ name }) => name)).toEqual(["web"]);
    await stopRunning(running, { seconds: 0 });
    removeNamed(vm);
    expect(namedVms()).toEqual([]);
  });
});

describe("names", () => {
  it.each(["", "..", "a/b", "-x", "a b", "x".repeat(64)])("refuses %j", (name) => {
    expect(codeOf(() => namedVm(name))).toBe("vm-name-invalid");
  });

  it("of nothing are said to be of nothing", async () => {
    expect(codeOf(() => runningVm("nobody"))).toBe("vm-not-running");
    expect(await rejection(startInBackground(namedVm("nobody")))).toBe("vm-unknown");
  });

  it("of several machines that run ask for the process", async () => {
    const [one, two] = [made("one"), made("two")];
    for (const vm of [one, two]) {
      const running = await startInBackground({ ...vm, name: "same" }, { env: env() });
      started.add(running.pid);
    }
    expect(codeOf(() => runningVm("same"))).toBe("vm-ambiguous");
  });
});

describe("launchers", () => {
  it("are found by any path into them", () => {
    symlinkSync(join(store.root, launcherPath), join(store.work, "result"));
    const launcher = join(store.root, launcherPath);
    expect(launcherAt(join(store.work, "result"))).toBe(launcher);
    expect(launcherAt(join(store.work, "result/bin/run-web-vm"))).toBe(launcher);
    expect(programOf(launcher)).toBe(store.launcher);
    expect(codeOf(() => launcherAt(store.work))).toBe("launcher-not-found");
  });
});

describe("a saved memory", () => {
  it("is named by everything that went into it", () => {
    const inputs = { launcher: "/a", args: ["-m", "1"], env: { QEMU_OPTS: "x" } };
    const keys = [
      inputs,
      { ...inputs, launcher: "/b" },
      { ...inputs, args: ["-m", "2"] },
      { ...inputs, env: { QEMU_OPTS: "y" } },
      { ...inputs, env: { QEMU_OPTS: "x", OSMOD_ACCEL: "tcg" } },
    ].map(resumeKey);
    expect(new Set(keys).size).toBe(keys.length);
    expect(resumeKey({ ...inputs })).toBe(keys[0]);
    expect(resumeKey({ ...inputs, env: { ...inputs.env, HOME: "/x" } })).toBe(keys[0]);
  });

  it("is for machines whose disks are all made by their launcher", () => {
    const [empty, own] = [disks.drives.slice(0, 1), disks.drives.slice(1)];
    for (const spec of [plain, { ...plain, drives: empty }, efiLoader, biosLoader])
      expect(obstacleOf(spec)).toBeUndefined();
    const optionOf = (spec: MachineSpec) => obstacleOf(spec)?.option;
    expect(optionOf({ ...plain, store: { transport: "virtiofs", tag: "store" } })).toBe(
      "virtualisation.store.transport",
    );
    expect(optionOf({ ...plain, drives: own })).toBe("virtualisation.qemu.drives");
    expect(optionOf(efi)).toBe("virtualisation.tpm.enable");
    const elsewhere = empty.map((drive) => ({ ...drive, driveOptions: { snapshot: "on" } }));
    expect(obstacleOf({ ...plain, drives: elsewhere })?.reason).toContain("snapshot=on");
  });

  it("is in no snapshot of a machine that writes to more than its root disk", () => {
    expect(obstacleToSnapshot(plain)).toBeUndefined();
    for (const spec of [disks, efi, efiLoader, biosLoader]) expect(obstacleToSnapshot(spec)).toBeDefined();
  });

  it.each(["disk.qcow2", "images/empty0.qcow2"])("fits its disks until somebody writes to %s", (name) => {
    const spec = { ...plain, drives: disks.drives.slice(0, 1) };
    const images = imagesOf(spec, { disk: join(state, "disk.qcow2"), images: join(state, "images") });
    const inputs = { launcher: "/a" };
    mkdirSync(join(state, "images"));
    for (const { path } of images) writeFileSync(path, "content");
    sealSleep(state, images, inputs);
    expect(sleepOf(state, images, inputs)).toBe(join(state, "memory"));
    expect(sleepOf(state, images, { launcher: "/b" })).toBeUndefined();
    writeFileSync(join(state, name), "another");
    expect(sleepOf(state, images, inputs)).toBeUndefined();
    rmSync(join(state, name));
    expect(sleepOf(state, images, inputs)).toBeUndefined();
  });
});

describe("keys for ssh", () => {
  it("are what OpenSSH itself reads", () => {
    const { privateKey, publicKey } = sshKeyPair("of a test");
    const file = join(state, "key");
    writeFileSync(file, privateKey, { mode: 0o600 });
    const read = execFileSync("ssh-keygen", ["-y", "-P", "", "-f", file], { encoding: "utf8" });
    expect(read.trim()).toBe(publicKey);
  });
});

describe("QEMU's table of forwarded ports", () => {
  it("is read line by line", () => {
    const table = `Hub 0 (net0):
  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ
  UDP[HOST_FORWARD]  14               *  5353       10.0.2.15    53     0     0
  TCP[ESTABLISHED]   15       127.0.0.1  8080       10.0.2.15    80     0     0
`;
    expect(leadingPorts(table)).toEqual([{ proto: "udp", host: "*:5353", guest: "10.0.2.15:53" }]);
  });
});
