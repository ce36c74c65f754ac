/**
 * The SSH daemon.
 *
 * Host keys are made at the first boot, by a unit that does not even start when they are there. Users' keys go to
 * /etc/ssh/authorized_keys.d, so that they are part of the configuration; keys in home directories count as well.
 */
import { readFileSync } from "node:fs";
import {
  declareOptions,
  define,
  defineModule,
  mkDefault,
  mkEnableOption,
  mkIf,
  mkMerge,
  mkOption,
  t,
} from "../../../../lib/index.ts";
import { fail } from "../../../../problems/index.ts";
import type { Std } from "../../../index.ts";
import { sh } from "../../../shell.ts";
import type { EtcFile } from "../../../system/boot/systemd/definitions.ts";
import { directive } from "../../../system/boot/systemd/unit-types.ts";
import { renderSshdConfig } from "./sshd-config.ts";

const optional = <T extends Parameters<typeof t.nullOr>[0]>(type: T, description: string) =>
  mkOption({ type: t.nullOr(type), default: null, description });
const names = (what: string) => optional(t.listOf(t.singleLineStr), `${what}; \`null\` leaves sshd's own rule.`);

const settings = t.freeform(
  {
    PermitRootLogin: mkOption({
      type: t.enum(["yes", "no", "prohibit-password", "without-password", "forced-commands-only"]),
      default: "prohibit-password",
      description: "Whether root may log in.",
      example: "no",
    }),
    PasswordAuthentication: mkOption({
      type: t.bool,
      default: true,
      description: "Whether one may log in with a password.",
      example: false,
    }),
    KbdInteractiveAuthentication: mkOption({
      type: t.bool,
      default: true,
      description: "Whether one may log in by answering questions; with PAM, that is a password again.",
      example: false,
    }),
    PubkeyAuthentication: optional(t.bool, "Whether one may log in with a key."),
    PermitEmptyPasswords: optional(t.bool, "Whether an empty password lets one in."),
    X11Forwarding: mkOption({
      type: t.bool,
      default: false,
      description: "Whether clients may show windows of programs that run here.",
      example: true,
    }),
    AllowTcpForwarding: optional(t.enum(["yes", "no", "local", "remote", "all"]), "Whether clients may forward ports."),
    GatewayPorts: optional(
      t.enum(["yes", "no", "clientspecified"]),
      "Whether forwarded ports can be reached from outside.",
    ),
    UsePAM: mkOption({
      type: t.bool,
      default: true,
      description: "Whether PAM has its say in log-ins and sessions.",
      example: false,
    }),
    UseDns: mkOption({
      type: t.bool,
      default: false,
      description: "Whether the name of a client is looked up.",
      example: true,
    }),
    LogLevel: mkOption({
      type: t.enum(["QUIET", "FATAL", "ERROR", "INFO", "VERBOSE", "DEBUG", "DEBUG1", "DEBUG2", "DEBUG3"]),
      default: "INFO",
      description: "How much is logged.",
      example: "VERBOSE",
    }),
    StrictModes: optional(t.bool, "Whether keys in files that others can write to are refused."),
    PrintMotd: mkOption({
      type: t.bool,
      default: false,
      description: "Whether sshd itself shows /etc/motd; PAM does so already.",
      example: true,
    }),
    AllowUsers: names("The only users who may log in"),
    DenyUsers: names("Users who may not log in"),
    AllowGroups: names("The only groups whose members may log in"),
    DenyGroups: names("Groups whose members may not log in"),
    KexAlgorithms: names("Key exchange algorithms"),
    Ciphers: names("Ciphers"),
    MACs: names("Message authentication codes"),
  },
  directive,
);

