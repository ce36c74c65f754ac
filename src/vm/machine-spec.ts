/**
 * Configuration → `MachineSpec`: reads the options of the virtual machine's variant and nothing else.
 */
import type { Values } from "../lib/index.ts";
import { fail, ProblemError, problem } from "../problems/index.ts";
import type { StoreObject } from "../store/index.ts";
import { drivesOf } from "./disks.ts";
import { type FirmwareChoice, firmwareOf } from "./firmware.ts";
import type { Machine } from "./machine.ts";
import { checkBackend, lansOf } from "./networks.ts";
import { sharesOf } from "./shared-directories.ts";
import { type Credential, MACHINE_SPEC_FORMAT, type MachineSpec, type StoreShare, type Tpm } from "./spec.ts";
import { sshAccess } from "./ssh-access.ts";
import { storeShare } from "./store-share.ts";
import { erofsImage } from "./transports/erofs.ts";

/** QEMU's own first address; the second one is the store's. */
const userMacAddress = "52:54:00:12:34:56";

/** What a machine is made of beside its configuration, where it has it. */
export interface MachineParts {
  /** The store as a disk. */
  readonly image?: StoreObject | undefined;
  /** The disk with the boot loader. */
  readonly bootDisk?: StoreObject | undefined;
  /** The programs of its TPM. */
  readonly tpm?: Tpm | undefined;
}

/**
 * Reduce a configuration to the machine that QEMU makes. `tree` has QEMU and the programs that start it; `writeText` puts
 * a text into the store. Problems: `forward-port-twice`, `forward-port-address`,
 * `credential-invalid`, `drive-serial`, `shared-directory-name`, `vlan-twice`, and those of `firmwareOf`.
 */
export function machineSpec(
  config: Values<Machine>,
  tree: { toString(): string },
  writeText: (name: string, text: string) => { toString(): string },
  { image, bootDisk, tpm }: MachineParts = {},
): MachineSpec {
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
      // Entered directly, without unpacking itself in the guest first; EFI and boot loaders take Debian's own file.
      kernel: vm.useEFIBoot || vm.useBootLoader ? system.build.kernelFile : `${system.build.vmlinux}/vmlinux`,
      initrd: `${system.build.initialRamdisk}/initrd`,
      kernelParams: [`init=${system.build.toplevel}/init`, ...boot.kernelParams],
    },
    ...firmwareOf(firmwareChoice(config), bootDisk),
    ...(tpm === undefined ? {} : { tpm }),
    cpu: { cores: vm.cores, model: vm.qemu.cpu, accel: vm.qemu.accel },
    memory: vm.memorySize,
    disk: vm.diskImage === null ? null : { image: vm.diskImage, size: vm.diskSize, serial: "root" },
    drives: drivesOf(vm.emptyDiskImages, vm.qemu.drives),
    network,
    lans: lansOf(vm.vlans, vm.test.nodeNumber),
    store: storeOf(vm.store.transport, image),
    sharedDirectories: sharesOf(vm.sharedDirectories),
    credentials: Object.entries(vm.credentials).map(([name, credential]) => credentialOf(name, credential, writeText)),
    ssh: vm.ssh.enable ? sshAccess : null,
    display: { graphics: vm.graphics, resolution: vm.resolution },
    guestAgent: vm.qemu.guestAgent.enable,
    qemu: { tree: `${tree}`, options: vm.qemu.options },
  };
}

/** What a configuration says about firmware and boot loader. */
export function firmwareChoice({ virtualisation: vm, boot }: Values<Machine>): FirmwareChoice {
  const { useBootLoader, useEFIBoot, bios } = vm;
  return {
    useBootLoader,
    useEFIBoot,
    bios,
    // Without EFI its package is not even looked for.
    efi: useEFIBoot
      ? { firmware: vm.efi.firmware, variables: vm.efi.variables, keepVariables: vm.efi.keepVariables }
      : { firmware: "", variables: "", keepVariables: false },
    loader: { grub: boot.loader.grub.enable, systemdBoot: boot.loader["systemd-boot"].enable },
  };
}

function storeOf(transport: StoreShare["transport"], image: StoreObject | undefined): StoreShare {
  if (transport === "smb") return storeShare;
  if (transport !== "erofs") return { transport, tag: storeShare.shareName };
  if (image === undefined) throw new Error("a machine whose store is a disk needs its image");
  return erofsImage(image);
}

/** The file that a credential is read from. */
function credentialOf(
  name: string,
  { source, text }: { readonly source: string | null; readonly text: string | null },
  writeText: (name: string, text: string) => { toString(): string },
): Credential {
  const option = `virtualisation.credentials.${/^[\w-]+$/.test(name) ? name : JSON.stringify(name)}`;
  const refuse = (message: string, fix: string): never => fail({ code: "credential-invalid", option, message, fix });
  if (!/^[a-zA-Z0-9._@-]{1,50}$/.test(name) || name.startsWith(".")) {
    refuse(
      `${JSON.stringify(name)} cannot be the name of a credential`,
      "Use letters, digits and . _ @ - and at most 50 of them.",
    );
  }
  if ((source === null) === (text === null)) {
    refuse(
      source === null ? "a credential needs a source" : "a credential has a source and a text",
      "Set source (a file of the host) or text (part of the configuration), one of the two.",
    );
  }
  return { name, source: source ?? `${writeText(`credential-${name.replaceAll("@", "-")}`, text ?? "")}` };
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
