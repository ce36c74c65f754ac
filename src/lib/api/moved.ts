/**
 * Modules for options that moved, typed.
 */
import { expecting, expectingFunction, expectingPath, inCall } from "../core/calls.ts";
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
  const origin = Origin.capture(doRename);
  return move("doRename", spec, () => renames.movedModule(spec, origin));
}

/**
 * Make `from` another name of `to`: `mkAliasOptionModule(["services", "ssh"], ["services", "sshd"])`. NixOS:
 * `lib.mkAliasOptionModule`.
 *
 * @example
 * import { mkAliasOptionModule } from "osmod/lib";
 *
 * export const alias = mkAliasOptionModule(["services", "ssh"], ["services", "openssh"]);
 */
export function mkAliasOptionModule(from: Path, to: Path): AnyModule {
  const origin = Origin.capture(mkAliasOptionModule);
  return move("mkAliasOptionModule", { from, to }, () => renames.aliasModule(from, to, origin));
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
  const origin = Origin.capture(mkRenamedOptionModule);
  return move("mkRenamedOptionModule", { from, to }, () => renames.renamedModule(from, to, origin));
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
  const origin = Origin.capture(mkRenamedOptionModuleWith);
  return move("mkRenamedOptionModuleWith", spec, () => {
    const { from, to, sinceRelease, oldestSupportedRelease = Number.POSITIVE_INFINITY } = spec;
    const warn = oldestSupportedRelease >= sinceRelease;
    return renames.movedModule({ from, to, visible: false, warn }, origin);
  });
}

/**
 * Say that an option is gone, and what to do instead; defining it is a failed assertion. Problem: `option-removed` for
 * whoever reads it. NixOS: `lib.mkRemovedOptionModule`.
 *
 * @example
 * import { mkRemovedOptionModule } from "osmod/lib";
 *
 * export const removed = mkRemovedOptionModule(["services", "telnet"], "Use services.openssh.");
 */
export function mkRemovedOptionModule(path: Path, instead: string): AnyModule {
  const origin = Origin.capture(mkRemovedOptionModule);
  return inCall("mkRemovedOptionModule", () => {
    expectingPath("mkRemovedOptionModule", path);
    expecting(typeof instead === "string", "mkRemovedOptionModule", "text about what to do instead", instead);
    return renames.removedModule(path, instead, origin) as unknown as AnyModule;
  });
}

/**
 * Say that several options became one; `convert` computes the new one's value from the configuration. NixOS:
 * `lib.mkMergedOptionModule`.
 *
 * @example
 * import { mkMergedOptionModule } from "osmod/lib";
 *
 * export const merged = mkMergedOptionModule<{}>([["http"], ["https"]], ["ports"], () => [80, 443]);
 */
export function mkMergedOptionModule<S = {}>(
  froms: readonly Path[],
  to: Path,
  convert: (config: Values<Later<S>>) => unknown,
): Module<S> {
  return merged(froms, to, convert as (config: object) => unknown, mkMergedOptionModule);
}

/**
 * Say that an option became another one of a different type. NixOS: `lib.mkChangedOptionModule`.
 *
 * @example
 * import { mkChangedOptionModule } from "osmod/lib";
 *
 * export const changed = mkChangedOptionModule<{}>(["port"], ["ports"], () => [80]);
 */
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
  const origin = Origin.capture(above);
  return inCall(above.name, () => {
    expecting(Array.isArray(froms), above.name, "a list of paths", froms);
    for (const path of [...froms, to]) expectingPath(above.name, path);
    expectingFunction(above.name, convert);
    return renames.mergedModule(froms, to, convert, origin) as unknown as Module<S>;
  });
}

/** Make a module for an option that moved, once it is known that both paths are paths. */
function move(call: string, spec: { readonly from: Path; readonly to: Path }, make: () => object): AnyModule {
  return inCall(call, () => {
    expecting(typeof spec === "object" && spec !== null, call, "what moved, { from: […], to: […] }", spec);
    expectingPath(call, spec.from);
    expectingPath(call, spec.to);
    return make() as AnyModule;
  });
}
