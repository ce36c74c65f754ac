/**
 * The systems that a virtual machine has been: its generations, kept beside its disk.
 *
 *     web.qcow2.generations/1        → the launcher of the first system, in the store; keeps it from being collected
 *     web.qcow2.generations/2        → that of the second
 *     web.qcow2.generations/default  → 2: what the next start begins with
 *
 * They come into being with the first `osmod switch` or `osmod boot`; a machine that is only ever built and started has none.
 * A generation is a launcher and not only a system, because kernel, initrd and devices belong to what a start begins with. At
 * a start, a launcher that is one of the generations hands over to the default one (launch-script.ts); one that is none was
 * built later and starts itself.
 */
import { lstatSync, readdirSync, readlinkSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { fail } from "../problems/index.ts";
import type { Store } from "../store/index.ts";
import { specOf } from "./running.ts";

/** One system that a virtual machine has been. */
export interface Generation {
  readonly number: number;
  /** The launcher's path on this host. */
  readonly launcher: string;
  /** The system's store path. */
  readonly toplevel: string;
  readonly created: Date;
  /** Whether the next start begins with it. */
  readonly isDefault: boolean;
}

/** Where the generations of a disk are. */
export function generationsFolder(disk: string): string {
  return `${disk}.generations`;
}

/** The generations of a disk, the oldest first; those whose launcher is gone are left out. */
export function generationsOf(disk: string): Generation[] {
  const folder = generationsFolder(disk);
  const chosen = linkAt(join(folder, "default"));
  return listed(folder)
    .filter((name) => /^[1-9]\d*$/.test(name))
    .flatMap((name) => {
      const link = join(folder, name);
      const launcher = linkAt(link);
      if (launcher === undefined) return [];
      const toplevel = toplevelOf(launcher);
      if (toplevel === undefined) return [];
      const created = lstatSync(link).mtime;
      return [{ number: Number(name), launcher, toplevel, created, isDefault: name === chosen }];
    })
    .sort((a, b) => a.number - b.number);
}

/** One generation by its number. Problem: `generation-unknown`. */
export function generationOf(disk: string, number: number): Generation {
  const all = generationsOf(disk);
  return (
    all.find((generation) => generation.number === number) ??
    fail({
      code: "generation-unknown",
      message: `${disk} has no generation ${number}`,
      notes: all.length === 0 ? ["it has none yet"] : [`it has ${all.map((one) => one.number).join(", ")}`],
      fix: "osmod switch --list-generations shows them.",
    })
  );
}

/** The generation before the default one. Problem: `generation-first`. */
export function generationBefore(disk: string): Generation {
  const all = generationsOf(disk);
  const at = all.findIndex(({ isDefault }) => isDefault);
  return (
    all[at - 1] ??
    fail({
      code: "generation-first",
      message: `there is no generation of ${disk} to go back to`,
      notes: all.length === 0 ? ["generations come into being with osmod switch and osmod boot"] : [],
      fix: "osmod switch --list-generations shows what there is, --generation N chooses one.",
    })
  );
}

/**
 * Make a launcher (a store path) the generation that the next start begins with: the one it is already, else a new one. `running` is
 * what the machine runs, which becomes the first generation when there is none.
 */
export function makeDefault(store: Store, disk: string, launcher: string, running?: string): Generation {
  if (running !== undefined && generationsOf(disk).length === 0) add(store, disk, running);
  const known = generationsOf(disk).findLast((one) => one.launcher === store.physical(launcher));
  const number = known?.number ?? add(store, disk, launcher);
  const link = join(generationsFolder(disk), "default");
  const next = `${link}.tmp-${process.pid}`;
  rmSync(next, { force: true });
  symlinkSync(String(number), next);
  renameSync(next, link);
  return generationOf(disk, number);
}

function add(store: Store, disk: string, launcher: string): number {
  const folder = generationsFolder(disk);
  const numbers = listed(folder).map(Number).filter(Number.isInteger);
  const number = Math.max(0, ...numbers) + 1;
  store.addRoot(join(folder, String(number)), launcher);
  return number;
}

function toplevelOf(launcher: string): string | undefined {
  try {
    return specOf(launcher).toplevel;
  } catch {
    return undefined;
  }
}

function linkAt(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

function listed(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
