/**
 * `boot.loader`: what stands between the firmware and the kernel.
 *
 * A machine says it under NixOS's names. A virtual machine heeds it when it is built with a boot loader
 * (`virtualisation.useBootLoader`); QEMU enters the kernel directly otherwise.
 */
import { declareOptions, define, defineModule, mkOption, t } from "../../../lib/index.ts";
import type { Std } from "../../index.ts";

export const options = declareOptions({
  boot: {
    loader: {
      timeout: mkOption({
        type: t.nullOr(t.ints.unsigned),
        default: 5,
        description:
          "Seconds for which the boot loader shows its menu; 0 shows none, `null` waits until a key is pressed.",
        example: 1,
      }),
      grub: {
        enable: mkOption({
          type: t.bool,
          defaultText: "true, unless boot.loader.systemd-boot.enable",
          description: "Whether GRUB is the boot loader. It starts from a BIOS as well as from EFI.",
          example: false,
        }),
        extraConfig: mkOption({
          type: t.lines,
          default: "",
          description: "Further lines of `grub.cfg`, before the menu's entries.",
          example: "set color_normal=white/blue",
        }),
      },
      "systemd-boot": {
        enable: mkOption({
          type: t.bool,
          default: false,
          description: "Whether systemd-boot is the boot loader. It needs EFI.",
          example: true,
        }),
        editor: mkOption({
          type: t.bool,
          default: true,
          description: "Whether the kernel's command line can be edited in the menu.",
          example: false,
        }),
      },
      efi: {
        canTouchEfiVariables: mkOption({
          type: t.bool,
          default: false,
          description:
            "Whether what installs the boot loader may change EFI variables. Of a virtual machine it only says that the machine is one with EFI.",
          example: true,
        }),
        efiSysMountPoint: mkOption({
          type: t.path,
          default: "/boot",
          description: "Where the boot partition is mounted.",
          example: "/efi",
        }),
      },
    },
  },
});

export default defineModule<Std>({
  key: "system/boot/loader",
  options,
  defaults: ({ config }) =>
    define({ boot: { loader: { grub: { enable: () => !config.boot.loader["systemd-boot"].enable } } } }),
});
