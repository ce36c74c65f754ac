/**
 * Virtual machines of machines: options, the variant that QEMU runs, its command line, its launcher, and the control of one that runs.
 */
export { qemuArgv } from "./argv.ts";
export {
  type BuildMachineOptions,
  type BuiltMachine,
  buildMachine,
  type DescribedMachine,
  describeMachine,
  LOCK_NAME,
  lockOf,
} from "./build.ts";
export { type StartVmOptions, startVm, type Vm } from "./control.ts";
export { besideDisk } from "./firmware.ts";
export { type Generation, generationBefore, generationOf, generationsOf, makeDefault } from "./generations.ts";
export { type ConnectOptions, GuestAgent } from "./guest-agent.ts";
export {
  agentOf,
  pipeFromGuest,
  runInGuest,
  waitForGuest,
} from "./guest-command.ts";
export type { ExecOptions, ExecResult } from "./guest-exec.ts";
export { VirtualLan } from "./lan.ts";
export { launcherAt, programOf, rootOf, storePathOf } from "./launcher-path.ts";
export { importFile, type LoadedMachine, loadMachine } from "./load.ts";
export { defineMachine, evalMachine, type Machine, machineModules, vmOf } from "./machine.ts";
export { type MachineParts, machineSpec } from "./machine-spec.ts";
export {
  gone,
  launcherOf,
  type NamedVm,
  namedOf,
  namedVm,
  namedVms,
  removeNamed,
  runningStartOf,
  type StopOptions,
  startInBackground,
  stopRunning,
} from "./named.ts";
export { isOutOfSpace, QmpClient, type QmpEvent } from "./qmp.ts";
export { canResume } from "./resumable.ts";
export { loadMemory, qemuImg, resumeKey, saveMemory } from "./resume.ts";
export { type RunningVm, runningVm, runningVms, specOf } from "./running.ts";
export type { KeepPath } from "./shown.ts";
export { dropSnapshot, revertVm, type Snapshot, snapshotsOf, snapshotVm } from "./snapshots.ts";
export {
  type BootDisk,
  type Credential,
  type Firmware,
  type ForwardPort,
  MACHINE_SPEC_FORMAT,
  type MachineSpec,
  type SharedDirectory,
  type StoreShare,
  type Tpm,
} from "./spec.ts";
export { type SshOptions, ssh } from "./ssh.ts";
export {
  putRight,
  type Started,
  sleepNamed,
  startNamed,
  startResumed,
  startTransient,
  type TransientOptions,
  type UpVm,
  waitUntilUp,
} from "./start.ts";
export { type LeadingPort, type VmStatus, vmStatus } from "./status.ts";
export {
  type RunInGuest,
  type SwitchAction,
  type SwitchOptions,
  type SwitchOutcome,
  switchVm,
  type UnitChange,
} from "./switch.ts";
export { type Facts, renderArgv, type Template } from "./template.ts";
export { vmVariant } from "./vm-variant.ts";
