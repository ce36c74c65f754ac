/**
 * Modules and evaluations as the compiler sees them.
 *
 * A module has a *scope*: the type of all options it may read or define. `defineModule<Scope>` names it, `using(…)`
 * infers it from the modules it is given. Declarations are split from definitions (`options` is a constant whose
 * initialiser never mentions `config`), so two modules may refer to each other's options without a circular type.
 */
import type {
  AnyOption,
  Anything,
  AttrsOf,
  Bool,
  Group,
  NullOr,
  Option,
  OptionType,
  OptionValue,
  Scalar,
  Submodule,
  Tree,
  Values,
  Wrapped,
} from "./descriptors.ts";

declare const $scope: unique symbol;

/** A place in a file. */
export interface Position {
  readonly file: string;
  readonly line: number | undefined;
  readonly column: number | undefined;
}
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
  /** Where in these files. */
  readonly declarationPositions: readonly Position[];
  /** The type that all declarations have together; its `description` is what documentation shows. */
  readonly type: OptionType & { readonly name: string; readonly description: string };
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

/**
 * Arguments that modules give each other as `_module.args`. They are known once all modules have spoken, so they are read
 * as `args.name` inside thunks. Augment it to type your own:
 * `declare module "osmod/lib" { interface ModuleArgs { readonly theme: Theme } }`.
 */
// biome-ignore lint/suspicious/noEmptyInterface: it is empty so that others can add to it.
export interface ModuleArgs {}

/** What all functions of modules are called with. */
export interface CommonArgs<S> extends SpecialArgs, ModuleArgs {
  /** The merged configuration. Groups may be taken apart anywhere; an option may be read only inside a thunk. */
  readonly config: Values<S>;
  /** The options themselves: whether they are defined, by whom, with which priority. */
  readonly options: OptionViews<S>;
  /** Evaluate again with more modules. */
  readonly extendModules: (more: Extension<readonly AnyModule[]>) => Evaluation<S>;
  /** All arguments that `specialArgs` gave. */
  readonly specialArgs: SpecialArgs;
  /** The class of the evaluation, if it has one. */
  readonly _class: string | null;
  /** Where the configuration is, when it is part of another one. */
  readonly _prefix: readonly string[];
}
/** What a module's functions are called with. */
export interface Args<S> extends CommonArgs<S> {
  /** The type of options whose values are configurations of the same modules. */
  readonly moduleType: Submodule<S>;
}
/** What a submodule's functions are called with. */
export interface SubArgs<S> extends CommonArgs<S> {
  /** The attribute name (or list position) that this instance sits under. */
  readonly name: string;
}

/** The options that every configuration has: what modules say about modules. */
export interface Internal {
  readonly _module: {
    /** Arguments for module functions; see {@link ModuleArgs}. */
    readonly args: Option<AttrsOf<Anything>>;
    /** Whether definitions of options that do not exist are a problem; they are, unless it is set to false. */
    readonly check: Option<Bool>;
    /** The type of definitions that belong to no option, or `null`. */
    readonly freeformType: Option<NullOr<Scalar<OptionType>>>;
  };
}
/** Joined to a scope, it makes it take any other name, for values of type `F`: `typeof options & Others<Json>`. */
export interface Others<out F> {
  readonly [name: string]: Option<F>;
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
   * The type of definitions that belong to no option: `t.attrsOf(t.str)`, `t.json`. Two modules' types have to combine. In
   * the scope, say what names there are: `defineModule<typeof options & Others<Str>>`.
   */
  readonly freeformType?: OptionType;
  /**
   * Computed option defaults, priority 1400: weaker than `mkDefault`, stronger than a static `default`. (A `default`
   * computed from `config` inside `options` would make their type refer to itself.)
   */
  readonly defaults?: (args: Args<S>) => Wrapped<Group<S & Internal>>;
  readonly config?: Group<S & Internal> | ((args: Args<S>) => Wrapped<Group<S & Internal>>);
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
  /** Take any other name as well, for values of this type. */
  readonly freeform: <F extends OptionType>(rest: F) => Kit<S & Others<F>>;
}

/** What `extendModules` takes. */
export interface Extension<M> {
  readonly modules?: M;
  /** Added to those there are; of equal names these win. */
  readonly specialArgs?: Partial<SpecialArgs>;
  /** Replaces the one there is. */
  readonly prefix?: readonly string[];
}
/** A module, and what it imports. */
export interface ModuleGraph {
  /** The module's own key, or `parent:anon-2` for the second import of its parent. */
  readonly key: string;
  /** The file it was written in. */
  readonly file: string;
  /** Whether any module disables it. */
  readonly disabled: boolean;
  readonly imports: readonly ModuleGraph[];
}

/** The result of evaluating modules. */
export interface Evaluation<out S> {
  readonly config: Values<S>;
  readonly options: OptionViews<S>;
  /** The options that every configuration has. */
  readonly _module: Values<Internal["_module"]> & { readonly specialArgs: SpecialArgs };
  /** The type of options whose values are configurations of these modules. */
  readonly type: Submodule<S>;
  /** The class that modules have to be of, if there is one. */
  readonly class: string | null;
  /** Which module imports which, with those that are disabled and those that are imported twice. */
  readonly graph: readonly ModuleGraph[];
  /** Evaluate again with more modules. */
  readonly extendModules: <const M extends readonly AnyModule[] = readonly []>(
    more: Extension<M>,
  ) => Evaluation<S & ScopeOf<M>>;
}