export const options = declareOptions({
  services: {
    openssh: {
      enable: mkEnableOption("the SSH daemon, which lets users log in over the network"),
      startWhenNeeded: mkOption({
        type: t.bool,
        default: false,
        description:
          "Whether systemd holds the ports and starts the daemon with the first connection; boots are faster.",
        example: true,
      }),
      ports: mkOption({
        type: t.listOf(t.port),
        default: [22],
        description: "Ports to listen on.",
        example: [22, 2222],
      }),
      openFirewall: mkOption({
        type: t.bool,
        default: true,
        description: "Whether these ports are open in the firewall.",
        example: false,
      }),
      listenAddresses: mkOption({
        type: t.listOf(
          t.submodule({
            addr: mkOption({ type: t.nonEmptyStr, description: "Address or name.", example: "192.168.1.10" }),
            port: mkOption({
              type: t.nullOr(t.port),
              default: null,
              description: "Port; `null` for each of `ports`.",
              example: 2222,
            }),
          }),
        ),
        default: [],
        description: "Addresses to listen on; empty for all.",
        example: [{ addr: "192.168.1.10", port: 2222 }],
      }),
      hostKeys: mkOption({
        type: t.listOf(
          t.submodule({
            type: mkOption({
              type: t.enum(["ed25519", "rsa", "ecdsa"]),
              description: "Kind of key.",
              example: "ed25519",
            }),
            path: mkOption({
              type: t.path,
              description: "File of the private key.",
              example: "/etc/ssh/ssh_host_ed25519_key",
            }),
            bits: mkOption({
              type: t.nullOr(t.ints.positive),
              default: null,
              description: "Size of the key; `null` for the usual one.",
              example: 4096,
            }),
            comment: mkOption({ type: t.str, default: "", description: "Comment in the public key.", example: "web1" }),
          }),
        ),
        default: [{ type: "ed25519", path: "/etc/ssh/ssh_host_ed25519_key" }],
        description: "Keys that the machine shows itself by. Missing ones are made at boot.",
        example: [{ type: "rsa", bits: 4096, path: "/etc/ssh/ssh_host_rsa_key" }],
      }),
      authorizedKeysFiles: mkOption({
        type: t.listOf(t.singleLineStr),
        default: [],
        description:
          "Files with users' keys, beside those of the other options; `%h` is the home directory, `%u` the user.",
        example: ["/var/lib/keys/%u"],
      }),
      authorizedKeysInHomedir: mkOption({
        type: t.bool,
        default: true,
        description: "Whether keys in `~/.ssh/authorized_keys` count.",
        example: false,
      }),
      allowSFTP: mkOption({ type: t.bool, default: true, description: "Whether files can be copied.", example: false }),
      sftpServerExecutable: mkOption({
        type: t.str,
        default: "/usr/lib/openssh/sftp-server",
        description: "Program that serves files.",
        example: "internal-sftp",
      }),
      banner: mkOption({
        type: t.nullOr(t.lines),
        default: null,
        description: "Text to show before one logs in.",
        example: "Authorised users only.\n",
      }),
      settings: mkOption({
        type: settings,
        default: {},
        description:
          "Keywords of sshd_config(5). A list writes its keyword several times, or all in one where sshd wants it so.",
        example: { PermitRootLogin: "no", PasswordAuthentication: false },
      }),
      extraConfig: mkOption({
        type: t.lines,
        default: "",
        description: "Further lines at the end of sshd_config; the place for `Match` blocks.",
        example: "Match User guest\n  ForceCommand /usr/bin/true",
      }),
    },
  },
  users: {
    users: mkOption({
      type: t.attrsOf(
        t.submodule({
          openssh: {
            authorizedKeys: {
              keys: mkOption({
                type: t.listOf(t.singleLineStr),
                default: [],
                description: "Public keys that the user may log in with.",
                example: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI… alice@laptop"],
              }),
              keyFiles: mkOption({
                type: t.listOf(t.path),
                default: [],
                description: "Files with such keys, read on the machine that evaluates the configuration.",
                example: ["/home/alice/.ssh/id_ed25519.pub"],
              }),
            },
          },
        }),
      ),
    }),
  },
});

