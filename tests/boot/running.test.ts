/** The life of a virtual machine in the background, as an ordinary user lives it: start, look, enter, keep, sleep, wake, end. */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, existsSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Installed } from "../helpers/installed.ts";

const home = new Installed("running");
const secret = "hush: 'quoted', with a comma\n";
let directory: string;

beforeAll(() => {
  directory = home.copy("examples/minimal", "a machine");
  writeFileSync(join(directory, "token, secret"), secret, { mode: 0o600 });
  writeFileSync(
    join(directory, "test-machine.ts"),
    `import { defineMachine, mkForce } from "osmod";
import minimal from "./machine.ts";

export default defineMachine({
  imports: [minimal],
  config: {
    networking: { hostName: mkForce("box") },
    systemd: {
      services: {
        reader: {
          wantedBy: ["multi-user.target"],
          serviceConfig: { Type: "oneshot", ImportCredential: ["token", "greeting"], RuntimeDirectory: "reader", RuntimeDirectoryPreserve: true },
          script: 'cp "$CREDENTIALS_DIRECTORY"/* /run/reader/',
        },
      },
    },
    virtualisation: { credentials: { token: { source: "./token, secret" }, greeting: { text: "good day" } } },
  },
});
`,
  );
  writeFileSync(
    join(directory, "disk-machine.ts"),
    `import { defineMachine } from "osmod";
import machine from "./test-machine.ts";

export default defineMachine({
  imports: [machine],
  config: {
    systemd: {
      services: {
        mark: {
          wantedBy: ["multi-user.target"],
          unitConfig: { RequiresMountsFor: "/scratch" },
          serviceConfig: { Type: "oneshot" },
          script: "cat /proc/sys/kernel/random/uuid > /scratch/mark",
        },
      },
    },
    virtualisation: {
      emptyDiskImages: [64],
      fileSystems: { "/scratch": { device: "/dev/disk/by-id/virtio-empty0", fsType: "ext4", autoFormat: true } },
    },
  },
});
`,
  );
  home.giveAll(directory);
});
afterAll(async () => {
  await osmod("vm", "stop", "--force", "box");
  await osmod("vm", "stop", "--force", "scratch");
  home.remove();
});

