/**
 * What an option type is to the evaluator.
 *
 * A type says which values it takes, how several definitions become one value, what an option without definitions is,
 * and how it combines with the type of another declaration of the same option. Types are plain records made by
 * `makeType`, which fills in what most of them share, so all have one shape.
 */

import { carefully } from "./careful.ts";
import type { Def } from "./definition.ts";
import type { SchemaMaker } from "./json-schema.ts";
import type { Loc } from "./loc.ts";
import type { ModuleLike } from "./module.ts";
import type { OptionDecl } from "./option.ts";
import { definitionConflict, definitionNotUnique } from "./problems.ts";

/** Whether a description may stand inside another without parentheses. */
export type DescriptionClass = "noun" | "conjunction" | "composite" | "nonRestrictiveClause" | undefined;

/** What every merge in one evaluation shares. */
export interface Context {
  readonly specialArgs: object;
}

/** Where something is merged. */
export interface At {
  readonly loc: Loc | undefined;
  readonly context: Context;
}

/** How types of several declarations combine: by name, and for some types by payload. */
export interface Functor {
  readonly name: string;
  readonly payload?: unknown;
  /** The type of both declarations, the one declared by the later module first; `undefined` when there is none. */
  readonly combine: (own: unknown, other: unknown) => Type | undefined;
  /** Why two of these do not combine, where there is more to say than that they do not. */
  readonly reason?: (own: unknown, other: unknown) => string | undefined;
}

/** An option type. */
export interface Type {
  readonly name: string;
  readonly description: string;
  readonly descriptionClass: DescriptionClass;
  /** Whether a value may be a definition; does not look inside it. */
  readonly check: (value: unknown) => boolean;
  /** The definitions that do not fit, all definitions considered together; none when they can be merged. */
  readonly misfits: (defs: readonly Def[]) => readonly Def[];
  /** One value of the definitions; may stay lazy inside. */
  readonly merge: (at: At, defs: readonly Def[]) => unknown;
  /** The value of an option without definitions. */
  readonly emptyValue: ((at: At) => unknown) | undefined;
  readonly functor: Functor;
  /** A function with a parameter is a value here, not a thunk. */
  readonly takesFunctions: boolean;
  /** True when merging this value runs nobody else's code, so that it may be done before anyone asks. */
  readonly isEager: (value: unknown) => boolean;
  /** True when merging one definition gives its value as it is. */
  readonly keepsValue: boolean;
  /**
   * Why an option cannot have this type, which several declarations were combined to. Where a type is only looked into when
   * it is used (in `either`), this says nothing of what is inside.
   */
  readonly conflict: string | undefined;
  /** The modules of a submodule type, also below lists and sets. */
  readonly subModules: readonly ModuleLike[] | undefined;
  /** The same type with other modules. */
  readonly withSubModules: (modules: readonly ModuleLike[]) => Type;
  /** Options below one of this type, for documentation. */
  readonly subOptions: (path: readonly string[]) => readonly DocumentedOption[];
  /** Set when `emptyValue` is worth documenting. */
  readonly emptyText: unknown;
  /** The plain data that definitions may be; absent when there is no saying. */
  readonly schema: SchemaMaker | undefined;
  /** What to use instead, if the type should no longer be used. */
  readonly deprecationMessage: string | undefined;
  /** The type that this one adds a condition to, of which its description says nothing. */
  readonly refines: Type | undefined;
}

/** An option as documentation sees it. */
export interface DocumentedOption {
  readonly path: readonly string[];
  readonly option: DocumentedDeclaration;
}
/** The merged declarations of an option. */
export interface DocumentedDeclaration
  extends Pick<
    OptionDecl,
    "internal" | "visible" | "readOnly" | "description" | "example" | "defaultText" | "hasDefault" | "relatedPackages"
  > {
  readonly default: unknown;
  readonly type: Type;
  readonly files: readonly string[];
}

/** What `makeType` needs; the rest follows. */
export type TypeSpec = Pick<Type, "name" | "check" | "merge"> &
  Partial<Omit<Type, "name" | "check" | "merge" | "description">> & {
    readonly description?: string | (() => string);
  };

/** True for a type, also one with methods of its own. */
export function isType(value: unknown): value is Type {
  return (
    typeof value === "object" &&
    value !== null &&
    carefully(() => "misfits" in value && typeof value.misfits === "function", false)
  );
}

