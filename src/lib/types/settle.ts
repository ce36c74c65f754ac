/**
 * Values that no type looks into, finished: inside them, thunks are run and literals are what they stand for.
 *
 *     [1, () => config.port, { name: literal(f) }]   →   [1, 8080, { name: f }]
 *
 * Nearly all values are finished as they come and stay the same object. Of a set or a list that is not, each member is
 * finished when it is read, so that members may depend on each other and one that fails fails alone. A wrapper deep inside such a value has nothing to act on and is a
 * problem; Nix lets its insides out into the configuration.
 */
import { isList } from "../core/careful.ts";
import { returned } from "../core/cell.ts";
import { childDef, type Def, getterOf, isGroup, member } from "../core/definition.ts";
import { Loc } from "../core/loc.ts";
import { rawMember } from "../core/merge.ts";
import { kindOf } from "../core/print.ts";
import { wrapperInValue } from "../core/problems.ts";
import { Change, EachValue, LiteralValue, Property, UnsetValue } from "../core/property.ts";
import { type At, isPrimitive, makeType, mergeOne, type Type } from "../core/type.ts";
import { elementOf, frozenLazily, isLazyList } from "./containers.ts";

/** A set, as opposed to an instance of somebody's class. */
export function isPlain(value: unknown): value is object {
  if (!isGroup(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** A part of the value of a definition, finished. */
export function settled(at: At, def: Def, value: unknown): unknown {
  return isFinished(value, new Set()) ? value : settle(at, def, value);
}

/** True when there is nothing to do inside; a circle is left as it is, and so is a list that cannot be walked. */
export function isFinished(value: unknown, seen: Set<unknown>): boolean {
  if (typeof value === "function") return value.length > 0;
  if (typeof value !== "object" || value === null || seen.has(value)) return true;
  if (value instanceof LiteralValue || wrapperOf(value) !== undefined) return false;
  // The first part that is not finished ends the search, so whatever was seen is.
  seen.add(value);
  return Array.isArray(value)
    ? !isList(value) || (!isLazyList(value) && value.every((item) => isFinished(item, seen)))
    : !isPlain(value) ||
        Object.keys(value).every((key) => getterOf(value, key) === undefined && isFinished(member(value, key), seen));
}

function settle(at: At, def: Def, value: unknown): unknown {
  if (typeof value === "function" && value.length === 0) return settled(at, def, returned((value as () => unknown)()));
  if (value instanceof LiteralValue) return value.literal;
  if (value instanceof Property && value.kind === "define") return settled(at, def, value.content);
  if (typeof value !== "object" || value === null) return value;
  const wrapper = wrapperOf(value);
  if (wrapper !== undefined) throw wrapperInValue(at.loc, def, value, wrapper);
  if (Array.isArray(value)) return settledList(at, [def.with(value)]);
  if (!isPlain(value)) return value;
  const finished = {};
  for (const key of Object.keys(value)) settledMember(finished, key, at, def, member(value, key));
  return Object.freeze(finished);
}

/** The lists of definitions as one list, whose elements are finished when they are read. */
export function settledList(at: At, defs: readonly Def[]): readonly unknown[] {
  const list: unknown[] = [];
  defs.forEach((def, n) => {
    const items = def.value as readonly unknown[];
    for (let m = 0; m < items.length; m++) {
      const loc = new Loc(at.loc, `[definition ${n + 1}-entry ${m + 1}]`);
      settledMember(list, String(list.length), at, def, elementOf(items, m), loc);
    }
  });
  return frozenLazily(list);
}

/** Give a set a member, which is finished when it is first read. */
export function settledMember(
  target: object,
  key: string,
  at: At,
  def: Def,
  item: unknown,
  loc: Loc = new Loc(at.loc, key),
): void {
  if (isFinished(item, new Set())) {
    Object.defineProperty(target, key, { value: item, enumerable: true, configurable: true });
    return;
  }
  const inner: At = { loc, context: at.context };
  const finish = (): LiteralValue => new LiteralValue(settled(inner, def, item));
  rawMember(target, key, loc, at.context, given, [childDef(def, finish)]);
}

/** Takes what its one definition says. @internal */
export const given: Type = makeType({
  name: "given",
  check: () => true,
  isEager: isPrimitive,
  merge: (at, defs) => mergeOne(at, defs),
});

/** What a wrapper is called; `undefined` for anything else. */
function wrapperOf(value: object): string | undefined {
  const isWrapper =
    value instanceof Property || value instanceof UnsetValue || value instanceof Change || value instanceof EachValue;
  return isWrapper ? kindOf(value) : undefined;
}
