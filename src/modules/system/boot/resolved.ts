/**
 * Name resolution by systemd-resolved: needed where the name servers are only known once a lease has come.
 */
import { declareOptions, define, defineModule, mkIf, mkOption, t } from "../../../lib/index.ts";
import type { Std } from "../../index.ts";

export const options = declareOptions({
  services: {
    resolved: {
      enable: mkOption({
        type: t.bool,
        defaultText: "true if an interface asks for a lease and networking.nameservers is empty",
        description:
          "Whether systemd-resolved answers name queries of the machine. Without it /etc/resolv.conf is written from " +
          "`networking.nameservers`, which costs nothing at boot.",
        example: false,
      }),
      fallbackDns: mkOption({
        type: t.nullOr(t.listOf(t.str)),
        default: null,
        description: "Name servers to ask when no other is known; `null` leaves systemd's own list.",
        example: ["9.9.9.9"],
      }),
      domains: mkOption({
        type: t.listOf(t.str),
        defaultText: "config.networking.search",
        description: "Domains that short names are searched in.",
        example: ["example.org"],
      }),
      llmnr: mkOption({
        type: t.enum(["true", "resolve", "false"]),
        default: "false",
        description: "Whether names are also asked from neighbours on the wire.",
        example: "resolve",
      }),
      dnssec: mkOption({
        type: t.enum(["true", "allow-downgrade", "false"]),
        default: "false",
        description: "Whether answers must be signed.",
        example: "allow-downgrade",
      }),
      extraConfig: mkOption({
        type: t.lines,
        default: "",
        description: "Further lines of the `[Resolve]` section, see resolved.conf(5).",
        example: "Cache=no-negative",
      }),
    },
  },
});

/** The module that runs systemd-resolved. */
export default defineModule<Std>({
  key: "system/boot/resolved",
  options,
  defaults: ({ config }) =>
    define({
      services: {
        resolved: {
          enable: () =>
            config.networking.nameservers.length === 0 &&
            (config.networking.useDHCP ||
              Object.values(config.networking.interfaces).some((nic) => nic.useDHCP === true)),
          domains: () => config.networking.search,
        },
      },
    }),
  config: ({ config, pkgs }) => {
    const cfg = config.services.resolved;
    return mkIf(() => cfg.enable, {
      environment: {
        systemPackages: () => [pkgs["systemd-resolved"]!],
        etc: {
          "resolv.conf": { source: "/run/systemd/resolve/stub-resolv.conf", mode: "symlink" },
          "systemd/resolved.conf": {
            text: () =>
              [
                "[Resolve]",
                ...(config.networking.nameservers.length === 0
                  ? []
                  : [`DNS=${config.networking.nameservers.join(" ")}`]),
                ...(cfg.fallbackDns === null ? [] : [`FallbackDNS=${cfg.fallbackDns.join(" ")}`]),
                ...(cfg.domains.length === 0 ? [] : [`Domains=${cfg.domains.join(" ")}`]),
                `LLMNR=${cfg.llmnr}`,
                `DNSSEC=${cfg.dnssec}`,
                cfg.extraConfig,
              ]
                .join("\n")
                .trimEnd() + "\n",
          },
        },
      },
      systemd: {
        services: {
          "systemd-resolved": {
            wantedBy: ["sysinit.target"],
            aliases: ["dbus-org.freedesktop.resolve1.service"],
          },
        },
      },
      users: {
        users: { "systemd-resolve": { isSystemUser: true, group: "systemd-resolve", home: "/" } },
        groups: { "systemd-resolve": {} },
      },
    });
  },
});
