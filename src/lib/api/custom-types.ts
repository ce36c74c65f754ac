/**
 * Types of one's own: `mkOptionType`, and the ways to merge that its types may choose from.
 */
import { expecting, inCall } from "../core/calls.ts";
import type { Def } from "../core/definition.ts";
import { locOf, names } from "../core/loc.ts";
import { Property } from "../core/property.ts";
import {
  type At,
  commonType,
  type DescriptionClass,
  isType,
  makeType,
  mergeEqual,
  mergeOne,
  type Functor as RawFunctor,
  type Type,
} from "../core/type.ts";
import type { OptionType, Scalar } from "../typed/descriptors.ts";
import { mergeDefault } from "../types/free.ts";

/** A definition, as the `merge` of a type is given it: its wrappers are off, its conditions hold, and it has won. */
export interface Definition<out V = unknown> {
  readonly value: V;
  /** Where it was written. */
  readonly origin: { readonly file: string; readonly line: number | undefined };
}

/** One or more definitions. */
export type Definitions<V = unknown> = readonly [Definition<V>, ...Definition<V>[]];

/** Makes one value of the definitions of an option whose path is `loc`. */
export type MergeFunction<D, V> = (loc: readonly string[], defs: Definitions<D>) => V;

/** How types of one name combine when an option is declared several times. */
export interface OptionTypeFunctor<P> {
  /** What the type was made of. */
  readonly payload: P;
  /** What both were made of together, the one of the later module first; `undefined` when they do not combine. */
  readonly binOp: (own: P, other: P) => P | undefined;
  /** The type that is made of it. */
  readonly type: (payload: P) => OptionType;
}

/** What `mkOptionType` takes. */
export interface OptionTypeSpec<V, D, P> {
  /** Types with the same name are taken for the same type where two declarations of an option meet. */
  readonly name: string;
  /** What documentation and problems call its values; the name, if it is left out. */
  readonly description?: string;
  /** Whether the description can stand inside another one without parentheses. */
  readonly descriptionClass?: DescriptionClass;
  /** Whether a value may be a definition. It is not looked into: use `t.listOf` and others for what is inside. */
  readonly check?: (value: unknown) => boolean;
  /** Makes one value of all definitions; `mergeDefaultOption` if it is left out. */
  readonly merge?: MergeFunction<D, V>;
  /** The value of an option that nothing defines. */
  readonly emptyValue?: { readonly value: V };
  readonly functor?: OptionTypeFunctor<P>;
  /** What to use instead; `deprecationWarnings` tells of options that still have this type. */
  readonly deprecationMessage?: string;
}

/**
 * Make an option type. `V` is what reading gives, `D` what a definition may say. Functions as values are given as
 * `literal(f)`. Problems: `definition-type` for what `check` refuses, and those of the way to merge.
 *
 * NixOS: `lib.mkOptionType`. Its `getSubOptions`, `getSubModules` and `substSubModules` are those of the types that
 * have options inside, of which new ones are made with `t.submodule`.
 *
 * @example
 * import { declareOptions, defineModule, evalModules, mkOption, mkOptionType } from "osmod/lib";
 *
 * const longest = mkOptionType<string>({
 *   name: "longest",
 *   check: (value) => typeof value === "string",
 *   merge: (_, defs) => defs.map(({ value }) => value).reduce((a, b) => (b.length > a.length ? b : a)),
 * });
 * const options = declareOptions({ word: mkOption({ type: longest }) });
 * const one = defineModule<typeof options>({ options, config: { word: "long" } });
 * const two = defineModule<typeof options>({ config: { word: "longer" } });
 *
 * evalModules({ modules: [one, two] }).config.word; // "longer"
 *
 * @see t.addCheck for a type with a further condition.
 */
export function mkOptionType<V, D = V, P = never>(spec: OptionTypeSpec<V, D, P>): Scalar<V, D> {
  const {
    name,
    check = () => true,
    merge = mergeDefaultOption,
    emptyValue,
    functor,
  } = inCall("mkOptionType", () => ({
    ...spec,
  }));
  expecting(typeof name === "string", "mkOptionType", "the name of a type", name);
  return makeType({
    name,
    description: spec.description ?? name,
    descriptionClass: spec.descriptionClass,
    check: (value) => !(value instanceof Property) && check(value),
    merge: (at, defs) => merge(names(at.loc), defs as unknown as Definitions<D>),
    emptyValue: emptyValue === undefined ? undefined : () => emptyValue.value,
    emptyText: emptyValue?.value,
    deprecationMessage: spec.deprecationMessage,
    ...(functor === undefined ? {} : { functor: rawFunctor(name, functor) }),
  }) as unknown as Scalar<V, D>;
}

