/**
 * What a builder may take of the host: not all processes, no core dumps, and the first place among those whom the kernel
 * ends when memory runs out; and time, when somebody says how much.
 *
 * Node cannot set the limits of another process. The host's shell sets its own and becomes the builder; where there is none,
 * builders have the limits that this process has. The kernel does not count processes of the host's root.
 */
import { existsSync, statSync } from "node:fs";
import { type Problem, problem } from "../../problems/index.ts";
import type { RealiseOptions } from "../store.ts";

/** Of the user, on the whole host: more than any build needs, fewer than the kernel has numbers for. */
const MOST_PROCESSES = 8192;

const SHELL = "/bin/sh";

/**
 * Shells differ in the letter for processes. A limit that is lower already stays. A builder is not begun for a process that was killed while
 * it was starting this one, before the guardian (guardian.ts) heard of it.
 */
const SCRIPT = `[ "$PPID" = ${process.pid} ] || exit 125
{
  echo 1000 >/proc/self/oom_score_adj
  ulimit -c 0
  ulimit -u ${MOST_PROCESSES} || ulimit -p ${MOST_PROCESSES}
} 2>/dev/null
exec "$@"`;

/** The name by which the shell complains. */
export const LIMITS = "osmod-limits";

/** The argv that runs a program within these limits. */
export function limited(argv: readonly string[]): readonly string[] {
  return existsSync(SHELL) ? [SHELL, "-c", SCRIPT, LIMITS, ...argv] : argv;
}

/** How long builders may take. */
export type TimeLimits = Pick<RealiseOptions, "timeout" | "maxSilentTime">;

/** Watches one builder's time. */
export class Patience {
  /** Aborted when the builder's time is over. */
  readonly signal: AbortSignal;
  readonly #over = new AbortController();
  readonly #timers: NodeJS.Timeout[] = [];
  #why: string | undefined;

  constructor(log: string, { timeout, maxSilentTime }: TimeLimits) {
    this.signal = this.#over.signal;
    if (timeout !== undefined && timeout > 0) {
      this.#timers.push(setTimeout(() => this.#end(`took more than ${timeout} seconds`), timeout * 1000));
    }
    if (maxSilentTime === undefined || maxSilentTime <= 0) return;
    let [size, since] = [0, performance.now()];
    const look = (): void => {
      const now = statSync(log, { throwIfNoEntry: false })?.size ?? 0;
      if (now !== size) [size, since] = [now, performance.now()];
      else if (performance.now() - since >= maxSilentTime * 1000) {
        this.#end(`said nothing for more than ${maxSilentTime} seconds`);
      }
    };
    this.#timers.push(setInterval(look, Math.min(1000, maxSilentTime * 250)));
  }

  /** Why the builder was stopped, if it was. */
  problem(name: string, log: string): Problem | undefined {
    return this.#why === undefined ? undefined : timedOut(name, this.#why, log);
  }

  /** The builder has ended. */
  stop(): void {
    for (const timer of this.#timers) clearTimeout(timer);
  }

  #end(why: string): void {
    this.#why ??= why;
    this.#over.abort();
  }
}

/** A builder had a time limit, and met it. */
export function timedOut(name: string, why: string, log?: string): Problem {
  return problem({
    code: "builder-timed-out",
    message: `the builder of ${name} ${why} and was stopped`,
    sites: log === undefined ? [] : [{ file: log, label: "whole log" }],
    fix: "Look into its log for what it waited for. If it only needs longer, give it more: --timeout, --max-silent-time (seconds; 0 is no limit).",
  });
}
