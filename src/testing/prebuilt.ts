/**
 * Where a test's machines come from: built when they are booted, or, in a test that is itself being built, made before.
 *
 * A builder sees its inputs and nothing else: no store to build in, no archive to ask, no namespaces to confine servers by. So a machine of
 * such a test differs in what it takes of its host ({@link forBuilder}), and its launcher is an input of the test. Which one is found
 * out by evaluating the machine once more: equal machines have equal paths, so what is booted is what the test's file says.
 */
import { join } from "node:path";
import { type AnyModule, define, mkForce } from "../lib/index.ts";
import { fail } from "../problems/index.ts";
import {
  type BuildMachineOptions,
  type BuiltMachine,
  buildMachine,
  defineMachine,
  describeMachine,
} from "../vm/index.ts";

/** What of a built machine is needed to start it. */
export type Launcher = Pick<BuiltMachine, "name" | "launcher" | "share">;

/** Variables that a test finds while it is built: the launchers of its machines, and the shell that runs them. */
export const LAUNCHERS = "OSMOD_TEST_LAUNCHERS";
export const SHELL = "OSMOD_TEST_SHELL";

/** Whether this test is itself being built. */
export function inBuilder(): boolean {
  return process.env[LAUNCHERS] !== undefined;
}

/** How a machine is built for a test that runs in a builder: its store is an image, and nothing leads out of it. */
export const forBuilder: AnyModule = defineMachine({
  config: define({
    virtualisation: {
      store: { transport: mkForce("erofs") },
      sharedDirectories: mkForce({}),
      restrictNetwork: mkForce(true),
    },
  }),
});

/** Build a machine, or find it among those that were built for this test. Problem: `machine-not-declared`. */
export async function launcherFor(machine: AnyModule | string, options: BuildMachineOptions): Promise<Launcher> {
  const given = process.env[LAUNCHERS];
  if (given === undefined) return buildMachine(machine, options);
  const built = given.split(" ");
  const modules = [...(options.modules ?? []), forBuilder];
  const { name, drv } = await describeMachine(machine, { ...options, modules, frozen: true });
  if (!built.includes(drv.outPath)) {
    fail({
      code: "machine-not-declared",
      message: `the machine "${name}" was not built for this test`,
      notes: [`it is ${drv.outPath}`, ...built.map((path) => `built was ${path}`)],
      fix: "Declare it at the top level of the test's file: by machineFixtures, or by declareMachine for bootMachine. A machine must not depend on the environment or the directory.",
    });
  }
  return { name, launcher: join(drv.outPath, "bin", `run-${name}-vm`), share: join(drv.outPath, "share/osmod") };
}

/** What runs launchers: in a builder there may be no `/bin/sh`. */
export function interpreter(): readonly string[] {
  const shell = process.env[SHELL];
  return shell === undefined ? [] : [shell, "sh"];
}
