/**
 * Virtual machines from inside: the store's transports side by side (time to a command, walks and reads of the store in
 * the guest, cold and warm), and going on from a saved start against booting.
 *
 * All with the same packages, kernel and accelerator, in one go. A command that ran in the guest is the goal line; the
 * time is counted from the launcher's start.
 */
import { rmSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { bootMachine } from "../dist/testing/index.js";
import { defineMachine } from "../dist/vm/index.js";
import { root } from "./support/run.mjs";

const machine = join(root, "examples/minimal/machine.ts");
const transports = ["smb", "erofs", "virtiofs", "9p"];
/** Those that QEMU can save. */
const resumable = ["smb", "erofs"];

/** What is timed in the guest, in this order; "cold" begins with empty caches. */
const walks = [
  ["walk, cold", true, "find /nix/store/ | wc -l"],
  ["walk, warm", false, "find /nix/store/ | wc -l"],
  ["read small files, cold", true, "find /nix/store/ -type f -size -16k | head -1500 | xargs -d '\\n' cat | wc -c"],
  [
    "read 64 MiB in large files, cold",
    true,
    "find /nix/store/ -type f -size +512k | sort | xargs -d '\\n' cat | head -c 67108864 | wc -c",
  ],
];

const withTransport = (transport) => defineMachine({ config: { virtualisation: { store: { transport }, cores: 2 } } });

export async function measure({ runs }) {
  const rows = [];
  for (const transport of transports) rows.push(...(await inGuest(transport, runs)));
  for (const transport of resumable) rows.push(...(await resuming(transport, runs)));
  // Rows of one question stand together.
  return rows.sort((a, b) => order(a) - order(b));
}

const questions = ["vm: boot to a command", ...walks.map(([what]) => `vm: ${what}`), "vm: resume to a command"];
const order = (row) => questions.indexOf(row.suite);

async function inGuest(transport, runs) {
  const times = new Map();
  const note = (suite, seconds) => times.set(suite, [...(times.get(suite) ?? []), seconds]);
  for (let i = 0; i < runs; i += 1) {
    const vm = await start(transport, false, (seconds) => note("vm: boot to a command", seconds));
    try {
      for (const [what, cold, command] of walks) {
        if (cold) await vm.succeed("sync; echo 3 > /proc/sys/vm/drop_caches");
        note(`vm: ${what}`, await inside(vm, command));
      }
    } finally {
      await vm[Symbol.asyncDispose]();
    }
  }
  return [...times].map(([suite, seconds]) => ({
    suite,
    what: transport,
    seconds,
    ...(transport === "smb" ? {} : { against: "smb" }),
  }));
}

async function resuming(transport, runs) {
  const suite = "vm: resume to a command";
  const times = { boot: [], resume: [] };
  rmSync(join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "osmod/starts"), {
    recursive: true,
    force: true,
  });
  // The start is made once; that is not what is measured.
  await (await start(transport, true, () => {}))[Symbol.asyncDispose]();
  for (let i = 0; i < runs; i += 1) {
    for (const how of ["boot", "resume"]) {
      await (await start(transport, how === "resume", (s) => times[how].push(s)))[Symbol.asyncDispose]();
    }
  }
  return [
    { suite, what: `boot, ${transport}`, seconds: times.boot },
    { suite, what: `resume, ${transport}`, seconds: times.resume, against: `boot, ${transport}` },
  ];
}

/** Start the machine; what is built is built before the clock starts. */
async function start(transport, resume, report) {
  const vm = await bootMachine(machine, { modules: [withTransport(transport)], resume, start: false });
  const began = performance.now();
  await vm.start();
  await vm.succeed("true");
  report((performance.now() - began) / 1000);
  return vm;
}

/** Seconds that a command takes, by the guest's own clock. */
async function inside(vm, command) {
  const output = await vm.succeed(
    `set +o pipefail; read -r a _ < /proc/uptime; ${command} > /dev/null; read -r b _ < /proc/uptime; echo "$a $b"`,
  );
  const [from, to] = output.trim().split(" ").map(Number);
  return to - from;
}
