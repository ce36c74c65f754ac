/**
 * systemd-networkd: files of /etc/systemd/network, and the daemon that reads them.
 *
 * `systemd.network` is the low-level door: sections as they stand in the files. `networking.*` writes most of it.
 */
import { declareOptions, define, defineModule, mapAttrsTo, mkIf, mkMerge, mkOption, t } from "../../../lib/index.ts";
import type { Std } from "../../index.ts";
import type { EtcFile } from "./systemd/definitions.ts";
import { renderSections } from "./systemd/render.ts";
import { directive } from "./systemd/unit-types.ts";

const section = (name: string, page: string, example?: { readonly [key: string]: string | boolean | number }) =>
  mkOption({
    type: t.attrsOf(directive),
    default: {},
    description: `The \`[${name}]\` section, see ${page}.`,
    ...(example === undefined ? {} : { example }),
  });
const sections = (name: string, page: string, example: { readonly [key: string]: string | boolean | number }) =>
  mkOption({
    type: t.listOf(t.attrsOf(directive)),
    default: [],
    description: `\`[${name}]\` sections, one for each element, see ${page}.`,
    example: [example],
  });

const networkOptions = {
  enable: mkOption({ type: t.bool, default: true, description: "Whether the file is written.", example: false }),
  matchConfig: section("Match", "systemd.network(5)", { Name: "enp1s0" }),
  linkConfig: section("Link", "systemd.network(5)", { MTUBytes: 1400 }),
  networkConfig: section("Network", "systemd.network(5)", { IPv6AcceptRA: false }),
  dhcpV4Config: section("DHCPv4", "systemd.network(5)", { UseDNS: false }),
  dhcpV6Config: section("DHCPv6", "systemd.network(5)", { UseDNS: false }),
  ipv6AcceptRAConfig: section("IPv6AcceptRA", "systemd.network(5)", { UseDNS: false }),
  addresses: sections("Address", "systemd.network(5)", { Address: "192.168.1.2/24" }),
  routes: sections("Route", "systemd.network(5)", { Gateway: "192.168.1.1" }),
  extraConfig: mkOption({
    type: t.lines,
    default: "",
    description: "Further text at the end of the file.",
    example: "[Bridge]\nCost=4\n",
  }),
};
const linkOptions = {
  enable: networkOptions.enable,
  matchConfig: section("Match", "systemd.link(5)", { OriginalName: "*" }),
  linkConfig: section("Link", "systemd.link(5)", { NamePolicy: "kernel" }),
};
const netdevOptions = {
  enable: networkOptions.enable,
  netdevConfig: section("NetDev", "systemd.netdev(5)", { Name: "br0", Kind: "bridge" }),
  extraConfig: mkOption({
    type: t.lines,
    default: "",
    description: "Further text at the end of the file, for the sections of each kind of device.",
    example: "[VLAN]\nId=10\n",
  }),
};

export const options = declareOptions({
  systemd: {
    network: {
      enable: mkOption({
        type: t.bool,
        defaultText: "config.networking.useNetworkd",
        description: "Whether systemd-networkd runs.",
        example: true,
      }),
      networks: mkOption({
        type: t.attrsOf(t.submodule(networkOptions)),
        default: {},
        description: "Files that configure interfaces, by name without `.network`; the first that matches counts.",
        example: { "20-lan": { matchConfig: { Name: "enp1s0" }, networkConfig: { DHCP: true } } },
      }),
      links: mkOption({
        type: t.attrsOf(t.submodule(linkOptions)),
        default: {},
        description: "Files by which udev names interfaces and sets them up, by name without `.link`.",
        example: { "10-lan": { matchConfig: { MACAddress: "52:54:00:00:00:01" }, linkConfig: { Name: "lan" } } },
      }),
      netdevs: mkOption({
        type: t.attrsOf(t.submodule(netdevOptions)),
        default: {},
        description: "Files that make virtual devices, by name without `.netdev`.",
        example: { "10-br0": { netdevConfig: { Name: "br0", Kind: "bridge" } } },
      }),
      config: {
        networkConfig: section("Network", "networkd.conf(5)", { SpeedMeter: true }),
      },
      "wait-online": {
        enable: mkOption({
          type: t.bool,
          default: true,
          description: "Whether `network-online.target` waits until interfaces are configured.",
          example: false,
        }),
        anyInterface: mkOption({
          type: t.bool,
          default: false,
          description: "Whether one configured interface is enough.",
          example: true,
        }),
        ignoredInterfaces: mkOption({
          type: t.listOf(t.str),
          default: [],
          description: "Interfaces not to wait for.",
          example: ["wg0"],
        }),
        timeout: mkOption({
          type: t.ints.unsigned,
          default: 120,
          description: "Seconds to wait at most; 0 waits for ever.",
          example: 10,
        }),
        extraArgs: mkOption({
          type: t.listOf(t.str),
          default: [],
          description: "Further arguments of systemd-networkd-wait-online.",
          example: ["--ipv4"],
        }),
      },
    },
  },
});

