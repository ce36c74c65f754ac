/**
 * The virtual machine's variant of a machine: the one module that is added to it.
 *
 * The machine's block devices do not exist in a virtual machine, so its `fileSystems` are replaced as a whole (and never even evaluated). The rest is what
 * QEMU's devices need: their drivers in the initrd, the wire to the store, the console.
 */
import { define, defineModule, mkDefault, mkMerge, mkVMOverride } from "../lib/index.ts";
import { buildLauncher, launcherTree, sambaTree } from "./launcher.ts";
import type { Machine } from "./machine.ts";
import { machineSpec } from "./machine-spec.ts";
import {
  directoryCacheTimeout,
  storeModules,
  storeMountOptions,
  storePrefixLength,
  storeShare,
} from "./store-share.ts";

/** Drivers of QEMU's devices beside the store's. */
const deviceModules = ["virtio_blk", "virtio_rng"];

/** The module that makes a machine a virtual one. */
export const vmVariant = defineModule<Machine>({
  key: "virtualisation/vm-variant",
  config: ({ config, pkgs }) =>
    define({
      fileSystems: mkVMOverride(() => ({
        "/":
          config.virtualisation.diskImage === null
            ? { device: "tmpfs", fsType: "tmpfs", options: ["mode=0755"] }
            : {
                device: "/dev/disk/by-id/virtio-root",
                fsType: "ext4",
                label: "osmod-root",
                autoFormat: true,
                autoResize: true,
              },
        "/nix/store": {
          device: `//${storeShare.serverAddress}/${storeShare.shareName}`,
          fsType: "cifs",
          options: storeMountOptions,
          neededForBoot: true,
        },
        ...config.virtualisation.fileSystems,
      })),
      swapDevices: mkVMOverride([]),
      environment: {
        etc: {
          // Everything runs from the store: an attempt to unmount it at shutdown could only fail.
          "systemd/system/nix-store.mount.d/50-stays.conf": { text: "[Unit]\nDefaultDependencies=no\n" },
        },
      },
      boot: {
        kernelParams: mkMerge([
          () => config.virtualisation.qemu.consoles.map((console) => `console=${console}`),
          ["panic=-1", "cryptomgr.notests", "random.trust_cpu=on"],
        ]),
        initrd: {
          kernelModules: [...deviceModules, ...storeModules],
          network: {
            enable: true,
            interfaces: {
              store: {
                macAddress: storeShare.macAddress,
                address: storeShare.guestAddress,
                prefixLength: storePrefixLength,
              },
            },
          },
          preDeviceCommands: `echo ${directoryCacheTimeout} > /sys/module/cifs/parameters/dir_cache_timeout`,
        },
      },
      networking: {
        // The store's wire was set up before anything else and must stay as it is.
        unmanagedInterfaces: [storeShare.macAddress],
        firewall: { trustedInterfaces: [storeShare.macAddress] },
        hostName: mkDefault("osmod"),
      },
      system: {
        build: {
          vm: mkVMOverride(() => {
            const { qemu, graphics } = config.virtualisation;
            const window = graphics ? [pkgs["qemu-system-gui"]!] : [];
            const tree = launcherTree(pkgs, [qemu.package, pkgs["qemu-utils"]!, pkgs["seabios"]!, ...window]);
            return buildLauncher(pkgs, machineSpec(config, tree), config.system.build.toplevel, sambaTree(pkgs));
          }),
        },
      },
    }),
});
