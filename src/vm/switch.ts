/**
 * Making a running virtual machine be another system, without a restart.
 *
 *     keep the new closure → show it to the guest → remember it as a generation → run its switch-to-configuration → report
 *
 * What runs in the guest is modules/system/activation/switch; here is the host's part.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fail } from "../problems/index.ts";
import type { Store } from "../store/index.ts";
import { type Generation, makeDefault } from "./generations.ts";
import { type RunningVm, specOf } from "./running.ts";
import type { MachineSpec } from "./spec.ts";
import { withQmp } from "./start.ts";
import { showImage } from "./store-images.ts";
import { extendView, readViewEntries, type ViewEntry } from "./store-view.ts";

/** Runs a program in the guest, as root. A program that fails is no error. */
export type RunInGuest = (
  argv: readonly string[],
  options?: { readonly onStdout?: (bytes: Buffer) => void; readonly onStderr?: (bytes: Buffer) => void },
) => Promise<{ readonly exitCode: number; readonly stdout: Buffer; readonly stderr: Buffer }>;

/** `switch`: now and at the next start; `test`: now only; `boot`: at the next start only; `dry-activate`: say what `test` would do. */
export type SwitchAction = "switch" | "test" | "boot" | "dry-activate";

/** How to switch. */
export interface SwitchOptions {
  readonly action: SwitchAction;
  readonly store: Store;
  /** The new launcher's store path; it must be valid. */
  readonly launcher: string;
  readonly runInGuest: RunInGuest;
  /** Given what the guest's program says. */
  readonly onOutput?: (bytes: Buffer) => void;
}

/** What came of a switch. */
export interface SwitchOutcome {
  /** Of the guest's program: 0, or 4 when units failed. */
  readonly exitCode: number;
  /** The system's store path. */
  readonly toplevel: string;
  /** What the next start begins with; `undefined` when that was not changed. */
  readonly generation?: Generation;
  /** Units by what happened to them. */
  readonly units: Readonly<Record<UnitChange, readonly string[]>>;
  /** Parts of the machine that only the next start changes: `memory`, `kernel`, … */
  readonly atNextStart: readonly string[];
}

/** What can happen to a unit. */
export type UnitChange = "stopped" | "skipped" | "reloaded" | "restarted" | "started" | "failed";

const changes: readonly UnitChange[] = ["stopped", "skipped", "reloaded", "restarted", "started", "failed"];
const UNITS_FAILED = 4;

/**
 * Make a running machine be another system.
 * Problems: `switch-other-store`, `switch-needs-live-store`, `switch-not-possible`, `generations-need-a-disk`, `store-view-closed`,
 * `store-image-not-shown`.
 */
export async function switchVm(vm: RunningVm, options: SwitchOptions): Promise<SwitchOutcome> {
  const { action, store, launcher } = options;
  const present = logical(store, vm);
  const next = specOf(store.physical(launcher));
  const remember = (disk: string) => makeDefault(store, disk, launcher, present);
  if (action === "boot") {
    const generation = remember(vm.disk ?? needsDisk(vm.name));
    return { exitCode: 0, toplevel: next.toplevel, generation, units: noUnits(), atNextStart: [] };
  }

  // What runs is kept as long as the machine does, also when it is no generation.
  const running = specOf(vm.launcher);
  checkLive(vm, running, next);
  store.addRoot(join(vm.runtime, "switched", launcher.slice("/nix/store/".length)), launcher);
  const view = readViewEntries(join(store.physical(launcher), "share/osmod/store-paths"));
  if (next.store.transport === "erofs" && running.store.transport === "erofs") {
    const file = store.physical(next.store.image);
    const shown = { file, paths: view.map(({ path }) => path), runInGuest: options.runInGuest };
    await withQmp(vm.runtime, (qmp) => showImage(vm.name, qmp, shown));
  } else {
    await extendView(vm.runtime, view);
  }
  const generation = vm.disk !== null && action === "switch" ? { generation: remember(vm.disk) } : {};
  const done = await activate(vm, next, view, options);
  return { ...done, ...generation, toplevel: next.toplevel, atNextStart: differences(running, next) };
}

