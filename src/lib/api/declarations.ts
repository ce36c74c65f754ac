/**
 * Declarations checked when they are made, so that the blame is the declarer's and not that of whoever reads the option.
 *
 * An option's static default has to fit its type, deeply where the default is plain data; a type has to be a type; and a
 * tree of options holds options and groups, not types, values or the parts of an option. Thunks and wrappers are left
 * alone: what they say is known only in an evaluation. That two modules' declarations fit together is checked there, too.
 */

import { ConfigError } from "../config-error.ts";
import { carefully } from "../core/careful.ts";
import {
  declarationEndless,
  declarationShape,
  declaredTypeInvalid,
  defaultType,
  optionInside,
} from "../core/declaration-problems.ts";
import { Def } from "../core/definition.ts";
import { Loc } from "../core/loc.ts";
import { OptionDecl } from "../core/option.ts";
import { Origin } from "../core/origin.ts";
import { LiteralValue, Property } from "../core/property.ts";
import { isTree } from "../core/schema.ts";
import { isType, type Type } from "../core/type.ts";

/** Check what `mkOption` was given. */
export function checkOption(decl: OptionDecl): OptionDecl {
  const { default: fallback } = decl.fields;
  const type: unknown = decl.fields.type;
  const origin = decl.origin as Origin;
  if (!isType(type))
    throw declaredTypeInvalid(
      origin,
      type,
      carefully(() => type instanceof OptionDecl, false),
    );
  if (fallback === undefined) return decl;
  if (holdsOption(fallback, 3)) throw optionInside(origin, "the default of another option");
  const value = carefully(() => (fallback instanceof LiteralValue ? fallback.literal : fallback), fallback);
  const isLater = (): boolean => fallback === value && (typeof value === "function" || value instanceof Property);
  const misfit = carefully(isLater, false) ? undefined : misfitOf(type, value, origin);
  if (misfit !== undefined) throw defaultType(origin, type.description, value, misfit);
  return decl;
}

function holdsOption(value: unknown, depth: number): boolean {
  return carefully(() => isOptionInside(value, depth), false);
}

function isOptionInside(value: unknown, depth: number): boolean {
  if (value instanceof OptionDecl) return true;
  if (depth === 0 || typeof value !== "object" || value === null) return false;
  if (!Array.isArray(value) && !isTree(value)) return false;
  return Object.values(Object.getOwnPropertyDescriptors(value)).some((member) =>
    isOptionInside(member.value, depth - 1),
  );
}

/** What is wrong with a default, as notes; `undefined` if nothing is. */
function misfitOf(type: Type, value: unknown, origin: Origin): readonly string[] | undefined {
  const defs = [new Def(value, origin)];
  try {
    if (type.misfits(defs).length > 0) return [];
    const isDeep = type.subModules === undefined && isData(value);
    if (isDeep) read(type.merge({ loc: undefined, context: { specialArgs: {} } }, defs));
    return undefined;
  } catch (error) {
    // A check or conversion that needs more than there is now may still succeed later.
    return error instanceof ConfigError && error.has("definition-type") ? [error.problems[0].message] : undefined;
  }
}

/** Plain data that is worth looking into. */
function isData(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return typeof value !== "function";
  if (!Array.isArray(value) && !isTree(value)) return false;
  return Object.values(Object.getOwnPropertyDescriptors(value)).every(
    (member) => member.get === undefined && isData(member.value),
  );
}

function read(value: unknown): void {
  if (typeof value === "object" && value !== null) for (const member of Object.values(value)) read(member);
}

/** The trees that were checked; a tree usually passes through `declareOptions` and `defineModule`. */
const checked = new WeakSet<object>();

/** Options lie less deep than this. */
const maxDepth = 200;

/** Check a tree of options; whoever called the library is to blame. */
export function checkTree(tree: unknown): void {
  if (!isTree(tree)) throw declarationShape(undefined, Origin.ofCaller(), tree, isType(tree));
  if (!checked.has(tree)) checkGroup(tree, undefined, 0);
}

function checkGroup(group: object, loc: Loc | undefined, depth: number): void {
  if (depth > maxDepth) throw declarationEndless(loc, Origin.ofCaller());
  for (const name of Object.keys(group)) {
    const value: unknown = Object.getOwnPropertyDescriptor(group, name)?.value;
    if (carefully(() => value instanceof OptionDecl, false) || isGetter(group, name)) continue;
    const at = new Loc(loc, name);
    if (isType(value) || !isTree(value)) throw declarationShape(at, Origin.ofCaller(), value, isType(value));
    // `{ ...mkOption({ … }), more: mkOption({ … }) }` has the option's parts for members.
    if ("fields" in value && "origin" in value && value.origin instanceof Origin)
      throw optionInside(Origin.ofCaller(), "the parts of another option", at);
    if (!checked.has(value)) checkGroup(value, at, depth + 1);
  }
  checked.add(group);
}

function isGetter(object: object, name: string): boolean {
  return Object.getOwnPropertyDescriptor(object, name)?.get !== undefined;
}
