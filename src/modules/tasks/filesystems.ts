/**
 * `fileSystems` and `swapDevices`: what is mounted where, and who mounts it.
 *
 * The initrd mounts what the machine needs before systemd runs (`/`, the store, and whatever says `neededForBoot`);
 * systemd mounts the rest from `/etc/fstab`. File systems of the initrd are in fstab too, marked `x-initrd.mount`, so that
 * systemd knows them and leaves them mounted until the very end.
 */
import {
  declareOptions,
  define,
  defineModule,
  mkDefault,
  mkIf,
  mkMerge,
  mkOption,
  mkOptionDefault,
  t,
} from "../../lib/index.ts";
import type { Std } from "../index.ts";
import { pathDepth } from "../shell.ts";

/** The words that fstab(5) separates by blanks hold none themselves. */
const word = t.strMatching("[^ \\t\\n]+");

/** The option `fileSystems`, which the virtual machine declares once more below `virtualisation`. */
export const options = declareOptions({
  fileSystems: mkOption({
    default: {},
    description: "The file systems to mount, by mount point.",
    example: {
      "/": { device: "/dev/disk/by-label/root", fsType: "ext4" },
      "/data": { device: "/dev/vdb", fsType: "ext4", options: ["noatime"], autoFormat: true },
    },
    type: t.attrsOf(
      t
        .submodule({
          mountPoint: mkOption({
            type: t.path,
            defaultText: "<name>",
            description: "Where the file system is mounted.",
            example: "/data",
          }),
          device: mkOption({
            type: t.nullOr(word),
            default: null,
            defaultText: "/dev/disk/by-label/<label> when there is a label",
            description: "The device, a share such as `//server/share`, or a word such as `tmpfs`.",
            example: "/dev/vdb",
          }),
          label: mkOption({
            type: t.nullOr(word),
            default: null,
            description:
              "Label of the file system: finds the device when `device` is not set, and is given to it by `autoFormat`.",
            example: "data",
          }),
          fsType: mkOption({
            type: word,
            default: "auto",
            description: "Type of the file system, as for `mount -t`.",
            example: "ext4",
          }),
          options: mkOption({
            type: t.listOf(word),
            default: ["defaults"],
            description: "Mount options.",
            example: ["noatime", "x-systemd.automount"],
            apply: (list): readonly string[] => [...new Set(list)],
          }),
          neededForBoot: mkOption({
            type: t.bool,
            default: false,
            description:
              "Whether the initrd mounts it. `/`, `/nix`, `/nix/store`, `/var`, `/var/lib` and `/etc` always are.",
            example: true,
          }),
          autoFormat: mkOption({
            type: t.bool,
            default: false,
            description:
              "Make the file system when the device is blank. A device that holds anything is never touched.",
            example: true,
          }),
          autoResize: mkOption({
            type: t.bool,
            default: false,
            description: "Grow the file system to the size of its device at boot (ext2, ext3, ext4).",
            example: true,
          }),
          noCheck: mkOption({
            type: t.bool,
            default: false,
            description: "Do not check the file system at boot.",
            example: true,
          }),
          depends: mkOption({
            type: t.listOf(t.path),
            default: [],
            description: "Paths that must be mounted before this one, beside its parents.",
            example: ["/data"],
          }),
        })
        .config(({ name, config }) =>
          define({
            mountPoint: mkOptionDefault(() => name),
            device: mkIf(
              () => config.label !== null,
              mkDefault(() => `/dev/disk/by-label/${config.label}`),
            ),
            options: mkMerge([
              mkIf(() => isInitrdMount(config), ["x-initrd.mount"]),
              mkIf(() => config.autoFormat && !isInitrdMount(config), ["x-systemd.makefs"]),
              mkIf(() => config.autoResize && !isInitrdMount(config), ["x-systemd.growfs"]),
            ]),
          }),
        ),
    ),
  }),
  swapDevices: mkOption({
    default: [],
    description: "Swap devices to turn on.",
    example: [{ device: "/dev/vdc" }],
    type: t.listOf(
      t.submodule({
        device: mkOption({ type: word, description: "The device or file.", example: "/dev/vdc" }),
        options: mkOption({
          type: t.nonEmptyListOf(word),
          default: ["defaults"],
          description: "Options for fstab.",
          example: ["nofail"],
        }),
        priority: mkOption({
          type: t.nullOr(t.ints.between(0, 32767)),
          default: null,
          description: "Devices with a higher priority are used first.",
          example: 10,
        }),
      }),
    ),
  }),
});

/** One file system, as read. */
export interface FileSystem {
  readonly mountPoint: string;
  readonly device: string | null;
  readonly label: string | null;
  readonly fsType: string;
  readonly options: readonly string[];
  readonly neededForBoot: boolean;
  readonly autoFormat: boolean;
  readonly autoResize: boolean;
  readonly noCheck: boolean;
  readonly depends: readonly string[];
}

/** Without these nothing of the machine could run, so they are mounted by the initrd whatever the configuration says. */
const alwaysNeeded = new Set(["/", "/nix", "/nix/store", "/usr", "/var", "/var/lib", "/var/log", "/etc"]);

/** Whether the initrd mounts this file system. */
export function isInitrdMount(fs: Pick<FileSystem, "mountPoint" | "neededForBoot">): boolean {
  return fs.neededForBoot || alwaysNeeded.has(fs.mountPoint);
}

