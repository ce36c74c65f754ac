/**
 * From a machine to its launcher, for programs: what `osmod build-vm` does, without a command line.
 */
import { availableParallelism } from "node:os";
import { dirname, join, resolve } from "node:path";
import type { AnyModule } from "../lib/index.ts";
import { explainGone, hostSandbox, type Mirrors, type PackageSource, withPackages } from "../packages/index.ts";
import { type BuildEvent, type Derivation, defaultRoot, openNixStore, openStore, type Store } from "../store/index.ts";
import { loadMachine } from "./load.ts";
import { evalMachine } from "./machine.ts";

/** The lock's name, beside the machine's file. */
export const LOCK_NAME = "osmod.lock.json";

/** How to build a machine. */
export interface BuildMachineOptions {
  /** Path of the lock. Default: beside the machine's file; of a machine that is no file, in the current directory. */
  readonly lockFile?: string;
  /** Modules on top of the machine's own. */
  readonly modules?: readonly AnyModule[];
  /** Which store builds. Default: `OSMOD_STORE`, else the embedded one. */
  readonly store?: "embedded" | "nix";
  readonly onProgress?: (line: string) => void;
  readonly onEvent?: (event: BuildEvent) => void;
  readonly signal?: AbortSignal;
}

/** A machine that was built. */
export interface BuiltMachine {
  /** Its host name. */
  readonly name: string;
  /** What starts it; see {@link StartVmOptions}. */
  readonly launcher: string;
  /** The directory of `machine.json`, the machine as data. */
  readonly share: string;
  /** The launcher's store path, and the store that has it. */
  readonly path: string;
  readonly store: Store;
}

/** A machine's launcher before it is built. */
export interface DescribedMachine {
  /** Its host name. */
  readonly name: string;
  /** What builds the launcher. */
  readonly drv: Derivation;
  /** The lock that its packages are from. */
  readonly lockFile: string;
  readonly source: PackageSource;
  readonly mirrors: Mirrors;
}

/** The lock that a machine's packages are from, unless it is named: beside its file, else in the current directory. */
export function lockOf(machine: AnyModule | string, options: Pick<BuildMachineOptions, "lockFile"> = {}): string {
  return resolve(options.lockFile ?? join(typeof machine === "string" ? dirname(machine) : ".", LOCK_NAME));
}

/** Evaluate a machine down to what builds its launcher. With `frozen` the lock has to have everything, and no archive is asked. */
export async function describeMachine(
  machine: AnyModule | string,
  options: BuildMachineOptions & { readonly frozen?: boolean } = {},
): Promise<DescribedMachine> {
  const { signal, onProgress = () => {}, frozen = false, modules = [] } = options;
  const module = typeof machine === "string" ? (await loadMachine(machine)).module : machine;
  const lockFile = lockOf(machine, options);
  const how = { lockFile, onProgress, frozen, ...(signal === undefined ? {} : { signal }) };
  const { value, source, mirrors } = await withPackages(how, (pkgs) => {
    const { config } = evalMachine([module, ...modules], { pkgs });
    return { drv: config.system.build.vm, name: config.networking.hostName };
  });
  return { ...value, lockFile, source, mirrors };
}

/** Build a machine, given as a module or as the path of a file that exports one, unless that was done already. */
export async function buildMachine(
  machine: AnyModule | string,
  options: BuildMachineOptions = {},
): Promise<BuiltMachine> {
  const { signal, onEvent, onProgress = () => {} } = options;
  const { name, drv, lockFile, source, mirrors } = await describeMachine(machine, options);
  const root = defaultRoot();
  const byNix = (options.store ?? process.env["OSMOD_STORE"]) === "nix";
  const store: Store = byNix
    ? openNixStore()
    : openStore({ root, sandbox: hostSandbox({ root, source, mirrors, onProgress }) });
  const output = store.physical(drv.outPath);
  const jobs = byNix ? {} : { maxJobs: availableParallelism() };
  const watch = onEvent === undefined ? {} : { onEvent };
  try {
    await store.realise([drv], { ...jobs, ...watch, ...(signal === undefined ? {} : { signal }) });
  } catch (error) {
    throw explainGone(error, lockFile);
  }
  return {
    name,
    launcher: join(output, "bin", `run-${name}-vm`),
    share: join(output, "share/osmod"),
    path: drv.outPath,
    store,
  };
}
