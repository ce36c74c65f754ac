/**
 * From the launcher's start to the login prompt, and to nginx answering through a forwarded port; against a classic ext4
 * image of the same packages with the same kernel and the same QEMU. Emulation or KVM, whichever the launcher chooses.
 */
import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { get } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { classicImage } from "./support/classic.mjs";
import { guestRoots } from "./support/machine.mjs";
import { osmodMain, root, timed } from "./support/run.mjs";

export async function measure({ runs }) {
  const directory = mkdtempSync(join(tmpdir(), "osmod-bench-"));
  try {
    cpSync(join(root, "examples/web/machine.ts"), join(directory, "machine.ts"));
    timed(process.execPath, [osmodMain, "build-vm", "machine.ts"], { cwd: directory });
    const launcher = join(directory, "result/bin/run-web-vm");
    const ours = { first: [], later: [] };
    const disk = join(directory, "web.qcow2");
    for (let i = 0; i < runs; i += 1) {
      rmSync(disk, { force: true });
      for (const when of ["first", "later"]) ours[when].push(await boot(launcher, [], 8080, { cwd: directory }));
    }
    const rows = [
      ...rowsOf("osmod, first start (makes the disk)", ours.first, "classic image"),
      ...rowsOf("osmod, later start", ours.later, "classic image"),
    ];
    const classic = classicImage(guestRoots(directory));
    const { stdout } = timed(launcher, ["--print-command"], { cwd: directory });
    if (classic === undefined)
      return [
        ...rows,
        { suite: "boot: login", what: "classic image", seconds: [], note: "needs mmdebstrap and mkfs.ext4" },
      ];
    const times = [];
    for (let i = 0; i < runs; i += 1) {
      const port = await freePort();
      timed("cp", [join(classic, "root.ext4"), join(directory, "classic.ext4")]);
      times.push(await boot("sh", ["-c", `exec ${classicCommand(stdout, classic, directory, port)}`], port));
    }
    return [...rowsOf("classic image", times), ...rows];
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function rowsOf(what, times, against) {
  return ["login", "nginx"].map((goal) => ({
    suite: `boot: ${goal}`,
    what,
    seconds: times.map((time) => time[goal]),
    ...(against === undefined ? {} : { against }),
  }));
}

/** The classic machine on our launcher's QEMU: the same program, accelerator, memory and CPUs, disks and kernel of its own. */
function classicCommand(printed, classic, directory, port) {
  const end = printed.indexOf(" -name ") > 0 ? printed.indexOf(" -name ") : printed.indexOf(" -machine ");
  const accel = /-accel (\S+|'[^']*')/.exec(printed)?.[0] ?? "";
  return [
    printed.slice(0, end).trim(),
    "-machine q35 -nodefaults -no-user-config -m 1024 -smp 2 -display none -serial stdio",
    /-cpu (\S+)/.exec(printed)?.[0] ?? "",
    accel,
    `-kernel ${classic}/vmlinuz -initrd ${classic}/initrd -append 'root=/dev/vda rw console=ttyS0'`,
    `-drive file=${directory}/classic.ext4,format=raw,if=virtio`,
    `-netdev user,id=n0,hostfwd=tcp:127.0.0.1:${port}-:80 -device virtio-net-pci,netdev=n0 -device virtio-rng-pci`,
  ].join(" ");
}

async function boot(program, args, port, options = {}) {
  const started = performance.now();
  const vm = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"], ...options });
  const ended = new Promise((resolve) => vm.once("close", resolve));
  let text = "";
  try {
    const [login, nginx] = await Promise.race([
      Promise.all([
        new Promise((resolve) => {
          vm.stdout.on("data", (chunk) => {
            text = (text + chunk).slice(-4000);
            if (/login: /.test(text)) resolve(performance.now());
          });
        }),
        answering(port).then(() => performance.now()),
      ]),
      ended.then((code) => Promise.reject(new Error(`${program} ended with ${code} before it was up:\n${text}`))),
    ]);
    return { login: (login - started) / 1000, nginx: (nginx - started) / 1000 };
  } finally {
    vm.kill("SIGTERM");
    await ended;
  }
}

/** Resolves when a page comes; asks anew at once when the answer is a refusal, every 50 ms. */
async function answering(port) {
  for (;;) {
    const ok = await new Promise((resolve) => {
      const request = get({ host: "127.0.0.1", port, path: "/", timeout: 2000 }, (response) => {
        response.resume();
        resolve(response.statusCode === 200);
      });
      request.on("timeout", () => request.destroy());
      request.on("error", () => resolve(false));
    });
    if (ok) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
