/**
 * Virtual machines under test: boot one or several, run commands, wait for units, ports and files, cut their network, and be told
 * with the journal and the console when something is not as it should be. The verbs are those of NixOS's test driver.
 */
export { type BootOptions, bootMachine, bootMachines, type GuestMachines } from "./boot.ts";
export { type DeclaredMachine, declareMachine } from "./declared.ts";
export { type DescribedTest, type DescribeTestOptions, describeTest } from "./derivation.ts";
export { GuestError } from "./failure.ts";
export { type MachineFixtures, machineFixtures } from "./fixtures.ts";
export {
  type CommandOptions,
  type CommandResult,
  GuestMachine,
  type GuestMachineOptions,
  type WaitOptions,
} from "./machine.ts";
export { vitestOf } from "./node-packages.ts";
export { outputDirectory } from "./output.ts";
export { vitestOptions } from "./vitest-options.ts";
