/**
 * Which machines a test file boots, known without booting any.
 *
 * A test that is built (derivation.ts) runs where no machine can be built, so its machines are built before. They are found by
 * importing the test's file: whatever declares machines, `machineFixtures` and `declareMachine`, tells those who collect.
 *
 * Who collects is told by a property of the global object, because a test's file may import a second copy of this one.
 */
import type { AnyModule } from "../lib/index.ts";
import type { BuildMachineOptions } from "../vm/index.ts";

/** A machine that a test file declares, and how it is built. */
export interface DeclaredMachine {
  readonly machine: AnyModule | string;
  readonly options: Pick<BuildMachineOptions, "lockFile" | "modules">;
}

const COLLECTED = Symbol.for("osmod.testing.declared");
const place = globalThis as { [COLLECTED]?: DeclaredMachine[] };

/** Tell those who collect, if anybody does. */
export function tellDeclared(...machines: readonly DeclaredMachine[]): void {
  place[COLLECTED]?.push(...machines);
}

/** The machines that are declared while `load` runs. */
export async function collectDeclared(load: () => Promise<unknown>): Promise<readonly DeclaredMachine[]> {
  const collected: DeclaredMachine[] = [];
  place[COLLECTED] = collected;
  try {
    await load();
    return collected;
  } finally {
    delete place[COLLECTED];
  }
}

/**
 * Say that tests of this file boot a machine by {@link bootMachine}, so that `osmod build-test` builds it before they run. Answers
 * the machine. What {@link machineFixtures} is given needs no declaration.
 *
 * @param options `lockFile` and `modules`, as they are given to `bootMachine`
 * @example
 * import { defineMachine } from "osmod";
 * import { bootMachine, declareMachine } from "osmod/testing";
 *
 * const web = declareMachine(defineMachine({ config: { networking: { hostName: "web" } } }));
 * const boot = () => bootMachine(web);
 */
export function declareMachine<M extends AnyModule | string>(machine: M, options: DeclaredMachine["options"] = {}): M {
  tellDeclared({ machine, options });
  return machine;
}
