/**
 * What a guest's root cannot do: write the store, see more of it than its own, leave the share, reach the host. And what a
 * machine survives: its QEMU is killed, or the host's disk is full, while it writes. `OSMOD_KILL_ROUNDS` says how often.
 */
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { bootMachine, type GuestMachine } from "osmod/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import minimal from "../../examples/minimal/machine.ts";

const files = mkdtempSync(join(tmpdir(), "osmod-safety-"));
// What is built here is built by whoever runs the tests, and kept for the next run.
process.env["OSMOD_STORE_ROOT"] ??= join("/var/tmp", `osmod tests ${process.getuid?.() ?? 0}`, "own store root");
process.env["XDG_CACHE_HOME"] = join(files, "cache");
afterAll(() => rmSync(files, { recursive: true, force: true }));
const lockFile = join(files, "osmod.lock.json");
const rounds = Number(process.env["OSMOD_KILL_ROUNDS"] ?? 2);
let vm: GuestMachine;

/** Where this host keeps the store, from the processes of the machine. */
const storeRoot = () =>
  readFileSync(`/proc/${vm.vm.process.pid}/cmdline`, "latin1")
    .split("\0")
    .find((word) => word.endsWith("/bin/busybox"))
    ?.split("/nix/store/")[0] ?? "";

