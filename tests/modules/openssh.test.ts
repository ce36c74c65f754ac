import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Group } from "../../src/lib/index.ts";
import type { Std } from "../../src/modules/index.ts";
import { machine, problemOf } from "./support/rendered.ts";
import { judge, tool } from "./support/tools.ts";

type Openssh = Group<Std["services"]["openssh"]>;
const openssh = (settings: Openssh) => machine({ services: { openssh: { enable: true, ...settings } } });

describe("the SSH daemon", () => {
  it("is configured, started, let through and has its account", () => {
    const m = openssh({});
    expect(m.etc("ssh/sshd_config")).toBe(
      [
        "Port 22",
        "HostKey /etc/ssh/ssh_host_ed25519_key",
        "AuthorizedKeysFile %h/.ssh/authorized_keys /etc/ssh/authorized_keys.d/%u",
        "Subsystem sftp /usr/lib/openssh/sftp-server",
        "KbdInteractiveAuthentication yes",
        "LogLevel INFO",
        "PasswordAuthentication yes",
        "PermitRootLogin prohibit-password",
        "PrintMotd no",
        "UseDns no",
        "UsePAM yes",
        "X11Forwarding no",
        "",
      ].join("\n"),
    );
    const files = m.unitFiles();
    expect(files["multi-user.target.wants/sshd.service"]).toBe("→ ../sshd.service");
    expect(files["ssh.service"]).toBe("→ sshd.service");
    expect(m.config.networking.firewall.allowedTCPPorts).toEqual([22]);
    expect(m.config.users.users["sshd"]).toMatchObject({ isSystemUser: true, group: "nogroup" });
    expect(m.config.environment.systemPackages.map((one) => one.name)).toContain("openssh-server");
  });

  it("is nowhere when it is off", () => {
    const m = machine({});
    expect(m.hasEtc("ssh/sshd_config")).toBe(false);
    expect(m.unitFiles()["sshd.service"]).toBeUndefined();
    expect(m.config.networking.firewall.allowedTCPPorts).toEqual([]);
  });

  it("makes missing host keys only, whole or not at all, and starts nothing when all are there", () => {
    const m = openssh({
      hostKeys: [
        { type: "ed25519", path: "/etc/ssh/ssh_host_ed25519_key" },
        { type: "rsa", bits: 4096, path: "/var/lib/it's/key", comment: "web 1" },
      ],
    });
    const unit = m.unitFiles()["sshd-keygen.service"] ?? "";
    expect(unit).toContain(
      "ConditionFileNotEmpty=|!/etc/ssh/ssh_host_ed25519_key\nConditionFileNotEmpty=|!/var/lib/it's/key\n",
    );
    const script = m.written(/^ExecStart=(\S+)$/m.exec(unit)?.[1] ?? "");
    expect(script).toContain("ssh-keygen -q -t ed25519 -C '' -N '' -f /etc/ssh/ssh_host_ed25519_key\n");
    expect(script).toContain("ssh-keygen -q -t rsa -b 4096 -C 'web 1' -N '' -f '/var/lib/it'\\''s/key'\n");
    expect(m.unitFiles()["sshd.service"]).toMatch(/^After=.*sshd-keygen\.service$/m);
  });

  it("writes settings as sshd wants each of them", () => {
    const text = openssh({
      ports: [22, 2222],
      listenAddresses: [{ addr: "::1", port: 22 }, { addr: "10.0.0.1" }],
      authorizedKeysInHomedir: false,
      allowSFTP: false,
      settings: {
        PermitRootLogin: "no",
        PasswordAuthentication: false,
        AllowUsers: ["alice", "bob"],
        Ciphers: ["aes256-gcm@openssh.com", "aes128-gcm@openssh.com"],
        AcceptEnv: ["LANG", "LC_*"],
        MaxAuthTries: 3,
      },
      extraConfig: "Match User guest\n  ForceCommand /usr/bin/true",
    }).etc("ssh/sshd_config");
    expect(text).toContain("Port 22\nPort 2222\nListenAddress [::1]:22\nListenAddress 10.0.0.1\n");
    expect(text).toContain("AuthorizedKeysFile /etc/ssh/authorized_keys.d/%u\n");
    expect(text).not.toContain("Subsystem");
    expect(text).toContain("\nAcceptEnv LANG\nAcceptEnv LC_*\nAllowUsers alice bob\n");
    expect(text).toContain("\nCiphers aes256-gcm@openssh.com,aes128-gcm@openssh.com\n");
    expect(text).toContain("\nMaxAuthTries 3\nPasswordAuthentication no\nPermitRootLogin no\n");
    expect(text).toMatch(/\nMatch User guest\n {2}ForceCommand \/usr\/bin\/true\n$/);
  });

  it("shows a banner from a file", () => {
    const m = openssh({ banner: "Authorised users only.\n" });
    expect(m.etc("ssh/sshd_config")).toContain("Banner /etc/ssh/banner\n");
    expect(m.etc("ssh/banner")).toBe("Authorised users only.\n");
  });

  it("waits for the first connection when told to", () => {
    const files = openssh({ startWhenNeeded: true, ports: [2222] }).unitFiles();
    expect(files["sshd.socket"]).toContain("[Socket]\nListenStream=2222\nAccept=false\n");
    expect(files["sockets.target.wants/sshd.socket"]).toBe("→ ../sshd.socket");
    expect(files["multi-user.target.wants/sshd.service"]).toBeUndefined();
  });

  it("opens the ports of its addresses, or none", () => {
    expect(
      openssh({ listenAddresses: [{ addr: "0.0.0.0", port: 8022 }] }).config.networking.firewall.allowedTCPPorts,
    ).toEqual([22, 8022]);
    expect(openssh({ openFirewall: false }).config.networking.firewall.allowedTCPPorts).toEqual([]);
  });
});

