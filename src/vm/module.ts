/**
 * The `virtualisation` options, and `system.build.vm` of any machine: the launcher of its variant.
 */
import { define, defineModule, mkDefault } from "../lib/index.ts";
import { ovmfFiles } from "./firmware.ts";
import type { Machine } from "./machine.ts";
import { lanAddress } from "./networks.ts";
import { options } from "./options.ts";
import { vmVariant, withBootLoader } from "./vm-variant.ts";

export const virtualisation = defineModule<Machine>({
  key: "virtualisation",
  options,
  defaults: ({ config, pkgs }) =>
    define({
      virtualisation: {
        diskImage: () => `./${config.networking.hostName}.qcow2`,
        qemu: {
          package: () => pkgs["qemu-system-x86"]!,
          networkBackend: () => (config.virtualisation.qemu.networkingOptions.length > 0 ? "slirp" : "passt"),
        },
        efi: {
          OVMF: () => pkgs["ovmf"]!,
          firmware: () => `${config.virtualisation.efi.OVMF.unpacked}/${ovmfFiles.firmware}`,
          variables: () => `${config.virtualisation.efi.OVMF.unpacked}/${ovmfFiles.variables}`,
          keepVariables: () => config.virtualisation.useBootLoader,
        },
        tpm: { package: () => pkgs["swtpm"]! },
      },
      networking: {
        primaryIPAddress: () => {
          const [first] = config.virtualisation.vlans;
          return first === undefined ? "" : lanAddress(first, config.virtualisation.test.nodeNumber);
        },
      },
    }),
  config: ({ config, extendModules }) =>
    define({
      virtualisation: {
        sharedDirectories: {
          xchg: { source: mkDefault("$runtime/xchg"), target: mkDefault("/tmp/xchg"), readOnly: mkDefault(false) },
          shared: { source: mkDefault("$SHARED_DIR"), target: mkDefault("/tmp/shared"), readOnly: mkDefault(false) },
        },
      },
      system: {
        build: {
          vm: mkDefault(
            () => extendModules({ modules: [vmVariant, ...config.virtualisation.vmVariant] }).config.system.build.vm,
          ),
          vmWithBootLoader: mkDefault(() => {
            const { vmVariant: always, vmVariantWithBootLoader: more } = config.virtualisation;
            return extendModules({ modules: [vmVariant, withBootLoader, ...always, ...more] }).config.system.build.vm;
          }),
        },
      },
    }),
});
