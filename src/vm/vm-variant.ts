/**
 * The virtual machine's variant of a machine: the one module that is added to it.
 *
 * The machine's block devices do not exist in a virtual machine, so its `fileSystems` are replaced as a whole (and never even evaluated). The rest is what
 * QEMU's devices need: their drivers in the initrd, the wire to the store, the console.
 */
import { define, defineModule, mkDefault, mkIf, mkMerge, mkVMOverride } from "../lib/index.ts";
import { buildLauncher, launcherTree, sambaTree } from "./launcher.ts";
import type { Machine } from "./machine.ts";
import { machineSpec } from "./machine-spec.ts";
import { sshAccessModule } from "./ssh-access.ts";
import {
  directoryCacheTimeout,
  storeModules,
  storeMountOptions,
  storePrefixLength,
  storeShare,
} from "./store-share.ts";

/** Drivers of QEMU's devices beside the store's. */
const deviceModules = ["virtio_blk", "virtio_rng"];

/** Where QEMU's user network answers names. */
const hostResolver = "10.0.2.3";

/**
 * What udev is told of at boot: the devices that services and file systems wait for. The hundreds of others that every
 * kernel has (consoles, ACPI nodes, processors) would be asked about one by one, which takes seconds under emulation;
 * devices that come later are handled as ever.
 */
const coldPlug = [
  "-udevadm trigger --type=devices --action=add --subsystem-match=block --subsystem-match=net --subsystem-match=pci --subsystem-match=virtio --subsystem-match=virtio-ports --subsystem-match=input",
  "-udevadm trigger --type=devices --action=add --subsystem-match=tty --sysname-match=ttyS* --sysname-match=hvc*",
];

/** The module that makes a machine a virtual one. */
export const vmVariant = defineModule<Machine>({
  key: "virtualisation/vm-variant",
  imports: [sshAccessModule],
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
        // The power button, whose device cold plug does not visit.
        kernelModules: ["button", "evdev"],
        initrd: {
          kernelModules: mkMerge([
            [...deviceModules, ...storeModules],
            // The agent's port is there before its service starts.
            mkIf(() => config.virtualisation.qemu.guestAgent.enable, ["virtio_console"]),
          ]),
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
        // QEMU's own resolver; a cache of ours in front of it would only be one more service to start.
        nameservers: mkDefault([hostResolver]),
      },
      services: {
        // The guest gets its time from the host.
        timesyncd: { enable: mkDefault(false) },
        qemuGuest: { enable: () => config.virtualisation.qemu.guestAgent.enable },
      },
      systemd: {
        services: {
          "getty@tty1": { enable: mkIf(() => !config.virtualisation.graphics, mkDefault(false)) },
          "systemd-udev-trigger": mkIf(() => !config.virtualisation.graphics, {
            overrideStrategy: "asDropin",
            serviceConfig: { ExecStart: mkDefault(["", ...coldPlug]) },
          }),
        },
      },
      system: {
        build: {
          vm: mkVMOverride(() => {
            const { qemu, graphics } = config.virtualisation;
            const window = graphics ? [pkgs["qemu-system-gui"]!] : [];
            const tree = launcherTree(pkgs, [qemu.package, pkgs["qemu-utils"]!, pkgs["seabios"]!, ...window]);
            return buildLauncher(
              pkgs,
              machineSpec(config, tree, (name, text) => pkgs.writeText(name, text)),
              config.system.build.toplevel,
              sambaTree(pkgs),
            );
          }),
        },
      },
    }),
});
