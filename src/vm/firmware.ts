/**
 * What runs before the kernel: BIOS or EFI, and the disk whose boot loader they start.
 *
 * | `useBootLoader` | `useEFIBoot` | QEMU |
 * |---|---|---|
 * | false | false | enters the uncompressed kernel by its own BIOS |
 * | false | true | hands kernel, initrd and command line to the EFI |
 * | true | false | starts its BIOS, which finds GRUB on the boot disk |
 * | true | true | starts the EFI, which finds GRUB or systemd-boot on the boot disk |
 *
 * The root disk is the same in all of them, so a machine goes from one to the other with all its state. What the firmware and the
 * boot loader write lies beside it:
 *
 *     web.qcow2.boot       what was written to the boot disk, a layer above the image in the store
 *     web.qcow2.efivars    the EFI's variables
 *
 * The boot disk's layer belongs to one image: a machine that was built anew begins with the new image's kernel. Both are qcow2, so
 * that QEMU can keep snapshots of all that a machine writes to.
 */
import { mkOption, t } from "../lib/index.ts";
import { packageType, pathOrObject } from "../modules/index.ts";
import { fail } from "../problems/index.ts";
import { BOOT_SERIAL, imagesAreNew, imagesFolder } from "./disks.ts";
import { qemuOption } from "./qemu-option.ts";
import type { BootDisk, Firmware, MachineSpec } from "./spec.ts";
import { escapeCommas, type Part, shellQuote, type Template, word } from "./template.ts";

/** `virtualisation.useBootLoader`. */
export const useBootLoader = mkOption({
  type: t.bool,
  default: false,
  description:
    "Whether the machine starts by its boot loader (`boot.loader`), from a disk with boot loader, kernel and initrd that is made " +
    "when the machine is built. Otherwise QEMU enters the kernel directly. `osmod build-vm-with-bootloader` sets it.",
  example: true,
});

/** `virtualisation.useEFIBoot`. */
export const useEFIBoot = mkOption({
  type: t.bool,
  default: false,
  description:
    "Whether the firmware is an EFI instead of a BIOS. Without a boot loader it is handed the kernel by QEMU. Its variables are " +
    "kept beside the root disk, as `<image>.efivars`.",
  example: true,
});

/** `virtualisation.useDefaultFilesystems`. */
export const useDefaultFilesystems = mkOption({
  type: t.bool,
  default: true,
  description:
    "Whether the machine has the usual root: an ext4 file system on the root disk, made at the first start. Otherwise " +
    '`virtualisation.fileSystems."/"` says what the root is.',
  example: false,
});

/** `virtualisation.bootPartition`. */
export const bootPartition = mkOption({
  type: t.nullOr(t.path),
  default: `/dev/disk/by-id/virtio-${BOOT_SERIAL}-part1`,
  description:
    "Device of the guest with the boot partition, which a machine with a boot loader mounts at " +
    "`boot.loader.efi.efiSysMountPoint`; `null` mounts none.",
  example: null,
});

/** `virtualisation.bios`. */
export const bios = mkOption({
  type: t.nullOr(pathOrObject),
  default: null,
  description:
    "Another BIOS than QEMU's own (SeaBIOS): a store object that has it as `bios.bin`, or the path of the firmware's file.",
  example: "/srv/firmware/bios.bin",
});

/** `virtualisation.efi`. */
export const efi = {
  OVMF: mkOption({
    type: packageType,
    defaultText: "pkgs.ovmf",
    description: "The package with the EFI: `usr/share/OVMF/OVMF_CODE_4M.fd` and `OVMF_VARS_4M.fd`.",
    example: "pkgs.ovmf",
  }),
  firmware: mkOption({
    type: t.path,
    defaultText: "usr/share/OVMF/OVMF_CODE_4M.fd of efi.OVMF",
    description: "The EFI's file. It is only read.",
    example: "/srv/firmware/OVMF_CODE.fd",
  }),
  variables: mkOption({
    type: t.path,
    defaultText: "usr/share/OVMF/OVMF_VARS_4M.fd of efi.OVMF",
    description: "What the EFI's variables are at the first start. The file must fit the firmware; it is only read.",
    example: "/srv/firmware/OVMF_VARS.fd",
  }),
  keepVariables: mkOption({
    type: t.bool,
    defaultText: "virtualisation.useBootLoader",
    description:
      "Whether the variables are at the first start those that came with the boot disk, which are `efi.OVMF`'s own, instead of " +
      "`efi.variables`. Later starts go on with what was written, either way.",
    example: false,
  }),
};

