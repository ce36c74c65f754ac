/**
 * The virtual machine's variant of a machine: the one module that is added to it.
 *
 * The machine's block devices do not exist in a virtual machine, so its `fileSystems` are replaced as a whole (and never even evaluated). The rest is what
 * QEMU's devices need: their drivers in the initrd, the wire to the store, the console.
 */
import {
  define,
  defineModule,
  genAttrs,
  mkBefore,
  mkDefault,
  mkIf,
  mkMerge,
  mkVMOverride,
  type Values,
} from "../lib/index.ts";
import type { PackageSet } from "../packages/index.ts";
import { buildBootDisk } from "./boot-disk.ts";
import { bootLoaderOf, ovmfFiles } from "./firmware.ts";
import { buildLauncher, launcherTree, provisioningTree, sambaTree, swtpmTree } from "./launcher.ts";
import type { Machine } from "./machine.ts";
import { firmwareChoice, machineSpec } from "./machine-spec.ts";
import { LAN_PREFIX, lansOf } from "./networks.ts";
import { shareMounts, sharesOf } from "./shared-directories.ts";
import type { Tpm } from "./spec.ts";
import { sshAccessModule } from "./ssh-access.ts";
import { directoryCacheTimeout, listBusyDirectories, storePrefixLength, storeShare } from "./store-share.ts";
import { tpmModules } from "./tpm.ts";
import { buildStoreImage, imagesRules } from "./transports/erofs.ts";
import { needsSmb, storeMount, transportModules } from "./transports/index.ts";

/** Drivers of QEMU's devices beside the store's. */
const deviceModules = ["virtio_blk", "virtio_rng"];

/** Where QEMU's user network answers names. */
const hostResolver = "10.0.2.3";

/**
 * What udev is told of at boot: the devices that services and file systems wait for. The hundreds of others that every
 * kernel has (consoles, ACPI nodes, processors) would be asked about one by one, which takes seconds under emulation;
 * devices that come later are handled as ever. Serial ports are first, for a prompt waits for one; those that the kernel keeps for
 * hardware that is not there have the type 0.
 */
const trigger = (...matches: readonly string[]) =>
  `-udevadm trigger --type=devices --action=add ${matches.map((match) => `--${match}`).join(" ")}`;
const serialPorts = trigger("subsystem-match=tty", "attr-match=type=[1-9]*");
const virtualConsoles = trigger("subsystem-match=tty", "sysname-match=hvc*");
const busDevices = trigger(
  ...["block", "net", "pci", "virtio", "virtio-ports", "input"].map((subsystem) => `subsystem-match=${subsystem}`),
);

/** How far log-in prompts go ahead of the services that start at the same time, in steps of nice(2). */
const PROMPT_AHEAD = 15;
const prompts = ["console-getty", "container-getty@", "getty@", "serial-getty@"];

const staysMounted = "[Unit]\nDefaultDependencies=no\n";

/** Where the shared store is, and what is written above it, when the store is writable. */
const READ_ONLY_STORE = "/nix/.ro-store";
const WRITABLE_LAYER = "/nix/.rw-store";
/** An overlay wants two layers; this one stays empty. */
const NO_LAYER = "/nix/.no-store";

/**
 * Units that have nothing to do here: stage 1 mounts with the right options, users are there before systemd, the host gives entropy, and
 * nobody has to be kept out until the machine is up.
 */
const idleUnits = [
  "systemd-remount-fs.service",
  "systemd-tmpfiles-setup-dev-early.service",
  "systemd-random-seed.service",
  "systemd-user-sessions.service",
];

/**
 * The kernel's security modules without BPF: systemd would load a program for `RestrictFileSystems=` at every start, which takes a twentieth of an
 * emulated boot.
 */
const securityModules = "lsm=landlock,lockdown,yama,apparmor";

/**
 * What systemd says of units at a start. A line for each would run over the prompt, which does not wait for services ({@link PROMPT_AHEAD}).
 */
const failuresOnly = "systemd.show_status=error";

