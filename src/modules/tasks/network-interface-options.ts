/**
 * Options of the machine's name and its network interfaces.
 */
import { isIPv4, isIPv6 } from "node:net";
import { declareOptions, define, mkDefault, mkOption, t } from "../../lib/index.ts";

const ipv4 = t.opaque<string>("IPv4 address", (value) => typeof value === "string" && isIPv4(value));
const ipv6 = t.opaque<string>("IPv6 address", (value) => typeof value === "string" && isIPv6(value));
const macAddress = t.strMatching("([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}");

const addressing = (family: "IPv4" | "IPv6") => {
  const address = family === "IPv4" ? ipv4 : ipv6;
  const example = family === "IPv4" ? "192.168.1.10" : "2001:db8::10";
  const prefixLength = mkOption({
    type: t.ints.between(0, family === "IPv4" ? 32 : 128),
    description: "Length of the network's prefix.",
    example: family === "IPv4" ? 24 : 64,
  });
  return {
    addresses: mkOption({
      type: t.listOf(
        t.submodule({
          address: mkOption({ type: address, description: `The ${family} address.`, example }),
          prefixLength,
        }),
      ),
      default: [],
      description: `Fixed ${family} addresses of the interface.`,
      example: [{ address: example, prefixLength: family === "IPv4" ? 24 : 64 }],
    }),
    routes: mkOption({
      type: t.listOf(
        t.submodule({
          address: mkOption({ type: address, description: `${family} address of the network.`, example }),
          prefixLength,
          via: mkOption({
            type: t.nullOr(address),
            default: null,
            description: "The next hop; `null` if the network is on the wire.",
            example,
          }),
        }),
      ),
      default: [],
      description: `${family} networks that are reached through the interface.`,
      example: [{ address: family === "IPv4" ? "10.1.0.0" : "2001:db8:1::", prefixLength: 16, via: example }],
    }),
  };
};

/** Options of `networking.interfaces.<name>`. */
export const interfaceOptions = {
  name: mkOption({ type: t.str, defaultText: "<name>", description: "Name of the interface.", example: "enp1s0" }),
  useDHCP: mkOption({
    type: t.nullOr(t.bool),
    default: null,
    description: "Whether the interface asks for a lease; `null` means no, once the interface has settings of its own.",
    example: true,
  }),
  ipv4: addressing("IPv4"),
  ipv6: addressing("IPv6"),
  macAddress: mkOption({
    type: t.nullOr(macAddress),
    default: null,
    description: "Hardware address to give to the interface; `null` keeps its own.",
    example: "00:11:22:33:44:55",
  }),
  mtu: mkOption({
    type: t.nullOr(t.ints.positive),
    default: null,
    description: "Largest packet, in bytes; `null` keeps the driver's choice.",
    example: 9000,
  }),
};

const gateway = (family: "IPv4" | "IPv6") =>
  mkOption({
    type: t.nullOr(
      t.coercedTo(
        t.str,
        (address) => ({ address }),
        t.submodule({
          address: mkOption({
            type: family === "IPv4" ? ipv4 : ipv6,
            description: "Address of the gateway.",
            example: family === "IPv4" ? "192.168.1.1" : "fe80::1",
          }),
          interface: mkOption({
            type: t.nullOr(t.str),
            default: null,
            description: "Interface to reach it by; `null` takes the one whose network holds the address.",
            example: "enp1s0",
          }),
          metric: mkOption({
            type: t.nullOr(t.ints.unsigned),
            default: null,
            description: "Metric of the route: the lowest wins.",
            example: 42,
          }),
        }),
      ),
    ),
    default: null,
    description: `The default gateway for ${family}: an address, or an address with the interface to use.`,
    example: family === "IPv4" ? { address: "192.168.1.1", interface: "enp1s0" } : "fe80::1",
  });

/** Options of `networking` about the machine's name and its interfaces. */
export const options = declareOptions({
  networking: {
    hostName: mkOption({
      type: t.strMatching("|[a-zA-Z0-9]([a-zA-Z0-9_-]{0,61}[a-zA-Z0-9])?"),
      default: "osmod",
      description:
        "Name of the machine, without its domain: letters, digits, `-` and `_`, at most 63. Empty to take it from the network.",
      example: "web1",
    }),
    domain: mkOption({
      type: t.nullOr(t.strMatching("[a-zA-Z0-9_-]+(\\.[a-zA-Z0-9_-]+)*")),
      default: null,
      description: "Domain of the machine.",
      example: "example.org",
    }),
    fqdn: mkOption({
      type: t.str,
      readOnly: true,
      description: "Full name of the machine: `hostName`, and `domain` if there is one.",
      example: "web1.example.org",
    }),
    useDHCP: mkOption({
      type: t.bool,
      default: true,
      description: "Whether every wired interface without settings of its own asks for a lease.",
      example: false,
    }),
    useNetworkd: mkOption({
      type: t.bool,
      default: true,
      description: "Whether systemd-networkd sets up the interfaces. There is no other way yet: `false` sets up none.",
      example: false,
    }),
    enableIPv6: mkOption({ type: t.bool, default: true, description: "Whether IPv6 is used at all.", example: false }),
    usePredictableInterfaceNames: mkOption({
      type: t.bool,
      default: true,
      description:
        "Whether interfaces are named after their place in the machine (`enp1s0`) instead of `eth0`, `eth1`, ….",
      example: false,
    }),
    interfaces: mkOption({
      type: t.attrsOf(t.submodule(interfaceOptions).config(({ name }) => define({ name: mkDefault(() => name) }))),
      default: {},
      description: "Network interfaces, by name.",
      example: { enp1s0: { ipv4: { addresses: [{ address: "192.168.1.10", prefixLength: 24 }] } } },
    }),
    unmanagedInterfaces: mkOption({
      type: t.listOf(t.str),
      default: [],
      description:
        "Interfaces, by name or by hardware address, that are not touched: neither renamed nor configured. For those " +
        "that the initrd set up, like the one that the store is reached by.",
      example: ["52:54:00:12:34:57"],
    }),
    defaultGateway: gateway("IPv4"),
    defaultGateway6: gateway("IPv6"),
  },
});
