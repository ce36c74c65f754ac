/**
 * Evaluating modules: the untyped entry that the typed interface, data modules and tests share.
 */

import { submodule } from "../types/submodule.ts";
import { Blueprint } from "./blueprint.ts";
import { expecting, expectingPath, inCall } from "./calls.ts";
import { carefully, isList } from "./careful.ts";
import { type Cell, Computation } from "./cell.ts";
import { graphOf, type ModuleGraph } from "./graph.ts";
import { locOf, showPath } from "./loc.ts";
import type { ModuleLike } from "./module.ts";
import { Scope } from "./scope.ts";
import type { Type } from "./type.ts";

/** What evaluation needs. Think twice before adding to it: everything else is a module's business. */
export interface EvaluateSpec {
  readonly modules: readonly ModuleLike[];
  readonly specialArgs?: object | undefined;
  /** Modules of another class are refused. */
  readonly class?: string | undefined;
  /** Where the configuration is part of another one; problems name options below it. */
  readonly prefix?: readonly string[] | undefined;
}

/** What an evaluation may be extended with. */
export interface Extension {
  readonly modules?: readonly ModuleLike[] | undefined;
  /** Added to those there are; of equal names these win. */
  readonly specialArgs?: object | undefined;
  /** Replaces the one there is. */
  readonly prefix?: readonly string[] | undefined;
}

/** An evaluation; nothing is evaluated until it is read. */
export class RawEvaluation {
  readonly spec: EvaluateSpec;
  readonly #scope: Cell;
  readonly #config: Cell;
  #type: Type | undefined;

  constructor(spec: EvaluateSpec) {
    this.spec = spec;
    const { prefix = [] } = spec;
    const what = prefix.length === 0 ? "the configuration" : `the options of ${showPath(prefix)}`;
    this.#scope = new Computation(what, () => this.#makeScope());
    this.#config = new Computation(what, () => this.scope.config);
  }

  /** The fixpoint of these modules. */
  get scope(): Scope {
    return this.#scope.force() as Scope;
  }

  #makeScope(): Scope {
    return new Scope({
      blueprint: new Blueprint(this.spec.modules, this.spec.class),
      loc: locOf(this.spec.prefix ?? []),
      context: { specialArgs: this.spec.specialArgs ?? {} },
      args: () => argumentsAbout(this),
    });
  }

  get config(): object {
    return this.#config.force() as object;
  }
  /** The options, after a look for unknown ones. */
  get options(): object {
    this.scope.ensureComplete();
    return this.scope.root.view();
  }
  /** The values of the options below `_module`, likewise. */
  get _module(): object {
    this.scope.ensureComplete();
    return this.scope.internal.object();
  }
  /** The class of the evaluation's modules. */
  get class(): string | null {
    return this.spec.class ?? null;
  }
  /** The type of options whose values are configurations of these modules. */
  get type(): Type {
    const { modules, specialArgs, class: expected } = this.spec;
    this.#type ??= submodule(modules, {
      ...(specialArgs === undefined ? {} : { specialArgs }),
      ...(expected === undefined ? {} : { class: expected }),
    });
    return this.#type;
  }
  /** Which module imports which. */
  get graph(): readonly ModuleGraph[] {
    return inCall("graph", () => graphOf(this.spec.modules, () => this.scope.args));
  }

  /** The same modules and more. */
  extendModules(more: Extension): RawEvaluation {
    const call = "extendModules";
    expecting(typeof more === "object" && more !== null, call, "more modules, { modules: […] }", more);
    const { modules = [], specialArgs, prefix } = inCall(call, () => ({ ...more }));
    expecting(
      carefully(() => isList(modules), false),
      call,
      "a list of modules",
      modules,
    );
    if (prefix !== undefined) expectingPath("prefix of extendModules", prefix);
    const { spec } = this;
    return new RawEvaluation({
      ...spec,
      modules: inCall(call, () => [...spec.modules, ...modules]),
      specialArgs: specialArgs === undefined ? spec.specialArgs : { ...spec.specialArgs, ...specialArgs },
      prefix: prefix ?? spec.prefix,
    });
  }
}

/** What module functions are told of the evaluation; its type is made when it is asked for. */
function argumentsAbout(evaluation: RawEvaluation): object {
  return {
    get moduleType() {
      return evaluation.type;
    },
    extendModules: (more: Extension) => evaluation.extendModules(more),
  };
}

/** The evaluation that somebody was given, for whoever looks inside it. */
export function evaluated(evaluation: unknown, call: string): RawEvaluation {
  const isOne = carefully(() => evaluation instanceof RawEvaluation, false);
  expecting(isOne, call, "an evaluation, which evalModules returns", evaluation);
  return evaluation as RawEvaluation;
}

/** Evaluate modules. */
export function evaluate(spec: EvaluateSpec): RawEvaluation {
  if (!carefully(() => isList(spec.modules), false)) {
    const got = carefully<unknown>(() => spec.modules, spec);
    expecting(false, "evaluate", "a list of modules", got);
  }
  return new RawEvaluation(spec);
}
