/**
 * The firewall: everything that comes in is dropped, unless it answers something that went out or is let in by name.
 *
 * It is one nftables table, `inet firewall`, with two chains: `input` decides by state and interface, `input-allow` holds
 * what is open. Modules of services open their ports with `openFirewall` options; `extraInputRules` takes nft rules.
 */
import { declareOptions, define, defineModule, mkIf, mkOption, t } from "../../../lib/index.ts";
import type { Std } from "../../index.ts";
import { isMacAddress } from "../../tasks/network-interfaces.ts";

const sortedPorts = (ports: readonly number[]): readonly number[] => [...new Set(ports)].sort((a, b) => a - b);
const ports = (protocol: string) =>
  mkOption({
    type: t.listOf(t.port),
    default: [],
    apply: sortedPorts,
    description: `${protocol} ports that are open.`,
    example: [22, 80],
  });
const ranges = (protocol: string) =>
  mkOption({
    type: t.listOf(
      t.submodule({
        from: mkOption({ type: t.port, description: "First port.", example: 8000 }),
        to: mkOption({ type: t.port, description: "Last port.", example: 8010 }),
      }),
    ),
    default: [],
    description: `Ranges of ${protocol} ports that are open.`,
    example: [{ from: 8000, to: 8010 }],
  });
const openings = {
  allowedTCPPorts: ports("TCP"),
  allowedUDPPorts: ports("UDP"),
  allowedTCPPortRanges: ranges("TCP"),
  allowedUDPPortRanges: ranges("UDP"),
};

/** What is open, as {@link renderFirewall} takes it. */
interface Openings {
  readonly allowedTCPPorts: readonly number[];
  readonly allowedUDPPorts: readonly number[];
  readonly allowedTCPPortRanges: readonly { readonly from: number; readonly to: number }[];
  readonly allowedUDPPortRanges: readonly { readonly from: number; readonly to: number }[];
}
/** The options of the firewall, as read. */
export interface FirewallValue extends Openings {
  readonly allowPing: boolean;
  readonly pingLimit: string | null;
  readonly interfaces: { readonly [name: string]: Openings };
  readonly trustedInterfaces: readonly string[];
  readonly extraInputRules: string;
  readonly rejectPackets: boolean;
  readonly logRefusedConnections: boolean;
}

export const options = declareOptions({
  networking: {
    firewall: {
      enable: mkOption({
        type: t.bool,
        default: true,
        description: "Whether connections from outside are refused unless a port is opened.",
        example: false,
      }),
      ...openings,
      allowPing: mkOption({ type: t.bool, default: true, description: "Whether pings are answered.", example: false }),
      pingLimit: mkOption({
        type: t.nullOr(t.singleLineStr),
        default: null,
        description: "How many pings are answered, in the words of nft's `limit rate`; `null` for all of them.",
        example: "2/second burst 5 packets",
      }),
      interfaces: mkOption({
        type: t.attrsOf(t.submodule(openings)),
        default: {},
        description: "Ports that are open on one interface only, by the interface's name.",
        example: { enp1s0: { allowedTCPPorts: [80, 443] } },
      }),
      trustedInterfaces: mkOption({
        type: t.listOf(t.either(t.strMatching('[^\\s"/]{1,15}'), t.strMatching("([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}"))),
        default: [],
        description:
          "Interfaces, by name or by hardware address, that everything may come in by. The interface that the store is " +
          "reached by must be one of them: its connection is older than the firewall, which takes its packets for strangers.",
        example: ["br0", "52:54:00:12:34:57"],
      }),
      extraInputRules: mkOption({
        type: t.lines,
        default: "",
        description: "Further rules, in the language of nft(8), for packets that start a connection.",
        example: "ip6 saddr fc00::/7 tcp dport 24800 accept",
      }),
      rejectPackets: mkOption({
        type: t.bool,
        default: false,
        description: "Whether refused packets are answered with an error instead of being dropped silently.",
        example: true,
      }),
      logRefusedConnections: mkOption({
        type: t.bool,
        default: false,
        description: "Whether refused connections are written to the kernel's log.",
        example: true,
      }),
    },
  },
});

