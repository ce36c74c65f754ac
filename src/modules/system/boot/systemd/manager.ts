/**
 * systemd itself: the target it boots to, its own configuration file, its generators, and what is kept from running.
 *
 * Few packaged units start by themselves: maintainer scripts, which would enable the others, never run. Those few include
 * services for a machine that is changed in place: they update caches in /usr and /etc after an upgrade, measure into a
 * TPM, ask the questions of a first boot. On a machine whose /usr is in the store they have nothing to do, but each costs
 * time at every boot. They are masked with the priority of `mkDefault`, so that one line brings any of them back:
 * `systemd.units."sys-kernel-debug.mount".enable = true`.
 */
import {
  type Defs,
  declareOptions,
  define,
  defineModule,
  genAttrs,
  mkDefault,
  mkIf,
  mkMerge,
  mkOption,
  t,
} from "../../../../lib/index.ts";
import type { Package } from "../../../../packages/index.ts";
import type { options as accounts } from "../../../config/users-groups.ts";
import type { Std } from "../../../index.ts";
import type { ElementOf } from "./definitions.ts";
import { environmentAssignment } from "./escape.ts";
import { defaultPath, renderSections } from "./render.ts";
import type { placementOptions } from "./unit-options.ts";
import { directive, unitName } from "./unit-types.ts";

export const options = declareOptions({
  systemd: {
    defaultUnit: mkOption({
      type: unitName,
      default: "multi-user.target",
      description: "The unit that the machine boots to.",
      example: "rescue.target",
    }),
    ctrlAltDelUnit: mkOption({
      type: unitName,
      default: "reboot.target",
      description: "The unit that Ctrl-Alt-Del starts.",
      example: "poweroff.target",
    }),
    enableEmergencyMode: mkOption({
      type: t.bool,
      default: true,
      description:
        "Whether a failed mount stops the boot with a shell on the console. Without it the machine boots on as far as " +
        "it can, which is what one wants where nobody sits at the console.",
      example: false,
    }),
    suppressedSystemUnits: mkOption({
      type: t.listOf(unitName),
      default: [],
      description: "Packaged units that are masked: nothing can start them.",
      example: ["systemd-backlight@.service"],
    }),
    packages: mkOption({
      type: t.listOf(t.opaque<Package>("package")),
      default: [],
      description:
        "Packages whose units the machine uses. They become part of the system, as with `environment.systemPackages`.",
      example: ["pkgs.cups-daemon"],
    }),
    globalEnvironment: mkOption({
      type: t.attrsOf(t.nullOr(t.oneOf([t.str, t.int, t.bool]))),
      default: {},
      description: "Environment variables of all services.",
      example: { TZ: "UTC" },
    }),
    generators: mkOption({
      type: t.attrsOf(t.path),
      default: {},
      description: "Programs that make units at boot, by name; `/dev/null` keeps a packaged one from running.",
      example: { "systemd-gpt-auto-generator": "/dev/null" },
    }),
    settings: {
      Manager: mkOption({
        type: t.attrsOf(directive),
        default: {},
        description: "Settings of systemd itself, see systemd-system.conf(5).",
        example: { DefaultTimeoutStopSec: "15s" },
      }),
    },
    extraConfig: mkOption({
      type: t.lines,
      default: "",
      description: "Further lines of the `[Manager]` section of systemd's configuration file.",
      example: "DefaultLimitCORE=infinity",
    }),
  },
});

type UnitDefinition = Defs<typeof placementOptions>;
type GroupDefinition = ElementOf<(typeof accounts)["users"]["groups"]>;

/** Units that only make sense where packages are installed and upgraded in place. */
const firstBootAndUpgrade = [
  "ldconfig.service",
  "systemd-firstboot.service",
  "systemd-hwdb-update.service",
  "systemd-journal-catalog-update.service",
  "systemd-sysusers.service",
  "systemd-update-done.service",
];
/** Units for hardware, boot loaders and roles that the machine does not have. */
const otherMachines = [
  "getty-static.service",
  // tmpfiles.d makes the directory anyway.
  "run-lock.mount",
  "systemd-hibernate-clear.service",
  "systemd-initctl.socket",
  "systemd-networkd-persistent-storage.service",
  "systemd-pcrextend.socket",
  "systemd-pcrlock.socket",
  "systemd-pcrmachine.service",
  "systemd-pcrphase-sysinit.service",
  "systemd-pcrphase.service",
  "systemd-sysext.socket",
  "systemd-tpm2-setup-early.service",
  "systemd-tpm2-setup.service",
  "systemd-udev-load-credentials.service",
];
/** Windows into the kernel for people who debug it, and devices that load a driver without there being hardware. */
const inspection = [
  "dev-hugepages.mount",
  "dev-mqueue.mount",
  "modprobe@drm.service",
  "sys-fs-fuse-connections.mount",
  "sys-kernel-config.mount",
  "sys-kernel-debug.mount",
  "sys-kernel-tracing.mount",
];
/** Generators whose input a machine made of modules does not have. */
const idleGenerators = [
  "systemd-gpt-auto-generator",
  "systemd-hibernate-resume-generator",
  "systemd-rc-local-generator",
  "systemd-ssh-generator",
  "systemd-system-update-generator",
  "systemd-sysv-generator",
  "systemd-tpm2-generator",
];

/** The module that configures systemd itself. */
export default defineModule<Std>({
  options,
  config: ({ config }) => {
    const cfg = config.systemd;
    const masked = (units: readonly string[]) =>
      genAttrs(units, () => define<UnitDefinition>({ enable: mkDefault(false) }));
    return define({
      systemd: {
        units: mkMerge([
          masked([...firstBootAndUpgrade, ...otherMachines, ...inspection]),
          mkIf(() => !cfg.enableEmergencyMode, masked(["emergency.service", "emergency.target"])),
          () => genAttrs(cfg.suppressedSystemUnits, () => define<UnitDefinition>({ enable: false })),
        ]),
        generators: genAttrs(idleGenerators, () => mkDefault("/dev/null")),
        settings: {
          Manager: {
            // Services find set-user-id programs first, as log-in shells do.
            DefaultEnvironment: () =>
              Object.entries({ PATH: defaultPath, ...cfg.globalEnvironment })
                .filter(([, value]) => value !== null)
                .map(([name, value]) => environmentAssignment(name, String(value))),
          },
        },
      },
      // Groups that systemd-sysusers would make: rules of udev and tmpfiles.d name them.
      users: {
        groups: genAttrs(["clock", "input", "kvm", "render", "sgx", "systemd-journal"], () =>
          define<GroupDefinition>({}),
        ),
      },
      environment: {
        systemPackages: () => cfg.packages,
        etc: mkMerge([
          {
            "systemd/system.conf": {
              text: () =>
                renderSections("systemd.settings", [["Manager", cfg.settings.Manager]]) + withNewline(cfg.extraConfig),
            },
            // A machine that boots for the first time applies presets: Debian's say "enable everything".
            "systemd/system-preset/00-osmod.preset": { text: "ignore *\n" },
          },
          () =>
            Object.fromEntries(
              Object.entries(cfg.generators).map(([name, source]) => [
                `systemd/system-generators/${name}`,
                define({ source: () => source, mode: "symlink" }),
              ]),
            ),
        ]),
      },
    });
  },
});

function withNewline(text: string): string {
  return text === "" || text.endsWith("\n") ? text : `${text}\n`;
}