/** The module that runs sshd. */
export default defineModule<Std>({
  key: "services/networking/ssh/sshd",
  options,
  config: ({ config, pkgs }) => {
    const cfg = config.services.openssh;
    return mkIf(() => cfg.enable, {
      networking: {
        firewall: {
          allowedTCPPorts: mkIf(
            () => cfg.openFirewall,
            () => listeningPorts(cfg),
          ),
        },
      },
      users: { users: { sshd: { isSystemUser: true, group: "nogroup", home: "/run/sshd" } } },
      services: {
        openssh: {
          authorizedKeysFiles: mkMerge([
            mkIf(() => cfg.authorizedKeysInHomedir, ["%h/.ssh/authorized_keys"]),
            ["/etc/ssh/authorized_keys.d/%u"],
          ]),
        },
      },
      environment: {
        systemPackages: () => [pkgs["openssh-server"]!],
        etc: mkMerge([
          {
            "ssh/sshd_config": {
              text: () => renderSshdConfig(cfg, cfg.banner === null ? null : "/etc/ssh/banner"),
            },
            "ssh/banner": mkIf(() => cfg.banner !== null, { text: () => cfg.banner ?? "" }),
          },
          () =>
            Object.fromEntries(
              Object.entries(config.users.users)
                .map(([name, user]) => [name, authorizedKeys(name, user.openssh.authorizedKeys)] as const)
                .filter(([, keys]) => keys !== "")
                .map(([name, keys]) => [
                  `ssh/authorized_keys.d/${name}`,
                  define<EtcFile>({ text: keys, mode: "0444" }),
                ]),
            ),
        ]),
      },
      systemd: {
        services: {
          sshd: {
            description: "SSH daemon",
            documentation: ["man:sshd(8)", "man:sshd_config(5)"],
            aliases: ["ssh.service"],
            wantedBy: mkIf(() => !cfg.startWhenNeeded, ["multi-user.target"]),
            wants: ["sshd-keygen.service"],
            after: ["network.target", "nss-user-lookup.target", "sshd-keygen.service"],
            stopIfChanged: false,
            restartTriggers: () => [renderSshdConfig(cfg, cfg.banner)],
            serviceConfig: {
              Type: "notify",
              ExecStart: "/usr/sbin/sshd -D -f /etc/ssh/sshd_config",
              ExecReload: ["/usr/sbin/sshd -t -f /etc/ssh/sshd_config", "/usr/bin/kill -HUP $MAINPID"],
              // Sessions live on when the daemon is restarted.
              KillMode: "process",
              Restart: "on-failure",
              RestartPreventExitStatus: 255,
              RuntimeDirectory: "sshd",
              RuntimeDirectoryPreserve: true,
              RuntimeDirectoryMode: "0755",
            },
          },
          "sshd-keygen": {
            description: "Host keys of the SSH daemon",
            // With none of the conditions true, all keys are there and nothing is run.
            unitConfig: { ConditionFileNotEmpty: () => cfg.hostKeys.map(({ path }) => `|!${path}`) },
            serviceConfig: { Type: "oneshot" },
            script: () => cfg.hostKeys.map(keygen).join("\n"),
          },
        },
        sockets: {
          sshd: mkIf(() => cfg.startWhenNeeded, {
            description: "SSH daemon's ports",
            wantedBy: ["sockets.target"],
            aliases: ["ssh.socket"],
            listenStreams: () =>
              cfg.listenAddresses.length === 0
                ? cfg.ports.map(String)
                : cfg.listenAddresses.flatMap(({ addr, port }) =>
                    (port === null ? cfg.ports : [port]).map(
                      (one) => `${addr.includes(":") ? `[${addr}]` : addr}:${one}`,
                    ),
                  ),
            socketConfig: { Accept: false },
          }),
        },
        tmpfiles: { rules: mkDefault([]) },
      },
      assertions: [
        { assertion: () => cfg.ports.length > 0, message: "services.openssh.ports must not be empty." },
        {
          assertion: () => cfg.hostKeys.length > 0,
          message: "services.openssh.hostKeys must not be empty: the machine needs a key to show itself by.",
        },
      ],
    });
  },
});

function listeningPorts(cfg: {
  readonly ports: readonly number[];
  readonly listenAddresses: readonly { readonly port: number | null }[];
}): readonly number[] {
  return [...cfg.ports, ...cfg.listenAddresses.flatMap(({ port }) => (port === null ? [] : [port]))];
}

/** A key file appears with its name only when it is whole, so that a power cut leaves none that is broken. */
function keygen(key: {
  readonly type: string;
  readonly path: string;
  readonly bits: number | null;
  readonly comment: string;
}): string {
  const path = sh(key.path);
  const bits = key.bits === null ? "" : ` -b ${key.bits}`;
  return [
    `if ! [ -s ${path} ]; then`,
    `  rm -f ${path} ${path}.pub`,
    `  mkdir -p -m 0755 "$(dirname ${path})"`,
    `  ssh-keygen -q -t ${key.type}${bits} -C ${sh(key.comment) || "''"} -N '' -f ${path}`,
    `fi`,
  ].join("\n");
}

function authorizedKeys(
  user: string,
  keys: { readonly keys: readonly string[]; readonly keyFiles: readonly string[] },
): string {
  const lines = [...keys.keys, ...keys.keyFiles.flatMap((file) => readKeys(user, file))];
  return lines.map((line) => `${line.trimEnd()}\n`).join("");
}

function readKeys(user: string, file: string): string[] {
  try {
    return readFileSync(file, "utf8")
      .split("\n")
      .filter((line) => line.trim() !== "");
  } catch (cause) {
    return fail(
      {
        code: "key-file-unreadable",
        option: `users.users.${user}.openssh.authorizedKeys.keyFiles`,
        message: `the key file ${file} of user ${user} cannot be read`,
        notes: [String(cause instanceof Error ? cause.message : cause)],
        fix: "Correct the path, or put the key itself into openssh.authorizedKeys.keys.",
      },
      cause,
    );
  }
}
