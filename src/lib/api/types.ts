/**
 * Option types, as users write them: `t.listOf(t.port)`.
 *
 * Each entry pairs a type of the evaluator with the descriptor that stands for it at compile time.
 */

import { expecting, guardCalls } from "../core/calls.ts";
import { containsItself, isList } from "../core/careful.ts";
import { coercedSubmodule, typeInvalid } from "../core/declaration-problems.ts";
import type { JsonSchema } from "../core/json-schema.ts";
import { ModuleRecord } from "../core/module.ts";
import { OptionDecl } from "../core/option.ts";
import { Origin } from "../core/origin.ts";
import { isPrimitive, isType, type Type } from "../core/type.ts";
import type * as d from "../typed/descriptors.ts";
import type { AnyModule, Internal, ScopeOf, SubArgs } from "../typed/modules.ts";
import { attrListWith } from "../types/attr-list.ts";
import * as choices from "../types/choices.ts";
import * as containers from "../types/containers.ts";
import { deferredModule, deferredModuleWith } from "../types/deferred.ts";
import * as free from "../types/free.ts";
import { jsonSchema } from "../types/json-schema.ts";
import * as lists from "../types/lists.ts";
import * as paths from "../types/paths.ts";
import * as scalar from "../types/scalar.ts";
import { type SubmoduleSettings, submodule } from "../types/submodule.ts";
import { checkTree } from "./declarations.ts";

/** The casts between the two worlds; a descriptor has no members of its own. */
const as = <D>(type: Type): D => type as unknown as D;

/** A type that is made part of another one. */
function inner(type: d.OptionType): Type {
  if (!isType(type)) throw typeInvalid(Origin.ofCaller(), type);
  return type;
}

/** A list that a type is made of. */
function listed<E>(values: readonly E[], call: string, wanted: string, fits: (value: E) => boolean): readonly E[] {
  expecting(isList(values), call, wanted, values);
  for (let i = 0; i < values.length; i++) expecting(fits(values[i] as E), call, wanted, values[i]);
  return values;
}

/** A function that defines options of a submodule from the submodule's own scope. */
type SubConfig<O> = (args: SubArgs<O>) => d.Wrapped<d.Group<O & Internal>>;

/** A submodule to which definitions and defaults may be added. */
export interface SubmoduleType<O> extends d.Submodule<O> {
  /** Definitions that every value starts with. */
  config(f: SubConfig<O>): SubmoduleType<O>;
  /** Computed defaults, priority 1400. */
  defaults(f: SubConfig<O>): SubmoduleType<O>;
}
/** The same for a submodule that takes other names as well. */
export interface FreeformType<O, F> extends d.Freeform<O, F> {
  config(f: SubConfig<O>): FreeformType<O, F>;
  defaults(f: SubConfig<O>): FreeformType<O, F>;
}

const isNumber = (value: unknown): boolean => typeof value === "number";

/** The types that a type is one of. */
function typesOf(types: readonly [d.OptionType, ...d.OptionType[]]): readonly [Type, ...Type[]] {
  expecting(isList(types) && types.length > 0, "t.oneOf", "a list of types", types);
  return types.map(inner) as [Type, ...Type[]];
}

function modulesOf(modules: readonly AnyModule[], call: string): readonly ModuleRecord[] {
  expecting(isList(modules), call, "a list of modules", modules);
  return modules as unknown as readonly ModuleRecord[];
}

function build<B>(modules: readonly ModuleRecord[], settings?: SubmoduleSettings): B {
  const add = (fields: object): B => build<B>([...modules, new ModuleRecord(fields)], settings);
  const methods = { config: (config: unknown) => add({ config }), defaults: (defaults: unknown) => add({ defaults }) };
  const type = submodule(modules, settings);
  // `Object.assign` would turn the lazy description into a value.
  return Object.defineProperties(methods, Object.getOwnPropertyDescriptors(type)) as unknown as B;
}