/** Make a type. */
export function makeType(spec: TypeSpec): Type {
  const { name, check, description } = spec;
  const type: Type = {
    name,
    get description() {
      return typeof description === "function" ? description() : (description ?? name);
    },
    descriptionClass: spec.descriptionClass,
    check,
    misfits: spec.misfits ?? ((defs) => misfitsBy(check, defs)),
    merge: spec.merge,
    emptyValue: spec.emptyValue,
    functor: spec.functor ?? { name, combine: () => type },
    takesFunctions: spec.takesFunctions ?? false,
    isEager: spec.isEager ?? never,
    keepsValue: spec.keepsValue ?? spec.merge === mergeEqual,
    conflict: spec.conflict,
    subModules: spec.subModules,
    withSubModules: spec.withSubModules ?? (() => type),
    subOptions: spec.subOptions ?? (() => []),
    emptyText: spec.emptyText,
    schema: spec.schema,
    deprecationMessage: spec.deprecationMessage,
    refines: spec.refines,
  };
  return type;
}

const never = (): boolean => false;

/** The definitions whose value does not pass. */
export function misfitsBy(check: (value: unknown) => boolean, defs: readonly Def[]): readonly Def[] {
  if (defs.length === 1) return check((defs[0] as Def).value) ? none : defs;
  const bad = defs.filter((def) => !check(def.value));
  return bad.length === 0 ? none : bad;
}

const none: readonly Def[] = [];

/** True for what merges without running anybody's code: text, numbers, booleans, null. */
export function isPrimitive(value: unknown): boolean {
  return value === null || typeof value === "string" || typeof value === "number" || typeof value === "boolean";
}

/**
 * The type of an option that two modules declare, or `undefined`. `later` is the type of the later module. Whoever gives
 * the result to an option has to look at its `conflict`.
 */
export function combineTypes(later: Type, earlier: Type): Type | undefined {
  if (later.functor.name !== earlier.functor.name) return undefined;
  return later.functor.combine(later.functor.payload, earlier.functor.payload);
}

/** The same, and `undefined` also where the result is none that an option can have. */
export function commonType(later: Type, earlier: Type): Type | undefined {
  const both = combineTypes(later, earlier);
  return both?.conflict === undefined ? both : undefined;
}

/** Why two types do not combine, in words. */
export function whyNoCombination(later: Type, earlier: Type): string {
  return (
    noCombination(later, earlier) ?? `the types "${later.description}" and "${earlier.description}" do not combine`
  );
}

/** Why two types do not combine, if they know; `undefined` otherwise. */
export function noCombination(later: Type, earlier: Type): string | undefined {
  if (later.functor.name !== earlier.functor.name) return undefined;
  return later.functor.reason?.(later.functor.payload, earlier.functor.payload);
}

/** Remember what a type is made into, so that equal types are one object: a configuration has thousands of lists of text. */
export function once(make: (element: Type) => Type): (element: Type) => Type {
  const made = new WeakMap<Type, Type>();
  return (element) => {
    let type = made.get(element);
    if (type === undefined) {
      type = make(element);
      made.set(element, type);
    }
    return type;
  };
}

/** A description that can stand inside another one. */
export function phrase(type: Type, ...bare: readonly DescriptionClass[]): string {
  return type.descriptionClass !== undefined && bare.includes(type.descriptionClass)
    ? type.description
    : `(${type.description})`;
}

/** All definitions have to be equal. */
export function mergeEqual(at: At, defs: readonly Def[]): unknown {
  const first = defs[0] as Def;
  for (let i = 1; i < defs.length; i++) {
    const def = defs[i] as Def;
    if (!deepEqual(first.value, def.value)) throw definitionConflict(at.loc, [first, def]);
  }
  return first.value;
}

/** There has to be one definition. */
export function mergeOne(at: At, defs: readonly Def[], message = ""): unknown {
  if (defs.length > 1) throw definitionNotUnique(at.loc, defs, message);
  return (defs[0] as Def).value;
}

/** Deep equality of data; anything else is equal only to itself. */
export function deepEqual(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return a === b;
  if (Array.isArray(a) !== Array.isArray(b) || Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length &&
    keys.every(
      (key) =>
        Object.hasOwn(b, key) && deepEqual((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key]),
    )
  );
}
