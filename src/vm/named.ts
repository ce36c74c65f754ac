/**
 * Virtual machines with a name and a place of their own, which run in the background.
 *
 *     $XDG_STATE_HOME/osmod/vms/<name>/     (~/.local/state where that is not set)
 *         vm              link to the launcher; keeps all of it in the store
 *         disk.qcow2      the root disk
 *         images/         images of the last start alone, such as empty disks' (images.ts)
 *         console.log     what the serial console showed since the last start
 *         messages.log    what the launcher and QEMU said
 *         home            where it was built; paths of the configuration count from there
 *         args            what the last start was given beside its launcher
 *         saved/          a memory that was saved, when there is one (resume.ts, shown.ts)
 *         snapshots/      of each snapshot with a memory, what the machine was then (shown.ts)
 */
import { spawn } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fail } from "../problems/index.ts";
import { imageEnvironment } from "./images.ts";
import { programOf } from "./launcher-path.ts";
import { QmpClient } from "./qmp.ts";
import { type RunningVm, runningVms } from "./running.ts";

/** Where a named virtual machine has its things. */
export interface NamedVm {
  readonly name: string;
  readonly directory: string;
  /** The link to its launcher; there once it was built. */
  readonly link: string;
  readonly disk: string;
  readonly images: string;
  readonly console: string;
  readonly messages: string;
  readonly home: string;
  readonly args: string;
  readonly saved: string;
  readonly snapshots: string;
}

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}$/;
const POLL_MS = 20;

/** The place of a name, whether or not something is there. Problem: `vm-name-invalid`. */
export function namedVm(name: string): NamedVm {
  if (!NAME.test(name)) {
    fail({
      code: "vm-name-invalid",
      message: `${JSON.stringify(name)} cannot be the name of a virtual machine`,
      fix: "Use letters, digits and . _ - (a letter or digit first, 63 characters at most).",
    });
  }
  const directory = join(vmsDirectory(), name);
  const at = (file: string) => join(directory, file);
  return {
    name,
    directory,
    link: at("vm"),
    disk: at("disk.qcow2"),
    images: at("images"),
    console: at("console.log"),
    messages: at("messages.log"),
    home: at("home"),
    args: at("args"),
    saved: at("saved"),
    snapshots: at("snapshots"),
  };
}

/** All that were ever started and not removed, by name. */
export function namedVms(): NamedVm[] {
  try {
    return readdirSync(vmsDirectory())
      .filter((name) => NAME.test(name))
      .sort()
      .map(namedVm);
  } catch {
    return [];
  }
}

/** The named machine that a running one is; `undefined` for one that somebody started by its launcher. */
export function namedOf(running: RunningVm): NamedVm | undefined {
  return namedVms().find((vm) => vm.name === running.name && isStart(running, vm));
}

/** The start of a named machine that runs now, `among` all that run. */
export function runningStartOf(vm: NamedVm, among: readonly RunningVm[] = runningVms()): RunningVm | undefined {
  return among.find((running) => isStart(running, vm));
}

/** Whether what runs is a start of a named machine: it has its disk or, with its root in memory, writes to its console. */
function isStart({ disk, pid }: RunningVm, vm: NamedVm): boolean {
  if (disk !== null) return disk === vm.disk;
  try {
    return readlinkSync(`/proc/${pid}/fd/1`) === realpathSync(vm.console);
  } catch {
    return false;
  }
}

/** The launcher of a name on this host. Problem: `vm-unknown`. */
export function launcherOf(vm: NamedVm): string {
  try {
    return realpathSync(vm.link);
  } catch (cause) {
    const known = namedVms().map(({ name }) => name);
    return fail(
      {
        code: "vm-unknown",
        message: `there is no virtual machine "${vm.name}" here`,
        notes: known.length === 0 ? [] : [`there are: ${known.join(", ")}`],
        fix: "Start it from its file once (osmod vm start machine.ts), or look at osmod vm list.",
      },
      cause,
    );
  }
}

/** Where a named machine is started. */
function homeOf(vm: NamedVm): string {
  try {
    const home = readFileSync(vm.home, "utf8").trimEnd();
    return existsSync(home) ? home : vm.directory;
  } catch {
    return vm.directory;
  }
}

/** What the last start of a named machine was given beside its launcher. */
export function argsOf(vm: NamedVm): string[] {
  return existsSync(vm.args) ? (JSON.parse(readFileSync(vm.args, "utf8")) as string[]) : [];
}

