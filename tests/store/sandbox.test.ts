/**
 * Builders that try to get out, as an ordinary user runs them: each way has to fail, and the test says which did not.
 *
 * What a builder tries is a shell script whose lines print `held <name>` or `ESCAPED <name>`.
 */
import { type ChildProcess, spawn } from "node:child_process";
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type TestSandbox, testSandbox } from "../helpers/sandbox.ts";
import { syscallProgram } from "../helpers/syscall.ts";

const sandbox = await testSandbox();
/** The user that builds: another one than root, who may do more. */
const ORDINARY = process.getuid?.() === 0 ? 54_321 : undefined;

let place: string;
let root: string;
let server: Server;
let abstract: Server;
let port: number;

beforeAll(async () => {
  server = createServer((socket) => socket.end("HTTP/1.0 200 OK\r\n\r\nsecret"));
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  port = (server.address() as AddressInfo).port;
  abstract = createServer((socket) => socket.end("secret"));
  await new Promise<void>((ready) => abstract.listen(`\0osmod-test-${process.pid}`, ready));
});
afterAll(() => {
  server.close();
  abstract.close();
});

beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), "osmod-sandbox-"));
  chmodSync(place, 0o755);
  root = join(place, "store");
  mkdirSync(root);
  if (ORDINARY !== undefined) chownSync(root, ORDINARY, ORDINARY);
  writeFileSync(join(place, "secret"), "secret of the host");
  chmodSync(join(place, "secret"), 0o666);
});
afterEach(async () => {
  // What builders left was removed by the store; the rest is ours to remove, read-only or not.
  await finished(spawn("chmod", ["-R", "u+w", place]));
  rmSync(place, { recursive: true, force: true });
});

const PRELUDE = `
export PATH=$busybox/bin
B=$busybox/bin/busybox
for p in base64 cat chmod chown chroot cp dd echo find grep head id ip kill ln ls mkdir mkfifo mknod mount nc nohup mv printf ps readlink rm setsid sleep sort stat touch umount unshare wc wget; do alias $p="$B $p"; done
try() { name=$1; shift; if eval "$*" >/dev/null 2>&1; then echo "ESCAPED $name"; else echo "held $name"; fi; }
`;

interface Run {
  readonly text: string;
  /** What the builder wrote to its output, or nothing when that is no file. */
  readonly report: string;
  readonly path: string | undefined;
}

/** Build with a hostile script, in a process of its own. */
async function build(
  name: string,
  script: string,
  options: {
    uid?: number | undefined;
    stdio?: readonly ("ignore" | number)[];
    around?: readonly string[];
    started?: (child: ChildProcess) => Promise<void>;
  } = {},
): Promise<Run> {
  const uid = "uid" in options ? options.uid : ORDINARY;
  const cache = join(tmpdir(), `osmod-test-cache-${uid ?? process.getuid?.()}`);
  const start = resolve(import.meta.dirname, "fixtures/start.mjs");
  const words = [...(options.around ?? []), process.execPath, start, cache, root, name, "1", PRELUDE + script];
  const child = spawn(words[0] as string, words.slice(1), {
    cwd: resolve(import.meta.dirname, "../.."),
    env: { ...process.env, SECRET_OF_THE_HOST: "secret" },
    stdio: ["ignore", "pipe", "inherit", ...(options.stdio ?? [])],
    ...(uid === undefined ? {} : { uid, gid: uid }),
  });
  const done = finished(child);
  await options.started?.(child);
  const text = await done;
  const path = text.split("\n").find((line) => line.startsWith("/nix/store/"));
  const at = path === undefined ? undefined : join(root, path);
  const report = at !== undefined && lstatSync(at).isFile() ? readFileSync(at, "utf8") : "";
  return { text, report, path: at };
}

function finished(child: ChildProcess): Promise<string> {
  let text = "";
  child.stdout?.setEncoding("utf8").on("data", (part: string) => {
    text += part;
  });
  return new Promise((done) => child.once("close", () => done(text)));
}

