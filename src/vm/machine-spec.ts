/**
 * Configuration → `MachineSpec`: reads the options of the virtual machine's variant and nothing else.
 */
import type { Values } from "../lib/index.ts";
import { ProblemError, problem } from "../problems/index.ts";
import type { StoreObject } from "../store/index.ts";
import { drivesOf } from "./disks.ts";
import type { Machine } from "./machine.ts";
import { checkBackend, lansOf } from "./networks.ts";
import { sharesOf } from "./shared-directories.ts";
import { MACHINE_SPEC_FORMAT, type MachineSpec, type StoreShare } from "./spec.ts";
import { storeShare } from "./store-share.ts";
import { erofsImage } from "./transports/erofs.ts";

/** QEMU's own first address; the second one is the store's. */
const userMacAddress = "52:54:00:12:34:56";

/** Reduce a configuration to the machine that QEMU makes. `tree` has QEMU and the programs that start it, `image` the store as a disk. */
export function machineSpec(config: Values<Machine>, tree: { toString(): string }, image?: StoreObject): MachineSpec {
  const { virtualisation: vm, system, boot, networking } = config;
  checkForwards(vm.forwardPorts);
  const network = {
    macAddress: userMacAddress,
    backend: vm.qemu.networkBackend,
    restrict: vm.restrictNetwork,
    forwardPorts: vm.forwardPorts,
    options: vm.qemu.networkingOptions,
  };
  checkBackend(network);
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
    drives: drivesOf(vm.emptyDiskImages, vm.qemu.drives),
    network,
    lans: lansOf(vm.vlans, vm.test.nodeNumber),
    store: storeOf(vm.store.transport, image),
    sharedDirectories: sharesOf(vm.sharedDirectories),
    display: { graphics: vm.graphics, resolution: vm.resolution },
    qemu: { tree: `${tree}`, options: vm.qemu.options },
  };
}

function storeOf(transport: StoreShare["transport"], image: StoreObject | undefined): StoreShare {
  if (transport === "smb") return storeShare;
  if (transport !== "erofs") return { transport, tag: storeShare.shareName };
  if (image === undefined) throw new Error("a machine whose store is a disk needs its image");
  return erofsImage(image);
}

/** Two rules for one port of the host: QEMU would only say that it could not set up the second. */
function checkForwards(forwards: MachineSpec["network"]["forwardPorts"]): void {
  const seen = new Map<string, string>();
  for (const { from, proto, host, guest } of forwards) {
    if (from !== "host" || host.port === 0) continue;
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