/** Where a package of OVMF has its files. */
export const ovmfFiles = {
  firmware: "usr/share/OVMF/OVMF_CODE_4M.fd",
  variables: "usr/share/OVMF/OVMF_VARS_4M.fd",
} as const;

/** Files in a boot disk's store path. */
export const bootFiles = { image: "boot.img", variables: "efi-vars.fd" } as const;

/** What a configuration says about the firmware and the boot loader. */
export interface FirmwareChoice {
  readonly useBootLoader: boolean;
  readonly useEFIBoot: boolean;
  readonly bios: string | { toString(): string } | null;
  readonly efi: { readonly firmware: string; readonly variables: string; readonly keepVariables: boolean };
  readonly loader: { readonly grub: boolean; readonly systemdBoot: boolean };
}

/** The boot loader of a machine that has one. Problems: `boot-loader-choice`, `boot-loader-needs-efi`. */
export function bootLoaderOf({ useEFIBoot: isEfi, loader }: FirmwareChoice): "grub" | "systemd-boot" {
  if (loader.grub === loader.systemdBoot) {
    fail({
      code: "boot-loader-choice",
      option: "boot.loader",
      message: `virtualisation.useBootLoader needs one boot loader, and ${loader.grub ? "both GRUB and systemd-boot are" : "none is"} enabled`,
      fix: "Enable boot.loader.grub or boot.loader.systemd-boot, one of the two.",
    });
  }
  if (loader.systemdBoot && !isEfi) {
    fail({
      code: "boot-loader-needs-efi",
      option: "boot.loader.systemd-boot.enable",
      message: "systemd-boot starts from EFI only, and the virtual machine has a BIOS",
      fix: "Set virtualisation.useEFIBoot, or use boot.loader.grub.",
    });
  }
  return loader.grub ? "grub" : "systemd-boot";
}

/**
 * Firmware and boot disk as data; `disk` is the boot disk's store path.
 * Problems: `firmware-twice`, `efi-variables-without-disk`, and those of {@link bootLoaderOf}.
 */
export function firmwareOf(
  choice: FirmwareChoice,
  disk: { toString(): string } | undefined,
): { readonly firmware?: Firmware; readonly bootDisk?: BootDisk } {
  const { bios: file, efi: own } = choice;
  if (choice.useBootLoader) bootLoaderOf(choice);
  if (file !== null && choice.useEFIBoot) {
    fail({
      code: "firmware-twice",
      option: "virtualisation.bios",
      message: "the virtual machine cannot have a BIOS of its own and an EFI",
      fix: "Unset virtualisation.bios or virtualisation.useEFIBoot; another EFI is virtualisation.efi.firmware.",
    });
  }
  if (own.keepVariables && choice.useEFIBoot && !choice.useBootLoader) {
    fail({
      code: "efi-variables-without-disk",
      option: "virtualisation.efi.keepVariables",
      message: "there are no variables of a boot disk to keep, because the machine has no boot loader",
      fix: "Set virtualisation.useBootLoader, or leave keepVariables out: what is written is kept in any case.",
    });
  }
  const bootDisk = disk === undefined ? {} : { bootDisk: { image: `${disk}/${bootFiles.image}`, serial: BOOT_SERIAL } };
  if (choice.useEFIBoot) {
    const variables = disk !== undefined && own.keepVariables ? `${disk}/${bootFiles.variables}` : own.variables;
    return { ...bootDisk, firmware: { kind: "efi", code: own.firmware, variables } };
  }
  if (file === null) return bootDisk;
  const isObject = /^\/nix\/store\/[^/]+$/.test(`${file}`);
  return { ...bootDisk, firmware: { kind: "bios", file: isObject ? `${file}/bios.bin` : `${file}` } };
}

/** QEMU's arguments for the firmware, beside where it finds its own files. */
export function firmwareArgv({ firmware }: MachineSpec): Template {
  if (firmware === undefined) return [];
  if (firmware.kind === "bios") return [word("-bios"), word(...onHost(firmware.file))];
  const flash = { if: "pflash" };
  return [
    word("-drive"),
    qemuOption(undefined, { ...flash, unit: 0, format: "raw", readonly: true, file: onHost(firmware.code) }),
    word("-drive"),
    qemuOption(undefined, { ...flash, unit: 1, format: "qcow2", file: { hole: "efiVariables" } }),
  ];
}

