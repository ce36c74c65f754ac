/**
 * Starting machines so that they are up: booted, or gone on with from a saved start.
 */
import { randomBytes } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from "node:fs";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fail, ProblemError, problem } from "../problems/index.ts";
import { type StartVmOptions, startVm, type Vm } from "./control.ts";
import { generationsOf } from "./generations.ts";
import { GuestAgent, openAgentSocket } from "./guest-agent.ts";
import { GUEST_SHELL, refused } from "./guest-exec.ts";
import { checkImages, copyImages, type ImagePlaces, imageEnvironment, imagesOf, layerImages } from "./images.ts";
import { launcherAt, programOf } from "./launcher-path.ts";
import { argsOf, type BackgroundOptions, gone, launcherOf, type NamedVm, startInBackground } from "./named.ts";
import { isOutOfSpace, QmpClient } from "./qmp.ts";
import { canResume, obstacleOf } from "./resumable.ts";
import {
  awaitMemory,
  loadMemory,
  memoryFile,
  type ResumeInputs,
  type SavedStart,
  saveMemory,
  sealSleep,
  sleepOf,
  startFor,
} from "./resume.ts";
import { type RunningVm, specOf } from "./running.ts";
import { type KeepPath, keepPaths, keepShown, type Shown, shownBefore } from "./shown.ts";
import type { MachineSpec } from "./spec.ts";

/** How to start a machine that is there for a while only. */
export interface TransientOptions extends StartVmOptions {
  /** Go on from a saved start where that can be; it is made when there is none. Default: true. */
  readonly resume?: boolean;
  readonly signal?: AbortSignal;
}

/** A machine that is up, with the way into it. */
export interface UpVm extends AsyncDisposable {
  readonly vm: Vm;
  readonly agent: GuestAgent;
  /** Whether it was resumed instead of booted. */
  readonly resumed: boolean;
}

/**
 * Start a machine on disks of its own that are gone when it ends. Resolves when commands can be run in it.
 * Problems: those of `startVm`, `vm-not-saved` and `vm-not-resumed`.
 */
export async function startTransient(options: TransientOptions): Promise<UpVm> {
  const launcher = launcherAt(options.launcher);
  const directory = mkdtempSync(join(tmpdir(), "osmod-disk-"));
  const places = { disk: join(directory, "disk.qcow2"), images: join(directory, "images") };
  const remove = () => rmSync(directory, { recursive: true, force: true });
  const own = { ...options, launcher: programOf(launcher), env: { ...options.env, OSMOD_DISK_IMAGE: places.disk } };
  try {
    const resumed = options.resume !== false && canResume(specOf(launcher));
    const { vm, ...way } = resumed ? await startResumed(own, places) : { vm: await startVm(own) };
    void vm.waitForExit().finally(remove);
    try {
      const agent = await GuestAgent.connect(join(vm.runtime, "qga"), { ...withSignal(options.signal), ...way });
      // The agent has nothing else to do meanwhile.
      if (resumed) await Promise.all([putRight(agent, "new"), agent.prepare()]);
      return {
        vm,
        agent,
        resumed,
        async [Symbol.asyncDispose]() {
          // Nothing need be cleaned up in a machine that ends.
          await vm.stop();
          await agent.close();
        },
      };
    } catch (error) {
      await vm.stop();
      throw error;
    }
  } catch (error) {
    remove();
    throw error;
  }
}

/** A machine that goes on from a memory, and the connection to its guest agent. */
export interface ResumedVm {
  readonly vm: Vm;
  readonly socket: Socket;
}

/**
 * Start a machine on new disks from the saved start of its kind, which is made by booting when there is none. The guest is
 * as it was then; {@link putRight} is what comes next. Problems: `vm-not-saved`, `vm-not-resumed`, and those of starting.
 */
