/**
 * Option types as the compiler sees them.
 *
 * An option type is a *descriptor*, for instance `ListOf<Int>`: an interface with phantom members that exists only at
 * compile time. Two interpreters give it meaning: `Val<T>` is what reading an option gives, `In<T>` is what a
 * definition may say. Interpreting descriptors, instead of carrying both types along, is what lets one option be
 * declared by two modules: `typeof a & typeof b` intersects the descriptors, and the interpreters see the union of
 * both submodules.
 *
 *     Val<ListOf<Int>>  →  readonly number[]
 *     In<ListOf<Int>>   →  a list of numbers, thunks of numbers, mkIf(…) of numbers …, or a thunk of such a list
 */
import type { AnyModule, SubArgs } from "./modules.ts";

declare const $kind: unique symbol;
declare const $value: unique symbol;
declare const $input: unique symbol;
declare const $elem: unique symbol;
declare const $elem2: unique symbol;
declare const $tree: unique symbol;
declare const $option: unique symbol;
declare const $type: unique symbol;
declare const $description: unique symbol;
declare const $in: unique symbol;
/** The name is the error message that a user sees when a config function returns a bare object. */
declare const wrap_it_in_define_or_mkIf_or_mkMerge: unique symbol;

/**
 * Identity, but not an inference site: the type parameter is then inferred from the contextual *return* type only, and
 * that is why a typo inside `mkIf(…, mkForce({ … }))` is found at its place.
 *
 * Every wrapper and every thunk inside one instantiates it, so its form is the cheapest that does: an index into a tuple
 * costs twice as much, and with the compiler's own `NoInfer` editors offer no members of an enum inside a wrapper.
 */
export type Later<T> = [T] extends [infer U] ? U : never;

/** Any option type. */
export interface OptionType {
  readonly [$kind]: string;
}
/** A type whose value (`V`) and definition (`D`) are plain TypeScript types. */
export interface Scalar<out V, out D = V> extends OptionType {
  readonly [$kind]: "scalar";
  readonly [$value]: V;
  readonly [$input]: D;
}
/** True or false. */
export interface Bool extends Scalar<boolean> {}
/** Text, whatever its further restrictions. */
export interface Str extends Scalar<string> {}
/** A number, whatever its further restrictions. */
export interface Int extends Scalar<number> {}
/** Something with a path in the store; reading gives the path as text. */
export interface PathLike {
  readonly path: string;
  toString(): string;
}
/** An absolute path: text, or something that has one. */
export interface Path extends Scalar<string, string | PathLike> {}
/** One of the members of `E`. */
export interface Enum<out E> extends Scalar<E> {}
/** Values that are never merged and never looked into: packages, classes, functions. Functions are given as `literal(f)`. */
export interface Opaque<out V> extends Scalar<V, V extends (...args: never) => unknown ? Literal<V> : V> {}
/** Any JSON value, merged deeply. */
export interface Json extends Scalar<JsonValue, JsonInput> {}
/** Anything at all. */
export interface Anything extends Scalar<unknown> {}
/** An attribute set that is not looked into. */
export interface Attrs extends Scalar<{ readonly [name: string]: unknown }> {}
/** Modules to be evaluated later, by whoever reads the option. */
export interface DeferredModule extends Scalar<readonly AnyModule[], AnyModule | readonly AnyModule[]> {}
/** A list; definitions are concatenated. */
export interface ListOf<out E> extends OptionType {
  readonly [$kind]: "list";
  readonly [$elem]: E;
}
/** A set of named values; definitions are merged per name. */
export interface AttrsOf<out E> extends OptionType {
  readonly [$kind]: "attrs";
  readonly [$elem]: E;
}
/**
 * A list of sets with one name each, whose order matters. That a set with several names is a definition as well is known
 * at run time only: with both, the compiler could not tell what a wrapper inside the list is around.
 */