function expectHeld(run: Run, count: number): void {
  const lines = run.report.split("\n").filter((line) => /^(held|ESCAPED) /.test(line));
  expect(
    lines.filter((line) => line.startsWith("ESCAPED")),
    run.text,
  ).toEqual([]);
  expect(lines, run.text + run.report).toHaveLength(count);
}

describe.skipIf(sandbox === undefined)("a builder", { timeout: 60_000 }, () => {
  it("sees its inputs and nothing of the host", async () => {
    const other = await build("other", "echo secret > $out");
    expect(other.report).toBe("secret\n");
    const run = await build(
      "looks",
      `exec > $out 2>&1
       try home ls /root /home
       try host-file cat '${place}/secret'
       try host-etc cat /etc/hostname /etc/shadow /etc/machine-id
       try sys ls /sys
       try other-path ls ${other.path?.slice(root.length, root.length + 43)}*
       try host-process-environment 'cat /proc/*/environ | grep SECRET_OF_THE_HOST'
       try variable '[ -n "$SECRET_OF_THE_HOST" ]'
       try host-processes '[ $(ls -d /proc/[0-9]* | wc -l) -gt 12 ]'
       try first-process-of-the-host '[ "$(readlink /proc/1/exe)" != $B ]'
       try host-disks 'ls /dev | grep -v "^\\(core\\|fd\\|full\\|null\\|ptmx\\|pts\\|random\\|shm\\|std...\\?\\|stderr\\|stdin\\|stdout\\|tty\\|urandom\\|zero\\|console\\)$"'
       try keys grep . /proc/keys
       echo; id; cat /proc/sys/kernel/hostname; ls / /nix/store; grep '^Cap\\|^NoNew\\|^Seccomp:' /proc/self/status`,
    );
    expectHeld(run, 11);
    expect(run.report).toContain("uid=1000(nixbld) gid=100(nixbld)");
    expect(run.report).toMatch(
      /\nlocalhost\n\/:\nbuild\ndev\netc\nnix\nproc\ntmp\n\n\/nix\/store:\n[^\n]*\n[^\n]*\nCap/,
    );
    for (const set of ["Inh", "Prm", "Eff", "Bnd", "Amb"]) expect(run.report).toContain(`Cap${set}:\t0000000000000000`);
    expect(run.report).toContain("NoNewPrivs:\t1\nSeccomp:\t2");
  });

  it("reaches no network, of the host or beyond, and no socket of the host", async () => {
    const run = await build(
      "talks",
      `exec > $out 2>&1
       try local-server wget -q -T 3 -O - http://127.0.0.1:${port}/
       try beyond 'wget -q -T 3 -O - http://1.1.1.1/ || nc -w 3 1.1.1.1 53'
       try names 'wget -q -T 3 -O - http://example.org/'
       try abstract-sockets 'grep osmod-test /proc/net/unix'
       try interfaces 'ip link | grep -v "LOOPBACK\\|link/loopback"'
       try routes 'ip route | grep .'`,
    );
    expectHeld(run, 6);
  });

  it("changes nothing but its output", async () => {
    const run = await build(
      "writes",
      `exec > $out 2>&1
       try input touch $busybox/x
       try input-mode chmod u+w $busybox $B
       try input-removed rm -f $B
       try root touch /x
       try etc 'echo x >> /etc/passwd'
       try etc-mode chmod 777 /etc/passwd /etc
       try remount-root mount -o remount,rw /
       try remount-input mount -o remount,rw,bind $busybox
       try unmount-input umount $busybox
       try bind mount -o bind / /tmp
       try device mknod /tmp/mem c 1 1
       try disk mknod /tmp/disk b 254 0
       try device-mode chmod 600 /dev/null
       try chroot chroot / $B true
       try owner 'touch /tmp/o && chown 0:0 /tmp/o'
       for f in /proc/sys/kernel/domainname /proc/sys/vm/swappiness /proc/self/oom_score_adj /proc/sys/kernel/core_pattern; do
         try $f "cat $f > /tmp/same && cat /tmp/same > $f"
       done
       try host-name 'echo x > /proc/sys/kernel/hostname'
       try link-to-input ln $B /nix/store/copy
       try link-to-outside 'ln /etc/passwd /nix/store/copy'
       try namespace-root 'unshare -U -r true'
       try namespace-remount 'unshare -U -m mount -o remount,rw,bind $busybox'
       try namespace-unmount 'unshare -U -m umount $busybox'`,
    );
    expectHeld(run, 25);
    expect(readdirSync(place).sort()).toEqual(["secret", "store"]);
  });

  it("has no system call that reaches past its namespaces", async () => {
    const calls: Readonly<Record<string, [expected: string, program: Buffer]>> = {
      inet: ["0", syscallProgram(41, [2, 1, 0])],
      unix: ["0", syscallProgram(41, [1, 1, 0])],
      vsock: ["97", syscallProgram(41, [40, 1, 0])],
      keyctl: ["38", syscallProgram(250, [0, -3, 0])],
      add_key: ["38", syscallProgram(248)],
      request_key: ["38", syscallProgram(249)],
      io_uring: ["38", syscallProgram(425, [1, 0])],
      syslog: ["1", syscallProgram(103, [10, 0, 0])],
      x32: ["38", syscallProgram(0x4000_0000 + 39)],
      i386: ["38", syscallProgram(20, [], "i386")],
      getpid: ["0", syscallProgram(39)],
    };
    const lines = Object.entries(calls).map(
      ([name, [, program]]) =>
        `echo ${program.toString("base64")} | base64 -d > /build/${name}; chmod 755 /build/${name}; /build/${name}; echo "${name} $?"`,
    );
    const run = await build("calls", `exec > $out 2>&1\n${lines.join("\n")}`);
    // A kernel without the old interface kills whoever uses it.
    const report = run.report.replace("Segmentation fault\ni386 139", "i386 38");
    expect(report.trim().split("\n")).toEqual(Object.entries(calls).map(([name, [expected]]) => `${name} ${expected}`));
  });

  it("is given no descriptor that osmod was started with", async () => {
    const host = openSync(place, "r");
    try {
      // The first few descriptors Node closes by itself; the last one it never learns of.
      const stdio = [...Array.from({ length: 39 }, () => "ignore" as const), host];
      const run = await build(
        "inherits",
        `exec > $out 2>&1
         for fd in /proc/self/fd/*; do try $fd ls $fd/store; done
         ls -l /proc/self/fd | grep -c ' -> /dev/null'`,
        { stdio },
      );
      expect(run.report).not.toContain("ESCAPED");
      expect(run.report).toContain("held /proc/self/fd/42");
      expect(run.report).not.toContain(place);
    } finally {
      closeSync(host);
    }
  });

  it("leaves no process behind that could still write to its output", async () => {
    const run = await build(
      "stays",
      `mkdir $out
       writer() { exec 0<&- 1>&- 2>&- 3>&- 4>&-; while :; do echo x >> $out/late; done; }
       writer & writer &
       (setsid sh -c 'exec 0<&- 1>&- 2>&- 3>&-; trap "" TERM HUP INT; while :; do echo y >> $out/late; done' &)
       (nohup sleep 300 > /dev/null 2>&1 3>&- &)
       sleep 1; echo done > $out/x`,
    );
    expect(run.text).toContain("done");
    const late = join(run.path as string, "late");
    const size = statSync(late).size;
    expect(size).toBeGreaterThan(0);
    await sleep(300);
    expect(statSync(late).size).toBe(size);
    expect(statSync(late).mode & 0o222).toBe(0);
    const left = readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && environ(pid).includes("name=stays-0\0"));
    expect(left).toEqual([]);
  });

  it("that is killed from outside is a problem that says so", async () => {
    const run = await build("killed", "while :; do sleep 1; done", {
      started: async () => {
        for (let found: string[] = []; found.length === 0; await sleep(50)) {
          found = readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && environ(pid).includes("name=killed-0\0"));
          for (const pid of found) {
            try {
              process.kill(Number(pid), "SIGKILL");
            } catch {
              // It ended with the one above it.
            }
          }
        }
      },
    });
    expect(run.text).toContain("builder-failed");
    expect(run.text).toContain("was killed by signal 9");
  });

  it("brings no setuid program into sight of other users, at no time", async () => {
    const run = await build(
      "setuid",
      `mkdir $out; cp $B $out/b; chmod 6755 $out/b; mkdir -m 7777 $out/d
       chmod 6777 /proc/self/fd/1; cat $B > /proc/self/fd/1
       touch $out/ready; sleep 2`,
      {
        started: async () => {
          let seen = 0;
          for (let i = 0; i < 400 && seen === 0; i++) {
            await sleep(25);
            const store = join(root, "nix/store");
            if (!existsSync(store)) continue;
            for (const name of readdirSync(store).filter((entry) => entry.startsWith(".tmp-"))) {
              const stat = lstatSync(join(store, name), { throwIfNoEntry: false });
              if (stat?.isDirectory() !== true || !existsSync(join(store, name, "build"))) continue;
              seen++;
              expect(stat.mode & 0o077).toBe(0);
            }
          }
          expect(seen).toBeGreaterThan(0);
        },
      },
    );
    const at = run.path as string;
    expect(statSync(join(at, "b")).mode & 0o7777).toBe(0o555);
    expect(statSync(join(at, "d")).mode & 0o7777).toBe(0o555);
    const logs = join(root, "nix/var/log/osmod/drvs");
    expect(statSync(logs).mode & 0o7777).toBe(0o700);
    for (const name of readdirSync(logs)) expect(statSync(join(logs, name)).mode & 0o7777).toBe(0o644);
  });

  it("cannot make what nobody could remove, nor what no store holds", async () => {
    // Two trees, each as deep as a path can be, one at the end of the other; the last directory closed.
    const dig = `d=$(printf '%0200d' 0); p=$d; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14; do p=$p/$d; done
      for place in $out /build; do mkdir -p $place/$p $place/two/$p; mkdir -m 0 $place/two/$p/closed; mv $place/two $place/$p || exit 9; done`;
    const deep = await build("deep", dig);
    expect(deep.text).toContain("nar-path-too-long");
    const failing = await build("failing", `${dig}; exit 1`);
    expect(failing.text).toContain("builder-failed");
    for (const [name, script] of [
      ["pipe", "mkdir $out; mkfifo $out/p"],
      ["socket", "mkdir $out; nc -l -p 0 local:$out/s & sleep 1; mkfifo $out/s2"],
    ] as const)
      expect((await build(name, script)).text).toContain("nar-file-special");
    const after = await build("after", "echo fine > $out");
    expect(after.report).toBe("fine\n");
    expect(readdirSync(join(root, "nix/store")).filter((name) => name.startsWith(".tmp-"))).toEqual([]);
  });

  it("cannot lead what it makes elsewhere", async () => {
    const run = await build(
      "links",
      `ln -s '${place}/secret' $out; echo stolen > /nix/store/extra; ln -s '${place}' /nix/store/.tmp-x; mkdir -p /build/x; ln -s '${place}' /build/x/y`,
    );
    expect(lstatSync(run.path as string).isSymbolicLink()).toBe(true);
    expect(readFileSync(join(place, "secret"), "utf8")).toBe("secret of the host");
    expect(statSync(join(place, "secret")).mode & 0o777).toBe(0o666);
    expect(readdirSync(join(root, "nix/store")).filter((name) => !/^[0-9a-z]{32}-/.test(name))).toEqual([]);
    expect(readdirSync(place).sort()).toEqual(["secret", "store"]);
    // The link is an input as a link: whoever uses it sees nothing at its end.
    const second = await build("second", "echo fine > $out");
    expect(second.report).toBe("fine\n");
  });
});

