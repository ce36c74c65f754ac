/**
 * What has to be made for some targets: the part of the graph below them that is not valid yet. Pure but for the
 * question whether a path is valid.
 */
import { fail } from "../../problems/index.ts";
import { type Derivation, originOf, type Source, type StoreObject } from "../objects.ts";
import type { StorePath } from "../path.ts";
import type { Plan } from "../store.ts";

/** The derivation or source behind each target; an object that stands for neither is a problem. */
export function originsOf(targets: readonly StoreObject[]): (Derivation | Source)[] {
  return targets.map(
    (target) =>
      originOf(target) ??
      fail({
        code: "store-object-unknown",
        message: `nothing says how ${target.path} is made`,
        fix: "Give a derivation, a source, or an object whose `origin` is one.",
      }),
  );
}

/** What is to be built, fetched and added, inputs first. */
export function planFor(targets: readonly StoreObject[], isValid: (path: StorePath) => boolean): Plan {
  const plan = { build: [] as Derivation[], fetch: [] as Derivation[], add: [] as Source[] };
  const seen = new Set<Derivation | Source>();
  const source = (object: Source): void => {
    if (seen.has(object) || isValid(object.path)) return;
    seen.add(object);
    for (const reference of object.references) source(reference);
    plan.add.push(object);
  };
  const derivation = (object: Derivation, outputs: readonly string[]): void => {
    if (seen.has(object) || outputs.every((output) => isValid(object.outputs[output] as StorePath))) return;
    seen.add(object);
    for (const input of object.inputSources) source(input);
    for (const input of object.inputDerivations) derivation(input.derivation, input.outputs);
    (object.fixedOutput === undefined ? plan.build : plan.fetch).push(object);
  };
  for (const target of originsOf(targets)) {
    if (target.type === "source") source(target);
    else derivation(target, target.outputNames);
  }
  return plan;
}

/** Every path that making some targets may need: what is made, described and added, all the way down. */
export function pathsBelow(targets: readonly StoreObject[]): Set<StorePath> {
  const paths = new Set<StorePath>();
  const seen = new Set<Derivation | Source>();
  const open = [...originsOf(targets)];
  for (let object = open.pop(); object !== undefined; object = open.pop()) {
    if (seen.has(object)) continue;
    seen.add(object);
    paths.add(object.path);
    if (object.type === "source") {
      open.push(...object.references);
      continue;
    }
    for (const path of [object.drvPath, ...Object.values(object.outputs)]) paths.add(path);
    open.push(...object.inputSources, ...object.inputDerivations.map(({ derivation }) => derivation));
  }
  return paths;
}