export interface AttrListOf<out E> extends ListOf<AttrsOf<E>> {}
/** The same, read as `V`. */
export interface AttrListAs<out E, out V> extends CoercedTo<ListOf<AttrsOf<E>>, Scalar<V, never>> {}
/** `null`, or a value of another type. */
export interface NullOr<out E> extends OptionType {
  readonly [$kind]: "null";
  readonly [$elem]: E;
}
/** A value of the one type or of the other. */
export interface Either<out A, out B> extends OptionType {
  readonly [$kind]: "either";
  readonly [$elem]: A;
  readonly [$elem2]: B;
}
/** A value of type `T`, or one of type `F` that is converted. */
export interface CoercedTo<out F, out T> extends OptionType {
  readonly [$kind]: "coerced";
  readonly [$elem]: F;
  readonly [$elem2]: T;
}
/** A function whose results are merged as type `E`. */
export interface FunctionTo<out E, in A> extends OptionType {
  readonly [$kind]: "function";
  readonly [$elem]: E;
  readonly [$input]: Literal<(argument: A) => Def<In<E>>>;
}
/** Exactly one of several tagged alternatives: `{ tcp: 80 }` or `{ unix: "/run/x" }`. */
export interface AttrTag<out O> extends OptionType {
  readonly [$kind]: "tag";
  readonly [$elem]: O;
}
/** A set of options of its own. */
export interface Submodule<out O> extends OptionType {
  readonly [$kind]: "sub";
  readonly [$tree]: O;
}
/** A set of options of its own that also takes other names, whose values have type `F`. */
export interface Freeform<out O, out F> extends OptionType {
  readonly [$kind]: "free";
  readonly [$tree]: O;
  readonly [$elem]: F;
}

/** Plain data. */
export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [name: string]: JsonValue };
/** Plain data with thunks and wrappers at any place. */
export type JsonInput =
  | null
  | boolean
  | number
  | string
  | readonly Def<Lazy<JsonInput>>[]
  | { readonly [name: string]: Def<Lazy<JsonInput>> };
/** A value that is not looked into; made by `literal`. */
export interface Literal<out V> {
  readonly literal: V;
}

/** The merged value of an option of type `T`: what reading gives. */
export type Val<T> = T extends {
  readonly [$kind]: "function";
  readonly [$elem]: infer E;
  readonly [$input]: Literal<infer F>;
}
  ? (argument: F extends (argument: infer A) => unknown ? A : never) => Val<E>
  : T extends { readonly [$value]: infer V }
    ? V
    : T extends { readonly [$kind]: "list"; readonly [$elem]: infer E }
      ? readonly Val<E>[]
      : T extends { readonly [$kind]: "attrs"; readonly [$elem]: infer E }
        ? { readonly [name: string]: Val<E> }
        : T extends { readonly [$kind]: "null"; readonly [$elem]: infer E }
          ? Val<E> | null
          : T extends { readonly [$kind]: "either"; readonly [$elem]: infer A; readonly [$elem2]: infer B }
            ? Val<A> | Val<B>
            : T extends { readonly [$kind]: "free"; readonly [$tree]: infer O; readonly [$elem]: infer F }
              ? Values<O> & { readonly [name: string]: Val<F> }
              : T extends { readonly [$tree]: infer O }
                ? Values<O>
                : T extends { readonly [$kind]: "coerced"; readonly [$elem2]: infer B }
                  ? Val<B>
                  : T extends { readonly [$kind]: "tag"; readonly [$elem]: infer O }
                    ? { readonly [K in keyof O & string]: { readonly [P in K]: OptionValue<O[P]> } }[keyof O & string]
                    : never;

/** What may be written for an option of type `T`, before wrapping: a value, or a thunk of one. */
export type In<T> = T extends { readonly [$input]: infer D }
  ? Lazy<D>
  : T extends { readonly [$kind]: "list"; readonly [$elem]: infer E }
    ? Lazy<readonly Def<In<E>>[]>
    : T extends { readonly [$kind]: "attrs"; readonly [$elem]: infer E }
      ? Lazy<{ readonly [name: string]: Def<In<E>> }> | Each<Def<In<E>>>
      : T extends { readonly [$kind]: "null"; readonly [$elem]: infer E }
        ? In<E> | null | (() => Val<E> | null)
        : T extends { readonly [$kind]: "either"; readonly [$elem]: infer A; readonly [$elem2]: infer B }
          ? In<A> | In<B> | (() => Val<A> | Val<B>)
          : T extends { readonly [$kind]: "free"; readonly [$tree]: infer O; readonly [$elem]: infer F }
            ? (Defs<O> & { readonly [name: string]: Def<In<F>> }) | FreeFunction<O, F>
            : T extends { readonly [$tree]: infer O }
              ? Defs<O> | SubFunction<O>
              : T extends { readonly [$kind]: "coerced"; readonly [$elem]: infer A; readonly [$elem2]: infer B }
                ? In<A> | In<B> | (() => Val<A> | Val<B>)
                : T extends { readonly [$kind]: "tag"; readonly [$elem]: infer O }
                  ? Lazy<
                      { readonly [K in keyof O & string]: { readonly [P in K]: OptionInput<O[P]> } }[keyof O & string]
                    >
                  : never;

