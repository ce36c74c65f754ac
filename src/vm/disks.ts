/**
 * Disks beside the root: empty ones for a boot, and images that are there already.
 *
 * The guest finds each by its serial number, `/dev/disk/by-id/virtio-<serial>`, so one more disk gives no other disk a new name:
 *
 *     emptyDiskImages = [512, { size: 64, driveConfig: { serial: "log" } }]   → virtio-empty0, virtio-log
 *     qemu.drives     = [{ name: "data", file: "./data.img" }]                → virtio-data
 */
import { mkOption, t } from "../lib/index.ts";
import { fail } from "../problems/index.ts";
import { qemuOption } from "./qemu-option.ts";
import type { Drive, MachineSpec } from "./spec.ts";
import { escapeCommas, shellQuote, type Template, word } from "./template.ts";

/** Serial numbers of the machine's own disks. */
export const ROOT_SERIAL = "root";
export const STORE_SERIAL = "store";
export const BOOT_SERIAL = "boot";

/** What a virtio disk's serial number can hold. */
const SERIAL_LENGTH = 20;

const settings = (of: string, example: Readonly<Record<string, string>>) =>
  mkOption({
    type: t.attrsOf(t.str),
    default: {},
    description: `Further settings of QEMU's \`${of}\` for this disk, by name.`,
    example,
  });

const driveConfig = {
  name: mkOption({
    type: t.nullOr(t.strMatching("[A-Za-z0-9._+-]+")),
    default: null,
    description: "Name of the disk, which is its serial number unless `serial` says another.",
    example: "data",
  }),
  serial: mkOption({
    type: t.nullOr(t.strMatching("[A-Za-z0-9._+-]+")),
    default: null,
    description:
      "Serial number, by which the guest finds the disk: `/dev/disk/by-id/virtio-<serial>`. 20 bytes at most.",
    example: "data",
  }),
  driveExtraOpts: settings("-drive", { format: "raw", cache: "writeback" }),
  deviceExtraOpts: settings("-device virtio-blk-pci", { physical_block_size: "4096" }),
};

/** `virtualisation.emptyDiskImages`. */
export const emptyDiskImages = mkOption({
  type: t.listOf(
    t.coercedTo(
      t.ints.positive,
      (size) => ({ size }),
      t.submodule({
        size: mkOption({ type: t.ints.positive, description: "Size in MiB.", example: 512 }),
        driveConfig: mkOption({
          type: t.submodule(driveConfig),
          default: {},
          description: "How the disk is attached.",
          example: { serial: "scratch" },
        }),
      }),
    ),
  ),
  default: [],
  description:
    "Further disks, empty at every boot: sizes in MiB, or sets with `size` and `driveConfig`. The guest finds the first as " +
    "`/dev/disk/by-id/virtio-empty0` unless it has a serial number of its own.",
  example: [512, { size: 64, driveConfig: { serial: "log" } }],
});

/** `virtualisation.qemu.drives`. */
export const drives = mkOption({
  type: t.listOf(
    t.submodule({
      ...driveConfig,
      file: mkOption({
        type: t.strMatching("[^\\n]+"),
        description: "The image; a relative path counts from the directory the machine is started in.",
        example: "./data.qcow2",
      }),
    }),
  ),
  default: [],
  description:
    "Further disks whose images exist. qcow2 is recognised, everything else is taken as it is (`raw`); `driveExtraOpts.format` names another. " +
    "Machines with such disks cannot be saved with their memory, and always boot.",
  example: [{ name: "data", file: "./data.qcow2" }],
});

interface DriveConfig {
  readonly name: string | null;
  readonly serial: string | null;
  readonly driveExtraOpts: Readonly<Record<string, string>>;
  readonly deviceExtraOpts: Readonly<Record<string, string>>;
}

/**
 * The drives of a configuration, as data.
 * Problems: `drive-serial` for a serial number that is too long, taken twice, or the machine's own.
 */
export function drivesOf(
  empty: readonly { readonly size: number; readonly driveConfig: DriveConfig }[],
  existing: readonly (DriveConfig & { readonly file: string })[],
): readonly Drive[] {
  const list = [
    ...empty.map(({ size, driveConfig: config }, index) => drive(config, `empty${index}`, { size })),
    ...existing.map((config, index) => drive(config, `drive${index}`, { file: config.file })),
  ];
  const seen = new Set([ROOT_SERIAL, STORE_SERIAL, BOOT_SERIAL]);
  for (const { serial } of list) {
    const bad = seen.has(serial) ? "is there twice, or is the machine's own" : tooLong(serial);
    if (bad !== undefined) {
      fail({
        code: "drive-serial",
        option: "virtualisation.emptyDiskImages, virtualisation.qemu.drives",
        message: `the disk's serial number "${serial}" ${bad}`,
        fix: `Give every disk a \`serial\` of its own, ${SERIAL_LENGTH} bytes at most and none of "${ROOT_SERIAL}", "${STORE_SERIAL}" and "${BOOT_SERIAL}".`,
      });
    }
    seen.add(serial);
  }
  return list;
}