/** Have the guest run the new system's switch-to-configuration. */
async function activate(
  vm: RunningVm,
  { toplevel }: MachineSpec,
  view: readonly ViewEntry[],
  { action, runInGuest, onOutput }: SwitchOptions,
): Promise<Pick<SwitchOutcome, "exitCode" | "units">> {
  const program = `${toplevel}/bin/switch-to-configuration`;
  const paths = view.map(({ path }) => path);
  const heard = onOutput === undefined ? {} : { onStdout: onOutput, onStderr: onOutput };
  const { exitCode, stdout, stderr } = await runInGuest(["sh", "-c", forgetMissing, program, action, ...paths], heard);
  if (exitCode !== 0 && exitCode !== UNITS_FAILED) notSwitched(vm.name, exitCode, `${stdout}${stderr}`);
  const report = action === "dry-activate" ? "" : (await runInGuest(["cat", "/run/osmod-switch/report"])).stdout;
  return { exitCode, units: unitsOf(`${report}`) };
}

/** Run `"$0" "$1"`; when the guest remembers that one of the other paths is not there, it forgets that first. */
const forgetMissing = `action=$1; shift
for path; do
  [ -e "$path" ] || { echo 2 > /proc/sys/vm/drop_caches; break; }
done
exec "$0" "$action"`;

/** Parts of a machine that a running QEMU cannot change. */
export function differences(running: MachineSpec, next: MachineSpec): string[] {
  const parts: Readonly<Record<string, (spec: MachineSpec) => unknown>> = {
    kernel: ({ boot }) => boot.kernel,
    initrd: ({ boot }) => boot.initrd,
    "kernel parameters": ({ boot }) => boot.kernelParams.filter((word) => !word.startsWith("init=")),
    processor: ({ cpu }) => cpu,
    memory: ({ memory }) => memory,
    "root disk": ({ disk }) => disk,
    network: ({ network }) => network,
    display: ({ display }) => display,
    firmware: ({ firmware }) => firmware,
    "boot loader": ({ bootDisk }) => bootDisk !== undefined,
    TPM: ({ tpm }) => tpm,
    "QEMU's options": ({ qemu }) => qemu.options,
  };
  return Object.entries(parts)
    .filter(([, of]) => JSON.stringify(of(running)) !== JSON.stringify(of(next)))
    .map(([name]) => name);
}

function logical(store: Store, vm: RunningVm): string {
  const prefix = store.physical("/nix/store/x").slice(0, -"/nix/store/x".length);
  if (vm.launcher.startsWith(`${prefix}/nix/store/`)) return vm.launcher.slice(prefix.length);
  return fail({
    code: "switch-other-store",
    message: `${vm.name} runs from another store than the new system is in`,
    notes: [`the machine's launcher: ${vm.launcher}`, `the new system's store: ${prefix || "/"}nix/store`],
    fix: "Build into the machine's store (OSMOD_STORE_ROOT, --store), or power the machine off and start the new one.",
  });
}

/** A machine whose store is an image is shown another image, and one with a view more of that; a launcher of an older osmod has neither. */
function checkLive(vm: RunningVm, running: MachineSpec, next: MachineSpec): void {
  const image = running.store.transport === "erofs";
  if (image ? next.store.transport === "erofs" : existsSync(join(vm.runtime, "view.fifo"))) return;
  fail({
    code: "switch-needs-live-store",
    option: "virtualisation.store.transport",
    message: `${vm.name} cannot be shown more of the store while it runs`,
    notes: [`its store is reached by ${running.store.transport}, that of the new system by ${next.store.transport}`],
    fix: `Use \`osmod boot\` and restart the machine${image ? '; or leave virtualisation.store.transport at "erofs"' : ""}.`,
  });
}

function needsDisk(name: string): never {
  return fail({
    code: "generations-need-a-disk",
    message: `${name} has its root in memory: there is no disk to keep generations beside`,
    fix: "Set virtualisation.diskImage, or build the machine (osmod build-vm) and start that.",
  });
}

function notSwitched(name: string, code: number, output: string): never {
  return fail({
    code: "switch-not-possible",
    message: `${name} could not be switched: its switch-to-configuration ended with ${code}`,
    notes: output.trim() === "" ? [] : output.trim().split("\n").slice(-10),
    fix: "Mend what it complains about and switch again; osmod switch --rollback goes back to the generation before.",
  });
}

function noUnits(): Record<UnitChange, string[]> {
  return { stopped: [], skipped: [], reloaded: [], restarted: [], started: [], failed: [] };
}

function unitsOf(report: string): Record<UnitChange, string[]> {
  const units = noUnits();
  for (const line of report.split("\n")) {
    const [change, unit] = line.split(" ");
    const known = changes.find((one) => one === change);
    if (known !== undefined && unit !== undefined) units[known].push(unit);
  }
  return units;
}