/** Write the content of the firewall's table. */
export function renderFirewall(cfg: FirewallValue): string {
  const names = cfg.trustedInterfaces.filter((nic) => !isMacAddress(nic));
  const macs = cfg.trustedInterfaces.filter(isMacAddress);
  const rules = (lines: readonly (string | false)[]) =>
    lines.filter((line) => line !== false).map((line) => `  ${line}`);
  return [
    "chain input {",
    ...rules([
      "type filter hook input priority filter; policy drop;",
      'iifname "lo" accept',
      names.length > 0 && `iifname { ${names.map((name) => JSON.stringify(name)).join(", ")} } accept`,
      // What arrives at a card of ours carries its address as the destination.
      macs.length > 0 && `ether daddr { ${macs.join(", ")} } accept`,
      "ct state vmap { invalid : drop, established : accept, related : accept, new : jump input-allow, untracked : jump input-allow }",
      cfg.logRefusedConnections &&
        'tcp flags & (fin | syn | rst | ack) == syn log prefix "refused connection: " level info',
      cfg.rejectPackets && "meta l4proto tcp reject with tcp reset",
      cfg.rejectPackets && "reject",
    ]),
    "}",
    "chain input-allow {",
    ...rules([
      ...openingRules("", cfg),
      ...Object.entries(cfg.interfaces).flatMap(([name, open]) =>
        openingRules(`iifname ${JSON.stringify(name)} `, open),
      ),
      cfg.allowPing && `icmp type echo-request ${cfg.pingLimit === null ? "" : `limit rate ${cfg.pingLimit} `}accept`,
      // Without neighbour discovery and the like, IPv6 does not work at all; redirects are left out.
      `icmpv6 type != { nd-redirect, 139${cfg.allowPing ? "" : ", echo-request"} } accept`,
      "ip6 daddr fe80::/64 udp dport 546 accept",
      ...cfg.extraInputRules.split("\n").filter((line) => line.trim() !== ""),
    ]),
    "}",
  ].join("\n");
}

function openingRules(match: string, open: Openings): string[] {
  const rule = (
    protocol: string,
    single: readonly number[],
    many: readonly { from: number; to: number }[],
  ): string[] => {
    const elements = [...single.map(String), ...many.map(({ from, to }) => `${from}-${to}`)];
    return elements.length === 0 ? [] : [`${match}${protocol} dport { ${elements.join(", ")} } accept`];
  };
  return [
    ...rule("tcp", withoutCovered(open.allowedTCPPorts, open.allowedTCPPortRanges), open.allowedTCPPortRanges),
    ...rule("udp", withoutCovered(open.allowedUDPPorts, open.allowedUDPPortRanges), open.allowedUDPPortRanges),
  ];
}

/** nft refuses a set whose elements overlap. */
function withoutCovered(
  ports: readonly number[],
  ranges: readonly { readonly from: number; readonly to: number }[],
): readonly number[] {
  return ports.filter((port) => !ranges.some(({ from, to }) => from <= port && port <= to));
}

/** The module that turns the openings into a table of nftables. */
export default defineModule<Std>({
  key: "services/networking/firewall",
  options,
  config: ({ config }) => {
    const cfg = config.networking.firewall;
    const allRanges = () =>
      [cfg, ...Object.values(cfg.interfaces)].flatMap((open) => [
        ...open.allowedTCPPortRanges,
        ...open.allowedUDPPortRanges,
      ]);
    return define({
      networking: {
        nftables: mkIf(() => cfg.enable, {
          enable: true,
          tables: { firewall: { family: "inet", content: () => renderFirewall(cfg) } },
        }),
      },
      assertions: () =>
        allRanges().map(({ from, to }) => ({
          assertion: from <= to,
          message: `networking.firewall: the port range ${from}-${to} ends before it begins; swap \`from\` and \`to\`.`,
        })),
    });
  },
});
