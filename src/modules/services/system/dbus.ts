/**
 * D-Bus: the message bus that systemd's programs and many others talk over.
 */
import { declareOptions, define, defineModule, mkIf, mkOption, t } from "../../../lib/index.ts";
import type { Package } from "../../../packages/index.ts";
import type { Std } from "../../index.ts";

export const options = declareOptions({
  services: {
    dbus: {
      enable: mkOption({
        type: t.bool,
        default: true,
        description:
          "Whether the system's message bus runs. Without it there are no log-in sessions and no `hostnamectl`.",
        example: false,
      }),
      packages: mkOption({
        type: t.listOf(t.opaque<Package>("package")),
        default: [],
        description:
          "Packages that bring services of the bus. They become part of the system, as with `environment.systemPackages`.",
        example: ["pkgs.avahi-daemon"],
      }),
    },
  },
});

/** The module that runs the message bus. */
export default defineModule<Std>({
  key: "services/system/dbus",
  options,
  config: ({ config, pkgs }) => {
    const cfg = config.services.dbus;
    return define({
      environment: {
        systemPackages: mkIf(
          () => cfg.enable,
          () => [pkgs["dbus"]!, pkgs["dbus-system-bus-common"]!, ...cfg.packages],
        ),
      },
      systemd: {
        // The package links the bus into the boot by itself; without it, logind would only wait for a bus in vain.
        units: mkIf(() => !cfg.enable, {
          "dbus.service": { enable: false },
          "dbus.socket": { enable: false },
          "systemd-logind.service": { enable: false },
        }),
        // Restarting the bus disconnects everybody.
        services: mkIf(() => cfg.enable, { dbus: { reloadIfChanged: true } }),
      },
      users: mkIf(() => cfg.enable, {
        users: { messagebus: { isSystemUser: true, group: "messagebus", home: "/nonexistent" } },
        groups: { messagebus: {} },
      }),
    });
  },
});
