/**
 * From the launcher's start to the login prompt, to the multi-user target, and to nginx answering through a forwarded port, with the store over SMB, over virtiofs and
 * as an image; against a classic ext4 image of the same packages with Debian's own initrd, and above the floor: the same
 * kernel with nothing but busybox. The same kernel, QEMU, accelerator, memory and number of processors everywhere; the
 * machines take turns, so that what else the host does meets all of them.
 */
import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { get } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { classicImage, upUnit, upWords } from "./support/classic.mjs";
import { floorInitrd } from "./support/floor.mjs";
import { guestRoots, withTransport } from "./support/machine.mjs";
import { osmodMain, root, timed } from "./support/run.mjs";

const transports = ["smb", "erofs", "virtiofs"];

/** The unit of the classic image that tells the console of the multi-user target, as a part of our machine. */
const announcement = `environment: { etc: { "systemd/system/up.service": { text: ${JSON.stringify(upUnit)} } } },
    systemd: { targets: { "multi-user": { wants: ["up.service"], overrideStrategy: "asDropin" } } },`;

export async function measure({ runs }) {
  const directory = mkdtempSync(join(tmpdir(), "osmod-bench-"));
  try {
    cpSync(join(root, "examples/web/machine.ts"), join(directory, "machine.ts"));
    for (const transport of transports) {
      const file = `${transport}.ts`;
      writeFileSync(join(directory, file), withTransport(transport, announcement));
      timed(process.execPath, [osmodMain, "build-vm", file, "--out-link", transport], { cwd: directory });
    }
    const { stdout: printed } = timed(join(directory, "smb/bin/run-web-vm"), ["--print-command"], { cwd: directory });
    const classic = classicImage(guestRoots(directory));
    const floor = floorInitrd(directory, realpathSync(join(directory, "smb")).split("/nix/store/")[0]);
    const times = new Map();
    const note = (what, time) => times.set(what, [...(times.get(what) ?? []), time]);
    for (let i = 0; i < runs; i += 1) {
      note("busybox alone (the floor)", await bootFloor(printed, floor));
      if (classic !== undefined) {
        // As Debian's cloud images start, and as its installer has machines start.
        for (const [what, words] of [
          ["classic image", ""],
          ["classic image, quiet", " quiet"],
        ]) {
          const port = await freePort();
          timed("cp", [join(classic, "root.ext4"), join(directory, "classic.ext4")]);
          const command = classicCommand(printed, classic, directory, { port, words });
          note(what, await boot("sh", ["-c", `exec ${command}`], port));
        }
      }
      for (const transport of transports) {
        const launcher = join(directory, transport, "bin/run-web-vm");
        rmSync(join(directory, "web.qcow2"), { force: true });
        for (const when of ["first", "later"]) {
          note(`osmod, ${transport}, ${when} start`, await boot(launcher, [], 8080, { cwd: directory }));
        }
      }
    }
    const against = classic === undefined ? undefined : "classic image";
    const rows = [...times].flatMap(([what, seconds]) => rowsOf(what, seconds, what === against ? undefined : against));
    if (classic !== undefined) return rows;
    return [
      { suite: "boot: login", what: "classic image", seconds: [], note: "needs mmdebstrap and mkfs.ext4" },
      ...rows,
    ];
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function rowsOf(what, times, against) {
  return ["login", "multi-user", "nginx"]
    .filter((goal) => goal in times[0])
    .map((goal) => ({
      suite: `boot: ${goal}`,
      what,
      seconds: times.map((time) => time[goal]),
      ...(against === undefined ? {} : { against }),
    }));
}

/** An option of our launcher's command, with its value. */
const optionOf = (printed, name) => new RegExp(`${name} (\\S+|'[^']*')`).exec(printed)?.[0] ?? "";

/** Our launcher's QEMU without what is ours: the same program, accelerator, processors and memory. */
function plainQemu(printed) {
  const end = printed.indexOf(" -name ") > 0 ? printed.indexOf(" -name ") : printed.indexOf(" -machine ");
  return [
    printed.slice(0, end).trim(),
    "-machine q35 -nodefaults -no-user-config -display none -serial stdio",
    ...["-cpu", "-accel", "-smp", "-m"].map((name) => optionOf(printed, name)),
  ];
}

/** Until the first line of a busybox that is all there is in the initrd. */
async function bootFloor(printed, initrd) {
  const command = [...plainQemu(printed), optionOf(printed, "-kernel"), `-initrd '${initrd}' -append console=ttyS0`];
  return await boot("sh", ["-c", `exec ${command.join(" ")}`]);
}

/** The classic machine on our launcher's QEMU, with disks and a kernel of its own. */
function classicCommand(printed, classic, directory, { port, words }) {
  return [
    ...plainQemu(printed),
    `-kernel ${classic}/vmlinuz -initrd ${classic}/initrd -append 'root=/dev/vda rw console=ttyS0${words}'`,
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
    const shown = (words) =>
      new Promise((resolve) => {
        vm.stdout.on("data", () => {
          if (text.includes(words)) resolve(performance.now());
        });
      });
    vm.stdout.on("data", (chunk) => {
      text = (text + chunk).slice(-4000);
    });
    const whole = port !== undefined;
    const [login, up, nginx] = await Promise.race([
      Promise.all([
        shown("login: "),
        whole ? shown(upWords) : undefined,
        whole ? answering(port).then(() => performance.now()) : undefined,
      ]),
      ended.then((code) => Promise.reject(new Error(`${program} ended with ${code} before it was up:\n${text}`))),
    ]);
    return Object.fromEntries(
      Object.entries({ login, "multi-user": up, nginx })
        .filter(([, at]) => at !== undefined)
        .map(([goal, at]) => [goal, (at - started) / 1000]),
    );
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