/** The module that makes a machine a virtual one. */
export const vmVariant = defineModule<Machine>({
  key: "virtualisation/vm-variant",
  imports: [sshAccessModule],
  config: ({ config, pkgs }) => {
    const smb = () =>
      needsSmb(config.virtualisation.store.transport, Object.keys(config.virtualisation.sharedDirectories).length);
    const lans = () => lansOf(config.virtualisation.vlans, config.virtualisation.test.nodeNumber);
    return define({
      fileSystems: mkVMOverride(() => ({
        ...rootMount(config.virtualisation),
        ...bootMount(config),
        ...storeMounts(config.virtualisation),
        ...config.virtualisation.fileSystems,
      })),
      swapDevices: mkVMOverride([]),
      assertions: () =>
        needsGenericKernel(config.virtualisation).map((setting) => ({
          assertion: !/-cloud-/.test(config.boot.kernelPackage.name),
          message: `virtualisation.${setting}, for which the kernel of boot.kernelPackage has no driver: use pkgs["linux-image-amd64"], or leave it.`,
        })),
      environment: {
        etc: {
          // The file that keeps users out; nothing would remove it.
          "tmpfiles.d/systemd-nologin.conf": { source: mkDefault("/dev/null") },
          // Everything runs from the store: an attempt to unmount it at shutdown could only fail.
          "systemd/system/nix-store.mount.d/50-stays.conf": { text: staysMounted },
          "systemd/system/nix-.ro\\x2dstore.mount.d/50-stays.conf": mkIf(() => hasLayers(config.virtualisation), {
            text: staysMounted,
          }),
          "udev/rules.d/60-store-images.rules": mkIf(() => config.virtualisation.store.transport === "erofs", {
            text: imagesRules,
          }),
          "systemd/system/nix-.rw\\x2dstore.mount.d/50-stays.conf": mkIf(() => config.virtualisation.writableStore, {
            text: staysMounted,
          }),
        },
      },
      boot: {
        kernelPackage: mkIf(
          () => needsGenericKernel(config.virtualisation).length > 0,
          mkDefault(() => pkgs["linux-image-amd64"]!),
        ),
        kernelParams: mkMerge([
          () => config.virtualisation.qemu.consoles.map((console) => `console=${console}`),
          ["panic=-1", "cryptomgr.notests", "random.trust_cpu=on"],
          // A window that is still small is what QEMU tells the guest as the size of its screen.
          mkIf(
            () => config.virtualisation.graphics,
            () => [`video=${config.virtualisation.resolution.x}x${config.virtualisation.resolution.y}`],
          ),
          // The last one counts: a machine that names others has them.
          mkBefore([securityModules, failuresOnly]),
        ]),
        postBootCommands: mkIf(smb, listBusyDirectories),
        initrd: {
          kernelModules: mkMerge([
            // The power button, whose device cold plug does not visit.
            ["button", "evdev"],
            () => [...deviceModules, ...transportModules(config.virtualisation.store.transport, smb())],
            // The agent's port is there before its service starts.
            mkIf(() => config.virtualisation.qemu.guestAgent.enable, ["virtio_console"]),
            // The screen shows the boot.
            mkIf(() => config.virtualisation.graphics, ["virtio_gpu"]),
          ]),
          availableKernelModules: mkIf(() => config.virtualisation.tpm.enable, tpmModules),
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
          preDeviceCommands: mkIf(smb, `echo ${directoryCacheTimeout} > /sys/module/cifs/parameters/dir_cache_timeout`),
        },
      },
      networking: {
        interfaces: () =>
          Object.fromEntries(
            lans().map((lan) => [
              lan.interface,
              define({ ipv4: { addresses: [{ address: lan.address, prefixLength: LAN_PREFIX }] } }),
            ]),
          ),
        // The store's wire was set up before anything else and must stay as it is.
        unmanagedInterfaces: [storeShare.macAddress],
        firewall: { trustedInterfaces: [storeShare.macAddress] },
        hostName: mkDefault("osmod"),
        // QEMU's own resolver; a cache of ours in front of it would only be one more service to start.
        nameservers: mkDefault([hostResolver]),
      },
      services: {
        // Whoever logs in is a user as any other.
        getty: { extraArgs: ["--nice", String(PROMPT_AHEAD)] },
        // The guest gets its time from the host.
        timesyncd: { enable: mkDefault(false) },
        qemuGuest: { enable: () => config.virtualisation.qemu.guestAgent.enable },
      },
      systemd: {
        units: mkMerge([
          genAttrs(idleUnits, () => define({ enable: mkDefault(false) })),
          mkIf(() => loadedByStage1(config), {
            "systemd-modules-load.service": { enable: mkDefault(false) },
          }),
        ]),
        network: {
          // The kernel counts the LANs' cards right after the first one, so the names are free.
          links: () =>
            Object.fromEntries(
              lans().map((lan) => [
                `10-${lan.interface}`,
                define({ matchConfig: { MACAddress: lan.macAddress }, linkConfig: { Name: lan.interface } }),
              ]),
            ),
        },
        services: mkMerge([
          // At once, and not when everything else has started: a boot writes little on the terminal that could come in between.
          genAttrs(prompts, () =>
            define({ serviceConfig: { Type: mkDefault("simple"), Nice: mkDefault(-PROMPT_AHEAD) } }),
          ),
          {
            "getty@tty1": { enable: mkIf(() => !config.virtualisation.graphics, mkDefault(false)) },
            "systemd-udev-trigger": mkIf(() => !config.virtualisation.graphics, {
              overrideStrategy: "asDropin",
              serviceConfig: {
                ExecStart: mkDefault(() => [
                  "",
                  serialPorts,
                  busDevices,
                  ...(hasVirtualConsole(config.virtualisation.qemu) ? [virtualConsoles] : []),
                ]),
              },
            }),
          },
        ]),
      },
      system: {
        build: {
          vm: mkVMOverride(() => {
            const { qemu, graphics } = config.virtualisation;
            const window = graphics ? [pkgs["qemu-system-gui"]!] : [];
            const tree = launcherTree(pkgs, [
              qemu.package,
              pkgs["qemu-utils"]!,
              pkgs["seabios"]!,
              pkgs["passt"]!,
              pkgs["socat"]!,
              ...window,
            ]);
            const { toplevel } = config.system.build;
            const image =
              config.virtualisation.store.transport === "erofs" ? buildStoreImage(pkgs, toplevel) : undefined;
            return buildLauncher(
              pkgs,
              machineSpec(config, tree, (name, text) => pkgs.writeText(name, text), {
                image,
                bootDisk: bootDiskOf(config, pkgs),
                tpm: tpmOf(config, pkgs),
              }),
              toplevel,
              sambaTree(pkgs),
            );
          }),
        },
      },
    });
  },
});

