/**
 * The `virtualisation` options, and `system.build.vm` of any machine: the launcher of its variant.
 */
import { define, defineModule, mkDefault } from "../lib/index.ts";
import type { Machine } from "./machine.ts";
import { options } from "./options.ts";
import { standardShares } from "./shared-directories.ts";
import { vmVariant } from "./vm-variant.ts";

export const virtualisation = defineModule<Machine>({
  key: "virtualisation",
  options,
  defaults: ({ config, pkgs }) =>
    define({
      virtualisation: {
        diskImage: () => `./${config.networking.hostName}.qcow2`,
        sharedDirectories: standardShares,
        qemu: { package: () => pkgs["qemu-system-x86"]! },
      },
    }),
  config: ({ config, extendModules }) =>
    define({
      system: {
        build: {
          vm: mkDefault(
            () => extendModules({ modules: [vmVariant, ...config.virtualisation.vmVariant] }).config.system.build.vm,
          ),
        },
      },
    }),
});
