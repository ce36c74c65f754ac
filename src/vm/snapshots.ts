/**
 * Snapshots of a machine's root disk, which lie in the image itself; of a machine that runs, with its memory.
 */
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fail } from "../problems/index.ts";
import { agentOf } from "./guest-command.ts";
import { argsOf, launcherOf, type NamedVm, namedOf, startInBackground, stopRunning } from "./named.ts";
import { obstacleToSnapshot } from "./resumable.ts";
import { qemuImg } from "./resume.ts";
import { type RunningVm, specOf } from "./running.ts";
import { type KeepPath, keepPaths, keepShown, shownBefore } from "./shown.ts";
import { putRight, withQmp } from "./start.ts";

/** A state that was kept. */
export interface Snapshot {
  readonly tag: string;
  readonly date: string;
  /** Bytes of memory that were kept with it; 0 for the disk alone. */
  readonly memory: number;
}

/** Either a machine that runs, or one that is stopped. */
export type SnapshotSubject = RunningVm | NamedVm;

const TAG = /^[A-Za-z][A-Za-z0-9._-]{0,63}$/;

/** What was kept of a machine, the oldest first. Problem: `vm-without-disk`. */
export async function snapshotsOf(vm: SnapshotSubject): Promise<Snapshot[]> {
  const text = await qemuImg(launcher(vm), ["info", "--force-share", "--output=json", diskOf(vm)]);
  const { snapshots = [] } = JSON.parse(text) as {
    snapshots?: { name: string; "vm-state-size": number; "date-sec": number }[];
  };
  return snapshots.map((one) => ({
    tag: one.name,
    date: new Date(one["date-sec"] * 1000).toISOString(),
    memory: one["vm-state-size"],
  }));
}

/**
 * Keep the machine as it is now; `keep` is given what its memory needs of the store, and a link that shall keep it.
 * Problems: `snapshot-exists`, `snapshot-tag-invalid`, `vm-without-disk`, `snapshot-failed`.
 */
export async function snapshotVm(vm: SnapshotSubject, tag: string, keep: KeepPath = () => {}): Promise<void> {
  if (!TAG.test(tag)) {
    fail({
      code: "snapshot-tag-invalid",
      message: `${JSON.stringify(tag)} cannot be the name of a snapshot`,
      fix: "Begin with a letter, and use letters, digits and . _ - (64 characters at most).",
    });
  }
  if ((await snapshotsOf(vm)).some((one) => one.tag === tag)) {
    fail({
      code: "snapshot-exists",
      message: `there is a snapshot ${tag} of "${vm.name}" already`,
      fix: `Choose another name, or forget that one: osmod vm snapshot --remove ${vm.name} ${tag}`,
    });
  }
  if (!isRunning(vm)) {
    await qemuImg(launcher(vm), ["snapshot", "-c", tag, diskOf(vm)]);
    return;
  }
  const obstacle = obstacleToSnapshot(specOf(vm.launcher));
  if (obstacle !== undefined) {
    const { reason, option, fix } = obstacle;
    fail({ code: "snapshot-failed", option, message: `the memory of "${vm.name}" cannot be saved: ${reason}`, fix });
  }
  const named = namedOf(vm);
  if (named !== undefined) {
    const directory = shownAt(named, tag);
    rmSync(directory, { recursive: true, force: true });
    await withQmp(vm.runtime, (qmp) => keepShown(vm, qmp, directory, argsOf(named)));
    keepPaths(directory, keep);
  }
  await monitor(vm, `savevm ${tag}`);
}

/**
 * Go back to a state that was kept. A machine that runs is ended and goes on from the memory of then, in another QEMU:
 * within one, its connection to the store would neither live nor be known as dead.
 * Problems: `snapshot-unknown`, `snapshot-without-memory`, `snapshot-needs-stop`, and those of starting.
 */
export async function revertVm(vm: SnapshotSubject, tag: string, signal?: AbortSignal): Promise<void> {
  const snapshot = await find(vm, tag);
  if (!isRunning(vm)) {
    await qemuImg(launcher(vm), ["snapshot", "-a", tag, diskOf(vm)]);
    return;
  }
  if (snapshot.memory === 0) {
    fail({
      code: "snapshot-without-memory",
      message: `the snapshot ${tag} of "${vm.name}" is of its disk alone, which cannot change under a machine that runs`,
      fix: `Stop it first: osmod vm stop ${vm.name}`,
    });
  }
  const named = namedOf(vm);
  if (named === undefined) {
    return fail({
      code: "snapshot-needs-stop",
      message: `"${vm.name}" was not started by osmod vm start, which could start it again`,
      fix: `End it, and start its launcher with -loadvm ${tag}`,
    });
  }
  // What was kept by an osmod that noted nothing is of what the machine is now.
  const then = shownBefore(shownAt(named, tag)) ?? {
    launcher: vm.launcher,
    args: argsOf(named),
    once: [],
    env: { OSMOD_VM_GENERATION: "own" },
  };
  await stopRunning(vm, { seconds: 0 });
  const running = await startInBackground(named, {
    ...then,
    once: [...then.once, "-loadvm", tag],
    ...(signal === undefined ? {} : { signal }),
  });
  await using agent = await agentOf(running, signal);
  await putRight(agent, "same");
}

/** Forget a state. Problem: `snapshot-unknown`. */
export async function dropSnapshot(vm: SnapshotSubject, tag: string): Promise<void> {
  await find(vm, tag);
  if (isRunning(vm)) await monitor(vm, `delvm ${tag}`);
  else await qemuImg(launcher(vm), ["snapshot", "-d", tag, diskOf(vm)]);
  const named = isRunning(vm) ? namedOf(vm) : vm;
  if (named !== undefined) rmSync(shownAt(named, tag), { recursive: true, force: true });
}

async function find(vm: SnapshotSubject, tag: string): Promise<Snapshot> {
  const all = await snapshotsOf(vm);
  return (
    all.find((one) => one.tag === tag) ??
    fail({
      code: "snapshot-unknown",
      message: `there is no snapshot ${tag} of "${vm.name}"`,
      notes: all.length === 0 ? [] : [`there are: ${all.map((one) => one.tag).join(", ")}`],
      fix: `See osmod vm snapshot ${vm.name}`,
    })
  );
}

/** QEMU's monitor says nothing when all went well. */
async function monitor(vm: RunningVm, line: string): Promise<void> {
  const message = (await withQmp(vm.runtime, (qmp) => qmp.monitor(line))).trim();
  if (message === "") return;
  fail({
    code: "snapshot-failed",
    message: `QEMU could not do it: ${message.replace(/^Error: /, "")}`,
    fix: "Free some space if there is none, or stop the machine and try again.",
  });
}

/** Where it is noted what a machine was when its memory was kept. */
function shownAt(vm: NamedVm, tag: string): string {
  return join(vm.snapshots, tag);
}

function isRunning(vm: SnapshotSubject): vm is RunningVm {
  return "runtime" in vm;
}

function launcher(vm: SnapshotSubject): string {
  return isRunning(vm) ? vm.launcher : launcherOf(vm);
}

function diskOf(vm: SnapshotSubject): string {
  if (vm.disk !== null && existsSync(vm.disk)) return vm.disk;
  return fail({
    code: "vm-without-disk",
    message: `the virtual machine "${vm.name}" has no disk yet, or keeps its root in memory`,
    fix: "Start it once; with virtualisation.diskImage = null there is nothing to keep.",
  });
}
