/**
 * Who owns a claim or a temporary directory, and whether that process still lives.
 *
 * A process id alone is reused, so an owner is written as `<pid>.<start time>.<pid namespace>.<boot>`. Within one boot
 * and one pid namespace liveness is exact. Owners from elsewhere (another container, another machine on a shared disk)
 * cannot be asked; they live as long as they touch what they own, which `locks.ts` does while it holds claims.
 */
import { readFileSync, readlinkSync, statSync } from "node:fs";

/** A foreign owner that has not touched its claim for this long is taken for dead. */
const FOREIGN_SILENCE_MS = 60_000;

let cached: string | undefined;

/** This process, as an owner. */
export function thisOwner(): string {
  cached ??= [process.pid, startTime(process.pid), pidNamespace(), boot()].join(".");
  return cached;
}

/** True unless the process that wrote `owner` is known to be gone. `file` is what it owns. */
export function ownerLives(owner: string, file: string): boolean {
  const [pid = "", start, namespace, booted] = owner.split(".");
  if (booted === boot() && namespace === pidNamespace()) return startTime(Number(pid)) === start;
  const touched = statSync(file, { throwIfNoEntry: false })?.mtimeMs;
  return touched !== undefined && Date.now() - touched < FOREIGN_SILENCE_MS;
}

/** True when `owner` is or was a process of this boot of this machine. */
export function sameBoot(owner: string): boolean {
  return owner.split(".")[3] === boot();
}

/** Field 22 of /proc/<pid>/stat, in clock ticks since boot; the name in field 2 may hold spaces and parentheses. */
function startTime(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    // A zombie has ended; its parent just has not looked yet.
    return fields[0] === "Z" || fields[0] === "X" ? "gone" : (fields[19] ?? "gone");
  } catch {
    return "gone";
  }
}

let namespace: string | undefined;
function pidNamespace(): string {
  namespace ??= /\d+/.exec(attempt(() => readlinkSync("/proc/self/ns/pid")))?.[0] ?? "0";
  return namespace;
}

let bootId: string | undefined;
function boot(): string {
  bootId ??= attempt(() => readFileSync("/proc/sys/kernel/random/boot_id", "latin1")).slice(0, 8) || "0";
  return bootId;
}

function attempt(read: () => string): string {
  try {
    return read();
  } catch {
    return "";
  }
}
