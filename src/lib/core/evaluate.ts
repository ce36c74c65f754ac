/**
 * Evaluating modules: the untyped entry that the typed interface, data modules and tests share.
 */
import type { ModuleLike } from "./module.ts";
import { Blueprint } from "./blueprint.ts";
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
  #scope: Scope | undefined;

  constructor(spec: EvaluateSpec) {
    this.spec = spec;
  }

  /** The fixpoint of these modules. */
  get scope(): Scope {
    this.#scope ??= new Scope({
      blueprint: new Blueprint(this.spec.modules, this.spec.class),
      loc: undefined,
      context: { specialArgs: this.spec.specialArgs ?? {} },
      args: () => ({ extendModules: (more: { readonly modules: readonly ModuleLike[] }) => this.extendModules(more) }),
    });
    return this.#scope;
  }

  get config(): object {
    return this.scope.config;
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
