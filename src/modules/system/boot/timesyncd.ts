/**
 * The clock: systemd-timesyncd asks time servers.
 */
import { declareOptions, define, defineModule, mkIf, mkOption, t } from "../../../lib/index.ts";
import type { Std } from "../../index.ts";

export const options = declareOptions({
  networking: {
    timeServers: mkOption({
      type: t.listOf(t.str),
      default: [0, 1, 2, 3].map((n) => `${n}.debian.pool.ntp.org`),
      description: "Servers that the machine takes its time from.",
      example: ["ntp.example.org"],
    }),
  },
  services: {
    timesyncd: {
      enable: mkOption({
        type: t.bool,
        default: true,
        description: "Whether systemd-timesyncd keeps the clock right.",
        example: false,
      }),
      servers: mkOption({
        type: t.listOf(t.str),
        defaultText: "config.networking.timeServers",
        description: "Servers to ask.",
        example: ["ntp.example.org"],
      }),
      extraConfig: mkOption({
        type: t.lines,
        default: "",
        description: "Further lines of the `[Time]` section, see timesyncd.conf(5).",
        example: "PollIntervalMaxSec=180",
      }),
    },
  },
});

/** The module that runs systemd-timesyncd. */
export default defineModule<Std>({
  key: "system/boot/timesyncd",
  options,
  defaults: ({ config }) => define({ services: { timesyncd: { servers: () => config.networking.timeServers } } }),
  config: ({ config, pkgs }) => {
    const cfg = config.services.timesyncd;
    return mkIf(() => cfg.enable, {
      environment: {
        systemPackages: () => [pkgs["systemd-timesyncd"]!],
        etc: {
          "systemd/timesyncd.conf": {
            text: () => `[Time]\nNTP=${cfg.servers.join(" ")}\n${cfg.extraConfig}`.trimEnd() + "\n",
          },
        },
      },
      systemd: {
        services: {
          "systemd-timesyncd": {
            wantedBy: ["sysinit.target"],
            aliases: ["dbus-org.freedesktop.timesync1.service"],
          },
        },
      },
      users: {
        users: { "systemd-timesync": { isSystemUser: true, group: "systemd-timesync", home: "/" } },
        groups: { "systemd-timesync": {} },
      },
    });
  },
});