/** Where a boot loader finds what the start-up adds to the kernel's command line; systemd-boot's own name for it. */
export const extraParamsKey = "io.systemd.boot.kernel-cmdline-extra";

/** QEMU's arguments for the boot disk, and the firmware's table in which the boot loader finds {@link extraParamsKey}. */
export function bootDiskArgv({ bootDisk }: MachineSpec): Template {
  if (bootDisk === undefined) return [];
  return [
    word("-drive"),
    qemuOption(undefined, {
      if: "none",
      id: "boot",
      file: { hole: "bootDisk" },
      format: "qcow2",
      discard: "unmap",
      "detect-zeroes": "unmap",
    }),
    word("-device"),
    qemuOption("virtio-blk-pci", { drive: "boot", serial: bootDisk.serial, bootindex: 1 }),
    word("-smbios"),
    qemuOption(undefined, { type: 11, value: [`${extraParamsKey}=`, { hole: "kernelParams" }] }),
  ];
}

/** What lies beside a root disk and belongs to it, by the ends of the names. */
export const besideDisk: readonly string[] = ["boot", "efivars", "tpm"];

/** Shell code that sets the paths beside the disk, when `$runtime` is known; a machine without a disk forgets what is there. */
export function firmwarePaths(spec: MachineSpec): string {
  if (spec.firmware?.kind !== "efi" && spec.bootDisk === undefined && spec.tpm === undefined) return "";
  return `  beside=$disk tpmState=$disk.tpm
  if [ -z "$disk" ]; then beside=${imagesFolder}/machine tpmState=$runtime/machine.tpm
  elif [ -b "$disk" ]; then beside=$(pwd -P)/$name tpmState=$beside.tpm; fi
  bootDisk=$beside.boot efiVariables=$beside.efivars
  ${escapeCommas("bootDisk")} ${escapeCommas("efiVariables")}
  ${escapeCommas("kernelParams")}
`;
}

/** Shell code that makes what firmware and boot loader write to, unless it is there. */
export function firmwareMake(spec: MachineSpec): string {
  const { firmware, bootDisk } = spec;
  const variables =
    firmware?.kind === "efi"
      ? `
if [ ! -e "$efiVariables" ]; then
  new=$efiVariables.new-$$
  message=$(umask 077; qemu_img convert -f raw -O qcow2 ${shellHostPath(firmware.variables)} "$new" 2>&1) || { rm -f "$new"; die "the EFI's variables could not be written to $efiVariables: $message" "look at virtualisation.efi.variables, and whether there is space"; }
  mv "$new" "$efiVariables"
fi
`
      : "";
  // A qcow2 header says where its base's name is (8 bytes from 8 on) and how long it is (4 bytes from 16 on), big end first.
  const disk =
    bootDisk === undefined
      ? ""
      : `
header() { od -An -v -tx1 "-j$1" "-N$2" "$bootDisk" | tr -d ' \\n'; }
base=${shellHostPath(bootDisk.image)} former=
[ ! -e "$bootDisk" ] || former=$(dd if="$bootDisk" bs=1 skip=$((0x$(header 8 8))) count=$((0x$(header 16 4))) 2> /dev/null)
if [ "$former" != "$base" ]; then
  new=$bootDisk.new-$$
  message=$(qemu_img create -q -f qcow2 -F raw -b "$base" "$new" 2>&1) || { rm -f "$new"; die "the layer of the boot disk $bootDisk could not be made: $message" "look whether there is space"; }
  mv -f "$new" "$bootDisk"
  [ -z "$former" ] || say "this is another system than at the last start: its boot disk begins again"
fi
`;
  return (spec.disk === null && variables + disk !== "" ? forget : "") + variables + disk;
}

/** A machine without a root disk begins anew, unless it goes on from a memory that knows these. */
const forget = `
if ${imagesAreNew}; then
  mkdir -p -m 0700 "${imagesFolder}"
  rm -f "$bootDisk" "$efiVariables"
fi
`;

/** A path as the host sees it; below the store's root when it is of the store. */
function onHost(path: string): readonly Part[] {
  return path.startsWith("/nix/store/") ? [{ hole: "root" }, path] : [path];
}

function shellHostPath(path: string): string {
  return `${path.startsWith("/nix/store/") ? '"$root"' : ""}${shellQuote(path)}`;
}
