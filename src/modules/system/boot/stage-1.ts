/**
 * `boot.initrd`: what the initrd of this machine holds and does.
 *
 * The list of modules follows from the file systems that the initrd mounts; the rest is said by whoever knows the hardware
 * (a virtual machine knows all of it).
 */
import { declareOptions, define, defineModule, mkOption, t } from "../../../lib/index.ts";
import type { Std } from "../../index.ts";
import { sh } from "../../shell.ts";
import { type FileSystem, inMountOrder, isInitrdMount, isOnDevice } from "../../tasks/filesystems.ts";
import { derivationType } from "../../types.ts";
import { buildInitrd } from "./initrd.ts";
import { stage1Script } from "./stage-1-script.ts";

const word = t.strMatching("[^ \\t\\n]+");
const command = (when: string) =>
  mkOption({
    type: t.lines,
    default: "",
    description: `Shell commands (busybox) that the initrd runs ${when}.`,
    example: "modprobe dm-mod",
  });

export const options = declareOptions({
  boot: {
    initrd: {
      availableKernelModules: mkOption({
        type: t.listOf(word),
        default: [],
        description: "Kernel modules that are in the initrd and loaded when hardware that they fit is found missing.",
        example: ["ahci", "nvme"],
      }),
      kernelModules: mkOption({
        type: t.listOf(word),
        default: [],
        description: "Kernel modules that the initrd loads first of all, with what they depend on.",
        example: ["virtio_blk", "virtio_net"],
      }),
      supportedFilesystems: mkOption({
        type: t.listOf(word),
        default: [],
        description: "File systems whose modules are in the initrd beside those of `fileSystems`.",
        example: ["vfat"],
      }),
      compressor: mkOption({
        type: t.enum(["none", "gzip"]),
        default: "none",
        description:
          "How the initrd is compressed. Unpacking costs an emulated machine more than reading a few megabytes.",
        example: "gzip",
      }),
      deviceTimeout: mkOption({
        type: t.ints.between(0, 3600),
        default: 20,
        description: "Seconds to wait for a device or an interface.",
        example: 60,
      }),
      preDeviceCommands: command("when its modules are loaded, before the network is set up"),
      postDeviceCommands: command("before the first file system is mounted"),
      postMountCommands: command("when all file systems are mounted below /sysroot"),
      network: {
        enable: mkOption({
          type: t.bool,
          default: false,
          description: "Set up network interfaces in the initrd, for file systems that are on the network.",
          example: true,
        }),
        interfaces: mkOption({
          default: {},
          description: "The interfaces that the initrd sets up.",
          example: { store: { macAddress: "52:54:00:12:34:57", address: "10.0.3.15", prefixLength: 24 } },
          type: t.attrsOf(
            t.submodule({
              macAddress: mkOption({
                type: t.nullOr(t.strMatching("[0-9a-f]{2}(:[0-9a-f]{2}){5}")),
                default: null,
                description: "Find the interface by this address instead of by name.",
                example: "52:54:00:12:34:57",
              }),
              useDHCP: mkOption({
                type: t.bool,
                default: false,
                description: "Ask a DHCP server instead of using a fixed address.",
                example: true,
              }),
              address: mkOption({
                type: t.nullOr(t.strMatching("[0-9]{1,3}(\\.[0-9]{1,3}){3}")),
                default: null,
                description: "IPv4 address of the interface.",
                example: "10.0.3.15",
              }),
              prefixLength: mkOption({
                type: t.ints.between(0, 32),
                default: 24,
                description: "Length of the network's prefix.",
                example: 24,
              }),
              gateway: mkOption({
                type: t.nullOr(t.strMatching("[0-9]{1,3}(\\.[0-9]{1,3}){3}")),
                default: null,
                description: "Default gateway.",
                example: "10.0.3.2",
              }),
            }),
          ),
        }),
      },
    },
  },
  system: {
    build: {
      initialRamdisk: mkOption({
        type: derivationType,
        readOnly: true,
        description: "The initrd; the archive is the file `initrd` in it.",
      }),
      stage1: mkOption({ type: t.str, readOnly: true, internal: true, description: "The script of the initrd." }),
    },
  },
});

/** Modules that file systems need by another name than their own, or beside it. */
const modulesOf: { readonly [fsType: string]: readonly string[] } = {
  // Their checksums are named by an alias, which Debian's generic kernel has as modules.
  ext2: ["ext4", "crc32c_generic"],
  ext3: ["ext4", "crc32c_generic"],
  ext4: ["ext4", "crc32c_generic"],
  vfat: ["vfat", "nls_cp437", "nls_iso8859-1", "nls_ascii", "nls_utf8"],
  cifs: ["cifs", "nls_utf8"],
  smb3: ["cifs", "nls_utf8"],
  "9p": ["9p", "9pnet_virtio"],
  nfs4: ["nfsv4"],
  iso9660: ["isofs"],
};

