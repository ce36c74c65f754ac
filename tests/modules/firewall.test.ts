import { describe, expect, it } from "vitest";
import type { Group } from "../../src/lib/index.ts";
import type { Std } from "../../src/modules/index.ts";
import { machine } from "./support/rendered.ts";
import { judge, tool } from "./support/tools.ts";

type Networking = Group<Std["networking"]>;

/** The rules that a machine loads. */
function rules(networking: Networking): string {
  const m = machine({ networking });
  const unit = m.unitFiles()["nftables.service"] ?? "";
  return m.written(/^ExecStart=\/usr\/sbin\/nft -f (\S+)$/m.exec(unit)?.[1] ?? "");
}

describe("the firewall", () => {
  it("drops everything but answers, pings and what IPv6 needs", () => {
    expect(rules({})).toBe(
      [
        "table inet firewall",
        "delete table inet firewall",
        "table inet firewall {",
        "  chain input {",
        "    type filter hook input priority filter; policy drop;",
        '    iifname "lo" accept',
        "    ct state vmap { invalid : drop, established : accept, related : accept, new : jump input-allow, untracked : jump input-allow }",
        "  }",
        "  chain input-allow {",
        "    icmp type echo-request accept",
        "    icmpv6 type != { nd-redirect, 139 } accept",
        "    ip6 daddr fe80::/64 udp dport 546 accept",
        "  }",
        "}",
        "",
      ].join("\n"),
    );
  });

  it("opens ports once each, in order, and not those that a range opens already", () => {
    const text = rules({
      firewall: {
        allowedTCPPorts: [443, 22, 80, 22, 8005],
        allowedTCPPortRanges: [{ from: 8000, to: 8010 }],
        allowedUDPPorts: [53],
      },
    });
    expect(text).toContain("tcp dport { 22, 80, 443, 8000-8010 } accept\n");
    expect(text).toContain("udp dport { 53 } accept\n");
  });

  it("opens ports on one interface only", () => {
    expect(rules({ firewall: { interfaces: { enp1s0: { allowedTCPPorts: [9100] } } } })).toContain(
      'iifname "enp1s0" tcp dport { 9100 } accept\n',
    );
  });

  it("trusts interfaces by name, and by hardware address before any connection is looked up", () => {
    const text = rules({ firewall: { trustedInterfaces: ["br0", "52:54:00:12:34:57", "wg0"] } });
    expect(text).toContain('iifname { "br0", "wg0" } accept\n');
    expect(text).toContain("ether daddr { 52:54:00:12:34:57 } accept\n");
    expect(text.indexOf("ether daddr")).toBeLessThan(text.indexOf("ct state"));
  });

  it("limits, refuses, logs and takes rules when told to", () => {
    const text = rules({
      firewall: {
        pingLimit: "2/second burst 5 packets",
        rejectPackets: true,
        logRefusedConnections: true,
        extraInputRules: "ip saddr 10.0.0.0/8 accept\n",
      },
    });
    expect(text).toContain("icmp type echo-request limit rate 2/second burst 5 packets accept\n");
    expect(text).toContain("meta l4proto tcp reject with tcp reset\n    reject\n");
    expect(text).toContain('log prefix "refused connection: " level info\n');
    expect(text).toMatch(/ip saddr 10\.0\.0\.0\/8 accept\n {2}}\n}\n$/);
  });

  it("is no unit at all when it is off", () => {
    const m = machine({ networking: { firewall: { enable: false } } });
    expect(m.unitFiles()["nftables.service"]).toBeUndefined();
    expect(m.config.environment.systemPackages.map((one) => one.name)).not.toContain("nftables");
  });

  it("leaves room for other tables, and takes its own away when it stops", () => {
    const m = machine({
      networking: {
        nftables: {
          tables: { nat: { family: "ip", content: "chain post { type nat hook postrouting priority srcnat; }" } },
        },
      },
    });
    const unit = m.unitFiles()["nftables.service"] ?? "";
    expect(m.written(/^ExecStart=.* (\S+)$/m.exec(unit)?.[1] ?? "")).toContain("table ip nat {\n  chain post {");
    expect(m.written(/^ExecStop=.* (\S+)$/m.exec(unit)?.[1] ?? "")).toContain("delete table inet firewall\n");
  });

  it.each([
    ["a port that is none", { allowedTCPPorts: [70000] }, /networking\.firewall\.allowedTCPPorts/],
    ["a port that is a text", { allowedUDPPorts: ["53"] }, /networking\.firewall\.allowedUDPPorts/],
    ["an interface with a quote", { trustedInterfaces: ['a"b'] }, /networking\.firewall\.trustedInterfaces/],
  ])("tells the option of %s", (_, firewall, path) => {
    expect(() => rules({ firewall: firewall as never })).toThrow(path);
  });

  it("refuses a range that ends before it begins", () => {
    const m = machine({ networking: { firewall: { allowedUDPPortRanges: [{ from: 20, to: 10 }] } } });
    expect(m.failedAssertions()).toContain(
      "networking.firewall: the port range 20-10 ends before it begins; swap `from` and `to`.",
    );
  });

  const nft = tool("nft");
  it.skipIf(nft === undefined)("writes what nft understands", () => {
    const all = rules({
      firewall: {
        allowedTCPPorts: [22, 80],
        allowedTCPPortRanges: [{ from: 8000, to: 8010 }],
        allowedUDPPorts: [53],
        interfaces: { enp1s0: { allowedTCPPorts: [9100], allowedUDPPortRanges: [{ from: 1, to: 2 }] } },
        trustedInterfaces: ["br0", "52:54:00:12:34:57"],
        allowPing: false,
        rejectPackets: true,
        logRefusedConnections: true,
        extraInputRules: "ip saddr 10.0.0.0/8 accept",
      },
    });
    for (const text of [rules({}), all, rules({ firewall: { pingLimit: "2/second burst 5 packets" } })]) {
      const answer = judge(nft!, { rules: text }, (directory) => ["-c", "-f", `${directory}/rules`]);
      expect(answer).toEqual({ status: 0, output: "" });
    }
  });
});
