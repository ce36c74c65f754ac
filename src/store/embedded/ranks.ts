/**
 * What to begin with, when more could be begun than may run at a time. Pure.
 *
 * Small groups first: of a derivation's inputs the one with the least below it, and all that it needs, before the next.
 * What a small group is for can then be built while the large ones are still being fetched:
 *
 *     system ─┬─ modules ── kernel                        kernel 0, modules 1: unpacked while libraries arrive
 *             └─ tree ─┬─ libc
 *                      └─ … a hundred more                tree 103, system 104
 *
 * In the order of the graph the kernel, which takes longest, would come whenever its name does, and what is made of it
 * last, with all processors but one idle.
 */
import type { Derivation } from "../objects.ts";

/** The place of each derivation below some targets in the order in which they should be made. */
export function ranks(targets: readonly Derivation[]): ReadonlyMap<Derivation, number> {
  const sizes = new Map<Derivation, number>();
  // What two inputs share is counted twice: an estimate, and linear.
  const sizeOf = (drv: Derivation): number => {
    let size = sizes.get(drv);
    if (size === undefined) {
      size = 1;
      for (const { derivation } of drv.inputDerivations) size += sizeOf(derivation);
      sizes.set(drv, size);
    }
    return size;
  };
  const order = new Map<Derivation, number>();
  const seen = new Set<Derivation>();
  const visit = (drv: Derivation): void => {
    if (seen.has(drv)) return;
    seen.add(drv);
    const inputs = drv.inputDerivations.map(({ derivation }) => derivation);
    for (const input of inputs.sort((a, b) => sizeOf(a) - sizeOf(b))) visit(input);
    order.set(drv, order.size);
  };
  for (const target of targets) visit(target);
  return order;
}
