/**
 * The machine's name and its network interfaces.
 *
 * `networking.interfaces` and `networking.useDHCP` become files of systemd-networkd, from the most to the least
 * particular; the first that matches an interface counts:
 *
 *     05-unmanaged-…   interfaces that somebody else set up and networkd must leave alone
 *     40-<name>        `networking.interfaces.<name>`
 *     99-ethernet-…    every other wired interface asks for a lease (`networking.useDHCP`)
 */
import { BlockList, isIPv4, isIPv6 } from "node:net";
import {
  declareOptions,
  define,
  defineModule,
  mapAttrsTo,
  mkDefault,
  mkIf,
  mkMerge,
  mkOption,
  t,
  type Values,
} from "../../lib/index.ts";
import type { Std } from "../index.ts";

const ipv4 = t.addCheck(t.str, isIPv4);
const ipv6 = t.addCheck(t.str, isIPv6);
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

const interfaceOptions = {
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

type Interface = Values<typeof interfaceOptions>;
type Gateway = { readonly address: string; readonly interface: string | null; readonly metric: number | null };

/** True for a hardware address, as opposed to the name of an interface. */
export function isMacAddress(text: string): boolean {
  return /^([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}$/.test(text);
}

/** The module that sets up the network's interfaces. */
export default defineModule<Std>({
  key: "tasks/network-interfaces",
  options,
  config: ({ config }) => {
    const cfg = config.networking;
    const gateways = (): Gateway[] => [cfg.defaultGateway, cfg.defaultGateway6].filter((one) => one !== null);
    const gatewaysOf = (nic: Interface): Gateway[] => gateways().filter((one) => reaches(nic, one));
    return define({
      networking: {
        fqdn: () => (cfg.domain === null ? cfg.hostName : `${cfg.hostName}.${cfg.domain}`),
      },
      systemd: {
        network: {
          networks: mkMerge([
            () =>
              mapAttrsTo(byLabel(cfg.unmanagedInterfaces), (label, nic) => [
                `05-unmanaged-${label}`,
                define({
                  matchConfig: isMacAddress(nic) ? { MACAddress: nic } : { Name: nic },
                  linkConfig: { Unmanaged: true },
                }),
              ]),
            () =>
              mapAttrsTo(cfg.interfaces, (name, nic) => [
                `40-${name}`,
                define({
                  matchConfig: { Name: nic.name },
                  linkConfig: { MACAddress: nic.macAddress, MTUBytes: nic.mtu },
                  networkConfig: { DHCP: nic.useDHCP ?? false, ...ipv6Off(cfg.enableIPv6) },
                  addresses: [...nic.ipv4.addresses, ...nic.ipv6.addresses].map((one) => ({
                    Address: `${one.address}/${one.prefixLength}`,
                  })),
                  routes: [
                    ...[...nic.ipv4.routes, ...nic.ipv6.routes].map((one) => ({
                      Destination: `${one.address}/${one.prefixLength}`,
                      Gateway: one.via,
                    })),
                    ...gatewaysOf(nic).map((one) => ({
                      Gateway: one.address,
                      Metric: one.metric,
                      GatewayOnLink: true,
                    })),
                  ],
                }),
              ]),
            mkIf(() => cfg.useDHCP, {
              "99-ethernet-default-dhcp": {
                // Wired and physical: bridges, veth pairs and the like have a kind.
                matchConfig: { Type: "ether", Kind: "!*" },
                networkConfig: {
                  DHCP: () => (cfg.enableIPv6 ? true : "ipv4"),
                  LinkLocalAddressing: mkIf(() => !cfg.enableIPv6, "no"),
                },
              },
            }),
          ]),
          links: mkMerge([
            () =>
              mapAttrsTo(byLabel(cfg.unmanagedInterfaces), (label, nic) => [
                `05-unmanaged-${label}`,
                define({
                  matchConfig: isMacAddress(nic) ? { MACAddress: nic } : { OriginalName: nic },
                  linkConfig: { NamePolicy: "keep kernel", MACAddressPolicy: "none" },
                }),
              ]),
            mkIf(() => !cfg.usePredictableInterfaceNames, {
              "99-default": {
                matchConfig: { OriginalName: "*" },
                linkConfig: { NamePolicy: "keep kernel", MACAddressPolicy: "persistent" },
              },
            }),
          ]),
          "wait-online": { anyInterface: mkDefault(() => cfg.useDHCP) },
        },
      },
      boot: {
        kernel: {
          sysctl: mkIf(() => !cfg.enableIPv6, {
            "net.ipv6.conf.all.disable_ipv6": true,
            "net.ipv6.conf.default.disable_ipv6": true,
          }),
        },
      },
      environment: {
        etc: {
          hostname: mkIf(() => cfg.hostName !== "", { text: () => `${cfg.hostName}\n` }),
        },
      },
      assertions: () =>
        gateways().map((one) => ({
          assertion: Object.values(cfg.interfaces).some((nic) => reaches(nic, one)),
          message:
            `networking.defaultGateway${isIPv6(one.address) ? "6" : ""}: no interface of networking.interfaces reaches ` +
            `${one.address}. Name the interface, or give one an address in the gateway's network.`,
        })),
    });
  },
});

/** Whether a gateway is reached by an interface: it is named, or one of the interface's networks holds the gateway. */
function reaches(nic: Interface, gateway: Gateway): boolean {
  if (gateway.interface !== null) return gateway.interface === nic.name;
  const family = isIPv6(gateway.address) ? "ipv6" : "ipv4";
  return nic[family].addresses.some((one) => {
    const network = new BlockList();
    network.addSubnet(one.address, one.prefixLength, family);
    return network.check(gateway.address, family);
  });
}

function ipv6Off(enabled: boolean): { readonly [key: string]: string | boolean } {
  return enabled ? {} : { LinkLocalAddressing: "no", IPv6AcceptRA: false };
}

function byLabel(interfaces: readonly string[]): { readonly [label: string]: string } {
  return Object.fromEntries(interfaces.map((nic) => [nic.replaceAll(/[^a-zA-Z0-9]/g, "-"), nic]));
}
