/** Ending servers that tests started, with everything that they started. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";

/** End a server after the processes below it, which may have sessions of their own and would outlive it. */
export async function endServer(server: ChildProcess | undefined): Promise<void> {
  if (server?.pid === undefined || server.exitCode !== null || server.signalCode !== null) return;
  const ended = once(server, "exit");
  for (let near = childrenOf(server.pid); near.length > 0; near = childrenOf(server.pid)) {
    const far = near.flatMap(descendants);
    // Who is connected loses the connection first, and does not hear of what becomes of the rest.
    await endAll(near, "SIGTERM");
    await endAll(far, "SIGKILL");
  }
  await endAll([server.pid], "SIGTERM");
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

async function endAll(pids: readonly number[], signal: NodeJS.Signals): Promise<void> {
  for (const pid of pids.filter(isRunning)) {
    try {
      process.kill(pid, signal);
    } catch {
      // It has just ended.
    }
  }
  await allEnded(pids);
}
