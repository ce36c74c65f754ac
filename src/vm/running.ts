/**
 * The virtual machines of this user that run now.
 *
 * Every launcher has a private directory (launch-script.ts) whose lock it holds on a known file descriptor; whether a
 * directory belongs to a living process is therefore seen, not guessed. What is in it:
 *
 *     name, disk, share/    what the machine is called, its root disk, the launcher's own data
 *     launcher.pid          the process that ends the machine when it is ended
 *     qmp, control, qga     sockets: QMP for the program that started the machine, QMP for others, the guest agent
 *     console.log           what the serial console showed
 */
import { readdirSync, readFileSync, readlinkSync, realpathSync, statSync } from "node:fs";
import { join } from "node:path";
import { fail } from "../problems/index.ts";
import { RUNTIME_FD } from "./launch-script.ts";
import type { MachineSpec } from "./spec.ts";

/** A virtual machine that runs. */
export interface RunningVm {
  /** What it was started as; the machine's host name, unless said otherwise. */
  readonly name: string;
  /** Process of the launcher, which is QEMU's parent. */
  readonly pid: number;
  /** Its private directory. */
  readonly runtime: string;
  /** The launcher's store path on this host: `<root>/nix/store/…-run-<host>-vm`. */
  readonly launcher: string;
  /** The root disk's image; `null` when the root is in memory. */
  readonly disk: string | null;
  readonly started: Date;
}

/**
 * Every virtual machine that this user runs, the oldest first.
 *
 * @example
 * import { runningVms } from "osmod/vm";
 *
 * console.log(runningVms().map(({ name, pid }) => `${name} ${pid}`));
 */
export function runningVms(): RunningVm[] {
  return runtimeDirectories()
    .flatMap((runtime) => look(runtime) ?? [])
    .sort((a, b) => a.started.getTime() - b.started.getTime());
}

/** The running machine of a name, or of a process id. Problems: `vm-not-running`, `vm-ambiguous`. */
export function runningVm(nameOrPid: string): RunningVm {
  const all = runningVms();
  const found = all.filter(({ name, pid }) => name === nameOrPid || String(pid) === nameOrPid);
  const [first, second] = found;
  if (first === undefined) {
    return fail({
      code: "vm-not-running",
      message: `there is no running virtual machine "${nameOrPid}"`,
      notes: all.length === 0 ? ["none is running"] : [`running: ${all.map(({ name }) => name).join(", ")}`],
      fix: `Start it (osmod vm start ${nameOrPid}), or look at osmod vm list.`,
    });
  }
  if (second !== undefined) {
    return fail({
      code: "vm-ambiguous",
      message: `${found.length} virtual machines called "${nameOrPid}" are running`,
      notes: found.map(({ pid, disk }) => `process ${pid}, disk ${disk ?? "in memory"}`),
      fix: "Name the one that is meant by its process id.",
    });
  }
  return first;
}

/** The machine as data, of a launcher's store path on this host. */
export function specOf(launcher: string): MachineSpec {
  return JSON.parse(readFileSync(join(launcher, "share/osmod/machine.json"), "utf8")) as MachineSpec;
}

/** Where launchers make their directories; a program that starts machines says where on its own (control.ts). */
function runtimeDirectories(): string[] {
  const bases = [...new Set([process.env["XDG_RUNTIME_DIR"] || "/tmp", "/tmp"])];
  return bases.flatMap((base) =>
    listed(base).flatMap((name) => {
      if (/^osmod-control-.{6}$/.test(name)) return [join(base, name, "run")];
      return /^osmod-.+-.{6}$/.test(name) ? [join(base, name)] : [];
    }),
  );
}

/** What runs in a directory; `undefined` when it is not ours, is being made, or was left behind. */
function look(runtime: string): RunningVm | undefined {
  try {
    const { uid, mtime } = statSync(join(runtime, "launcher.pid"));
    if (uid !== process.getuid?.()) return undefined;
    const line = (file: string) => readFileSync(join(runtime, file), "utf8").replace(/\n$/, "");
    const pid = Number(line("launcher.pid"));
    if (readlinkSync(`/proc/${pid}/fd/${RUNTIME_FD}`) !== join(realpathSync(runtime), "lock")) return undefined;
    const disk = line("disk");
    return {
      name: line("name"),
      pid,
      runtime,
      launcher: readlinkSync(join(runtime, "share")).slice(0, -"/share/osmod".length),
      disk: disk === "" ? null : disk,
      started: mtime,
    };
  } catch {
    return undefined;
  }
}

function listed(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