function rawFunctor<P>(name: string, { payload, binOp, type }: OptionTypeFunctor<P>): RawFunctor {
  return {
    name,
    payload,
    combine: (own, other) => {
      const both = binOp(own as P, other as P);
      return both === undefined ? undefined : (type(both) as unknown as Type);
    },
  };
}

/**
 * The type of an option that is declared with both types, `own` by the later module; `undefined` when there is none. The
 * value of such an option has to do for both.
 *
 * NixOS: `lib.types.mergeTypes` and `defaultTypeMerge`.
 *
 * @example
 * import { mergeTypes, t } from "osmod/lib";
 *
 * mergeTypes(t.enum(["a"]), t.enum(["b"])) !== undefined; // true
 */
export function mergeTypes<A extends OptionType, B extends OptionType>(own: A, other: B): (A & B) | undefined {
  for (const type of [own, other]) expecting(isType(type), "mergeTypes", "two types", type);
  return commonType(own as unknown as Type, other as unknown as Type) as unknown as (A & B) | undefined;
}

/**
 * Merge definitions by requiring them to be equal. Problem: `definition-conflict`. NixOS: `lib.mergeEqualOption`.
 *
 * @example
 * import { mergeEqualOption, mkOptionType } from "osmod/lib";
 *
 * export const version = mkOptionType<string>({ name: "version", merge: mergeEqualOption });
 */
export function mergeEqualOption<V>(loc: readonly string[], defs: Definitions<V>): V {
  return mergeEqual(placeOf(loc), asDefs(defs)) as V;
}

/**
 * Take the one definition there is. Problem: `definition-not-unique`. NixOS: `lib.mergeOneOption`.
 *
 * @example
 * import { mergeOneOption, mkOptionType } from "osmod/lib";
 *
 * export const owner = mkOptionType<string>({ name: "owner", merge: mergeOneOption });
 */
export function mergeOneOption<V>(loc: readonly string[], defs: Definitions<V>): V {
  return mergeOne(placeOf(loc), asDefs(defs)) as V;
}

/**
 * Make a way to merge that takes one definition, says why, and leaves that one to `merge`. Problem:
 * `definition-not-unique`. NixOS: `lib.mergeUniqueOption`.
 *
 * @example
 * import { mergeUniqueOption, mkOptionType } from "osmod/lib";
 *
 * export const secret = mkOptionType<string>({
 *   name: "secret",
 *   merge: mergeUniqueOption({ message: "A secret has one source." }),
 * });
 */
export function mergeUniqueOption<D, V = D>(spec: {
  readonly message: string;
  readonly merge?: MergeFunction<D, V>;
}): MergeFunction<D, V> {
  const { message, merge = mergeOneOption as unknown as MergeFunction<D, V> } = spec;
  return (loc, defs) => {
    mergeOne(placeOf(loc), asDefs(defs), message);
    return merge(loc, defs);
  };
}

/**
 * Put definitions together by what they are: functions by their results, lists and text one after the other, sets name
 * by name (the first module wins), truth by "or"; numbers have to be equal. Problem: `definition-conflict`.
 *
 * NixOS: `lib.mergeDefaultOption`.
 *
 * @example
 * import { mergeDefaultOption, mkOptionType } from "osmod/lib";
 *
 * export const words = mkOptionType<string>({ name: "words", merge: mergeDefaultOption });
 */
export function mergeDefaultOption<V>(loc: readonly string[], defs: Definitions<unknown>): V {
  return mergeDefault(placeOf(loc), asDefs(defs)) as V;
}

const placeOf = (loc: readonly string[]): At => ({ loc: locOf(loc), context: { specialArgs: {} } });
/** Definitions are the evaluator's own, of which types see less. */
const asDefs = (defs: Definitions<unknown>): readonly Def[] => defs as unknown as readonly Def[];
