/**
 * nftables: the machine's packet filter rules, loaded in one transaction before the network comes up.
 */
import { declareOptions, defineModule, mkEnableOption, mkIf, mkOption, t } from "../../../lib/index.ts";
import type { Std } from "../../index.ts";

export const options = declareOptions({
  networking: {
    nftables: {
      enable: mkEnableOption("nftables; the firewall turns it on by itself"),
      ruleset: mkOption({
        type: t.lines,
        default: "",
        description: "Rules in the language of nft(8), loaded after the tables of `networking.nftables.tables`.",
        example: "table inet mangle {\n  chain out { type route hook output priority mangle; }\n}",
      }),
      tables: mkOption({
        type: t.attrsOf(
          t.submodule({
            enable: mkOption({
              type: t.bool,
              default: true,
              description: "Whether the table is loaded.",
              example: false,
            }),
            family: mkOption({
              type: t.enum(["ip", "ip6", "inet", "arp", "bridge", "netdev"]),
              description: "Family of addresses that the table sees.",
              example: "inet",
            }),
            content: mkOption({ type: t.lines, description: "What is between the table's braces.", example: "" }),
          }),
        ),
        default: {},
        description: "Tables, by name. Each is replaced as a whole whenever the rules are loaded.",
        example: { nat: { family: "ip", content: "chain post { type nat hook postrouting priority srcnat; }" } },
      }),
      flushRuleset: mkOption({
        type: t.bool,
        default: false,
        description:
          "Whether loading the rules removes tables that others (container engines, for instance) have made.",
        example: true,
      }),
    },
  },
});

/** One table, as {@link renderRuleset} takes it. */
export interface NftTable {
  readonly enable: boolean;
  readonly family: string;
  readonly content: string;
}

/** Write a ruleset that replaces the tables whether or not they exist, and touches no other. */
export function renderRuleset(tables: { readonly [name: string]: NftTable }, ruleset: string, flush = false): string {
  const enabled = Object.entries(tables).filter(([, table]) => table.enable);
  return [
    ...(flush ? ["flush ruleset"] : []),
    // A table must exist to be deleted; the empty declaration makes it, or does nothing.
    ...enabled.map(([name, { family }]) => `table ${family} ${name}\ndelete table ${family} ${name}`),
    ...enabled.map(([name, { family, content }]) => `table ${family} ${name} {\n${indent(content)}}`),
    ...(ruleset === "" ? [] : [ruleset.trimEnd()]),
    "",
  ].join("\n");
}

/** The module that loads the rules. */
export default defineModule<Std>({
  key: "services/networking/nftables",
  options,
  config: ({ config, pkgs }) => {
    const cfg = config.networking.nftables;
    const file = (name: string, text: string) => `${pkgs.writeText(name, text)}`;
    return mkIf(() => cfg.enable, {
      environment: { systemPackages: () => [pkgs["nftables"]!] },
      systemd: {
        services: {
          nftables: {
            description: "Packet filter rules",
            documentation: ["man:nft(8)"],
            wantedBy: ["sysinit.target"],
            wants: ["network-pre.target"],
            after: ["systemd-modules-load.service"],
            before: ["network-pre.target", "shutdown.target"],
            conflicts: ["shutdown.target"],
            reloadIfChanged: true,
            unitConfig: { DefaultDependencies: false },
            serviceConfig: {
              Type: "oneshot",
              RemainAfterExit: true,
              StandardInput: "null",
              ExecStart: () =>
                `/usr/sbin/nft -f ${file("nftables.conf", renderRuleset(cfg.tables, cfg.ruleset, cfg.flushRuleset))}`,
              ExecReload: () =>
                `/usr/sbin/nft -f ${file("nftables.conf", renderRuleset(cfg.tables, cfg.ruleset, cfg.flushRuleset))}`,
              ExecStop: () => `/usr/sbin/nft -f ${file("nftables-stop.conf", stop(cfg.tables, cfg.flushRuleset))}`,
            },
          },
        },
      },
    });
  },
});

function stop(tables: { readonly [name: string]: NftTable }, flush: boolean): string {
  if (flush) return "flush ruleset\n";
  return Object.entries(tables)
    .filter(([, table]) => table.enable)
    .map(([name, { family }]) => `table ${family} ${name}\ndelete table ${family} ${name}\n`)
    .join("");
}

function indent(content: string): string {
  return content
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => `  ${line}\n`)
    .join("");
}
