import { describe, expect, it } from "vitest";
import { mkForce } from "../../src/lib/index.ts";
import { machine, problemOf } from "./support/rendered.ts";

describe("the machine's name", () => {
  it("is in /etc/hostname and resolves on the machine itself", () => {
    const m = machine({ networking: { hostName: "web1" } });
    expect(m.etc("hostname")).toBe("web1\n");
    expect(m.etc("hosts")).toBe("127.0.0.1 localhost\n::1 localhost\n127.0.0.2 web1\n");
    expect(m.config.networking.fqdn).toBe("web1");
  });

  it("has its domain in front of it in /etc/hosts, and is searched in it", () => {
    const m = machine({ networking: { hostName: "web1", domain: "example.org", nameservers: ["10.0.2.3"] } });
    expect(m.config.networking.fqdn).toBe("web1.example.org");
    expect(m.etc("hosts")).toContain("127.0.0.2 web1.example.org web1\n");
    expect(m.etc("resolv.conf")).toBe("search example.org\nnameserver 10.0.2.3\n");
  });

  it.each(["-web", "web.example", "a b", "x".repeat(64)])("cannot be %j", (hostName) => {
    expect(() => machine({ networking: { hostName } }).etc("hostname")).toThrow(/networking\.hostName/);
  });
});

describe("other names", () => {
  it("come from hosts and extraHosts", () => {
    const m = machine({
      networking: {
        hosts: { "192.168.1.1": ["router.example.org", "router"], "127.0.0.1": ["alias"] },
        extraHosts: "192.168.1.2 printer",
      },
    });
    expect(m.etc("hosts")).toContain("192.168.1.1 router.example.org router\n");
    expect(m.etc("hosts")).toContain("127.0.0.1 alias localhost\n");
    expect(m.etc("hosts")).toMatch(/\n192\.168\.1\.2 printer\n$/);
  });
});

describe("name servers", () => {
  it("are written down when they are known, and no daemon runs", () => {
    const m = machine({
      networking: { nameservers: ["10.0.2.3", "fd00::3"], resolvconf: { extraOptions: ["timeout:1"] } },
    });
    expect(m.etc("resolv.conf")).toBe("nameserver 10.0.2.3\nnameserver fd00::3\noptions timeout:1\n");
    expect(m.config.services.resolved.enable).toBe(false);
    expect(Object.keys(m.unitFiles()).filter((name) => name.includes("resolved"))).toEqual([]);
  });

  it("come with a lease otherwise, by systemd-resolved", () => {
    const m = machine({});
    expect(m.etc("resolv.conf")).toBe("/run/systemd/resolve/stub-resolv.conf");
    expect(m.unitFiles()["sysinit.target.wants/systemd-resolved.service"]).toBe(
      "→ /usr/lib/systemd/system/systemd-resolved.service",
    );
    expect(m.config.environment.systemPackages.map((one) => one.name)).toContain("systemd-resolved");
  });

  it("are nobody's business on a machine without leases", () => {
    expect(machine({ networking: { useDHCP: false } }).config.services.resolved.enable).toBe(false);
    const asking = machine({ networking: { useDHCP: false, interfaces: { lan: { useDHCP: true } } } });
    expect(asking.config.services.resolved.enable).toBe(true);
  });
});

