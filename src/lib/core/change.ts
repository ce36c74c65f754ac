/**
 * Changes: what `mkRemove` and `mkTransform` do to the value that the other definitions make.
 *
 * They run after merging and before `apply`, in ascending order (`mkBefore`, plain, `mkAfter`), those of equal order as
 * their modules come. A change applies to values of its own priority and of weaker ones:
 *
 *     default [a, b] · mkRemove([a])                  →   [b]
 *     [a, b] · mkRemove([a]) · mkForce([a, c])        →   [a, c]
 *     [a, b] · mkForce(mkRemove([a]))                 →   [b]
 *
 * What a change leaves is merged again as one definition, so it is checked, converted and frozen like any value. Only
 * values with submodules in them are left as they come: their elements are finished configurations already.
 */
import { isList } from "./careful.ts";
import { returned, at as runningAt } from "./cell.ts";
import { Def, isGroup } from "./definition.ts";
import { definitionType, notRemovable, transformType } from "./problems.ts";
import type { Change } from "./property.ts";
import { type At, deepEqual, type Type } from "./type.ts";

/** The value after all changes. */
export function applyChanges(at: At, type: Type, value: unknown, changes: readonly Def[]): unknown {
  return changes.reduce((before, def) => {
    const change = def.value as Change;
    runningAt(def.origin);
    return change.kind === "remove" ? remove(at, type, before, def, change) : transform(at, type, before, def, change);
  }, value);
}

function remove(at: At, type: Type, value: unknown, def: Def, { argument }: Change): unknown {
  const what: unknown = typeof argument === "function" ? returned((argument as () => unknown)()) : argument;
  if (!isList(what)) throw definitionType(at.loc, "list of what to remove", [valueOf(def, what)]);
  if (isList(value)) {
    const elements = asElements(at, type, def, what);
    return Object.freeze(value.filter((item) => !elements.some((element) => deepEqual(item, element))));
  }
  if (!isGroup(value)) {
    // Where there is nothing, nothing is to be removed.
    if (value === null) return value;
    throw notRemovable(at.loc, def, value);
  }
  const left = Object.getOwnPropertyDescriptors(value);
  for (const name of what) delete left[String(name)];
  return Object.freeze(Object.defineProperties({}, left));
}

/** Elements as the type would have them: packages as their paths, numbers as the text they are converted to. */
function asElements(at: At, type: Type, def: Def, what: readonly unknown[]): readonly unknown[] {
  if (type.subModules !== undefined || what.length === 0) return what;
  const list = valueOf(def, what);
  const bad = type.misfits([list]);
  if (bad.length > 0) throw definitionType(at.loc, type.description, bad);
  const merged = type.merge(at, [list]);
  // Read at once: an element that does not fit is to be told even when there is nothing to compare it with.
  return Array.isArray(merged) ? [...(merged as readonly unknown[])] : what;
}

function transform(at: At, type: Type, value: unknown, def: Def, { argument }: Change): unknown {
  const made = valueOf(def, returned((argument as (value: unknown) => unknown)(value)));
  if (made.value === undefined || type.misfits([made]).length > 0) throw transformType(at.loc, type.description, made);
  if (type.subModules === undefined) return type.merge(at, [made]);
  return Object.freeze(made.value);
}

function valueOf(def: Def, value: unknown): Def {
  return new Def(value, def.origin, undefined, def.priority, def.base, def.order);
}