/** How to start in the background. */
export interface BackgroundOptions {
  /** The launcher's store path on this host. Default: the one that is linked. */
  readonly launcher?: string;
  /** More arguments of the launcher and of QEMU; those of the last start are noted. */
  readonly args?: readonly string[];
  /** More of them, which have to do with this start alone. */
  readonly once?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Whether the images of the last start are gone on with, or made anew. Default: new. */
  readonly images?: "new" | "kept";
  readonly signal?: AbortSignal;
}

/**
 * Start a named machine so that it outlives this process. Resolves when QEMU runs and can be steered.
 * Problems: `vm-unknown`, `vm-running`, `vm-not-started` with what the launcher said.
 */
export async function startInBackground(vm: NamedVm, options: BackgroundOptions = {}): Promise<RunningVm> {
  const launcher = options.launcher ?? launcherOf(vm);
  const other = runningStartOf(vm);
  if (other !== undefined) {
    fail({
      code: "vm-running",
      message: `the virtual machine "${vm.name}" runs already, as process ${other.pid}`,
      fix: `Use it, or end it first: osmod vm stop ${vm.name}`,
    });
  }
  mkdirSync(vm.directory, { recursive: true, mode: 0o700 });
  const { args = [] } = options;
  writeFileSync(vm.args, JSON.stringify(args), { mode: 0o600 });
  const [output, messages] = [openSync(vm.console, "w", 0o600), openSync(vm.messages, "w", 0o600)];
  const child = spawn(programOf(launcher), ["--headless", ...args, ...(options.once ?? [])], {
    cwd: homeOf(vm),
    detached: true,
    stdio: ["ignore", output, messages],
    env: { ...process.env, ...imageEnvironment(vm, options.images ?? "new"), ...options.env, OSMOD_VM_NAME: vm.name },
  });
  for (const file of [output, messages]) closeSync(file);
  let ended: number | undefined;
  child.once("exit", (code) => {
    ended = code ?? -1;
  });
  child.once("error", () => {
    ended = -1;
  });
  child.unref();
  for (;;) {
    if (options.signal?.aborted === true) {
      child.kill("SIGTERM");
      options.signal.throwIfAborted();
    }
    const running = runningVms().find(({ pid }) => pid === child.pid);
    if (running !== undefined && (await answers(join(running.runtime, "control")))) return running;
    if (ended !== undefined) {
      const said = readFileSync(vm.messages, "utf8").trimEnd();
      fail({
        code: "vm-not-started",
        message: `the virtual machine "${vm.name}" ended with ${ended} before it ran`,
        notes: said === "" ? [] : said.split("\n"),
        fix: "Mend what the launcher complains about and start again.",
      });
    }
    await sleep(POLL_MS);
  }
}

/** How to end a machine. */
export interface StopOptions {
  /** For how many seconds it may power itself off; 0 ends it at once. */
  readonly seconds?: number;
}

const POWER_OFF_SECONDS = 120;
const END_SECONDS = 5;

/**
 * End a running machine: press the power button and wait; what does not heed it is ended by force. Resolves to how it
 * ended.
 */
export async function stopRunning(
  vm: RunningVm,
  { seconds = POWER_OFF_SECONDS }: StopOptions = {},
): Promise<"powered off" | "ended"> {
  if (seconds > 0) {
    const qmp = await QmpClient.connect(join(vm.runtime, "control")).catch(() => undefined);
    await qmp?.command("system_powerdown").catch(() => {});
    qmp?.close();
    if (await gone(vm, seconds)) return "powered off";
  }
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    try {
      process.kill(vm.pid, signal);
    } catch {
      return "ended";
    }
    if (await gone(vm, END_SECONDS)) break;
  }
  return "ended";
}

/** Forget a named machine and all it has. The caller has seen to it that it does not run. */
export function removeNamed(vm: NamedVm): void {
  rmSync(vm.directory, { recursive: true, force: true });
}

/** Resolves to whether the machine's launcher has ended within a time; with it ends all that belongs to the machine. */
export async function gone(vm: RunningVm, seconds: number): Promise<boolean> {
  const deadline = Date.now() + seconds * 1000;
  while (isAlive(vm.pid)) {
    // Another process may have got the number since.
    if (!existsSync(vm.runtime)) return true;
    if (Date.now() > deadline) return false;
    await sleep(POLL_MS);
  }
  return true;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

async function answers(socket: string): Promise<boolean> {
  try {
    (await QmpClient.connect(socket)).close();
    return true;
  } catch {
    return false;
  }
}

function vmsDirectory(): string {
  return join(process.env["XDG_STATE_HOME"] || join(homedir(), ".local/state"), "osmod/vms");
}