/** A value wrapped by `define`, `mkIf`, `mkMerge`, `mkForce` …; `T` is inferred from where it is used. */
export interface Wrapped<out T> {
  readonly [wrap_it_in_define_or_mkIf_or_mkMerge]: true;
  readonly [$in]?: T;
}
/** Makes an all-optional object type accept `Wrapped<T>` without a union: a union at every group made editors ten times slower. */
export interface Slot<out T> {
  readonly [wrap_it_in_define_or_mkIf_or_mkMerge]?: true;
  readonly [$in]?: T;
}
/** A value, or any nesting of wrappers around one. */
export type Def<W> = W | Wrapped<Def<W>>;
/**
 * `Def` for a described option. The description does nothing; it is here because editors show the name of a type with its
 * arguments, and a comment at the declaration does not come through the mapped type in all of them.
 */
export type Described<W, _Description> = W | Wrapped<Def<W>>;
/** A value, or a thunk of one; a thunk may wrap what it returns. */
export type Lazy<D> = D | (() => D | Wrapped<Def<Lazy<D>>>);
/** One definition for every element; made by `mkEach`. */
export interface Each<out W> {
  readonly each: W;
}
/** The merged value of what a definition `W` may say: no wrappers, no thunks. */
export type Settled<W> =
  W extends Wrapped<unknown>
    ? never
    : W extends Each<unknown> | ((...args: never) => unknown)
      ? never
      : W extends PathLike
        ? W
        : W extends readonly (infer E)[]
          ? readonly Settled<E>[]
          : W extends object
            ? { readonly [K in keyof W & string]-?: Settled<Exclude<W[K], undefined>> }
            : W;
/** What may be taken out of the value that definitions `W` make: elements of a list, names of a set. */
export type Removable<W> =
  | (W extends readonly (infer E)[] ? readonly Settled<E>[] : W extends Removal ? readonly string[] : never)
  | (() => W extends readonly (infer E)[] ? readonly Settled<E>[] : W extends Removal ? readonly string[] : never);
/** Sets of named values. */
interface Removal {
  readonly [name: string]: unknown;
}
/** A definition of a submodule that sees the submodule's own scope. */
export type SubFunction<O> = (args: SubArgs<O>) => Wrapped<Def<Defs<O> | SubFunction<O>>> | Values<O>;
/** The same for a free-form submodule. */
export type FreeFunction<O, F> = (
  args: SubArgs<O>,
) =>
  | Wrapped<Def<(Defs<O> & { readonly [name: string]: Def<In<F>> }) | FreeFunction<O, F>>>
  | (Values<O> & { readonly [name: string]: Val<F> });

/**
 * Any option. It says nothing of the type: a tree asks for one at every `mkOption` inside it, and from `Option<unknown>`
 * the compiler would infer a type and a description for each of them, to no use and at a third of the cost of a declaration.
 */
export interface AnyOption {
  readonly [$option]: true;
}
/**
 * A declared option of type `T` with the description `D`, a literal type, so that editors can show it where the option is
 * defined. `D` is taken in, not given out: of an option that two modules declare, each with its own words, it is not a
 * contradiction.
 */
export interface Option<out T, in D = never> extends AnyOption {
  readonly [$type]: T;
  readonly [$description]?: (description: D) => void;
}
/** A declared option whose value passes through `apply`. */
export interface AppliedOption<out T, out A, in D = never> extends Option<T, D> {
  readonly [$value]: A;
}
/** Options, grouped. */
export interface Tree {
  readonly [name: string]: AnyOption | Tree;
}
/** Stands for "no `apply` was given". */
export interface NotApplied {
  readonly [$kind]: "not applied";
}
/** What `mkOption` returns; there it is written out, because an alias of three parameters costs as much again. */
export type OptionFor<T, A, D = never> = [A] extends [NotApplied] ? Option<T, D> : AppliedOption<T, A, D>;
/** The value of an option, after `apply`. */
export type OptionValue<P> = P extends { readonly [$value]: infer A } ? A : P extends Option<infer T> ? Val<T> : never;
/** What may be defined for an option. */
export type OptionInput<P> = P extends Option<infer T> ? Def<In<T>> : never;

/**
 * The merged configuration of an option tree, deeply read-only. It maps over `keyof O` and nothing narrower: only then do
 * editors know that a member is the option's, and lead to where it is declared.
 */
export type Values<O> = {
  readonly [K in keyof O]: O[K] extends AnyOption ? OptionValue<O[K]> : Values<O[K]>;
};
/** What a module may define for an option tree. */
export type Defs<O> = {
  readonly [K in keyof O]?: O[K] extends Option<infer T, infer D>
    ? [D] extends [never]
      ? Def<In<T>>
      : Described<In<T>, D>
    : Group<O[K]>;
};
/** A group of definitions, or any nesting of wrappers around one. */
export type Group<O> = Defs<O> & Slot<Group<O>>;
