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
import { BlockList, isIPv6 } from "node:net";
import { define, defineModule, mapAttrsTo, mkDefault, mkIf, mkMerge, type Values } from "../../lib/index.ts";
import type { Std } from "../index.ts";
import { type interfaceOptions, options } from "./network-interface-options.ts";

export { options };

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