export async function startResumed(
  options: StartVmOptions & { readonly signal?: AbortSignal },
  places: ImagePlaces,
): Promise<ResumedVm> {
  const launcher = launcherAt(options.launcher);
  const inputs = inputsOf(launcher, options);
  const start = await startFor(inputs, (draft) => bootAndSave(options, draft, inputs));
  const spec = specOf(launcher);
  await layerImages(launcher, start, places);
  const env = { ...options.env, ...imageEnvironment(places, "kept") };
  const args = [...(options.args ?? []), ...awaitMemory, ...memoryFile(start.ram, spec.memory, "own", inputs)];
  const vm = await startVm({ ...options, env, args, consoleBefore: readFileSync(start.console, "utf8") });
  try {
    return { vm, socket: await goOnFrom(vm.runtime, start.memory, options.signal) };
  } catch (error) {
    await vm.stop();
    throw error;
  }
}

/** Load a memory into a machine that waits for it, and let it go on; answers the connection to its guest agent. */
async function goOnFrom(runtime: string, memory: string, signal: AbortSignal | undefined): Promise<Socket> {
  const socket = await openAgentSocket(join(runtime, "qga"), signal);
  try {
    await withQmp(runtime, (qmp) => loadMemory(qmp, memory));
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/**
 * Wait until the guest has had next to nothing to do for two seconds, or for a minute at most. When systemd has started everything, there are still devices to
 * be named, leases to be asked for and logs to be written; whoever goes on from this memory would have to do all of it, each time anew.
 */
const untilQuiet = `
times() { read -r _ user nice system idle wait irq softirq _ < /proc/stat; idle=$((idle + wait)) all=$((user + nice + system + idle + irq + softirq)); }
times
quiet=0 left=60
while [ $quiet -lt 2 ] && [ $left -gt 0 ]; do
  from=$all was=$idle left=$((left - 1))
  sleep 1
  times
  if [ $(((idle - was) * 100)) -ge $(((all - from) * 80)) ]; then quiet=$((quiet + 1)); else quiet=0; fi
done`;

/** MiB that a saved start takes beside the guest's memory: what a boot writes to its root disk, and the state of the devices. */
const BESIDE_MEMORY = 256;
/** MiB at most that an empty disk takes when a file system is made on it. */
const FILE_SYSTEM = 64;
/** With fewer bytes than this free, a folder is full. */
const FULL = 2 ** 20;

function roomFor({ memory, drives }: MachineSpec): number {
  const empty = drives.map(({ image }) => ("size" in image ? Math.min(image.size, FILE_SYSTEM) : 0));
  return empty.reduce((sum, one) => sum + one, memory + BESIDE_MEMORY) * 2 ** 20;
}

/**
 * Boot on empty disks, wait until nothing is left to do, save the memory, and end. Problem: `vm-not-saved`, among others where there is no room, which is looked at before, and
 * after a failure: QEMU ends without a word when its memory's file cannot grow.
 */
async function bootAndSave(
  options: StartVmOptions & { readonly signal?: AbortSignal },
  draft: SavedStart,
  inputs: ResumeInputs,
): Promise<void> {
  const spec = specOf(inputs.launcher);
  const folder = dirname(draft.ram);
  if (roomIn(folder) < roomFor(spec)) throw noRoom(spec, folder);

  const args = [...(options.args ?? []), ...memoryFile(draft.ram, spec.memory, "shared", inputs)];
  const vm = await startVm({ ...options, args, env: { ...options.env, ...imageEnvironment(draft, "new") } });
  const stuck = new AbortController();
  let agent: GuestAgent | undefined;
  vm.onEvent((event) => {
    if (!isOutOfSpace(event)) return;
    const reason = noRoom(spec, folder);
    stuck.abort(reason);
    agent?.abandon(reason);
  });
  const signals = options.signal === undefined ? [stuck.signal] : [stuck.signal, options.signal];
  try {
    checkImages(spec, vm.runtime, draft);
    agent = await GuestAgent.connect(join(vm.runtime, "qga"), { signal: AbortSignal.any(signals) });
    await waitUntilUp(agent, options.signal);
    await agent.exec([GUEST_SHELL, "sh", "-c", untilQuiet], withSignal(options.signal));
    await agent.exec("sync");
    // The connection stays: one that goes on finds it so (openAgentSocket).
    await agent.tidy();
    await withQmp(vm.runtime, async (qmp) => {
      await saveMemory(qmp, draft.memory);
      await qmp.command("quit").catch(() => {});
    });
    await vm.waitForExit();
    writeFileSync(draft.console, vm.console());
  } catch (error) {
    stuck.signal.throwIfAborted();
    if (options.signal?.aborted !== true && roomIn(folder) < FULL) throw noRoom(spec, folder);
    throw error;
  } finally {
    await vm.stop();
  }
}

/** Bytes that are free. */
function roomIn(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}

function noRoom({ name, memory }: MachineSpec, folder: string): ProblemError {
  return new ProblemError([
    problem({
      code: "vm-not-saved",
      message: `the start of ${name} cannot be saved: there is no room for it`,
      notes: [`${memory} MiB of memory and what a boot writes, in ${folder}`],
      fix: "Free some space there, or set XDG_CACHE_HOME to a folder that has it; or boot each time (`resume: false`, no --resume).",
    }),
  ]);
}

/** Wait until systemd has nothing left to start; whether all went well is for others to ask. */
export async function waitUntilUp(agent: GuestAgent, signal?: AbortSignal): Promise<void> {
  await agent.exec(["systemctl", "is-system-running", "--wait"], withSignal(signal));
}

/**
 * After a resume: the clock goes on from now, the random numbers are not those of another resume, and leases are asked for
 * anew. One that is not the machine that was saved gets a machine id and host keys of its own as well.
 */
export async function putRight(agent: GuestAgent, identity: "same" | "new"): Promise<void> {
  const script = (): string => {
    const now = Date.now() / 1000;
    return [
      "set -e",
      "read -r before _ < /proc/uptime",
      // The shell's own program knows whole seconds only; the rest follows.
      `date -u -s @${Math.floor(now)} > /dev/null`,
      // A kernel that sees it is another machine's copy does so by itself.
      "[ -d /sys/bus/acpi/drivers/vmgenid ] || { read -r seed; echo $seed > /dev/urandom; }",
      ...(identity === "new" ? newIdentity : []),
      // Leases, and whatever else takes its time, need not be waited for, and shall not be in the way of the first command.
      `(${["sleep 1", exactTime(now), ...(identity === "new" ? newHostKeys : []), ...leases].join("; ")}) > /dev/null 2>&1 < /dev/null &`,
    ].join("\n");
  };

  for (let left = STORE_TRIES; ; left--) {
    const outcome = await attempt(agent, script());
    if (outcome === undefined) return;
    if (left === 0) {
      return fail({
        code: "vm-not-resumed",
        message: "the guest could not be put right after it was resumed",
        notes: outcome.trim().split("\n"),
        fix: "Boot it instead (without --resume), and look at its journal.",
      });
    }
    await sleep(STORE_PAUSE_MS);
  }
}

const STORE_TRIES = 600;
const STORE_PAUSE_MS = 50;

/**
 * Run a script that may be run again; `undefined` when all went well, else what was said. It is run by the shell that lies in the guest's memory,
 * with programs of its own. While the guest connects to the store anew, others cannot be read: "Resource temporarily unavailable".
 */
async function attempt(agent: GuestAgent, script: string): Promise<string | undefined> {
  try {
    const seed = `${randomBytes(256).toString("hex")}\n`;
    const run = (shell: readonly string[]) => agent.run([...shell, "-c", script], seed);
    // A machine that was put to sleep by another version may not have it.
    const { exitCode, stderr } = await run([GUEST_SHELL, "sh"]).catch((error: unknown) => {
      if (refused(error)) return run(["/bin/sh"]);
      throw error;
    });
    return exitCode === 0 ? undefined : stderr.toString();
  } catch (error) {
    if (refused(error)) return error.message;
    throw error;
  }
}

/** Set the clock to a time that it was when `$before` was read. */
const exactTime = (seconds: number): string =>
  `read -r after _ < /proc/uptime; /bin/date -u -s "@$(awk "BEGIN { printf \\"%.3f\\", ${seconds.toFixed(3)} + $after - $before }")"`;

const newIdentity = [
  "read -r old < /etc/machine-id; read -r new < /proc/sys/kernel/random/uuid; new=${new//-/}",
  "echo $new > /etc/machine-id",
  // The journal goes on under the new id.
  "for log in /run/log/journal /var/log/journal; do [ ! -d $log/$old ] || mv $log/$old $log/$new; done",
];
const newHostKeys = [
  "systemctl restart systemd-journald.service",
  "if [ -e /etc/systemd/system/sshd-keygen.service ]; then rm -f /etc/ssh/ssh_host_*; systemctl restart sshd-keygen.service; systemctl try-restart sshd.service; fi",
];
/** Addresses that are not leased stay as they are, and so do connections over them. */
const leases = [
  "networkctl --no-pager --no-legend list | while read -r _ link _ _ setup; do [ $setup != configured ] || networkctl renew $link; done",
];

/** What became of a start in the background. */
export interface Started {
  readonly running: RunningVm;
  readonly how: "booting" | "resumed";
}

/**
 * Start a named machine in the background. With `resume` it goes on from where it was put to sleep; a new one goes on from
 * the saved start of its kind, made when there is none. A machine whose disks were written to since, or that was built anew, boots.
 */
export async function startNamed(
  vm: NamedVm,
  options: BackgroundOptions & { readonly resume?: boolean },
): Promise<Started> {
  if (options.resume === true) {
    const memory = sleeping(vm, options) ?? (await newFromStart(vm, options));
    if (memory !== undefined) {
      try {
        return { running: await goOn(vm, memory, options), how: "resumed" };
      } catch (error) {
        // Copies of a saved start are nobody's disks yet: what boots from them would have that start's name among machines.
        if (memory.identity === "new") {
          for (const { path } of imagesOf(specOf(memory.launcher), vm)) rmSync(path, { force: true });
        }
        throw error;
      }
    }
  }
  const running = await startInBackground(vm, options);
  // Its disks change from here on, and a memory that was not gone on with is none of theirs.
  rmSync(vm.saved, { recursive: true, force: true });
  return { running, how: "booting" };
}

/** A memory that a named machine can go on from. */
interface Memory extends Shown {
  readonly file: string;
  readonly identity: "same" | "new";
}

/** Where a machine was put to sleep, when it still is what the next start would be, or was before a switch. */
function sleeping(vm: NamedVm, options: BackgroundOptions): Memory | undefined {
  const shown = shownBefore(vm.saved);
  if (shown === undefined) return undefined;
  const linked = launcherOf(vm);
  const generations = generationsOf(vm.disk).map(({ launcher }) => launcher);
  const known = generations.includes(linked) ? [linked, ...generations] : [linked];
  if (!known.includes(shown.launcher)) return undefined;
  const args = options.args === undefined || options.args.length === 0 ? shown.args : options.args;
  const inputs = inputsOf(shown.launcher, { ...options, args });
  const file = sleepOf(vm.saved, imagesOf(specOf(shown.launcher), vm), inputs);
  return file === undefined ? undefined : { ...shown, file, identity: "same" };
}

/** The saved start of a machine that has no disk yet, which gets copies of that start's. */
async function newFromStart(vm: NamedVm, options: BackgroundOptions): Promise<Memory | undefined> {
  const launcher = launcherOf(vm);
  const spec = specOf(launcher);
  if (!canResume(spec) || imagesOf(spec, vm).some(({ lasts, path }) => lasts && existsSync(path))) return undefined;
  const inputs = inputsOf(launcher, options);
  const env = { ...options.env, OSMOD_VM_NAME: vm.name };
  const start = await startFor(inputs, (draft) =>
    bootAndSave({ launcher: programOf(launcher), ...options, env }, draft, inputs),
  );
  copyImages(launcher, start, vm);
  return {
    launcher,
    args: options.args ?? [],
    once: memoryFile(start.ram, spec.memory, "own", inputs),
    env: { OSMOD_VM_GENERATION: "own" },
    file: start.memory,
    identity: "new",
  };
}

async function goOn(vm: NamedVm, memory: Memory, options: BackgroundOptions): Promise<RunningVm> {
  const running = await startInBackground(vm, {
    ...options,
    launcher: memory.launcher,
    images: "kept",
    args: memory.args,
    once: [...awaitMemory, ...memory.once],
    env: { ...options.env, ...memory.env },
  });
  try {
    const socket = await goOnFrom(running.runtime, memory.file, options.signal);
    // From here on the disks change, and the memory is no longer theirs.
    rmSync(vm.saved, { recursive: true, force: true });
    const agent = await GuestAgent.connect(join(running.runtime, "qga"), { ...withSignal(options.signal), socket });
    await putRight(agent, memory.identity);
    await agent.close();
  } catch (error) {
    process.kill(running.pid, "SIGTERM");
    throw error;
  }
  return running;
}

/**
 * Put a named machine to sleep: its memory is saved, and it ends. `startNamed` with `resume` wakes it; `keep` is given what it needs of the store
 * until then, and a link that shall keep it. Problem: `vm-not-saved`; the machine then still runs.
 */
export async function sleepNamed(vm: NamedVm, running: RunningVm, keep: KeepPath = () => {}): Promise<void> {
  const launcher = launcherAt(running.launcher);
  const spec = specOf(launcher);
  const obstacle = obstacleOf(spec);
  if (obstacle !== undefined) {
    const { reason, option, fix } = obstacle;
    fail({ code: "vm-not-saved", option, message: `the memory of "${vm.name}" cannot be saved: ${reason}`, fix });
  }
  checkImages(spec, running.runtime, vm);
  const args = argsOf(vm);
  const draft = `${vm.saved}.new`;
  rmSync(draft, { recursive: true, force: true });
  mkdirSync(draft, { mode: 0o700 });
  await withQmp(running.runtime, async (qmp) => {
    try {
      await keepShown(running, qmp, draft, args);
      await saveMemory(qmp, join(draft, "memory"));
      rmSync(vm.saved, { recursive: true, force: true });
      renameSync(draft, vm.saved);
      // Before the machine ends, which keeps these paths until then. The memory does not count before it is sealed.
      keepPaths(vm.saved, keep);
    } catch (error) {
      for (const directory of [draft, vm.saved]) rmSync(directory, { recursive: true, force: true });
      await qmp.command("cont").catch(() => {});
      throw error;
    }
    await qmp.command("quit").catch(() => {});
  });
  await gone(running, 30);
  sealSleep(vm.saved, imagesOf(spec, vm), inputsOf(launcher, { args }));
}

/** Do something over a connection of its own to QEMU. */
export async function withQmp<T>(runtime: string, action: (qmp: QmpClient) => Promise<T>): Promise<T> {
  const qmp = await QmpClient.connect(join(runtime, "control"));
  try {
    return await action(qmp);
  } finally {
    qmp.close();
  }
}

function inputsOf(launcher: string, options: Pick<StartVmOptions, "args" | "env">): ResumeInputs {
  return { launcher, args: options.args ?? [], env: { ...process.env, ...options.env } };
}

function withSignal(signal: AbortSignal | undefined): { signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}