/** The module that writes /etc/systemd/network and runs systemd-networkd. */
export default defineModule<Std>({
  key: "system/boot/networkd",
  options,
  defaults: ({ config }) => define({ systemd: { network: { enable: () => config.networking.useNetworkd } } }),
  config: ({ config }) => {
    const cfg = config.systemd.network;
    const online = cfg["wait-online"];
    return define({
      environment: {
        etc: mkMerge([
          // udev reads links whether or not networkd runs.
          () =>
            files(cfg.links, "link", (option, link) =>
              renderSections(option, [
                ["Match", link.matchConfig],
                ["Link", link.linkConfig],
              ]),
            ),
          mkIf(
            () => cfg.enable,
            () =>
              files(cfg.networks, "network", (option, network) =>
                [
                  renderSections(option, [
                    ["Match", network.matchConfig],
                    ["Link", network.linkConfig],
                    ["Network", network.networkConfig],
                    ...network.addresses.map((address) => ["Address", address] as const),
                    ...network.routes.map((route) => ["Route", route] as const),
                    ["DHCPv4", network.dhcpV4Config],
                    ["DHCPv6", network.dhcpV6Config],
                    ["IPv6AcceptRA", network.ipv6AcceptRAConfig],
                  ]),
                  network.extraConfig,
                ].join("\n"),
              ),
          ),
          mkIf(
            () => cfg.enable,
            () =>
              files(cfg.netdevs, "netdev", (option, netdev) =>
                [renderSections(option, [["NetDev", netdev.netdevConfig]]), netdev.extraConfig].join("\n"),
              ),
          ),
          mkIf(() => cfg.enable && Object.keys(cfg.config.networkConfig).length > 0, {
            "systemd/networkd.conf": {
              text: () => renderSections("systemd.network.config", [["Network", cfg.config.networkConfig]]),
            },
          }),
        ]),
      },
      systemd: mkIf(() => cfg.enable, {
        services: {
          "systemd-networkd": {
            wantedBy: ["multi-user.target"],
            aliases: ["dbus-org.freedesktop.network1.service"],
            restartTriggers: () => Object.keys(cfg.networks).map((name) => JSON.stringify(cfg.networks[name])),
            stopIfChanged: false,
          },
          "systemd-networkd-wait-online": mkIf(() => online.enable, {
            wantedBy: ["network-online.target"],
            overrideStrategy: "asDropin",
            serviceConfig: {
              ExecStart: () => [
                "",
                [
                  "/usr/lib/systemd/systemd-networkd-wait-online",
                  ...(online.anyInterface ? ["--any"] : []),
                  ...(online.timeout === 120 ? [] : [`--timeout=${online.timeout}`]),
                  ...online.ignoredInterfaces.map((name) => `--ignore=${name}`),
                  ...online.extraArgs,
                ].join(" "),
              ],
            },
          }),
        },
        sockets: { "systemd-networkd": { wantedBy: ["sockets.target"] } },
      }),
      // systemd's package names this account in its tmpfiles.d whether or not networkd runs.
      users: {
        users: { "systemd-network": { isSystemUser: true, group: "systemd-network", home: "/" } },
        groups: { "systemd-network": {} },
      },
    });
  },
});

function files<F extends { readonly enable: boolean }>(
  all: { readonly [name: string]: F },
  suffix: string,
  render: (option: string, file: F) => string,
) {
  return mapAttrsTo(all, (name, file) => [
    `systemd/network/${name}.${suffix}`,
    define<EtcFile>({ enable: () => file.enable, text: () => render(`systemd.network.${suffix}s.${name}`, file) }),
  ]);
}