describe.skipIf(sandbox === undefined)("a host without user namespaces", { timeout: 60_000 }, () => {
  /** A program that runs another in namespaces of its own, before osmod makes more of them. */
  const inside = async (...more: readonly string[]) => [
    ...(await (sandbox as TestSandbox).tool.prepare()),
    "--dev-bind",
    "/",
    "/",
    ...more,
  ];
  const hello = "echo hello > $out";

  it("leads to the ways out, whatever forbids them; and once they are allowed, the build goes on", async () => {
    expect((await build("inside", hello, { around: await inside() })).report).toBe("hello\n");

    // What kernel.unprivileged_userns_clone=0, AppArmor and a container's filter have in common: the call is refused.
    const filter = join(place, "filter");
    writeFileSync(filter, refuseNamespaces());
    const fd = openSync(filter, "r");
    const filtered = await build("filtered", hello, { around: await inside("--seccomp", "3"), stdio: [fd] });
    closeSync(fd);
    expectUnavailable(filtered);

    // What a container hides of /proc, nothing in it may show again.
    expectUnavailable(
      await build("masked", hello, { around: await inside("--ro-bind", "/dev/null", "/proc/kallsyms") }),
    );

    expect((await build("filtered", hello)).report).toBe("hello\n");
    expect((await build("masked", hello)).report).toBe("hello\n");
  });

  it("by a limit of none is one until the limit is raised", async () => {
    const limit = (...counts: readonly number[]) => [
      "unshare",
      "--user",
      "--map-root-user",
      "sh",
      "-c",
      `${counts.map((count) => `echo ${count} > /proc/sys/user/max_user_namespaces`).join(" && ")} && exec "$@"`,
      "sh",
    ];
    expectUnavailable(await build("limited", hello, { around: limit(0) }));
    expect((await build("limited", hello, { around: limit(0, 15_000) })).report).toBe("hello\n");
  });

  function expectUnavailable(run: Run): void {
    expect(run.text).toContain("sandbox-unavailable");
    expect(run.text).toContain("user.max_user_namespaces=15000");
    expect(run.text).toContain("--security-opt systempaths=unconfined");
    expect(run.text).toContain("run osmod as root");
    expect(readdirSync(join(root, "nix/store")).filter((name) => name.startsWith(".tmp-"))).toEqual([]);
  }

  /** Answers EPERM to unshare and clone with CLONE_NEWUSER, and ENOSYS to clone3, as container runtimes do. */
  function refuseNamespaces(): Buffer {
    const program = [
      [0x20, 0, 0, 0], // the number
      [0x15, 0, 1, 435], // clone3
      [0x06, 0, 0, 0x0005_0026],
      [0x15, 1, 0, 272], // unshare
      [0x15, 0, 3, 56], // clone
      [0x20, 0, 0, 16], // its flags
      [0x45, 0, 1, 0x1000_0000],
      [0x06, 0, 0, 0x0005_0001],
      [0x06, 0, 0, 0x7fff_0000],
    ] as const;
    const bytes = Buffer.alloc(program.length * 8);
    for (const [n, [code, yes, no, operand]] of program.entries()) {
      bytes.writeUInt16LE(code, n * 8);
      bytes.writeUInt8(yes, n * 8 + 2);
      bytes.writeUInt8(no, n * 8 + 3);
      bytes.writeUInt32LE(operand, n * 8 + 4);
    }
    return bytes;
  }
});

describe.skipIf(sandbox === undefined || ORDINARY === undefined)(
  "a builder that root runs",
  { timeout: 60_000 },
  () => {
    it("has nothing of root's powers over the kernel", async () => {
      chownSync(root, 0, 0);
      const run = await build(
        "root",
        `exec > $out 2>&1
       for f in kernel/core_pattern kernel/modprobe kernel/domainname vm/swappiness fs/suid_dumpable; do
         [ -e /proc/sys/$f ] && try $f "cat /proc/sys/$f > /tmp/same && cat /tmp/same > /proc/sys/$f" || echo "held $f"
       done
       try sysrq 'echo h > /proc/sysrq-trigger'
       try input touch $busybox/x
       try etc 'echo x >> /etc/passwd'
       try device mknod /tmp/mem c 1 1
       try mount mount -t tmpfs x /tmp
       try kill 'kill -0 ${process.pid}'
       grep '^Cap' /proc/self/status; id -u`,
        { uid: undefined },
      );
      expectHeld(run, 11);
      expect(run.report.match(/^Cap.*:\t0{16}$/gm)).toHaveLength(5);
      expect(run.report.endsWith("1000\n")).toBe(true);
    });
  },
);

function environ(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, "latin1");
  } catch {
    return "";
  }
}
