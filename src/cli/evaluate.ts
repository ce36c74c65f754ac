/**
 * From a command's arguments to an evaluated machine: find the file, load it, evaluate it with its locked packages.
 *
 * A verb passes a function that takes from the evaluation what it needs. When the lock does not have all that this
 * function asks for, the archive's index is read, the lock is made or extended, and the function runs again; so it
 * must do nothing but read.
 */
import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { Evaluation } from "../lib/index.ts";
import {
  hostSandbox,
  type Mirrors,
  type PackageSet,
  type PackageSource,
  type WithPackagesResult,
  withPackages,
} from "../packages/index.ts";
import { defaultRoot, openNixStore, openStore, type SandboxTool, type Store } from "../store/index.ts";
import { evalMachine, LOCK_NAME, loadMachine, type Machine, vmOf } from "../vm/index.ts";
import { SandboxAhead } from "./sandbox-ahead.ts";
import { chosenStore, type StoreKind } from "./store-choice.ts";
import { phase } from "./timing.ts";

/** How to evaluate. */
export interface EvaluateOptions {
  readonly signal: AbortSignal;
  /** Only look: write no lock, and read the archive's index only when a package is asked for. */
  readonly readOnly?: boolean;
  /** Forget the versions that are pinned. */
  readonly update?: boolean;
  /** What `--store` said. */
  readonly store?: string | undefined;
  /** What is evaluated will be built: the sandbox is made ready meanwhile, where it would be the first in its store. */
  readonly builds?: boolean;
}

/** What a verb gets. */
export interface Evaluated<T> {
  readonly value: T;
  readonly store: Store;
  readonly pkgs: PackageSet;
  /** Path of the lock, and whether it was written. */
  readonly lockFile: string;
  readonly lockChanged: boolean;
  /** How many packages the lock pins. */
  readonly locked: number;
}

/** What a verb reads from. */
export interface Subject {
  readonly evaluation: Evaluation<Machine>;
  /** What stood behind the machine's file on the command line: an option's path, a package's name. */
  readonly rest: string;
  readonly pkgs: PackageSet;
  /** The evaluation of the machine's virtual machine. */
  readonly vm: () => Evaluation<Machine>;
}

/** Evaluate the machine that the arguments name (`[machine.ts] [rest]`). */
export async function evaluateMachine<T>(
  positionals: readonly string[],
  options: EvaluateOptions,
  take: (subject: Subject) => T,
): Promise<Evaluated<T>> {
  const { path, rest } = positionalsOf(positionals);
  const { store: choice, builds = false, ...how } = options;
  const kind = chosenStore(choice);
  phase("start");
  const lockFile = join(dirname(resolve(path)), LOCK_NAME);
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  // Where there is no lock, the archive's index comes in while the file is compiled. A file that cannot be loaded ends that.
  const loading = loadMachine(path);
  loading.catch(() => stop.abort());
  const onProgress = (line: string): void => void loading.then(() => say(line)).catch(() => {});
  const ahead =
    builds && kind === "embedded" ? new SandboxAhead({ root: defaultRoot(), onProgress, signal }) : undefined;
  const onSource = (source: PackageSource, mirrors: Mirrors): void => ahead?.begin(source, mirrors);
  try {
    const result = await withPackages({ ...how, lockFile, onProgress, onSource, signal }, async (pkgs) => {
      const { module } = await loading;
      phase("load machine");
      await ahead?.underWay();
      const evaluation = evalMachine(module, { pkgs });
      return take({ evaluation, rest, pkgs, vm: () => vmOf(evaluation) });
    });
    const locked = Object.keys(result.lock?.packages ?? {}).length;
    if (result.lockChanged) say(`locked ${locked} packages in ${lockFile}`);
    phase("evaluate");
    const { value, pkgs, lockChanged } = result;
    return { value, pkgs, lockFile, lockChanged, locked, store: storeWith(kind, result, ahead?.tool) };
  } catch (error) {
    stop.abort();
    await loading;
    throw error;
  }
}

/** The store that builds: Nix's, or the embedded one, whose builders are isolated by the bubblewrap that the lock pins. */
export function storeWith(
  kind: StoreKind,
  { source, mirrors }: Pick<WithPackagesResult<unknown>, "source" | "mirrors">,
  sandbox?: SandboxTool,
): Store {
  if (kind === "nix") return openNixStore();
  const root = defaultRoot();
  return openStore({ root, sandbox: sandbox ?? hostSandbox({ root, source, mirrors, onProgress: say }) });
}

/** Tell how it goes. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** The machine's file may be left out: an argument that is no file is then what stands behind it. */
function positionalsOf(positionals: readonly string[]): { path: string; rest: string } {
  const [first, second] = positionals;
  if (first === undefined) return { path: "machine.ts", rest: "" };
  if (/\.[cm]?[jt]s$/.test(first) || (second !== undefined && existsSync(first)))
    return { path: first, rest: second ?? "" };
  return { path: "machine.ts", rest: first };
}
