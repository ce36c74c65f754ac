/**
 * The boot disk: a disk image with a boot loader, the kernel, the initrd and an entry that starts them.
 *
 *     boot.img    partition 1, FAT: EFI system partition, loader and kernel      partition 2 (BIOS only): GRUB itself
 *     efi-vars.fd what the EFI's variables are at the first start
 *
 * It is a derivation, made by Debian's tools as an ordinary user: sfdisk and mkfs.vfat work on files, mtools writes into the file
 * system without mounting it. Numbers that tools would draw are fixed, so equal machines have equal disks.
 *
 * A disk knows one generation, its own: those of a virtual machine are kept by the host (generations.ts), each with the boot disk of
 * its kernel, and a start takes the disk of the generation it begins with.
 */
import type { PackageSet } from "../packages/index.ts";
import type { Derivation, StoreObject } from "../store/index.ts";
import { bootFiles, extraParamsKey } from "./firmware.ts";
import { shellQuote } from "./template.ts";

/** What goes onto a boot disk. */
export interface BootDiskParts {
  readonly loader: "grub" | "systemd-boot";
  readonly efi: boolean;
  /** The machine's name in the menu. */
  readonly title: string;
  readonly release: string;
  /** The kernel's file, as Debian has it, and the initrd's. */
  readonly kernel: string;
  readonly initrd: string;
  readonly kernelParams: readonly string[];
  /** Seconds for the menu; null waits for a key. */
  readonly timeout: number | null;
  readonly editor: boolean;
  readonly extraGrubConfig: string;
  /** The EFI's package, when there is one. */
  readonly variables: string | undefined;
}

const SECTOR = 512;
/** The first partition begins after the first MiB, the second one lies within it. */
const FIRST_PARTITION = 2048;
const GRUB_PARTITION = { start: 40, size: FIRST_PARTITION - 40 };
/** Room on the boot partition beside what is put there, in MiB. FAT32 begins at 33 MiB. */
const ROOM = 32;

const ids = {
  disk: "6F736D6F-6400-4000-8000-000000000002",
  boot: "6F736D6F-6400-4000-8000-000000000003",
  grub: "6F736D6F-6400-4000-8000-000000000004",
  fat: "6F736D64",
};
const types = {
  efi: "C12A7328-F81F-11D2-BA4B-00A0C93EC93B",
  grub: "21686148-6449-6E6F-744E-656564454649",
};

/** Make a boot disk. */
export function buildBootDisk(pkgs: PackageSet, parts: BootDiskParts): Derivation {
  const tools = ["mtools", "dosfstools", "fdisk", ...(parts.loader === "grub" ? ["grub-common"] : [])];
  const tree = pkgs.mergedTree(
    "boot-disk-tools",
    tools.map((name) => pkgs[name]!),
    { exclude: notNeeded },
  );
  const files = pkgs.writeTree("boot-disk-files", textsOf(parts));
  const { install, finish } = installer(pkgs, parts);
  return pkgs.runCommand(
    "boot-disk",
    { tree },
    `
set -e
boot=/build/boot image=$out/${bootFiles.image}
mkdir -p "$out" "$boot"
cp -R ${files}/. "$boot"
chmod -R u+w "$boot"
mkdir -p "$boot/${kernelFolder}" "$boot/EFI/BOOT"
cp ${shellQuote(parts.kernel)} "$boot/${kernelFile(parts)}"
cp ${shellQuote(parts.initrd)} "$boot/${initrdFile(parts)}"
${install}
# FAT's time begins with 1980.
export SOURCE_DATE_EPOCH=315532800
find "$boot" -exec touch -d @$SOURCE_DATE_EPOCH {} +
megabytes=$(($(du -sm "$boot" | cut -f 1) + ${ROOM}))
sectors=$((megabytes * 2048))
truncate -s $(((${FIRST_PARTITION} + sectors + 2048) * ${SECTOR})) "$image"
{
  echo "label: gpt"
  echo "label-id: ${ids.disk}"
  echo "first-lba: 34"
  echo "start=${FIRST_PARTITION}, size=$sectors, type=${types.efi}, uuid=${ids.boot}, name=ESP"
  ${parts.efi ? ":" : `echo "start=${GRUB_PARTITION.start}, size=${GRUB_PARTITION.size}, type=${types.grub}, uuid=${ids.grub}, name=GRUB"`}
} | run sfdisk --quiet --no-reread --no-tell-kernel "$image"
run mkfs.vfat --invariant -i ${ids.fat} -n ESP -F 32 --offset ${FIRST_PARTITION} -h ${FIRST_PARTITION} "$image" $((sectors / 2)) > /dev/null
# mtools translates names, by tables of the C library.
export MTOOLS_SKIP_CHECK=1 GCONV_PATH=${tree}/usr/lib/x86_64-linux-gnu/gconv
partition=$image@@$((${FIRST_PARTITION} * ${SECTOR}))
# One by one, because a directory's order is that of the copies.
(cd "$boot" && find . -mindepth 1 | sort) | while read -r entry; do
  if [ -d "$boot/$entry" ]; then run mtools -c mmd -i "$partition" "::\${entry#.}"
  else run mtools -c mcopy -m -i "$partition" "$boot/$entry" "::\${entry#.}"; fi
done
${finish}
`,
  );
}

const kernelFolder = "EFI/osmod";

/** Names end in `.efi` as NixOS's do, so that whoever looks for programs of the EFI finds the kernel. */
function kernelFile({ release }: BootDiskParts): string {
  return `${kernelFolder}/linux-${release}.efi`;
}

