/**
 * What a build would do when the caches are asked: the same questions as a build asks, and none of its work.
 */
import type { Derivation, StoreObject } from "../objects.ts";
import type { StorePath } from "../path.ts";
import type { Plan } from "../store.ts";
import { originsOf, planFor } from "./graph.ts";
import type { State } from "./state.ts";
import type { Substituter } from "./substitute.ts";

/** The plan for some targets, where what caches have is copied, and nothing is made that only this would need. */
export async function planWithCaches(
  state: State,
  targets: readonly StoreObject[],
  substituter: Substituter,
): Promise<Plan> {
  const copy = new Map<StorePath, number>();
  const asked = new Set<Derivation>();
  const isThere = (path: StorePath) => state.infos.isValid(path) || copy.has(path);
  const ask = async (drv: Derivation, outputs: readonly string[]): Promise<void> => {
    if (asked.has(drv) || outputs.every((output) => isThere(drv.outputs[output] as StorePath))) return;
    asked.add(drv);
    const offered = await substituter.offered(Object.values(drv.outputs));
    for (const { path, narSize } of offered ?? []) copy.set(path, narSize);
    if (offered !== undefined) return;
    await Promise.all(drv.inputDerivations.map((input) => ask(input.derivation, input.outputs)));
  };
  for (const target of originsOf(targets)) if (target.type === "derivation") await ask(target, target.outputNames);
  const copies = [...copy].map(([path, narSize]) => ({ path, narSize }));
  return { ...planFor(targets, isThere), copy: copies.sort((a, b) => (a.path < b.path ? -1 : 1)) };
}