/** File systems without a device behind them, which nothing can check or format. */
const virtualTypes = new Set([
  "tmpfs",
  "ramfs",
  "proc",
  "sysfs",
  "overlay",
  "9p",
  "virtiofs",
  "cifs",
  "smb3",
  "nfs",
  "nfs4",
  "bind",
  "none",
]);

/** Whether the file system lives on a block device. */
export function isOnDevice(fs: Pick<FileSystem, "fsType" | "options">): boolean {
  return !virtualTypes.has(fs.fsType) && !fs.options.includes("bind") && !fs.options.includes("rbind");
}

/** In the order of mounting: a file system comes after those its mount point or `depends` lie in. */
export function inMountOrder(all: readonly FileSystem[]): readonly FileSystem[] {
  const left = [...all].sort(
    (a, b) => pathDepth(a.mountPoint) - pathDepth(b.mountPoint) || (a.mountPoint < b.mountPoint ? -1 : 1),
  );
  const done: FileSystem[] = [];
  while (left.length > 0) {
    // A circle of `depends` leaves nothing ready: take them as they come, the assertion below names them.
    const at = Math.max(
      0,
      left.findIndex((fs) => !left.some((other) => other !== fs && mustPrecede(other, fs))),
    );
    done.push(...left.splice(at, 1));
  }
  return done;
}

function mustPrecede(first: FileSystem, second: FileSystem): boolean {
  return [second.mountPoint, ...second.depends].some(
    (path) => path === first.mountPoint || isBelow(path, first.mountPoint),
  );
}

function isBelow(path: string, parent: string): boolean {
  return parent === "/" ? path !== "/" : path.startsWith(`${parent}/`);
}

/** The text of /etc/fstab. */
export function fstab(
  fileSystems: readonly FileSystem[],
  swaps: readonly { readonly device: string; readonly options: readonly string[]; readonly priority: number | null }[],
): string {
  const lines = inMountOrder(fileSystems).map((fs) => {
    const wanted = fs.options.length === 0 ? ["defaults"] : fs.options;
    // The initrd has checked its own; systemd would do it again.
    const pass = fs.noCheck || !isOnDevice(fs) || isInitrdMount(fs) ? 0 : 2;
    return `${escape(fs.device ?? "none")} ${escape(fs.mountPoint)} ${fs.fsType} ${wanted.join(",")} 0 ${pass}`;
  });
  const swapLines = swaps.map((swap) => {
    const wanted = swap.priority === null ? swap.options : [...swap.options, `pri=${swap.priority}`];
    return `${escape(swap.device)} none swap ${wanted.join(",")} 0 0`;
  });
  return [
    "# Made from fileSystems and swapDevices; changes are lost at the next activation.",
    ...lines,
    ...swapLines,
    "",
  ].join("\n");
}

/** fstab(5) knows blanks only as octal escapes. */
function escape(text: string): string {
  return text.replaceAll("\\", "\\134").replaceAll(" ", "\\040").replaceAll("\t", "\\011");
}

/** Packages that make, check and grow file systems of a type. */
const toolsOf: { readonly [fsType: string]: string } = {
  ext2: "e2fsprogs",
  ext3: "e2fsprogs",
  ext4: "e2fsprogs",
  xfs: "xfsprogs",
  btrfs: "btrfs-progs",
  vfat: "dosfstools",
  f2fs: "f2fs-tools",
};

/** What systemd needs for the file systems that it mounts itself; the initrd brings its own. */
function toolsFor(all: readonly FileSystem[]): readonly string[] {
  const used = all.filter(
    (fs) => isOnDevice(fs) && !isInitrdMount(fs) && (fs.autoFormat || fs.autoResize || !fs.noCheck),
  );
  return [...new Set(used.map((fs) => toolsOf[fs.fsType]))].filter((name) => name !== undefined);
}

export default defineModule<Std>({
  key: "tasks/filesystems",
  options,
  config: ({ config, pkgs }) => {
    const all = () => Object.values(config.fileSystems);
    return define({
      environment: {
        systemPackages: () => toolsFor(all()).map((name) => pkgs[name]!),
        etc: { fstab: { text: () => fstab(all(), config.swapDevices) } },
      },
      assertions: () => [
        {
          assertion: all().some((fs) => fs.mountPoint === "/"),
          message: 'fileSystems."/" is not set: the machine has no root file system.',
        },
        ...all().flatMap((fs) => [
          {
            assertion: fs.device !== null,
            message: `fileSystems."${fs.mountPoint}" needs a \`device\` or a \`label\`.`,
          },
          {
            assertion: !fs.autoFormat || (isOnDevice(fs) && fs.fsType !== "auto"),
            message: `fileSystems."${fs.mountPoint}".autoFormat needs a file system on a device and a \`fsType\` other than "auto".`,
          },
          {
            assertion: !fs.autoFormat || !isInitrdMount(fs) || /^ext[234]$/.test(fs.fsType),
            message: `fileSystems."${fs.mountPoint}".autoFormat can make ext2, ext3 and ext4 in the initrd, not ${fs.fsType}.`,
          },
          {
            assertion: !fs.depends.some((path) => path === fs.mountPoint || isBelow(path, fs.mountPoint)),
            message: `fileSystems."${fs.mountPoint}".depends names a path that lies in this very file system.`,
          },
        ]),
        ...duplicates(all().map((fs) => fs.mountPoint)).map((mountPoint) => ({
          assertion: false,
          message: `fileSystems has more than one entry for the mount point ${mountPoint}.`,
        })),
      ],
    });
  },
});

function duplicates(items: readonly string[]): readonly string[] {
  return [...new Set(items.filter((item, index) => items.indexOf(item) !== index))];
}