function initrdFile({ release }: BootDiskParts): string {
  return `${kernelFolder}/initrd-${release}`;
}

/** The boot loader's own files that are text. */
function textsOf(parts: BootDiskParts): Readonly<Record<string, { text: string }>> {
  return parts.loader === "grub"
    ? { "grub/grub.cfg": { text: grubConfig(parts) } }
    : {
        "loader/loader.conf": { text: loaderConfig(parts) },
        "loader/entries.srel": { text: "type1\n" },
        "loader/entries/osmod.conf": { text: loaderEntry(parts) },
      };
}

/** `loader.conf` of systemd-boot. */
export function loaderConfig({ timeout, editor }: BootDiskParts): string {
  return `timeout ${timeout ?? "menu-force"}\ndefault osmod.conf\neditor ${editor ? "yes" : "no"}\n`;
}

/** systemd-boot's entry of the machine. It adds what it finds at {@link extraParamsKey} by itself. */
export function loaderEntry(parts: BootDiskParts): string {
  return `title ${parts.title}
version Linux ${parts.release}
sort-key osmod
linux /${kernelFile(parts)}
initrd /${initrdFile(parts)}
options ${parts.kernelParams.join(" ")}
`;
}

/**
 * `grub.cfg`. The firmware's table of free texts (SMBIOS type 11) holds what the start-up adds; at its offset 4 is the number of texts,
 * which read as a reference names the last one.
 */
export function grubConfig(parts: BootDiskParts): string {
  const { timeout, extraGrubConfig, kernelParams } = parts;
  return `set timeout=${timeout ?? -1}
set timeout_style=${timeout === 0 ? "hidden" : "menu"}
serial --unit=0 --speed=115200
terminal_input --append serial
terminal_output --append serial
set extra=
if smbios --type 11 --get-string 4 --set text; then
  if regexp --set 1:found '^${extraParamsKey.replaceAll(".", "\\.")}=(.*)$' "$text"; then set extra="$found"; fi
fi
${extraGrubConfig}
menuentry ${grubQuote(`${parts.title}, Linux ${parts.release}`)} --id osmod {
  linux /${kernelFile(parts)} ${kernelParams.map(grubParam).join(" ")} $extra
  initrd /${initrdFile(parts)}
}
`;
}

/** GRUB puts quotes around a word with blanks, where the kernel takes them as well; within a word it would escape them. */
function grubParam(param: string): string {
  return grubQuote(param.replaceAll('"', ""));
}

function grubQuote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** Modules in GRUB itself: what it takes to read grub.cfg and what may stand in it. */
const grubModules =
  "part_gpt fat normal configfile linux serial terminal smbios regexp test echo sleep search search_label minicmd ls cat reboot halt";

/** Shell code that puts the boot loader among the files, and what is done to the image at the end. */
function installer(pkgs: PackageSet, parts: BootDiskParts): { readonly install: string; readonly finish: string } {
  const variables =
    parts.variables === undefined ? "" : `cp ${shellQuote(parts.variables)} "$out/${bootFiles.variables}"\n`;
  const removable = '"$boot/EFI/BOOT/BOOTX64.EFI"';
  if (parts.loader === "systemd-boot") {
    const program = `${unpacked(pkgs, "systemd-boot-efi")}/usr/lib/systemd/boot/efi/systemd-bootx64.efi`;
    const install = `mkdir -p "$boot/EFI/systemd"
cp ${program} ${removable}
cp ${program} "$boot/EFI/systemd/systemd-bootx64.efi"`;
    return { install, finish: variables };
  }
  if (parts.efi) {
    const folder = `${unpacked(pkgs, "grub-efi-amd64-bin")}/usr/lib/grub/x86_64-efi`;
    const install = `run grub-mkimage -d ${folder} -O x86_64-efi -p /grub -o ${removable} ${grubModules}`;
    return { install, finish: variables };
  }
  const folder = `${unpacked(pkgs, "grub-pc-bin")}/usr/lib/grub/i386-pc`;
  return {
    install: `run grub-mkimage -d ${folder} -O i386-pc -p '(,gpt1)/grub' -o /build/core.img biosdisk ${grubModules}
[ $(stat -c %s /build/core.img) -le ${GRUB_PARTITION.size * SECTOR} ]`,
    finish: `# What grub-bios-setup does, which wants to see the device that its own files are on: the first sector's code, without
# the partition table's place; where the rest begins (8 bytes, at 92 of it and at 500 of the rest's own first sector).
sector() { printf "\\\\x$(printf %02x $1)\\\\0\\\\0\\\\0\\\\0\\\\0\\\\0\\\\0"; }
patch() { dd of="$image" bs=1 conv=notrunc "$@" 2> /dev/null; }
head -c 440 ${folder}/boot.img | patch
sector ${GRUB_PARTITION.start} | patch seek=92
dd if=/build/core.img of="$image" bs=${SECTOR} seek=${GRUB_PARTITION.start} conv=notrunc 2> /dev/null
sector ${GRUB_PARTITION.start + 1} | patch seek=$((${GRUB_PARTITION.start * SECTOR} + 500))
`,
  };
}

function unpacked(pkgs: PackageSet, name: string): StoreObject {
  return pkgs[name]!.unpacked;
}

/** Packages that only matter to an installed system. */
const notNeeded = [
  "debconf",
  "debconf-2.0",
  "init-system-helpers",
  "libpam-runtime",
  "libpam-modules",
  "gettext-base",
  "libfuse3-4",
  "fuse3",
];