describe("interfaces", () => {
  it("ask for a lease when they are wired and nothing else is said", () => {
    const m = machine({});
    expect(m.etc("systemd/network/99-ethernet-default-dhcp.network")).toBe(
      "[Match]\nType=ether\nKind=!*\n\n[Network]\nDHCP=true\n\n",
    );
    expect(machine({ networking: { useDHCP: false } }).hasEtc("systemd/network/99-ethernet-default-dhcp.network")).toBe(
      false,
    );
  });

  it("have fixed addresses, routes and settings of the link", () => {
    const m = machine({
      networking: {
        interfaces: {
          lan: {
            macAddress: "00:11:22:33:44:55",
            mtu: 1400,
            ipv4: {
              addresses: [{ address: "192.168.1.10", prefixLength: 24 }],
              routes: [{ address: "10.1.0.0", prefixLength: 16, via: "192.168.1.254" }],
            },
            ipv6: { addresses: [{ address: "2001:db8::10", prefixLength: 64 }] },
          },
        },
        defaultGateway: "192.168.1.1",
        defaultGateway6: { address: "fe80::1", interface: "lan", metric: 5 },
      },
    });
    expect(m.etc("systemd/network/40-lan.network")).toBe(
      [
        "[Match]",
        "Name=lan",
        "",
        "[Link]",
        "MACAddress=00:11:22:33:44:55",
        "MTUBytes=1400",
        "",
        "[Network]",
        "DHCP=false",
        "",
        "[Address]",
        "Address=192.168.1.10/24",
        "",
        "[Address]",
        "Address=2001:db8::10/64",
        "",
        "[Route]",
        "Destination=10.1.0.0/16",
        "Gateway=192.168.1.254",
        "",
        "[Route]",
        "Gateway=192.168.1.1",
        "GatewayOnLink=true",
        "",
        "[Route]",
        "Gateway=fe80::1",
        "Metric=5",
        "GatewayOnLink=true",
        "",
        "",
      ].join("\n"),
    );
  });

  it("are left alone when the initrd set them up, by address or by name, before all other files", () => {
    const m = machine({ networking: { unmanagedInterfaces: ["52:54:00:12:34:57", "eth7"] } });
    expect(m.etc("systemd/network/05-unmanaged-52-54-00-12-34-57.network")).toBe(
      "[Match]\nMACAddress=52:54:00:12:34:57\n\n[Link]\nUnmanaged=true\n\n",
    );
    expect(m.etc("systemd/network/05-unmanaged-52-54-00-12-34-57.link")).toBe(
      "[Match]\nMACAddress=52:54:00:12:34:57\n\n[Link]\nNamePolicy=keep kernel\nMACAddressPolicy=none\n",
    );
    expect(m.etc("systemd/network/05-unmanaged-eth7.network")).toContain("[Match]\nName=eth7\n");
    const files = Object.values(m.config.environment.etc)
      .map((one) => one.target)
      .filter((one) => one.endsWith(".network"));
    expect(files.sort()[0]).toMatch(/05-unmanaged/);
  });

  it("keep the kernel's names where those are wanted", () => {
    const m = machine({ networking: { usePredictableInterfaceNames: false } });
    expect(m.etc("systemd/network/99-default.link")).toContain("NamePolicy=keep kernel\n");
  });

  it("have no IPv6 when it is off", () => {
    const m = machine({ networking: { enableIPv6: false, interfaces: { lan: {} } } });
    expect(m.etc("sysctl.d/60-osmod.conf")).toContain("net.ipv6.conf.all.disable_ipv6 = 1\n");
    expect(m.etc("systemd/network/40-lan.network")).toContain("LinkLocalAddressing=no\n");
    expect(m.etc("systemd/network/99-ethernet-default-dhcp.network")).toContain("DHCP=ipv4\nLinkLocalAddressing=no\n");
    expect(m.etc("hosts")).not.toContain("::1");
  });

  it("bring up systemd-networkd and the account it runs as", () => {
    const m = machine({});
    const files = m.unitFiles();
    expect(files["multi-user.target.wants/systemd-networkd.service"]).toBeDefined();
    expect(files["sockets.target.wants/systemd-networkd.socket"]).toBeDefined();
    expect(files["systemd-networkd-wait-online.service.d/overrides.conf"]).toContain(
      "ExecStart=\nExecStart=/usr/lib/systemd/systemd-networkd-wait-online --any\n",
    );
    expect(m.config.users.users["systemd-network"]?.isSystemUser).toBe(true);
    const without = machine({ networking: { useNetworkd: false } }).unitFiles();
    expect(Object.keys(without).filter((name) => name.includes("networkd.s"))).toEqual([]);
  });

  it("may be configured by files of systemd-networkd as well", () => {
    const m = machine({
      systemd: {
        network: {
          netdevs: { "10-br0": { netdevConfig: { Name: "br0", Kind: "bridge" } } },
          networks: {
            "20-br0": {
              matchConfig: { Name: "br0" },
              dhcpV4Config: { UseDNS: false },
              extraConfig: "[Bridge]\nCost=4\n",
            },
          },
        },
      },
    });
    expect(m.etc("systemd/network/10-br0.netdev")).toContain("[NetDev]\nName=br0\nKind=bridge\n");
    expect(m.etc("systemd/network/20-br0.network")).toBe(
      "[Match]\nName=br0\n\n[DHCPv4]\nUseDNS=false\n\n[Bridge]\nCost=4\n",
    );
  });
});

describe("mistakes", () => {
  it("a gateway that no interface reaches is told", () => {
    const m = machine({
      networking: {
        interfaces: { lan: { ipv4: { addresses: [{ address: "192.168.1.10", prefixLength: 24 }] } } },
        defaultGateway: "10.0.0.1",
      },
    });
    expect(m.failedAssertions().join("\n")).toContain(
      "networking.defaultGateway: no interface of networking.interfaces reaches 10.0.0.1.",
    );
    const named = machine({
      networking: { interfaces: { lan: {} }, defaultGateway: { address: "10.0.0.1", interface: "lan" } },
    });
    expect(named.failedAssertions().join("\n")).not.toContain("defaultGateway");
  });

  it("a hardware address must be one", () => {
    const m = machine({ networking: { interfaces: { lan: { macAddress: "00:11:22" } } } });
    expect(() => m.etc("systemd/network/40-lan.network")).toThrow(/networking\.interfaces\.lan\.macAddress/);
  });

  it("a prefix cannot be longer than the address", () => {
    const m = machine({
      networking: { interfaces: { lan: { ipv4: { addresses: [{ address: "10.0.0.1", prefixLength: 64 }] } } } },
    });
    expect(() => m.etc("systemd/network/40-lan.network")).toThrow(
      /networking\.interfaces\.lan\.ipv4\.addresses.*prefixLength/,
    );
  });

  it("a line break in a networkd file is told with its option", () => {
    const m = machine({ systemd: { network: { networks: { a: { matchConfig: { Name: "x\n[Link]" } } } } } });
    expect(problemOf(() => m.etc("systemd/network/a.network"))).toMatchObject({
      code: "unit-value-line-break",
      option: "systemd.network.networks.a",
    });
  });

  it("an option that the VM sets by force wins", () => {
    expect(machine({ networking: { hostName: "a" } }, { networking: { hostName: mkForce("b") } }).etc("hostname")).toBe(
      "b\n",
    );
  });
});