describe("root in the guest", () => {
  let server: Server;
  let port: number;
  let heard = 0;

  beforeAll(async () => {
    server = createServer((socket) => {
      heard += 1;
      socket.end("the host's own\n");
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    port = typeof address === "object" && address !== null ? address.port : 0;
    vm = await bootMachine(minimal, { resume: false, lockFile });
  });
  afterAll(async () => {
    await vm?.[Symbol.asyncDispose]();
    server?.close();
  });

  it("cannot write the store, mounted as it may be", async () => {
    const own = (await vm.succeed("readlink -f /run/current-system")).trim();
    const before = readdirSync(join(storeRoot(), "nix/store")).length;
    for (const attempt of [
      "mount -o remount,rw /nix/store && touch /nix/store/written",
      "mount -o remount,rw /nix/.ro-store && touch /nix/.ro-store/written",
      "mkdir -p /mnt/up /mnt/work && mount -t overlay -o upperdir=/nix/.ro-store,lowerdir=/etc,workdir=/nix/.ro-store overlay /mnt/up",
      `echo x >> ${own}/init`,
      `rm -f ${own}/init`,
      `chmod 0777 ${own}`,
      `mv ${own} ${own}-away`,
      `ln -s / /nix/store/link`,
      `mknod /nix/store/device b 254 0`,
      `setfattr -n user.x -v y ${own}/init`,
      "mkdir -p /mnt/rw && mount -t cifs //10.0.3.4/store /mnt/rw -o rw,vers=3.1.1,posix,sec=none,ip=10.0.3.4 && touch /mnt/rw/written",
    ]) {
      await vm.fail(attempt);
    }
    expect(readdirSync(join(storeRoot(), "nix/store")).length).toBeLessThanOrEqual(before + 200);
    for (const name of ["written", "link", "device"]) {
      expect(existsSync(join(storeRoot(), "nix/store", name))).toBe(false);
    }
    expect(existsSync(join(storeRoot(), own, "init"))).toBe(true);
  });

  it("sees its closure and nothing beside or above it", async () => {
    const seen = new Set((await vm.succeed("ls -A /nix/store")).trim().split("\n"));
    const outside = readdirSync(join(storeRoot(), "nix/store")).filter(
      (name) => !seen.has(name) && !name.startsWith("."),
    );
    expect(outside.length).toBeGreaterThan(10);
    for (const name of outside.slice(0, 5)) await vm.fail(`ls -d '/nix/store/${name}'`);
    const mount = "mount -t cifs -o ro,vers=3.1.1,posix,sec=none,ip=10.0.3.4";
    for (const share of [
      "store/..",
      "store/../..",
      "..",
      "IPC$",
      "C$",
      "ADMIN$",
      "root",
      "etc",
      "homes",
      "global",
      "",
    ]) {
      await vm.fail(`mkdir -p /mnt/up && ${mount} '//10.0.3.4/${share}' /mnt/up`);
    }
    // Links of the store that lead out of it are links in the guest, and lead into the guest.
    expect(await vm.succeed("cat /nix/store/*/../../../etc/hostname 2>/dev/null | sort -u")).toBe("minimal\n");
  });

  it("reaches nothing of the host's loopback, by no address that leads to it", async () => {
    const addresses = ["10.0.2.2", "10.0.2.3", "10.0.2.4", "10.0.3.2", "10.0.3.3", "10.0.3.4", "127.0.0.1"];
    for (const address of addresses) await vm.fail(`exec 3<>/dev/tcp/${address}/${port} && read -t 5 -r line <&3`);
    expect(heard).toBe(0);
    const others = ["139", "1022", "22"];
    for (const other of others) await vm.fail(`timeout 10 bash -c 'exec 3<>/dev/tcp/10.0.3.4/${other}'`);
  });

  it("cannot have the share's server run anything, or name files of the host", async () => {
    const smbd = readdirSync("/proc").filter((pid) => {
      try {
        return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, "latin1").startsWith("/usr/sbin/smbd\0");
      } catch {
        return false;
      }
    });
    expect(smbd.length).toBeGreaterThan(0);
    for (const pid of smbd) {
      const visible = readdirSync(`/proc/${pid}/root`).sort();
      expect(visible.filter((name) => ["home", "root", "work", "boot", "srv"].includes(name))).toEqual([]);
      expect(readFileSync(`/proc/${pid}/status`, "latin1")).toMatch(/^CapEff:\t0+$/m);
      expect(existsSync(`/proc/${pid}/root${homedir()}`)).toBe(false);
    }
  });
});

describe("a machine whose QEMU is killed while it writes", () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "osmod-killed-"));
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  it(
    `comes back each time, with what was synced before (${rounds} times)`,
    async () => {
      const machine = await bootMachine(minimal, { directory, lockFile });
      try {
        for (let round = 1; round <= rounds; round += 1) {
          await machine.succeed(`echo ${round} > /root/round; sync`);
          const writing = machine
            .execute(
              "i=0; while :; do i=$((i + 1)); head -c $((i % 50 * 1000 + 1)) /dev/urandom > /root/f$((i % 40)); sync /root/f$((i % 40)); done",
            )
            .catch(() => {});
          await new Promise((resolve) => setTimeout(resolve, 300 + Math.random() * 2500));
          await machine.crash();
          await writing;
          await machine.start();
          expect(await machine.succeed("cat /root/round")).toBe(`${round}\n`);
          expect(await machine.succeed("findmnt -no OPTIONS / || grep ' / ' /proc/mounts")).toMatch(/^rw|\brw,/);
          expect(await machine.succeed("dmesg | grep -E 'EXT4-fs error|I.O error|EXT4-fs.*corrupt' || true")).toBe("");
        }
      } finally {
        await machine[Symbol.asyncDispose]();
      }
    },
    600_000 + rounds * 60_000,
  );
});

describe("a machine whose host has no room left while it writes", () => {
  // A small file system can be mounted by everybody in a namespace of one's own.
  const script = 'mkdir -p "$1" && mount -t tmpfs -o size=600m none "$1" && shift && exec "$@"';
  const program = fileURLToPath(new URL("support/full-disk.mjs", import.meta.url));

  it(
    `waits for room and goes on, or comes back with what was synced before (${rounds} times)`,
    async () => {
      const small = join(files, "small");
      const inNamespace = ["--map-root-user", "--mount", "sh", "-c", script, "sh", small];
      const work = [process.execPath, program, small, lockFile, String(rounds)];
      const { stdout } = await promisify(execFile)("unshare", [...inNamespace, ...work]);
      const seen = JSON.parse(stdout) as { readonly launcher: unknown; readonly driver: readonly unknown[] };
      expect(seen.launcher).toEqual({ errors: 0, code: 0 });
      expect(seen.driver).toEqual(
        Array.from({ length: rounds }, (_, i) => ({
          code: "machine-out-of-space",
          kept: String(i + 1),
          errors: "",
          writable: true,
        })),
      );
    },
    600_000 + rounds * 60_000,
  );
});