describe("users' keys", () => {
  it("come from the configuration and from files of the host", () => {
    const directory = mkdtempSync(join(tmpdir(), "osmod-keys-"));
    try {
      const file = join(directory, "id.pub");
      writeFileSync(file, "ssh-ed25519 BBBB b\n\n");
      const m = machine({
        services: { openssh: { enable: true } },
        users: {
          users: {
            alice: {
              isNormalUser: true,
              openssh: { authorizedKeys: { keys: ["ssh-ed25519 AAAA a"], keyFiles: [file] } },
            },
            bob: { isNormalUser: true },
          },
        },
      });
      expect(m.etc("ssh/authorized_keys.d/alice")).toBe("ssh-ed25519 AAAA a\nssh-ed25519 BBBB b\n");
      expect(m.config.environment.etc["ssh/authorized_keys.d/alice"]?.mode).toBe("0444");
      expect(m.hasEtc("ssh/authorized_keys.d/bob")).toBe(false);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it("a key file that is not there is told with its option", () => {
    const m = machine({
      services: { openssh: { enable: true } },
      users: {
        users: { alice: { isNormalUser: true, openssh: { authorizedKeys: { keyFiles: ["/nonexistent/key.pub"] } } } },
      },
    });
    const found = problemOf(() => m.etc("ssh/authorized_keys.d/alice"));
    expect(found).toMatchObject({
      code: "key-file-unreadable",
      option: "users.users.alice.openssh.authorizedKeys.keyFiles",
    });
    expect(found.fix).toContain("Correct the path");
  });
});

describe("mistakes", () => {
  it.each([
    ["PermitRootLogin", { PermitRootLogin: "maybe" }],
    ["X11Forwarding", { X11Forwarding: "yes" }],
    ["AllowUsers", { AllowUsers: "alice" }],
  ])("a bad %s is told with its path", (name, settings) => {
    const m = openssh({ settings: settings as never });
    expect(() => m.etc("ssh/sshd_config")).toThrow(new RegExp(`services\\.openssh\\.settings\\.${name}`));
  });

  it("a line break in a setting is told", () => {
    const m = openssh({ settings: { Foo: "a\nPermitRootLogin yes" } });
    expect(problemOf(() => m.etc("ssh/sshd_config"))).toMatchObject({
      code: "sshd-value-line-break",
      option: "services.openssh.settings.Foo",
    });
  });

  it("a daemon without ports or keys is refused", () => {
    const failed = openssh({ ports: [], hostKeys: [] }).failedAssertions().join("\n");
    expect(failed).toContain("services.openssh.ports must not be empty");
    expect(failed).toContain("services.openssh.hostKeys must not be empty");
  });
});

describe("sshd's own judgement", () => {
  const sshd = tool("sshd");
  const keygen = tool("ssh-keygen");
  // It starts only where there is the directory of its unprivileged part, which root can make.
  const startable = existsSync("/run/sshd") || process.getuid?.() === 0;
  it.skipIf(sshd === undefined || keygen === undefined || !startable)("understands what is written here", () => {
    const text = openssh({
      ports: [22, 2222],
      listenAddresses: [{ addr: "::1", port: 22 }],
      banner: "hello",
      settings: { AllowUsers: ["alice", "bob"], Ciphers: ["aes256-gcm@openssh.com"], AcceptEnv: ["LANG", "LC_*"] },
      extraConfig: "Match User guest\n  ForceCommand /usr/bin/true",
    }).etc("ssh/sshd_config");
    // Not -G, which sshd has since 9.3; -T wants a key of its own.
    const script = 'mkdir -p /run/sshd; "$1" -q -t ed25519 -N "" -f key; exec "$2" -T -f sshd_config -h "$PWD/key"';
    const answer = judge("/bin/sh", { sshd_config: text }, () => ["-c", script, "sh", keygen!, sshd!]);
    expect(answer.output).toMatch(/^port 22\nport 2222\n/m);
    expect(answer.output).toContain("permitrootlogin without-password\n");
    expect(answer.status).toBe(0);
  });
});

describe("the SSH client", () => {
  it("knows machines by their keys", () => {
    const m = machine({
      programs: {
        ssh: {
          enable: true,
          extraConfig: "Host *.example.org\n  ForwardAgent yes\n",
          knownHosts: {
            web1: { publicKey: "ssh-ed25519 AAAA" },
            ca: { hostNames: ["*.example.org", "10.0.0.*"], publicKey: "ssh-ed25519 BBBB", certAuthority: true },
          },
        },
      },
    });
    expect(m.etc("ssh/ssh_known_hosts")).toBe(
      "web1 ssh-ed25519 AAAA\n@cert-authority *.example.org,10.0.0.* ssh-ed25519 BBBB\n",
    );
    expect(m.etc("ssh/ssh_config")).toMatch(/^Host \*\.example\.org\n {2}ForwardAgent yes\nInclude /);
  });
});
