/**
 * How a running machine is: what QEMU and the guest say.
 */
import { agentOf } from "./guest-command.ts";
import type { RunningVm } from "./running.ts";
import { withQmp } from "./start.ts";

/** A port of the host that leads into the guest. */
export interface LeadingPort {
  readonly proto: "tcp" | "udp";
  /** `127.0.0.1:8080` */
  readonly host: string;
  /** `10.0.2.15:80` */
  readonly guest: string;
}

/** How a machine is. */
export interface VmStatus {
  readonly name: string;
  readonly pid: number;
  readonly started: string;
  /** What QEMU says: `running`, `paused`, … */
  readonly qemu: string;
  /** What systemd says: `running`, `degraded`, `starting`, …; `no answer` when the guest's agent gives none. */
  readonly guest: string;
  readonly disk: string | null;
  readonly runtime: string;
  readonly launcher: string;
  readonly ports: readonly LeadingPort[];
  /** The units that failed. */
  readonly failed: readonly string[];
}

const ANSWER_MS = 5000;

/** Ask QEMU and the guest. A guest that does not answer is no problem, but a state. */
export async function vmStatus(vm: RunningVm, signal?: AbortSignal): Promise<VmStatus> {
  const { qemu, ports } = await withQmp(vm.runtime, async (qmp) => ({
    qemu: ((await qmp.command("query-status")) as { status: string }).status,
    ports: leadingPorts(await qmp.monitor("info usernet")),
  }));
  const guest = await askGuest(vm, signal);
  return {
    name: vm.name,
    pid: vm.pid,
    started: vm.started.toISOString(),
    qemu,
    guest: guest?.state ?? "no answer",
    disk: vm.disk,
    runtime: vm.runtime,
    launcher: vm.launcher,
    ports,
    failed: guest?.failed ?? [],
  };
}

/** The rules of QEMU's table: `TCP[HOST_FORWARD] 12 127.0.0.1 39553 10.0.3.15 1022 0 0`. */
export function leadingPorts(table: string): LeadingPort[] {
  return table
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter(([kind]) => kind?.endsWith("[HOST_FORWARD]") === true)
    .map(([kind = "", , address, port, to, at]) => ({
      proto: kind.startsWith("TCP") ? "tcp" : "udp",
      host: `${address}:${port}`,
      guest: `${to}:${at}`,
    }));
}

async function askGuest(vm: RunningVm, signal: AbortSignal | undefined) {
  const late = AbortSignal.timeout(ANSWER_MS);
  try {
    await using agent = await agentOf(vm, signal === undefined ? late : AbortSignal.any([late, signal]));
    const script = "systemctl is-system-running; systemctl --failed --plain --no-legend";
    const [state = "", ...units] = (await agent.exec(script, { signal: late })).stdout.toString().trim().split("\n");
    return { state, failed: units.map((line) => line.split(" ")[0] ?? "").filter(Boolean) };
  } catch (error) {
    if (signal?.aborted === true) throw error;
    return undefined;
  }
}