/** What `attrListWith` takes. */
interface AttrListSpec<E extends d.OptionType> {
  readonly elemType: E;
}
interface AttrListAsAttrs<E extends d.OptionType, R> extends AttrListSpec<E> {
  readonly asAttrs: true;
  readonly mergeAttrValues?: (name: string, values: readonly d.Val<E>[]) => R;
}
function attrListWithOf<E extends d.OptionType, R = readonly d.Val<E>[]>(
  settings: AttrListAsAttrs<E, R>,
): d.AttrListAs<E, { readonly [name: string]: R }>;
function attrListWithOf<E extends d.OptionType>(settings: AttrListSpec<E>): d.AttrListOf<E>;
function attrListWithOf({ elemType, ...rest }: AttrListSpec<d.OptionType>): d.OptionType {
  return as(attrListWith(inner(elemType), rest));
}

/**
 * All option types.
 *
 * @example
 * import { mkOption, t } from "osmod/lib";
 *
 * export const ports = mkOption({ type: t.attrsOf(t.nullOr(t.port)), default: {} });
 */
export const t = {
  bool: as<d.Bool>(scalar.bool),
  /** True if any definition is. */
  boolByOr: as<d.Bool>(scalar.boolByOr),
  str: as<d.Str>(scalar.str),
  nonEmptyStr: as<d.Str>(scalar.nonEmptyStr),
  /** One line; a final newline is taken off. */
  singleLineStr: as<d.Str>(scalar.singleLineStr),
  /** Text that a regular expression matches from end to end. */
  strMatching: (pattern: string | RegExp): d.Str => {
    const isPattern = typeof pattern === "string" || pattern instanceof RegExp;
    expecting(isPattern, "t.strMatching", "a regular expression", pattern);
    return as(scalar.strMatching(pattern));
  },
  /** Text whose definitions are joined. */
  separatedString: (separator: string): d.Str => as(scalar.separatedString(separator)),
  /** Text whose definitions are joined with newlines. */
  lines: as<d.Str>(scalar.lines),
  /** Text whose definitions are joined with commas. */
  commas: as<d.Str>(scalar.commas),
  /** Text whose definitions are joined with colons. */
  envVar: as<d.Str>(scalar.envVar),
  /** A field of a colon-separated file. */
  passwdEntry: <T extends d.OptionType>(type: T): T => as(scalar.passwdEntry(inner(type))),

  int: as<d.Int>(scalar.int),
  float: as<d.Int>(scalar.float),
  number: as<d.Int>(scalar.number),
  ints: {
    between: (low: number, high: number): d.Int => {
      listed([low, high], "t.ints.between", "two numbers", isNumber);
      return as(scalar.ints.between(low, high));
    },
    unsigned: as<d.Int>(scalar.ints.unsigned),
    positive: as<d.Int>(scalar.ints.positive),
    u8: as<d.Int>(scalar.ints.u8),
    u16: as<d.Int>(scalar.ints.u16),
    u32: as<d.Int>(scalar.ints.u32),
    s8: as<d.Int>(scalar.ints.s8),
    s16: as<d.Int>(scalar.ints.s16),
    s32: as<d.Int>(scalar.ints.s32),
  },
  numbers: {
    between: (low: number, high: number): d.Int => {
      listed([low, high], "t.numbers.between", "two numbers", isNumber);
      return as(scalar.numbers.between(low, high));
    },
    nonnegative: as<d.Int>(scalar.numbers.nonnegative),
    positive: as<d.Int>(scalar.numbers.positive),
  },
  /** A TCP or UDP port. */
  port: as<d.Int>(scalar.port),
  /** An absolute path; things in the store are given as themselves and read as their path. */
  path: as<d.Path>(paths.path),
  /** A path in the store; reading gives its text. */
  pathInStore: as<d.Path>(paths.pathInStore),
  /** An absolute path that is not in the store, and so not a part of the machine: a secret, a device. */
  externalPath: as<d.Scalar<string>>(paths.externalPath),
  /** A path that has to be absolute or relative, in the store or elsewhere; what is left out is left open. */
  pathWith: (settings: paths.PathSettings): d.Path => as(paths.pathWith(settings)),

  enum: <const E extends readonly (string | number | boolean | null)[]>(values: E): d.Enum<E[number]> =>
    as(scalar.enumOf(listed(values, "t.enum", "a list of text, numbers, booleans or null", isPrimitive))),
  /** Values of some format that `typeName` names: like `t.json`, but without `null` if `nullable` is false. */
  serializableValueWith: (settings: free.SerializableSettings): d.Json => as(free.serializableValueWith(settings)),
  /** Any JSON value; sets and lists are merged deeply. */
  json: as<d.Json>(free.json),
  /**
   * Data that a JSON Schema (2020-12, or draft-07 if it says so) describes: merged like `t.json`, then validated. `V` is
   * its type for whoever reads it.
   */
  jsonSchema: <V extends d.JsonValue = d.JsonValue>(schema: JsonSchema): d.Scalar<V, d.JsonInput> => {
    const isSchema = typeof schema === "object" && schema !== null && !containsItself(schema);
    expecting(isSchema, "t.jsonSchema", "a schema, which is JSON", schema);
    return as(jsonSchema(schema, Origin.capture(t.jsonSchema)));
  },
  /** Anything; sets are merged deeply. */
  anything: as<d.Anything>(free.anything),
  /** Anything, neither merged nor looked into. */
  raw: as<d.Anything>(free.raw),
  unspecified: as<d.Anything>(free.unspecified),
  /** A set that is not looked into. */
  attrs: as<d.Attrs>(free.attrs),
  /** A value of a class or shape of one's own: neither merged nor looked into. Functions are given as `literal(f)`. */
  opaque: <V>(description: string, check?: (value: unknown) => boolean): d.Opaque<V> =>
    as(scalar.opaque(description, check)),
  /** Modules, to be evaluated by whoever reads the option. */
  deferredModule: as<d.DeferredModule>(deferredModule),
  /** The same, with modules that are always among them and whose options are documented. */
  deferredModuleWith: (settings: { readonly staticModules?: readonly AnyModule[] }): d.DeferredModule =>
    as(deferredModuleWith(modulesOf(settings.staticModules ?? [], "t.deferredModuleWith"))),
  /** An option, as `mkOption` declares one; one definition only. */
  optionDeclaration: as<d.Scalar<d.AnyOption>>(scalar.optionDeclaration),
  /** An option type; several are combined as those of an option that is declared several times. */
  optionType: as<d.Scalar<d.OptionType>>(scalar.optionType),

  listOf: <E extends d.OptionType>(element: E): d.ListOf<E> => as(containers.listOf(inner(element))),
  nonEmptyListOf: <E extends d.OptionType>(element: E): d.ListOf<E> => as(containers.nonEmptyListOf(inner(element))),
  /** A list without duplicates: of equal elements the first one stays. */
  uniqueListOf: <E extends d.OptionType>(element: E): d.ListOf<E> => as(lists.uniqueListOf(inner(element))),
  /**
   * A list sorted by its elements (or by what `by` makes of them), the same in whichever order its modules come.
   * `mkBefore` and `mkAfter` still place what they say before and after the rest.
   */
  sortedListOf: <E extends d.OptionType>(element: E, by?: (value: d.Val<E>) => string | number): d.ListOf<E> =>
    as(lists.sortedListOf(inner(element), by as lists.Rank | undefined)),
  /**
   * A list of submodules in which elements with the same value of `key` are one, as names of an attribute set are:
   * `t.keyedListOf("name", t.submodule({ name: …, port: … }))`.
   */
  keyedListOf: <O extends d.Tree>(key: keyof O & string, element: d.Submodule<O>): d.ListOf<d.Submodule<O>> =>
    as(lists.keyedListOf(key, inner(element))),
  /**
   * A list whose elements may have names: `[a, b]` and `{ name: c }` are both definitions, and a named element can be
   * changed or taken out by another module. Reading gives the list.
   */
  namedListOf: <E extends d.OptionType>(element: E): d.CoercedTo<d.AttrsOf<E>, d.ListOf<E>> =>
    as(lists.namedListOf(inner(element))),
  /**
   * A list of sets with one name each, for names that may be there more than once in an order that matters. Priorities
   * count by name. In data files, a set with any number of names is a definition as well.
   */
  attrListOf: <E extends d.OptionType>(element: E): d.AttrListOf<E> => as(attrListWith(inner(element))),
  /** The same; with `asAttrs` it is read as a set, and `mergeAttrValues` makes one of the values of a name. */
  attrListWith: attrListWithOf,
  /** `attrsOf`, or with `lazy` `lazyAttrsOf`, whose names documentation calls `<placeholder>`. */
  attrsWith: <E extends d.OptionType>(settings: { readonly elemType: E } & containers.AttrsSettings): d.AttrsOf<E> =>
    as(containers.attrsWith(inner(settings.elemType), settings)),
  attrsOf: <E extends d.OptionType>(element: E): d.AttrsOf<E> => as(containers.attrsOf(inner(element))),
  /** Like `attrsOf`, but conditions of elements are left alone until the element is read. */
  lazyAttrsOf: <E extends d.OptionType>(element: E): d.AttrsOf<E> => as(containers.lazyAttrsOf(inner(element))),

  nullOr: <E extends d.OptionType>(element: E): d.NullOr<E> => as(choices.nullOr(inner(element))),
  either: <A extends d.OptionType, B extends d.OptionType>(a: A, b: B): d.Either<A, B> =>
    as(choices.either(inner(a), inner(b))),
  oneOf: <const E extends readonly [d.OptionType, ...d.OptionType[]]>(types: E): d.Either<E[number], E[number]> =>
    as(choices.oneOf(typesOf(types))),
  /** A value of type `to`, or one of type `from`, which is converted. */
  coercedTo: <F extends d.OptionType, T extends d.OptionType>(
    from: F,
    convert: (value: d.Val<F>) => d.Val<T> | d.In<T>,
    to: T,
  ): d.CoercedTo<F, T> => {
    const { subModules, description } = inner(from);
    if (subModules !== undefined) throw coercedSubmodule(Origin.ofCaller(), description);
    expecting(typeof convert === "function", "t.coercedTo", "a function that converts", convert);
    return as(choices.coercedTo(inner(from), convert as (value: unknown) => unknown, inner(to)));
  },
  /** A function; what all definitions return is merged. Definitions are given as `literal(f)`. */
  functionTo: <E extends d.OptionType, A = unknown>(result: E): d.FunctionTo<E, A> =>
    as(choices.functionTo(inner(result))),
  /** Exactly one of several tagged options. */
  attrTag: <O extends { readonly [tag: string]: d.AnyOption }>(tags: O): d.AttrTag<O> => {
    checkTree(tags);
    for (const tag of Object.values(tags))
      expecting(tag instanceof OptionDecl, "t.attrTag", "an option for each tag", tag);
    return as(choices.attrTag(tags as unknown as { readonly [tag: string]: OptionDecl }));
  },

  /** One definition only. */
  uniq: <T extends d.OptionType>(type: T): T => as(scalar.unique("", inner(type))),
  /** One definition only, with a word about why. */
  unique: <T extends d.OptionType>(spec: { readonly message: string }, type: T): T =>
    as(scalar.unique(spec.message, inner(type))),
  /**
   * A type with a further condition, which each definition has to meet; where there are options inside, the value.
   */
  addCheck: <T extends d.OptionType>(type: T, check: (value: d.Val<T>) => boolean): T =>
    as(scalar.addCheck(inner(type), check as (value: unknown) => boolean)),

  /** A set of options of its own. */
  submodule: <O extends d.Tree>(options: O): SubmoduleType<O> => {
    checkTree(options);
    return build([new ModuleRecord({ options })]);
  },
  /** A set of options of its own that takes other names as well, with values of type `rest`. */
  freeform: <O extends d.Tree, F extends d.OptionType>(options: O, rest: F): FreeformType<O, F> => {
    checkTree(options);
    return build([new ModuleRecord({ options, freeformType: containers.attrsOf(inner(rest)) })]);
  },
  /** A set of options made of modules. */
  submoduleWith: <const M extends readonly AnyModule[]>(
    spec: { readonly modules: M } & SubmoduleSettings,
  ): SubmoduleType<ScopeOf<M>> => build(modulesOf(spec.modules, "t.submoduleWith"), spec),
} as const;

// Whatever an argument throws when it is looked at is a problem, too.
guardCalls("t", t);

/**
 * The same as `t`, by the name it has in Nix.
 *
 * @example
 * import { t, types } from "osmod/lib";
 *
 * types === t; // true
 */
export const types: typeof t = t;