/** The module that makes a virtual machine start by its boot loader, as `nixos-rebuild build-vm-with-bootloader` does. */
export const withBootLoader = defineModule<Machine>({
  key: "virtualisation/with-boot-loader",
  config: ({ config }) =>
    define({
      virtualisation: {
        useBootLoader: mkDefault(true),
        useEFIBoot: mkDefault(
          () => config.boot.loader["systemd-boot"].enable || config.boot.loader.efi.canTouchEfiVariables,
        ),
      },
    }),
});

/** The settings, as words, for which Debian's cloud kernel has no driver: it knows neither screens nor 9p. */
function needsGenericKernel({ graphics, store }: Values<Machine>["virtualisation"]): string[] {
  return [...(graphics ? ["graphics is true"] : []), ...(store.transport === "9p" ? ['store.transport is "9p"'] : [])];
}

/** Whether a console or a device of the user's own is a virtio one, which is a terminal but no serial port. */
function hasVirtualConsole({ consoles, options }: Values<Machine>["virtualisation"]["qemu"]): boolean {
  return consoles.some((name) => name.startsWith("hvc")) || options.some((option) => /virtconsole/.test(option));
}

/** Whether every module that is to be loaded at boot is there before systemd. */
function loadedByStage1({ boot }: Values<Machine>): boolean {
  return boot.kernelModules.every((name) => boot.initrd.kernelModules.includes(name));
}

/** The root that every machine has, unless it says otherwise. */
function rootMount({ useDefaultFilesystems, diskImage }: Values<Machine>["virtualisation"]) {
  if (!useDefaultFilesystems) return {};
  if (diskImage === null) return { "/": { device: "tmpfs", fsType: "tmpfs", options: ["mode=0755"] } };
  const device = "/dev/disk/by-id/virtio-root";
  return { "/": { device, fsType: "ext4", label: "osmod-root", autoFormat: true, autoResize: true } };
}

