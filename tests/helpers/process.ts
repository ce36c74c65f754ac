/** Ending servers that tests started, with everything that they started. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";

/** End a server after the processes below it, which may have sessions of their own and would outlive it. */
export async function endServer(server: ChildProcess | undefined): Promise<void> {
  if (server?.pid === undefined || server.exitCode !== null || server.signalCode !== null) return;
  const ended = once(server, "exit");
  for (let below = descendants(server.pid); below.length > 0; below = descendants(server.pid)) {
    below.forEach(end);
    await setTimeout(20);
  }
  end(server.pid);
  await ended;
}

/** All processes below one, the nearest first. */
export function descendants(pid: number): number[] {
  const children = childrenOf(pid);
  return [...children, ...children.flatMap(descendants)];
}

/** Wait until none of the processes runs. */
export async function allEnded(pids: readonly number[]): Promise<void> {
  while (pids.some(isRunning)) await setTimeout(20);
}

function isRunning(pid: number): boolean {
  try {
    // A process that nobody asked for its end has ended all the same. Its name, in parentheses, may hold anything.
    return !/^\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*(?=\))/s, ""));
  } catch {
    return false;
  }
}

function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

function end(pid: number): void {
  try {
    process.kill(pid);
  } catch {
    // It has just ended.
  }
}
