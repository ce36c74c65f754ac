/**
 * Values that no type looks into, finished: inside them, thunks are run and literals are what they stand for.
 *
 *     [1, () => config.port, { name: literal(f) }]   →   [1, 8080, { name: f }]
 *
 * Nearly all values are finished as they come and stay the same object. A wrapper deep inside such a value has nothing to
 * act on and is a problem; Nix lets its insides out into the configuration.
 */
import { isList } from "../core/careful.ts";
import { type Def, getterOf, isGroup, member, setMember } from "../core/definition.ts";
import { wrapperNesting } from "../core/problems.ts";
import { LiteralValue, Property } from "../core/property.ts";
import type { At } from "../core/type.ts";

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
  if (value instanceof Property || value instanceof LiteralValue) return false;
  // The first part that is not finished ends the search, so whatever was seen is.
  seen.add(value);
  return Array.isArray(value)
    ? !isList(value) || value.every((item) => isFinished(item, seen))
    : !isPlain(value) ||
        Object.keys(value).every((key) => getterOf(value, key) === undefined && isFinished(member(value, key), seen));
}

function settle(at: At, def: Def, value: unknown): unknown {
  if (typeof value === "function" && value.length === 0) return settled(at, def, (value as () => unknown)());
  if (value instanceof LiteralValue) return value.literal;
  if (value instanceof Property) {
    if (value.kind === "define") return settled(at, def, value.content);
    throw wrapperNesting(at.loc, def, value);
  }
  if (Array.isArray(value)) return Object.freeze(value.map((item) => settled(at, def, item)));
  if (!isPlain(value)) return value;
  const finished = {};
  for (const key of Object.keys(value)) setMember(finished, key, settled(at, def, member(value, key)));
  return Object.freeze(finished);
}
