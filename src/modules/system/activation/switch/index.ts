/**
 * Switching a running machine to another system, without a restart: the program that does it, and what it has to know.
 *
 * What a unit says about its own change (`restartIfChanged`, `stopIfChanged`, `reloadIfChanged`, `restartTriggers`,
 * `reloadTriggers`) is heeded. Packaged units know nothing of all that; here it is said for them.
 */
import {
  type Defs,
  declareOptions,
  define,
  defineModule,
  mapAttrs,
  mkOption,
  mkOrder,
  t,
} from "../../../../lib/index.ts";
import type { Std } from "../../../index.ts";
import { derivationType } from "../../../types.ts";
import { listPrograms, switchScript } from "./script.ts";
import { buildUnitTable } from "./unit-table.ts";

const paths = (what: string, example: string) =>
  mkOption({
    type: t.listOf(t.strMatching("(/usr/)?[^/\\s][^\\s]*")),
    default: [],
    description: `Files or directories, relative to /etc or below /usr, whose change ${what} the unit on a switch.`,
    example: [example],
  });

const unitFileOptions = {
  restart: paths("restarts", "app.conf"),
  reload: paths("reloads", "app.d"),
};

export const options = declareOptions({
  system: {
    switch: {
      unitFiles: mkOption({
        type: t.attrsOf(t.submodule(unitFileOptions)),
        default: {},
        description:
          "Configuration outside of unit files that belongs to units, by full name: for packaged units, which have no `restartTriggers`.",
        example: { "systemd-journald.service": { restart: ["systemd/journald.conf"] } },
      }),
    },
    build: {
      switchTable: mkOption({
        type: derivationType,
        readOnly: true,
        internal: true,
        description: "What a switch compares.",
      }),
      switchToConfiguration: mkOption({
        type: t.str,
        readOnly: true,
        internal: true,
        description: "The program that switches.",
      }),
    },
  },
});

/** A configuration file of systemd's and the directory that adds to it. */
const conf = (name: string): readonly string[] => [`systemd/${name}.conf`, `systemd/${name}.conf.d`];

/** Configuration that packaged units read. */
const packagedUnitFiles: {
  readonly [unit: string]: { readonly restart?: readonly string[]; readonly reload?: readonly string[] };
} = {
  "dbus.service": { reload: ["dbus-1", "/usr/share/dbus-1"] },
  "systemd-journald.service": { restart: conf("journald") },
  "systemd-logind.service": { reload: conf("logind") },
  "systemd-modules-load.service": { restart: ["modules-load.d"] },
  "systemd-networkd.service": { restart: ["systemd/network", ...conf("networkd")] },
  "systemd-resolved.service": { restart: conf("resolved") },
  "systemd-sysctl.service": { restart: ["sysctl.conf", "sysctl.d", "/usr/lib/sysctl.d"] },
  "systemd-timesyncd.service": { restart: conf("timesyncd") },
  "systemd-udevd.service": { reload: ["udev/rules.d", "/usr/lib/udev/rules.d"] },
};

/** Units whose restart would log people out, lose what only they know, or cut off whoever asked for the switch. */
const neverRestarted = [
  "console-getty.service",
  "container-getty@.service",
  "dbus.service",
  "getty@.service",
  "qemu-guest-agent.service",
  "serial-getty@.service",
  "systemd-logind.service",
  "systemd-user-sessions.service",
  "user-runtime-dir@.service",
  "user@.service",
  // What they do, they do once at boot.
  "systemd-random-seed.service",
  "systemd-remount-fs.service",
  "systemd-tmpfiles-setup-dev-early.service",
  "systemd-tmpfiles-setup-dev.service",
  "systemd-tmpfiles-setup.service",
  "systemd-udev-trigger.service",
];

/** Units that much depends on: they may not be away for as long as an activation takes. */
const restartedAtOnce = [
  "systemd-journald.service",
  "systemd-networkd.service",
  "systemd-resolved.service",
  "systemd-sysctl.service",
  "systemd-udevd.service",
];

/** The module that makes machines able to be switched. */
export default defineModule<Std>({
  key: "system/switch",
  options,
  config: ({ config, pkgs }) =>
    define({
      // Whatever else is done to the tree is done before.
      environment: { extraSetup: mkOrder(10_000, listPrograms) },
      system: {
        switch: {
          unitFiles: mapAttrs(packagedUnitFiles, (_, files) => define<Defs<typeof unitFileOptions>>(files)),
        },
        activationScripts: {
          // A tree of packages is laid over the former one, which those keep who still run from it. Private, or the next one
          // would be laid over this one's place in the store as well.
          usr: {
            deps: ["specialfs"],
            text: '[ /usr -ef "$systemConfig/sw/usr" ] || { mount -o bind "$systemConfig/sw/usr" /usr && mount --make-private /usr; } || warn "could not replace /usr"',
          },
          var: { deps: ["usr"] },
        },
        build: {
          switchTable: () =>
            buildUnitTable(pkgs, config.system.path, config.system.build.etc, {
              files: config.system.switch.unitFiles,
              neverRestarted,
              restartedAtOnce,
            }),
          switchToConfiguration: () => switchScript(`${pkgs.staticBusybox}/bin/busybox`),
        },
      },
    }),
});
