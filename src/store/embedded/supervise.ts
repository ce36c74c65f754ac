/**
 * Running a program to its end, and the end of all it started.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, constants, openSync, readdirSync, readFileSync } from "node:fs";
import type { Readable } from "node:stream";
import { guard } from "./guardian.ts";
import { limited } from "./limits.ts";

/** The descriptor under which a supervised program finds its filter. */
export const FILTER_DESCRIPTOR = 4;

/** A program to be run within the limits of builders, and the files that it writes to and reads from; both are there. */
export interface Supervised {
  readonly argv: readonly string[];
  readonly log: string;
  readonly filter: string;
}

/** How a program ended: its exit code, or what killed it. */
export type Ended = readonly [code: number | null, signal: NodeJS.Signals | null];

/**
 * Run a program in a process group of its own; a signal kills the whole group. A program that cannot be started is thrown
 * as Node throws it.
 *
 * The builder's end is the end of all that it started (sandbox.ts). When it is killed, bubblewrap is gone first: every
 * process of the builder has inherited descriptor 3, a pipe nobody writes to, and its end is that of the last of them.
 */
export function supervise(supervised: Supervised, signal: AbortSignal): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const [program = "", ...args] = limited(supervised.argv);
    const nothing = openSync("/dev/null", "r");
    const log = openSync(supervised.log, constants.O_WRONLY);
    const filter = openSync(supervised.filter, "r");
    const stdio: ("ignore" | "pipe" | number)[] = ["ignore", log, log, "pipe", filter];
    for (const fd of inherited()) {
      while (stdio.length <= fd) stdio.push("ignore");
      if (fd > FILTER_DESCRIPTOR) stdio[fd] = nothing;
    }
    // Some reasons not to start are thrown here (then the promise rejects), others told by the event.
    let child: ChildProcess;
    try {
      child = withUmask(() => spawn(program, args, { cwd: "/", env: {}, stdio, detached: true }));
    } finally {
      for (const fd of [nothing, log, filter]) closeSync(fd);
    }
    const ended = child.pid === undefined ? () => {} : guard(child.pid);
    const kill = (): void => {
      try {
        // Bubblewrap's death is that of the namespace's first process, and so of everything in it.
        if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
      } catch {
        // It has ended meanwhile.
      }
    };
    signal.addEventListener("abort", kill);
    if (signal.aborted) kill();
    child.once("error", (error) => {
      signal.removeEventListener("abort", kill);
      ended();
      reject(error);
    });
    (child.stdio[3] as Readable).resume();
    child.once("close", (code, killedBy) => {
      signal.removeEventListener("abort", kill);
      ended();
      resolve([code, killedBy]);
    });
  });
}

/** Builders see the same umask everywhere; it is inherited, and only the main thread may change it. */
function withUmask<T>(work: () => T): T {
  let before: number | undefined;
  try {
    before = process.umask(0o022);
  } catch {
    return work();
  }
  try {
    return work();
  } finally {
    process.umask(before);
  }
}

let leaks: readonly number[] | undefined;

/**
 * Descriptors that this process was started with and would hand on: a directory among them would lead out of any
 * namespace. What Node opens itself is closed in its children; of what it got from its parent it only knows the first few.
 */
function inherited(): readonly number[] {
  if (leaks !== undefined) return leaks;
  const found: number[] = [];
  for (const name of readdirSync("/proc/self/fd")) {
    if (Number(name) > 2 && handedOn(name)) found.push(Number(name));
  }
  leaks = found.sort((a, b) => a - b);
  return leaks;
}

/** True unless the descriptor is closed when another program starts, or was that of the listing itself. */
function handedOn(fd: string): boolean {
  try {
    const flags = /^flags:\s*([0-7]+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "latin1"))?.[1];
    return flags !== undefined && (Number.parseInt(flags, 8) & CLOSE_ON_EXEC) === 0;
  } catch {
    return false;
  }
}

const CLOSE_ON_EXEC = 0o2000000;
