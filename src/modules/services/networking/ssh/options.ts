/**
 * Options of the SSH daemon and of users' keys.
 */
import { declareOptions, mkEnableOption, mkOption, t } from "../../../../lib/index.ts";
import { directive } from "../../../system/boot/systemd/unit-types.ts";

const optional = <T extends Parameters<typeof t.nullOr>[0]>(type: T, description: string, example: unknown) =>
  mkOption({ type: t.nullOr(type), default: null, description, example });
const names = (what: string, example: string) =>
  optional(t.listOf(t.singleLineStr), `${what}; \`null\` leaves sshd's own rule.`, [example]);

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
    PubkeyAuthentication: optional(t.bool, "Whether one may log in with a key.", false),
    PermitEmptyPasswords: optional(t.bool, "Whether an empty password lets one in.", true),
    X11Forwarding: mkOption({
      type: t.bool,
      default: false,
      description: "Whether clients may show windows of programs that run here.",
      example: true,
    }),
    AllowTcpForwarding: optional(
      t.enum(["yes", "no", "local", "remote", "all"]),
      "Whether clients may forward ports.",
      "local",
    ),
    GatewayPorts: optional(
      t.enum(["yes", "no", "clientspecified"]),
      "Whether forwarded ports can be reached from outside.",
      "clientspecified",
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
    StrictModes: optional(t.bool, "Whether keys in files that others can write to are refused.", false),
    PrintMotd: mkOption({
      type: t.bool,
      default: false,
      description: "Whether sshd itself shows /etc/motd; PAM does so already.",
      example: true,
    }),
    AllowUsers: names("The only users who may log in", "alice"),
    DenyUsers: names("Users who may not log in", "guest"),
    AllowGroups: names("The only groups whose members may log in", "sudo"),
    DenyGroups: names("Groups whose members may not log in", "users"),
    KexAlgorithms: names("Key exchange algorithms", "sntrup761x25519-sha512@openssh.com"),
    Ciphers: names("Ciphers", "aes256-gcm@openssh.com"),
    MACs: names("Message authentication codes", "hmac-sha2-512-etm@openssh.com"),
  },
  directive,
);

/** Options of `services.openssh` and of `users.users.<name>.openssh`. */
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