/** The options that mount(8) keeps for others: systemd's, fstab's. A kernel knows none of them. */
const forOthers = /^(x-.*|comment=.*|defaults|auto|noauto|user|nouser|users|owner|group|nofail|_netdev)$/;

/** The options the initrd mounts with. Paths of an overlay lie below /sysroot there. */
export function initrdMountOptions(fs: Pick<FileSystem, "options">): string {
  const kept = fs.options.filter((option) => !forOthers.test(option));
  const moved = kept.map((option) => {
    const [, key, paths] = /^(lowerdir|upperdir|workdir)=(.*)$/.exec(option) ?? [];
    return key === undefined ? option : `${key}=${(paths ?? "").replace(/(^|:)\//g, "$1/sysroot/")}`;
  });
  return moved.length === 0 ? "defaults" : moved.join(",");
}

/** The line of stage 1 that mounts a file system. */
export function mountLine(fs: FileSystem): string {
  const device = fs.device ?? "none";
  const mountOptions = initrdMountOptions(fs);
  if (!isOnDevice(fs)) {
    const bind = fs.options.includes("bind") || fs.options.includes("rbind");
    const what = bind && device.startsWith("/") ? `/sysroot${device}` : device;
    // The layers of an overlay have to be there.
    const layers = fs.options.flatMap(
      (option) => /^(?:lowerdir|upperdir|workdir)=(.*)$/.exec(option)?.[1]?.split(":") ?? [],
    );
    const made = layers.length === 0 ? "" : `mkdir -p ${layers.map((path) => sh(`/sysroot${path}`)).join(" ")}; `;
    return `${made}mount_other ${sh(what)} ${sh(fs.mountPoint)} ${sh(bind ? "none" : fs.fsType)} ${sh(mountOptions)}`;
  }
  const ext = /^ext[234]$/.test(fs.fsType);
  const flags = `-${ext ? "e" : ""}${fs.autoFormat ? "f" : ""}${ext && !fs.noCheck ? "c" : ""}${ext && fs.autoResize ? "g" : ""}`;
  return `mount_device ${[device, fs.mountPoint, fs.fsType, mountOptions, flags, fs.label ?? ""].map(sh).join(" ")}`;
}

/** `24` → `255.255.255.0`. */
export function netmask(prefixLength: number): string {
  const bits = prefixLength === 0 ? 0 : (0xffffffff << (32 - prefixLength)) >>> 0;
  return [24, 16, 8, 0].map((shift) => (bits >>> shift) & 255).join(".");
}

export default defineModule<Std>({
  key: "system/boot/stage-1",
  options,
  config: ({ config, pkgs }) => {
    const cfg = config.boot.initrd;
    const mounts = () => inMountOrder(Object.values(config.fileSystems)).filter(isInitrdMount);
    const interfaces = () => (cfg.network.enable ? Object.entries(cfg.network.interfaces) : []);
    const fsModules = () =>
      [...mounts().map((fs) => fs.fsType), ...cfg.supportedFilesystems].flatMap((type) => modulesOf[type] ?? [type]);
    return define({
      boot: { initrd: { availableKernelModules: () => (cfg.network.enable ? ["af_packet"] : []) } },
      system: {
        build: {
          stage1: () =>
            stage1Script({
              deviceTimeout: cfg.deviceTimeout,
              modules: [...new Set(cfg.kernelModules)],
              network: interfaces()
                .map(([name, i]) => {
                  const address = i.useDHCP ? "dhcp" : (i.address ?? "");
                  return `interface ${[name, i.macAddress ?? "-", address, netmask(i.prefixLength), i.gateway ?? "-"].map(sh).join(" ")}`;
                })
                .join("\n"),
              mounts: mounts().map(mountLine).join("\n"),
              preDeviceCommands: cfg.preDeviceCommands,
              postDeviceCommands: cfg.postDeviceCommands,
              postMountCommands: cfg.postMountCommands,
            }),
          initialRamdisk: () =>
            buildInitrd(pkgs, {
              script: config.system.build.stage1,
              modules: config.system.build.kernelModules,
              release: config.system.build.kernelRelease,
              required: [...new Set(cfg.kernelModules)],
              optional: [...new Set([...cfg.availableKernelModules, ...fsModules()])].sort(),
              ext: mounts().some(
                (fs) => /^ext[234]$/.test(fs.fsType) && (fs.autoFormat || fs.autoResize || !fs.noCheck),
              ),
              compressor: cfg.compressor,
            }),
        },
      },
      assertions: () => [
        ...interfaces().map(([name, i]) => ({
          assertion: i.useDHCP || i.address !== null,
          message: `boot.initrd.network.interfaces."${name}" needs an \`address\` or \`useDHCP\`.`,
        })),
        ...interfaces().map(([name, i]) => ({
          assertion: !(i.useDHCP && i.address !== null),
          message: `boot.initrd.network.interfaces."${name}" has both an \`address\` and \`useDHCP\`; keep one.`,
        })),
      ],
    });
  },
});
