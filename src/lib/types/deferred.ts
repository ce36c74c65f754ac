/**
 * The type of options whose value is modules, for someone else to evaluate.
 *
 * Each definition becomes a module that imports what it says, and that has for its place the definition's and the
 * option's: a module without a file of its own is then told as `machine.ts:7, via option virtualisation.vmVariant`.
 */
import { isList } from "../core/careful.ts";
import type { Def } from "../core/definition.ts";
import { type Loc, showLoc } from "../core/loc.ts";
import { type ModuleLike, ModuleRecord } from "../core/module.ts";
import { Origin } from "../core/origin.ts";
import { makeType, type Type } from "../core/type.ts";
import { submodule } from "./submodule.ts";

/** Modules; the definitions are listed one after the other, after the static ones, whose options are documented. */
export function deferredModuleWith(staticModules: readonly ModuleLike[] = []): Type {
  return makeType({
    name: "deferredModule",
    description: "module",
    descriptionClass: "noun",
    check: (value) => modulesOf(value) !== undefined,
    merge: (at, defs) => Object.freeze([...staticModules, ...defs.flatMap((def) => placed(def, at.loc))]),
    schema: () => ({ type: "array", maxItems: 0 }),
    functor: {
      name: "deferredModule",
      payload: staticModules,
      combine: (own, other) =>
        deferredModuleWith([...(own as readonly ModuleLike[]), ...(other as readonly ModuleLike[])]),
    },
    subModules: staticModules.length === 0 ? undefined : staticModules,
    withSubModules: (modules) => deferredModuleWith(modules),
    subOptions: (path) => (staticModules.length === 0 ? [] : submodule(staticModules).subOptions(path)),
  });
}

/** Modules without static ones. */
export const deferredModule: Type = deferredModuleWith();

function placed(def: Def, loc: Loc | undefined): readonly ModuleRecord[] {
  const imports = modulesOf(def.value) ?? [];
  return imports.length === 0
    ? []
    : [new ModuleRecord({ imports }, new Origin(`${String(def.origin)}, via option ${showLoc(loc)}`))];
}

function modulesOf(value: unknown): readonly ModuleRecord[] | undefined {
  if (value instanceof ModuleRecord) return [value];
  return isList(value) && value.every((item) => item instanceof ModuleRecord) ? (value as ModuleRecord[]) : undefined;
}