function tooLong(serial: string): string | undefined {
  return serial.length > SERIAL_LENGTH ? `is longer than ${SERIAL_LENGTH} bytes` : undefined;
}

function drive(config: DriveConfig, fallback: string, image: Drive["image"]): Drive {
  const { serial, ...deviceOptions } = config.deviceExtraOpts;
  return {
    serial: config.serial ?? serial ?? config.name ?? fallback,
    image,
    driveOptions: config.driveExtraOpts,
    deviceOptions,
  };
}

/** QEMU's arguments for the disks beside the root. */
export function driveArgv({ drives: list }: MachineSpec): Template {
  return list.flatMap(({ serial, driveOptions, deviceOptions }, index) => [
    word("-drive"),
    qemuOption(undefined, {
      if: "none",
      id: `drive-${serial}`,
      file: { hole: `drive${index}` },
      format: { hole: `driveFormat${index}` },
      ...driveOptions,
    }),
    word("-device"),
    qemuOption("virtio-blk-pci", { drive: `drive-${serial}`, serial, ...deviceOptions }),
  ]);
}

/** Shell code that sets `drive<n>` and `driveFormat<n>` of the images that exist, before anything is made. */
export function driveChoice({ drives: list }: MachineSpec): string {
  return list
    .map(({ image, driveOptions }, index) => {
      if ("size" in image) return "";
      const format = driveOptions["format"];
      return `drive_file ${shellQuote(image.file)}
drive${index}=$file driveFormat${index}=${format === undefined ? "$format" : shellQuote(format)}
`;
    })
    .join("");
}

/** Shell function of {@link driveChoice}: sets `$file` to an absolute path and `$format`. */
export const driveFunction = `
drive_file() {
  file=\${1#./} format=raw
  case $file in /*) ;; *) file=$(pwd -P)/$file ;; esac
  if [ -z "$print_only" ]; then
    [ -e "$file" ] || die "the disk image $file does not exist" "make it (qemu-img create), or change virtualisation.qemu.drives"
    ( : < "$file" ) 2> /dev/null || die "the disk image $file is not readable for you" "change its permissions, or virtualisation.qemu.drives"
  fi
  [ "$(head -c 3 "$file" 2> /dev/null)" != QFI ] || format=qcow2
}
`;

/** Shell text, for between double quotes: the directory of this run's own images, private unless somebody wants to have them. */
export const imagesFolder = "${OSMOD_IMAGES:-$runtime}";

/** Shell code, as the condition of an `if`: nobody has put the images of a machine that goes on there. */
export const imagesAreNew = '[ -z "${OSMOD_KEEP_IMAGES:-}" ]';

/** File name of an empty disk's image. */
export function driveImage(serial: string): string {
  return `${serial}.qcow2`;
}

/** Shell code that makes the empty disks of this run. QEMU's tool makes none anew that a machine uses. */
export function driveMake({ drives: list }: MachineSpec): string {
  const made = list.flatMap(({ image, serial }) =>
    "size" in image
      ? [
          `  message=$(qemu_img create -q -f qcow2 "${imagesFolder}/${driveImage(serial)}" ${image.size}M 2>&1) || die "the empty disk ${serial} could not be made: $message" "free some space in ${imagesFolder}, or end the machine that uses it"\n`,
        ]
      : [],
  );
  if (made.length === 0) return "";
  return `if ${imagesAreNew}; then\n  mkdir -p -m 0700 "${imagesFolder}"\n${made.join("")}fi\n`;
}

/** Shell code, run when `$runtime` is known, for what {@link driveArgv} fills in within QEMU's options. */
export function driveEscapes({ drives: list }: MachineSpec): string {
  return list
    .map(
      ({ image, serial }, index) =>
        `${"size" in image ? `  drive${index}=${imagesFolder}/${driveImage(serial)} driveFormat${index}=qcow2\n` : ""}  ${escapeCommas(`drive${index}`)} driveFormat${index}_escaped=$driveFormat${index}\n`,
    )
    .join("");
}
