/**
 * Modules and evaluations as the compiler sees them.
 *
 * A module has a *scope*: the type of all options it may read or define. `defineModule<Scope>` names it, `using(…)`
 * infers it from the modules it is given. Declarations are split from definitions (`options` is a constant whose
 * initialiser never mentions `config`), so two modules may refer to each other's options without a circular type.
 */
import type { AnyOption, Group, OptionValue, Tree, Values, Wrapped } from "./descriptors.ts";

declare const $scope: unique symbol;

/** What is known about one option, besides its value. Everything is lazy: read it inside thunks. */
export interface OptionView<out V> {
  readonly value: V;
  /** True when anything beside the option's own default defines it. */
  readonly isDefined: boolean;
  /** Priority of the winning definitions: 100 plain, 1000 `mkDefault`, 1500 an option's own default, 9999 nothing. */
  readonly highestPrio: number;
  /** The winning definitions, in the order in which they are merged. */
  readonly definitions: readonly { readonly value: unknown; readonly at: string }[];
  /** The files of the winning definitions. */
  readonly files: readonly string[];
  /** The files that declare the option. */
  readonly declarations: readonly string[];
  readonly path: readonly string[];
}
/** The tree of option views. */
export type OptionViews<O> = {
  readonly [K in keyof O]: O[K] extends AnyOption ? OptionView<OptionValue<O[K]>> : OptionViews<O[K]>;
};

/**
 * Arguments that every module gets beside `config` and `options`. Augment it to type your own:
 * `declare module "osmod/lib" { interface SpecialArgs { readonly pkgs: PackageSet } }`.
 */
// biome-ignore lint/suspicious/noEmptyInterface: it is empty so that others can add to it.
export interface SpecialArgs {}

/** What a module's functions are called with. */
export interface Args<S> extends SpecialArgs {
  /** The merged configuration. Groups may be taken apart anywhere; an option may be read only inside a thunk. */
  readonly config: Values<S>;
  /** The options themselves: whether they are defined, by whom, with which priority. */
  readonly options: OptionViews<S>;
  /** Evaluate again with more modules. */
  readonly extendModules: (more: { readonly modules: readonly AnyModule[] }) => Evaluation<S>;
}
/** What a submodule's functions are called with. */
export interface SubArgs<S> extends Args<S> {
  /** The attribute name (or list position) that this instance sits under. */
  readonly name: string;
}

/** What `defineModule` takes. */
export interface ModuleSpec<S> {
  /** Modules with the same key are one module, however often they are imported. */
  readonly key?: string;
  /** Name of the file that problems should show, when it is not the calling one. */
  readonly file?: string;
  /** What kind of evaluation the module is for; evaluating it in one of another class is a problem. */
  readonly class?: string;
  readonly imports?: readonly AnyModule[];
  /** Modules to leave out, by value or by key. */
  readonly disabledModules?: readonly (AnyModule | string)[];
  readonly options?: Tree;
  /**
   * Computed option defaults, priority 1400: weaker than `mkDefault`, stronger than a static `default`. (A `default`
   * computed from `config` inside `options` would make their type refer to itself.)
   */
  readonly defaults?: (args: Args<S>) => Wrapped<Group<S>>;
  readonly config?: Group<S> | ((args: Args<S>) => Wrapped<Group<S>>);
}
/** A module of any scope. */
export interface AnyModule {
  readonly [$scope]: unknown;
}
/** A module whose scope is `S`. */
export interface Module<out S> extends AnyModule {
  readonly [$scope]: S;
}
/** The scopes of a list of modules, together. Tail-recursive: linear, and good for a thousand imports. */
export type ScopeOf<I, Acc = unknown> = I extends readonly [infer H, ...infer R]
  ? ScopeOf<R, Acc & (H extends AnyModule ? H[typeof $scope] : unknown)>
  : Acc;

/** What `using(…)` returns. */
export interface Kit<S> {
  readonly defineModule: (spec: ModuleSpec<S>) => Module<S>;
  /** The module's own options: they join the scope, and are declared by the module. */
  readonly declare: <O extends Tree>(options: O) => Kit<S & O>;
}

/** The result of evaluating modules. */
export interface Evaluation<out S> {
  readonly config: Values<S>;
  readonly options: OptionViews<S>;
  /** Evaluate again with more modules. */
  readonly extendModules: <const M extends readonly AnyModule[]>(more: {
    readonly modules: M;
  }) => Evaluation<S & ScopeOf<M>>;
}
