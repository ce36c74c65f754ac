/**
 * Virtual machines of machines: options, the variant that QEMU runs, its command line, its launcher, and the control of one that runs.
 */
export { qemuArgv } from "./argv.ts";
export { type BuildMachineOptions, type BuiltMachine, buildMachine, LOCK_NAME } from "./build.ts";
export { type StartVmOptions, startVm, type Vm } from "./control.ts";
export { type ConnectOptions, GuestAgent } from "./guest-agent.ts";
export type { ExecOptions, ExecResult } from "./guest-exec.ts";
export { type LoadedMachine, loadMachine } from "./load.ts";
export { defineMachine, evalMachine, type Machine, machineModules, vmOf } from "./machine.ts";
export { machineSpec } from "./machine-spec.ts";
export { QmpClient, type QmpEvent } from "./qmp.ts";
export {
  type ForwardPort,
  MACHINE_SPEC_FORMAT,
  type MachineSpec,
  type SharedDirectory,
  type StoreShare,
} from "./spec.ts";
export { type Facts, renderArgv, type Template } from "./template.ts";
export { vmVariant } from "./vm-variant.ts";
