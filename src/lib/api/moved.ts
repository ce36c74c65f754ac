/**
 * Modules for options that moved, typed.
 */
import type { Visibility } from "../core/option.ts";
import { Origin } from "../core/origin.ts";
import * as renames from "../renames.ts";
import type { Later, Values } from "../typed/descriptors.ts";
import type { AnyModule, Module } from "../typed/modules.ts";

type Path = readonly string[];

/** What `doRename` takes. */
export interface RenameSpec {
  readonly from: Path;
  readonly to: Path;
  /** Whether documentation has the old name. */
  readonly visible: Visibility;
  /** Whether using the old name adds to the option `warnings`, where there is one. */
  readonly warn: boolean;
  /** Changes what reading the old name gives. */
  readonly use?: (value: unknown) => unknown;
  /** Whether definitions keep their priority; they do, unless it is false. */
  readonly withPriority?: boolean;
  /** Whether definitions are handed over, and warned of; a thunk may read the configuration. */
  readonly condition?: boolean | (() => boolean);
}

/**
 * Make an option another name of one, in every way there is. What defines `from` defines `to`, and reading `from` reads
 * `to`. Problem: `rename-target` when nobody declares `to`. NixOS: `lib.modules.doRename`.
 *
 * @example
 * import { doRename } from "osmod/lib";
 *
 * export const renamed = doRename({ from: ["old"], to: ["new"], visible: false, warn: true, withPriority: false });
 *
 * @see mkRenamedOptionModule for the usual way.
 */
export function doRename(spec: RenameSpec): AnyModule {
  return renames.movedModule(spec, Origin.capture(doRename)) as unknown as AnyModule;
}

/**
 * Make `from` another name of `to`: `mkAliasOptionModule(["services", "ssh"], ["services", "sshd"])`. NixOS:
 * `lib.mkAliasOptionModule`.
 */
export function mkAliasOptionModule(from: Path, to: Path): AnyModule {
  return renames.aliasModule(from, to, Origin.capture(mkAliasOptionModule)) as unknown as AnyModule;
}

/**
 * Make `from` an old name of `to`: its definitions still count, with a warning. NixOS: `lib.mkRenamedOptionModule`.
 *
 * @example
 * import { mkRenamedOptionModule } from "osmod/lib";
 *
 * export const renamed = mkRenamedOptionModule(["services", "ssh"], ["services", "openssh"]);
 */
export function mkRenamedOptionModule(from: Path, to: Path): AnyModule {
  return renames.renamedModule(from, to, Origin.capture(mkRenamedOptionModule)) as unknown as AnyModule;
}

/**
 * The same for modules that serve several releases: it warns once the old name is needed by none of them, that is when
 * the oldest release they serve is `sinceRelease` or later. NixOS: `lib.mkRenamedOptionModuleWith`, which knows
 * the oldest release by itself.
 *
 * @example
 * import { mkRenamedOptionModuleWith } from "osmod/lib";
 *
 * export const renamed = mkRenamedOptionModuleWith({
 *   from: ["services", "ssh"],
 *   to: ["services", "openssh"],
 *   sinceRelease: 13,
 *   oldestSupportedRelease: 12,
 * });
 */
export function mkRenamedOptionModuleWith(spec: {
  readonly from: Path;
  readonly to: Path;
  readonly sinceRelease: number;
  /** Without it, the module serves no release in which the old name is needed. */
  readonly oldestSupportedRelease?: number;
}): AnyModule {
  const { from, to, sinceRelease, oldestSupportedRelease = Number.POSITIVE_INFINITY } = spec;
  const origin = Origin.capture(mkRenamedOptionModuleWith);
  const warn = oldestSupportedRelease >= sinceRelease;
  return renames.movedModule({ from, to, visible: false, warn }, origin) as unknown as AnyModule;
}

/**
 * Say that an option is gone, and what to do instead; defining it is a failed assertion. Problem: `option-removed` for
 * whoever reads it. NixOS: `lib.mkRemovedOptionModule`.
 */
export function mkRemovedOptionModule(path: Path, instead: string): AnyModule {
  return renames.removedModule(path, instead, Origin.capture(mkRemovedOptionModule)) as unknown as AnyModule;
}

/**
 * Say that several options became one; `convert` computes the new one's value from the configuration. NixOS:
 * `lib.mkMergedOptionModule`.
 */
export function mkMergedOptionModule<S = {}>(
  froms: readonly Path[],
  to: Path,
  convert: (config: Values<Later<S>>) => unknown,
): Module<S> {
  return merged(froms, to, convert as (config: object) => unknown, mkMergedOptionModule);
}

/** Say that an option became another one of a different type. NixOS: `lib.mkChangedOptionModule`. */
export function mkChangedOptionModule<S = {}>(
  from: Path,
  to: Path,
  convert: (config: Values<Later<S>>) => unknown,
): Module<S> {
  return merged([from], to, convert as (config: object) => unknown, mkChangedOptionModule);
}

function merged<S>(
  froms: readonly Path[],
  to: Path,
  convert: (config: object) => unknown,
  above: (...args: never[]) => unknown,
): Module<S> {
  return renames.mergedModule(froms, to, convert, Origin.capture(above)) as unknown as Module<S>;
}