/**
 * The boot partition; it holds nothing that everybody need read. It is mounted when somebody looks and not for long, as systemd itself does
 * with one it finds: no start waits for it, and a machine that crashes seldom leaves a FAT half-written.
 */
function bootMount({ virtualisation, boot }: Values<Machine>) {
  const { useBootLoader, bootPartition } = virtualisation;
  if (!useBootLoader || bootPartition === null) return {};
  const options = ["umask=0077", "x-systemd.automount", "x-systemd.idle-timeout=2min"];
  return { [boot.loader.efi.efiSysMountPoint]: { device: bootPartition, fsType: "vfat", options, noCheck: true } };
}

/** The disk with the boot loader, of a machine that has one. */
function bootDiskOf(config: Values<Machine>, pkgs: PackageSet) {
  const { virtualisation: vm, boot, system, networking } = config;
  if (!vm.useBootLoader) return undefined;
  const loader = bootLoaderOf(firmwareChoice(config));
  return buildBootDisk(pkgs, {
    loader,
    efi: vm.useEFIBoot,
    title: networking.hostName,
    release: system.build.kernelRelease,
    kernel: system.build.kernelFile,
    initrd: `${system.build.initialRamdisk}/initrd`,
    kernelParams: [`init=${system.build.toplevel}/init`, ...boot.kernelParams],
    timeout: boot.loader.timeout,
    editor: boot.loader["systemd-boot"].editor,
    extraGrubConfig: boot.loader.grub.extraConfig,
    variables: vm.useEFIBoot ? `${vm.efi.OVMF.unpacked}/${ovmfFiles.variables}` : undefined,
  });
}

function tpmOf({ virtualisation }: Values<Machine>, pkgs: PackageSet): Tpm | undefined {
  const { enable, package: swtpm, deviceModel, provisioning } = virtualisation.tpm;
  if (!enable) return undefined;
  return {
    tree: `${swtpmTree(pkgs, swtpm)}`,
    deviceModel,
    provisioning: provisioning === null ? null : { tree: `${provisioningTree(pkgs)}`, script: provisioning },
  };
}

/** Whether what the guest sees as its store lies above the shared one. */
function hasLayers({ store, writableStore }: Values<Machine>["virtualisation"]): boolean {
  return writableStore || store.transport === "smb";
}

/**
 * The store, shared directories, and what lies above the shared store: a layer to write to, or nothing. An overlay remembers what is not there, which
 * SMB's client asks for again after a second; a boot asks 600 questions of that kind, 200 different ones.
 */
function storeMounts(virtualisation: Values<Machine>["virtualisation"]) {
  const { store, sharedDirectories, writableStore, writableStoreUseTmpfs } = virtualisation;
  const shared = { ...storeMount(store.transport), neededForBoot: true };
  const shares = shareMounts(store.transport, sharesOf(sharedDirectories));
  if (!hasLayers(virtualisation)) return { "/nix/store": shared, ...shares };
  const overlay = { device: "overlay", fsType: "overlay", neededForBoot: true };
  if (!writableStore) {
    const options = ["ro", `lowerdir=${READ_ONLY_STORE}:${NO_LAYER}`];
    return {
      [READ_ONLY_STORE]: shared,
      "/nix/store": { ...overlay, options, depends: [READ_ONLY_STORE] },
      ...shares,
    };
  }
  return {
    [READ_ONLY_STORE]: shared,
    ...(writableStoreUseTmpfs
      ? { [WRITABLE_LAYER]: { device: "tmpfs", fsType: "tmpfs", options: ["mode=0755"], neededForBoot: true } }
      : {}),
    "/nix/store": {
      ...overlay,
      options: [`lowerdir=${READ_ONLY_STORE}`, `upperdir=${WRITABLE_LAYER}/upper`, `workdir=${WRITABLE_LAYER}/work`],
      depends: [READ_ONLY_STORE, WRITABLE_LAYER],
    },
    ...shares,
  };
}
