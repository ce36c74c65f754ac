/**
 * `node full-disk.mjs DIRECTORY LOCK-FILE ROUNDS`: a machine whose disks lie in a small file system, DIRECTORY, which is filled while the guest writes. Run in a namespace
 * of its own, where that file system can be mounted without root. Prints what was seen as JSON.
 */
import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, rmSync, statfsSync, writeSync } from "node:fs";
import { join } from "node:path";
import { bootMachine } from "osmod/testing";
import { buildMachine } from "osmod/vm";

const [directory = "", lockFile = "", rounds = "1"] = process.argv.slice(2);
const machineFile = new URL("../../../examples/minimal/machine.ts", import.meta.url).pathname;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const ballast = join(directory, "ballast");
const mebibyte = 2 ** 20;

/** Leave `room` bytes. */
function fill(room) {
  const { bavail, bsize } = statfsSync(directory);
  const fd = openSync(ballast, "w");
  for (let left = bavail * bsize - room; left > 0; left -= mebibyte)
    writeSync(fd, Buffer.alloc(Math.min(left, mebibyte)));
  closeSync(fd);
}

/** The launcher by hand: it says why the machine waits, and lets it go on when there is room. */
async function launcher() {
  const { launcher: program } = await buildMachine(machineFile, { lockFile });
  const cwd = join(directory, "by hand");
  mkdirSync(cwd);
  const vm = spawn(program, ["--headless"], { cwd });
  let [screen, said] = ["", ""];
  vm.stdout.on("data", (chunk) => (screen += chunk));
  vm.stderr.on("data", (chunk) => (said += chunk));
  const until = async (condition) => {
    while (!condition()) {
      if (vm.exitCode !== null) throw new Error(`the launcher ended:\n${said}\n${screen}`);
      await pause(100);
    }
  };
  const type = async (text, answer) => {
    screen = "";
    vm.stdin.write(text);
    await until(() => answer.test(screen));
  };
  await until(() => screen.includes("login: "));
  await type("root\n", /assword: /);
  // A slow boot may go on writing behind the prompts.
  await type("root\n", /# /);
  await type("systemctl is-system-running --wait; echo up''.\n", /up\./);
  fill(2 * mebibyte);
  const writing = type("head -c 30000000 /dev/urandom > /root/big; sync; echo writ''ten\n", /written/);
  await until(() => said.includes("no room left"));
  rmSync(ballast);
  await writing;
  await until(() => said.includes("there is room again"));
  await type("dmesg | grep -cE 'EXT4-fs error|I.O error'; echo look''ed\n", /looked/);
  const errors = Number(/^(\d+)\r?$/m.exec(screen)?.[1]);
  vm.stdin.write("poweroff\n");
  const code = await new Promise((resolve) => vm.once("close", resolve));
  return { errors, code };
}

/** By a test: what it waits for fails at once, and the machine comes back with what was synced. */
async function driver() {
  const seen = [];
  const machine = await bootMachine(machineFile, { directory, lockFile });
  try {
    for (let round = 1; round <= Number(rounds); round += 1) {
      await machine.succeed(`echo ${round} > /root/round; sync`);
      fill((1 + Math.random() * 10) * mebibyte);
      const code = await machine
        .execute("i=0; while :; do i=$((i + 1)); head -c 300000 /dev/urandom > /root/f$i; sync; done")
        .then(
          () => "none",
          (error) => error.problems?.[0].code ?? String(error),
        );
      await machine.crash();
      rmSync(ballast);
      await machine.start();
      const kept = (await machine.succeed("cat /root/round")).trim();
      const errors = await machine.succeed("dmesg | grep -E 'EXT4-fs error|I.O error|EXT4-fs.*corrupt' || true");
      const writable = /\brw\b/.test(await machine.succeed("grep ' / ' /proc/mounts"));
      seen.push({ code, kept, errors, writable });
    }
  } finally {
    await machine[Symbol.asyncDispose]();
  }
  return seen;
}

process.stdout.write(`${JSON.stringify({ launcher: await launcher(), driver: await driver() })}\n`);