const osmod = (...args: string[]) => home.osmod(args, { cwd: directory });
const exec = (...command: string[]) => osmod("vm", "exec", "box", "--", ...command);
/** Processes that were started from this home. */
const processes = () =>
  readdirSync("/proc").filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/environ`, "latin1").includes(`HOME=${home.home}\0`);
    } catch {
      return false;
    }
  });
const listed = async () =>
  (JSON.parse((await osmod("vm", "list", "--json")).stdout) as { name: string; state: string }[])
    .filter(({ name }) => name === "box")
    .map(({ state }) => state);

describe("a machine in the background", () => {
  it("is not started while others can read its secret", async () => {
    chmodSync(join(directory, "token, secret"), 0o644);
    const { code, stderr } = await osmod("vm", "start", "test-machine.ts");
    expect(code).toBe(1);
    expect(stderr).toContain("vm-not-started");
    expect(stderr).toContain("chmod 600");
    chmodSync(join(directory, "token, secret"), 0o600);
  });

  it("is built, started, and waited for", async () => {
    const { code, stdout, stderr } = await osmod("vm", "start", "--wait", "test-machine.ts");
    expect({ code, stderr: stderr.includes("error") }, stderr).toEqual({ code: 0, stderr: false });
    expect(stdout).toContain('The virtual machine "box" is up');
  });

  it("is listed, and says how it is", async () => {
    expect(await listed()).toEqual(["running"]);
    const { code, stdout } = await osmod("vm", "status", "--json", "box");
    expect(JSON.parse(stdout)).toMatchObject({ name: "box", qemu: "running", guest: "running", failed: [] });
    expect(code).toBe(0);
  });

  it("has its credentials, which are in no argument and no file of the guest's disk", async () => {
    expect((await exec("cat", "/run/reader/token")).stdout).toBe(secret);
    expect((await exec("cat", "/run/reader/greeting")).stdout).toBe("good day");
    for (const pid of processes()) {
      expect(readFileSync(`/proc/${pid}/cmdline`, "latin1")).not.toContain("hush");
    }
  });

  it("runs commands with their input, output and exit code, whatever the bytes", async () => {
    const child = home.start(process.execPath, [
      home.main,
      "vm",
      "exec",
      "box",
      "--",
      "sh",
      "-c",
      "cat; echo no >&2; exit 9",
    ]);
    const input = Buffer.from(Array.from({ length: 70_000 }, (_, i) => (i * 7) % 256));
    const output: Buffer[] = [];
    child.stdout?.on("data", (chunk: Buffer) => output.push(chunk));
    child.stdin?.end(input);
    const code = await new Promise((resolve) => child.on("close", resolve));
    expect(code).toBe(9);
    expect(hash(Buffer.concat(output))).toBe(hash(input));
  });

  it("is entered by ssh without a service of its own, and listens nowhere before or after", async () => {
    expect((await exec("sh", "-c", "ss -Hltn 2>/dev/null || true")).stdout).not.toContain(":1022");
    const { code, stdout, stderr } = await withName(["vm", "ssh", "box", "--", "id -un; echo $SSH_CONNECTION; exit 6"]);
    expect({ code, stderr }).toEqual({ code: 6, stderr: "" });
    expect(stdout).toMatch(/^root\n10\.0\.3\.2 /);
    const ports = JSON.parse((await osmod("vm", "status", "--json", "box")).stdout).ports as unknown[];
    expect(ports).toEqual([]);
    const store = readdirSync(join(home.storeRoot, "nix/store"));
    expect(store.some((name) => name.includes("host_key"))).toBe(false);
  });

  it("shows its console and its journal", async () => {
    expect((await osmod("vm", "logs", "box")).stdout).toContain("starting systemd");
    expect((await osmod("vm", "logs", "--journal", "-u", "reader.service", "box")).stdout).toContain("reader");
  });
});

/**
 * OpenSSH wants its user to have a name, which the one of these tests has not on every host: there it is run where
 * /etc/passwd has one.
 */
function withName(args: readonly string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  if (process.getuid?.() !== 0) return osmod(...args);
  const passwd = join(home.home, "passwd");
  writeFileSync(passwd, `root:x:0:0::/root:/bin/sh\nordinary:x:${home.uid}:${home.uid}::${home.home}:/bin/sh\n`);
  const bound =
    'mount --bind "$1" /etc/passwd; id=$2; shift 2; exec setpriv --reuid $id --regid $id --clear-groups "$@"';
  const child = spawn(
    "unshare",
    ["--mount", "sh", "-c", bound, "sh", passwd, String(home.uid), process.execPath, home.main, ...args],
    { cwd: directory, env: home.environment(), stdio: "pipe" },
  );
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => (stdout += chunk));
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => (stderr += chunk));
  child.stdin.end();
  return new Promise((resolve) => child.on("close", (code) => resolve({ code, stdout, stderr })));
}

describe("a state that was kept", () => {
  it("is gone back to, with the memory and the disk of then", async () => {
    await exec("sh", "-c", "echo before > /root/file; echo before > /run/memory");
    expect((await osmod("vm", "snapshot", "box", "kept")).code).toBe(0);
    await exec("sh", "-c", "echo after > /root/file; echo after > /run/memory");
    const { code, stderr } = await osmod("vm", "revert", "box", "kept");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect((await exec("cat", "/root/file", "/run/memory")).stdout).toBe("before\nbefore\n");
    expect((await osmod("vm", "snapshot", "box")).stdout).toMatch(/^kept .*memory/);
  });
});

describe("sleep", () => {
  it("keeps the memory, and the clock is right afterwards", async () => {
    const bootId = (await exec("cat", "/proc/sys/kernel/random/boot_id")).stdout;
    expect((await osmod("vm", "stop", "--sleep", "box")).code).toBe(0);
    expect(processes()).toEqual([]);
    expect(await listed()).toEqual(["asleep"]);
    const { code, stdout } = await osmod("vm", "start", "--resume", "box");
    expect({ code, goesOn: stdout.includes("goes on") }).toEqual({ code: 0, goesOn: true });
    expect((await exec("cat", "/proc/sys/kernel/random/boot_id")).stdout).toBe(bootId);
    const late = Math.abs(Number((await exec("date", "+%s")).stdout) - Date.now() / 1000);
    expect(late).toBeLessThan(20);
    // The share works, for what was never read before.
    expect((await exec("sh", "-c", "cat /run/current-system/sw/bin/* | wc -c")).code).toBe(0);
  });

  it("does not keep a machine that woke from being kept and gone back to", async () => {
    await exec("sh", "-c", "echo woken > /run/memory");
    expect((await osmod("vm", "snapshot", "box", "woken")).code).toBe(0);
    await exec("sh", "-c", "echo later > /run/memory");
    const { code, stderr } = await osmod("vm", "revert", "box", "woken");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect((await exec("cat", "/run/memory")).stdout).toBe("woken\n");
  });

  it("ends with the power button, and with all its processes", async () => {
    const { stdout } = await osmod("vm", "stop", "box");
    expect(stdout).toContain("powered off");
    expect(processes()).toEqual([]);
    expect(await listed()).toEqual(["stopped"]);
  });

  it("is forgotten with everything", async () => {
    const at = join(home.home, ".local/state/osmod/vms/box");
    expect(existsSync(join(at, "disk.qcow2"))).toBe(true);
    expect((await osmod("vm", "rm", "box")).code).toBe(0);
    expect(existsSync(at)).toBe(false);
  });
});

describe("osmod run", () => {
  const run = (...command: string[]) => osmod("run", "disk-machine.ts", "--", ...command);
  let first: string;

  it("boots once, passes output and exit code on, and leaves nothing", async () => {
    const { code, stdout } = await run("sh", "-c", "cat /etc/machine-id /proc/sys/kernel/random/boot_id; exit 4");
    expect(code).toBe(4);
    first = stdout;
    expect(processes()).toEqual([]);
  });

  it("goes on from there the next time, as another machine with the clock of now", async () => {
    const { code, stdout } = await run(
      "sh",
      "-c",
      "cat /etc/machine-id /proc/sys/kernel/random/boot_id; date +%s; cat /run/reader/greeting",
    );
    const [id, boot, now, ...rest] = stdout.split("\n");
    const [oldId, oldBoot] = first.split("\n");
    expect({ code, boot, rest }).toEqual({ code: 0, boot: oldBoot, rest: ["good day"] });
    expect(id).toMatch(/^[0-9a-f]{32}$/);
    expect(id).not.toBe(oldId);
    expect(Math.abs(Number(now) - Date.now() / 1000)).toBeLessThan(20);
    expect(readdirSync(starts)).toHaveLength(1);
  });
});

describe("a machine with an empty disk that goes on from a saved start", () => {
  /** What is on the disk and not only in the guest's memory. */
  const onDisk = "sync; echo 3 > /proc/sys/vm/drop_caches; cat /scratch/[mn]*";
  const scratch = (script: string) => osmod("vm", "exec", "scratch", "--", "sh", "-ec", script);
  let before: string;
  let mark: string;

  it("has what was on the disk, and writes to a disk of its own", async () => {
    before = savedStart();
    const write = (name: string) =>
      osmod("run", "disk-machine.ts", "--", "sh", "-ec", `echo ${name} > /scratch/name; sync; sleep 5; ${onDisk}`);
    const [one, two] = await Promise.all([write("one"), write("two")]);
    mark = one.stdout.split("\n")[0] ?? "";
    expect(mark).toMatch(/^[0-9a-f-]{36}$/);
    expect([one.stdout, two.stdout]).toEqual([`${mark}\none\n`, `${mark}\ntwo\n`]);
    expect(savedStart()).toBe(before);
  });

  it("takes the disk into its sleep when it has a name", async () => {
    const { stdout, stderr } = await osmod("vm", "start", "--resume", "--name", "scratch", "disk-machine.ts");
    expect(stdout, stderr).toContain("goes on");
    expect((await scratch(`echo asleep > /scratch/name; ${onDisk}`)).stdout).toBe(`${mark}\nasleep\n`);
    const slept = await osmod("vm", "stop", "--sleep", "scratch");
    expect(slept.code, slept.stderr).toBe(0);
    expect(processes()).toEqual([]);
    expect((await osmod("vm", "start", "--resume", "scratch")).stdout).toContain("goes on");
    expect((await scratch(`echo awake > /scratch/more; ${onDisk}`)).stdout).toBe(`${mark}\nawake\nasleep\n`);
    expect(savedStart()).toBe(before);
  });

  it("is not woken on a disk that was written to", async () => {
    expect((await osmod("vm", "stop", "--sleep", "scratch")).code).toBe(0);
    const image = join(home.home, ".local/state/osmod/vms/scratch/images/empty0.qcow2");
    utimesSync(image, new Date(), new Date());
    const { stdout } = await osmod("vm", "start", "--resume", "--wait", "scratch");
    expect(stdout).toContain("is up");
    expect((await scratch("cat /scratch/[mn]*")).stdout).not.toContain(mark);
    expect((await osmod("vm", "stop", "--force", "scratch")).code).toBe(0);
  });
});

/** The files of the only saved start: when they were written, and the content of its disks. */
function savedStart(): string {
  const [name = ""] = readdirSync(starts);
  const files = readdirSync(join(starts, name), { recursive: true, encoding: "utf8" }).sort();
  return files
    .map((file) => [file, join(starts, name, file)] as const)
    .filter(([, path]) => statSync(path).isFile())
    .map(([file, path]) => {
      const { size, mtimeMs } = statSync(path);
      return [file, size, mtimeMs, file.endsWith(".qcow2") ? hash(readFileSync(path)) : ""].join(" ");
    })
    .join("\n");
}

const starts = join(home.home, ".cache/osmod/starts");

const hash = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");
