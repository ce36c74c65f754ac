// biome-ignore-all lint/correctness/noEmptyPattern: vitest reads from a fixture's pattern which others it needs.
/**
 * Machines as fixtures of a test runner.
 *
 * Made for `test.extend` of vitest, which calls each fixture the first time a test names it. vitest itself is not imported: the
 * tests bring the one that runs them.
 */
import type { AnyModule } from "../lib/index.ts";
import { type BootOptions, bootMachines, declarationsOf, type GuestMachines } from "./boot.ts";
import { tellDeclared } from "./declared.ts";
import { interact } from "./interactive.ts";
import type { GuestMachine } from "./machine.ts";

/** What {@link machineFixtures} gives: for each machine a fixture that lives as long as the tests of its file. */
export type MachineFixtures<N extends string> = {
  readonly [K in N]: [
    (context: object, use: (machine: GuestMachine) => Promise<void>) => Promise<void>,
    { readonly scope: "file" },
  ];
};

/**
 * Machines for vitest's `test.extend`: booted for the first test that names one of them, kept for all tests of the file, ended after the last.
 *
 * @example
 * import { defineMachine } from "osmod";
 * import { machineFixtures } from "osmod/testing";
 *
 * const web = defineMachine({ config: { networking: { hostName: "web" }, system: { stateVersion: "13" } } });
 * // With vitest: const it = test.extend<{ web: GuestMachine }>(machineFixtures({ web }));
 * const fixtures = machineFixtures({ web });
 * Object.keys(fixtures); // ["web"]
 */
export function machineFixtures<N extends string>(
  machines: Readonly<Record<N, AnyModule | string>>,
  options: Omit<BootOptions, "name" | "directory"> = {},
): MachineFixtures<N> {
  tellDeclared(...declarationsOf(machines, options).map(([, declared]) => declared));
  let booting: Promise<GuestMachines<N>> | undefined;
  let users = 0;
  const fixture = (name: N): MachineFixtures<N>[N] => [
    // oxlint-disable-next-line no-empty-pattern
    async ({}, use) => {
      users += 1;
      booting ??= bootMachines(machines, options).then(async (booted) => {
        await interact(booted);
        return booted;
      });
      const booted = await booting;
      try {
        await use(booted[name]);
      } finally {
        users -= 1;
        if (users === 0) {
          booting = undefined;
          await booted[Symbol.asyncDispose]();
        }
      }
    },
    { scope: "file" },
  ];
  const names = Object.keys(machines) as N[];
  return Object.fromEntries(names.map((name) => [name, fixture(name)])) as MachineFixtures<N>;
}
