/**
 * Looking at values that may be anything: proxies that throw at every question, values that contain themselves, values
 * that are made while they are read and have no end.
 *
 * Nothing here throws. That matters most where a problem is being told: what goes wrong there would hide the problem.
 */
import { EachValue, LiteralValue, Property } from "./property.ts";

/** What `f` returns, or `otherwise` if it throws. */
export function carefully<T>(f: () => T, otherwise: T): T {
  try {
    return f();
  } catch {
    return otherwise;
  }
}

/** What an error says; something in its place if it is no error, or none that can be read. */
export function messageOf(error: unknown, print: (value: unknown) => string): string {
  const message = carefully<unknown>(() => (error instanceof Error ? error.message : undefined), undefined);
  return typeof message === "string" ? message : print(error);
}

/** Longer lists are looked at before they are walked. */
const manyElements = 100_000;

/**
 * True for a list that can be walked. `new Array(2 ** 32 - 1)` holds nothing and walking it takes minutes, so a long list
 * must not have holes; the holes of shorter ones are elements that are undefined.
 */
export function isList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value) && !(value.length > manyElements && Object.keys(value).length < value.length);
}

/** Plain data is nested less deep than this; what seems to be deeper is made on the way. */
export const maxNesting = 5000;

/** Objects that are known to end, so that looking at each part of a value once more costs nothing. */
const finite = new WeakSet<object>();

/**
 * True for plain data that has no end, or none that can be waited for. Neither thunks nor getters are run: what they return is looked at when it is merged.
 *
 *     a = [1, { b: a }]            true
 *     b = [c, c]; c = {}           false: the same twice is no circle
 */
export function containsItself(value: unknown): boolean {
  return typeof value === "object" && value !== null && !finite.has(value) && isEndless(value, []);
}

/** So many levels are walked on the stack, and looked through for circles one by one; nearly all data has fewer than ten. */
const onStack = 50;

/** Depth-first; `above` are the objects that this one is in. */
function isEndless(object: object, above: object[]): boolean {
  if (above.length >= onStack) return isEndlessDeeper(object, above);
  above.push(object);
  let hasParts = false;
  try {
    if (Array.isArray(object) && !isList(object)) return true;
    if (!Array.isArray(object) && !isPlainObject(object)) {
      const [inner] = partsOf(object);
      hasParts = true;
      if (inner !== undefined && !finite.has(inner) && (above.includes(inner) || isEndless(inner, above))) return true;
    } else {
      const names = Object.keys(object);
      for (let i = 0; i < names.length; i++) {
        const name = names[i] as string;
        if (getter.call(object, name) !== undefined) continue;
        const part = (object as Record<string, unknown>)[name];
        if (typeof part !== "object" || part === null) continue;
        hasParts = true;
        if (finite.has(part)) continue;
        if (above.includes(part) || isEndless(part, above)) return true;
      }
    }
    // Remembering costs as much as looking at a few members.
    if (hasParts) finite.add(object);
  } catch {
    // What cannot be looked at has no parts.
  }
  above.pop();
  return false;
}

/** An object on the way down, and how many of its parts have been looked at. */
interface Step {
  readonly object: object;
  readonly parts: readonly object[];
  seen: number;
}

/** The same without the stack. */
function isEndlessDeeper(object: object, outer: readonly object[]): boolean {
  const above = new Set([...outer, object]);
  const steps: Step[] = [{ object, parts: partsOf(object), seen: 0 }];
  for (let step = steps.at(-1); step !== undefined; step = steps.at(-1)) {
    const part = step.parts[step.seen++];
    if (part === undefined) {
      finite.add(step.object);
      above.delete(step.object);
      steps.pop();
    } else if (!finite.has(part)) {
      if (above.has(part) || steps.length >= maxNesting) return true;
      above.add(part);
      steps.push({ object: part, parts: partsOf(part), seen: 0 });
    }
  }
  return false;
}

/** The getter of an object's member, looked up without allocating a descriptor. */
const getter = Reflect.get(Object.prototype, "__lookupGetter__") as (this: object, key: string) => unknown;

/** The objects that a list, a set or a wrapper holds; none of anything else. */
function partsOf(object: object): readonly object[] {
  const parts: object[] = [];
  const add = (part: unknown): void => {
    if (typeof part === "object" && part !== null) parts.push(part);
  };
  carefully(() => {
    if (object instanceof Property) add(object.content);
    else if (object instanceof LiteralValue) add(object.literal);
    else if (object instanceof EachValue) add(object.each);
    else if (Array.isArray(object) || isPlainObject(object))
      for (const key of Object.keys(object))
        if (getter.call(object, key) === undefined) add((object as Record<string, unknown>)[key]);
  }, undefined);
  return parts;
}

/** True for an object of no class. */
export function isPlainObject(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/**
 * How much is read of values whose members may be made while they are read, and then have no end. Whoever reads on asks for
 * what is near before what lies deep, so that the limit cuts off the deepest.
 */
export class Patience {
  #left = 500_000;

  /** Whether to read the members of an object. Those that are there already are looked at much sooner than others are made. */
  lastsFor(object: object, names: readonly string[]): boolean {
    for (let i = 0; i < names.length; i++) this.#left -= getter.call(object, names[i] as string) === undefined ? 1 : 20;
    return this.#left >= 0;
  }
}
