/**
 * Making modules and evaluating them.
 */

import { expecting, expectingPath, fileOrigin, inCall } from "../core/calls.ts";
import { isList } from "../core/careful.ts";
import { typeInvalid } from "../core/declaration-problems.ts";
import { evaluate, type RawEvaluation } from "../core/evaluate.ts";
import { type ModuleFields, type ModuleLike, ModuleRecord } from "../core/module.ts";
import { moduleField } from "../core/module-problems.ts";
import { Origin } from "../core/origin.ts";
import { nearest } from "../core/suggest.ts";
import { isType } from "../core/type.ts";
import type { Later, OptionType, Tree } from "../typed/descriptors.ts";
import type { AnyModule, Evaluation, Kit, Module, ModuleSpec, Others, ScopeOf, SpecialArgs } from "../typed/modules.ts";
import { attrsOf } from "../types/containers.ts";
import { checkTree } from "./declarations.ts";

/**
 * Make a module. `S` is its scope: every option that it may read or define.
 *
 * @example
 * import { declareOptions, define, defineModule, mkOption, t } from "osmod/lib";
 *
 * const options = declareOptions({ host: mkOption({ type: t.str }), url: mkOption({ type: t.str }) });
 *
 * export const module = defineModule<typeof options>({
 *   options,
 *   config: ({ config }) => define({ url: () => `https://${config.host}/` }),
 * });
 */
export function defineModule<S = {}>(spec: ModuleSpec<Later<S>>): Module<S> {
  return record(spec as ModuleSpec<unknown>, Origin.capture(defineModule)) as unknown as Module<S>;
}

/**
 * Make modules whose scope is that of other modules, which they import: no type has to be written.
 *
 * @example
 * import { declareOptions, defineModule, evalModules, mkOption, t, using } from "osmod/lib";
 *
 * const options = declareOptions({ port: mkOption({ type: t.port }) });
 * const base = defineModule<typeof options>({ options });
 * const mine = using(base).defineModule({ config: { port: 8080 } });
 *
 * evalModules({ modules: [mine] }).config.port; // 8080
 */
export function using<const I extends readonly AnyModule[]>(...modules: I): Kit<ScopeOf<I>> {
  return kit<ScopeOf<I>>(modules as unknown as readonly ModuleLike[]);
}

function kit<S>(imports: readonly ModuleLike[]): Kit<S> {
  const make = (spec: ModuleSpec<S>): Module<S> => {
    const origin = Origin.capture(make);
    return record(spec as ModuleSpec<unknown>, origin, imports) as unknown as Module<S>;
  };
  return {
    defineModule: make,
    declare: function declare<O extends Tree>(options: O) {
      inCall("declare", () => checkTree(options));
      const own = new ModuleRecord({ options }, Origin.capture(declare), true);
      return kit<S & O>([...imports, own]);
    },
    freeform: function freeform<F extends OptionType>(rest: F) {
      if (!isType(rest)) throw typeInvalid(Origin.ofCaller(), rest);
      const freeformType = attrsOf(rest);
      return kit<S & Others<F>>([...imports, new ModuleRecord({ freeformType }, Origin.capture(freeform), true)]);
    },
  };
}

/** What a module may have; anything else was meant to be inside `config` or `options`. */
const moduleFields: readonly string[] = [
  "key",
  "file",
  "class",
  "imports",
  "disabledModules",
  "options",
  "freeformType",
  "defaults",
  "config",
] satisfies readonly (keyof ModuleSpec<unknown>)[];

/** A module, with more imports before its own. */
function record(spec: ModuleSpec<unknown>, caller: Origin, more: readonly ModuleLike[] = []): ModuleRecord {
  return inCall("defineModule", () => {
    expecting(typeof spec === "object" && spec !== null, "defineModule", "a module, { config: … }", spec);
    const { options, file, class: named } = spec;
    expecting(named === undefined || typeof named === "string", "class of defineModule", "text", named);
    if (options !== undefined) checkTree(options);
    const origin = file === undefined ? caller : fileOrigin("file of defineModule", file);
    for (const name of Object.keys(spec))
      if (!moduleFields.includes(name)) throw moduleField(origin, name, nearest(name, moduleFields));
    const fields = spec as unknown as ModuleFields;
    if (more.length === 0) return new ModuleRecord(fields, origin, true);
    const { imports: own = [] } = fields;
    // A list that is none is a problem of its own, told when modules are collected.
    const imports = isList(own) ? [...more, ...own] : own;
    return new ModuleRecord({ ...fields, imports }, origin, true);
  });
}

/** What `evalModules` takes. Think twice before adding to it. */
export interface EvalSpec<M> {
  readonly modules: M;
  /** Arguments that every module gets beside `config` and `options`. */
  readonly specialArgs?: SpecialArgs;
  /** Refuse modules that say they are of another class. */
  readonly class?: string;
  /** Where the configuration is, when it is part of another one: problems then name options below it. */
  readonly prefix?: readonly string[];
}

/**
 * Evaluate modules. Nothing is computed before it is read, and an option nobody reads never is.
 *
 * @example
 * import { declareOptions, defineModule, evalModules, mkBefore, mkOption, t } from "osmod/lib";
 *
 * const options = declareOptions({ ports: mkOption({ type: t.listOf(t.port), default: [] }) });
 * const web = defineModule<typeof options>({ options, config: { ports: [80, 443] } });
 * const ssh = defineModule<typeof options>({ config: { ports: mkBefore([22]) } });
 *
 * evalModules({ modules: [web, ssh] }).config.ports; // [22, 80, 443]
 */
export function evalModules<const M extends readonly AnyModule[]>(spec: EvalSpec<M>): Evaluation<ScopeOf<M>> {
  const evaluation: RawEvaluation = inCall("evalModules", () => {
    expecting(typeof spec === "object" && spec !== null, "evalModules", "what to evaluate, { modules: […] }", spec);
    const { modules, specialArgs, class: expected, prefix } = spec;
    expecting(isList(modules), "evalModules", "a list of modules", modules);
    expecting(expected === undefined || typeof expected === "string", "class of evalModules", "text", expected);
    if (prefix !== undefined) expectingPath("prefix of evalModules", prefix);
    return evaluate({ modules: modules as unknown as readonly ModuleLike[], specialArgs, class: expected, prefix });
  });
  return evaluation as unknown as Evaluation<ScopeOf<M>>;
}

/**
 * Say which file a module comes from, for modules that were made without one: problems name that file. A module
 * that knows its own place keeps it. NixOS: `lib.setDefaultModuleLocation`.
 *
 * @example
 * import { defineModule, setDefaultModuleLocation } from "osmod/lib";
 *
 * export const generated = setDefaultModuleLocation("hosts.csv", defineModule({}));
 */
export function setDefaultModuleLocation<S>(file: string, module: Module<S>): Module<S> {
  const imports = [module as unknown as ModuleLike];
  return new ModuleRecord({ imports }, fileOrigin("setDefaultModuleLocation", file), true) as unknown as Module<S>;
}

/**
 * True for what `defineModule` and `dataModule` return.
 *
 * @example
 * import { defineModule, isModule } from "osmod/lib";
 *
 * [isModule(defineModule({})), isModule({})]; // [true, false]
 */
export function isModule(value: unknown): value is AnyModule {
  return value instanceof ModuleRecord;
}
