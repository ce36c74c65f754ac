/**
 * From a command's arguments to an evaluated machine: find the file, load it, evaluate it with its locked packages.
 *
 * A verb passes a function that takes from the evaluation what it needs. When the lock does not have all that this
 * function asks for, the archive's index is read, the lock is made or extended, and the function runs again; so it
 * must do nothing but read.
 */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Evaluation } from "../lib/index.ts";
import { type PackageSet, withPackages } from "../packages/index.ts";
import type { Store } from "../store/index.ts";
import { evalMachine, type Machine, vmOf } from "../vm/index.ts";
import { loadMachine } from "./load.ts";
import { phase } from "./timing.ts";

/** The lock's name, beside the machine's file. */
export const LOCK_NAME = "osmod.lock.json";

/** How to evaluate. */
export interface EvaluateOptions {
  readonly signal: AbortSignal;
  /** Write the lock when it was made or extended. Default: yes. */
  readonly writeLock?: boolean;
}

/** What a verb gets. */
export interface Evaluated<T> {
  readonly value: T;
  readonly store: Store;
  readonly pkgs: PackageSet;
}

/** Reads from an evaluation; `path` is the option's path from the command line, `vm()` the VM variant's evaluation. */
export type Take<T> = (evaluation: Evaluation<Machine>, path: string, vm: () => Evaluation<Machine>) => T;

/** Evaluate the machine that the arguments name (`[machine.ts] [option.path]`). */
export async function evaluateMachine<T>(
  positionals: readonly string[],
  options: EvaluateOptions,
  take: Take<T>,
): Promise<Evaluated<T>> {
  const { path, option } = positionalsOf(positionals);
  phase("start");
  const { file, module } = await loadMachine(path);
  phase("load machine");
  const result = await withPackages(
    join(dirname(file), LOCK_NAME),
    { signal: options.signal, write: options.writeLock ?? true, say: (line) => process.stderr.write(`${line}\n`) },
    (pkgs) => {
      const evaluation = evalMachine([module], { pkgs });
      return take(evaluation, option, () => vmOf(evaluation));
    },
  );
  phase("evaluate");
  return result;
}

/** The machine's file may be left out: an argument that is no file is then the option's path. */
function positionalsOf(positionals: readonly string[]): { path: string; option: string } {
  const [first, second] = positionals;
  if (first === undefined) return { path: "machine.ts", option: "" };
  if (/\.[cm]?[jt]s$/.test(first) || existsSync(first)) return { path: first, option: second ?? "" };
  return { path: "machine.ts", option: first };
}
