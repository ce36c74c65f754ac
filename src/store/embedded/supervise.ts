/**
 * Running a program to its end, and the end of all it started.
 */
import { spawn } from "node:child_process";
import type { Readable } from "node:stream";

/**
 * Run a program in a process group of its own, with what it says going to the file `log`; a signal kills the whole
 * group. Answers the exit code or what killed it; a program that cannot be started is thrown as Node throws it.
 *
 * Bubblewrap reports the builder's end at once, and what the builder left in the background is killed only then. Every
 * one of them has inherited descriptor 3, a pipe nobody writes to, so its end is the end of the last of them: nothing
 * can still write to an output that is being hashed.
 */
export function supervise(
  argv: readonly string[],
  log: number,
  signal: AbortSignal,
): Promise<[code: number | null, signal: NodeJS.Signals | null]> {
  return new Promise((resolve, reject) => {
    const [program = "", ...args] = argv;
    // Some reasons not to start are thrown here (then the promise rejects), others told by the event.
    const child = withUmask(() =>
      spawn(program, args, { cwd: "/", env: {}, stdio: ["ignore", log, log, "pipe"], detached: true }),
    );
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
      reject(error);
    });
    (child.stdio[3] as Readable).resume();
    child.once("close", (code, killedBy) => {
      signal.removeEventListener("abort", kill);
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
