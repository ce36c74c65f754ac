/**
 * Evaluating modules: the untyped entry that the typed interface, data modules and tests share.
 */

import { Blueprint } from "./blueprint.ts";
import { type Cell, Computation } from "./cell.ts";
import type { ModuleLike } from "./module.ts";
import { Scope } from "./scope.ts";

/** What evaluation needs. Think twice before adding to it: everything else is a module's business. */
export interface EvaluateSpec {
  readonly modules: readonly ModuleLike[];
  readonly specialArgs?: object | undefined;
  /** Modules of another class are refused. */
  readonly class?: string | undefined;
}

/** An evaluation; nothing is evaluated until it is read. */
export class RawEvaluation {
  readonly spec: EvaluateSpec;
  readonly #scope: Cell;
  readonly #config: Cell;

  constructor(spec: EvaluateSpec) {
    this.spec = spec;
    this.#scope = new Computation("the configuration", () => this.#makeScope());
    this.#config = new Computation("the configuration", () => this.scope.config);
  }

  /** The fixpoint of these modules. */
  get scope(): Scope {
    return this.#scope.force() as Scope;
  }

  #makeScope(): Scope {
    return new Scope({
      blueprint: new Blueprint(this.spec.modules, this.spec.class),
      loc: undefined,
      context: { specialArgs: this.spec.specialArgs ?? {} },
      args: () => ({ extendModules: (more: { readonly modules: readonly ModuleLike[] }) => this.extendModules(more) }),
    });
  }

  get config(): object {
    return this.#config.force() as object;
  }
  get options(): object {
    return this.scope.root.view();
  }

  /** The same modules and more. */
  extendModules({ modules }: { readonly modules: readonly ModuleLike[] }): RawEvaluation {
    return new RawEvaluation({ ...this.spec, modules: [...this.spec.modules, ...modules] });
  }
}

/** Evaluate modules. */
export function evaluate(spec: EvaluateSpec): RawEvaluation {
  return new RawEvaluation(spec);
}
