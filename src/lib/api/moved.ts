/**
 * Modules for options that moved, typed.
 */
import * as renames from "../renames.ts";
import type { Later, Values } from "../typed/descriptors.ts";
import type { AnyModule, Module } from "../typed/modules.ts";

type Path = readonly string[];

/** Make `from` another name of `to`: `mkAliasOptionModule(["services", "ssh"], ["services", "sshd"])`. */
export function mkAliasOptionModule(from: Path, to: Path): AnyModule {
  return renames.aliasModule(from, to) as unknown as AnyModule;
}

/**
 * Make `from` an old name of `to`: its definitions still count, with a warning.
 *
 * @example
 * import { mkRenamedOptionModule } from "osmod/lib";
 *
 * export const renamed = mkRenamedOptionModule(["services", "ssh"], ["services", "openssh"]);
 */
export function mkRenamedOptionModule(from: Path, to: Path): AnyModule {
  return renames.renamedModule(from, to) as unknown as AnyModule;
}

/** Say that an option is gone, and what to do instead; defining it is a failed assertion. */
export function mkRemovedOptionModule(path: Path, instead: string): AnyModule {
  return renames.removedModule(path, instead) as unknown as AnyModule;
}

/** Say that several options became one; `convert` computes the new one's value from the configuration. */
export function mkMergedOptionModule<S = {}>(
  froms: readonly Path[],
  to: Path,
  convert: (config: Values<Later<S>>) => unknown,
): Module<S> {
  return renames.mergedModule(froms, to, convert as (config: object) => unknown) as unknown as Module<S>;
}

/** Say that an option became another one of a different type. */
export function mkChangedOptionModule<S = {}>(
  from: Path,
  to: Path,
  convert: (config: Values<Later<S>>) => unknown,
): Module<S> {
  return mkMergedOptionModule<S>([from], to, convert);
}
