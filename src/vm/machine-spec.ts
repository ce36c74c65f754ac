/**
 * Configuration → `MachineSpec`: reads the options of the virtual machine's variant and nothing else.
 */
import type { Values } from "../lib/index.ts";
import { ProblemError, problem } from "../problems/index.ts";
import type { Machine } from "./machine.ts";
import { MACHINE_SPEC_FORMAT, type MachineSpec } from "./spec.ts";
import { storeShare } from "./store-share.ts";

/** QEMU's own first address; the second one is the store's. */
const userMacAddress = "52:54:00:12:34:56";

/** Reduce a configuration to the machine that QEMU makes. `tree` has QEMU and the programs that start it. */
export function machineSpec(config: Values<Machine>, tree: { toString(): string }): MachineSpec {
  const { virtualisation: vm, system, boot, networking } = config;
  checkForwards(vm.forwardPorts);
  return {
    format: MACHINE_SPEC_FORMAT,
    name: networking.hostName,
    system: "x86_64-linux",
    toplevel: `${system.build.toplevel}`,
    boot: {
      // Entered directly, without unpacking itself in the guest first.
      kernel: `${system.build.vmlinux}/vmlinux`,
      initrd: `${system.build.initialRamdisk}/initrd`,
      kernelParams: [`init=${system.build.toplevel}/init`, ...boot.kernelParams],
    },
    cpu: { cores: vm.cores, model: vm.qemu.cpu, accel: vm.qemu.accel },
    memory: vm.memorySize,
    disk: vm.diskImage === null ? null : { image: vm.diskImage, size: vm.diskSize, serial: "root" },
    network: {
      macAddress: userMacAddress,
      restrict: vm.restrictNetwork,
      forwardPorts: vm.forwardPorts,
      options: vm.qemu.networkingOptions,
    },
    store: storeShare,
    sharedDirectories: [],
    display: { graphics: vm.graphics, resolution: vm.resolution },
    guestAgent: vm.qemu.guestAgent.enable,
    qemu: { tree: `${tree}`, options: vm.qemu.options },
  };
}

/** Two rules for one port of the host: QEMU would only say that it could not set up the second. */
function checkForwards(forwards: MachineSpec["network"]["forwardPorts"]): void {
  const seen = new Map<string, string>();
  for (const { from, proto, host, guest } of forwards) {
    if (from !== "host") continue;
    const side = `${proto} port ${host.port}${host.address === "" ? "" : ` of ${host.address}`}`;
    const target = `${guest.address}:${guest.port}`;
    const other = seen.get(side);
    if (other !== undefined) {
      throw new ProblemError([
        problem({
          code: "forward-port-twice",
          option: "virtualisation.forwardPorts",
          message: `${side} of the host is forwarded twice, to ${other} and to ${target} of the guest`,
          fix: "Give every forwarded port of the host one guest port; mkForce replaces the rules of other modules.",
        }),
      ]);
    }
    seen.set(side, target);
  }
}
