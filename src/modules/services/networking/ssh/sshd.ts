/**
 * The SSH daemon.
 *
 * Host keys are made at the first boot, by a unit that does not even start when they are there. Users' keys go to
 * /etc/ssh/authorized_keys.d, so that they are part of the configuration; keys in home directories count as well.
 */
import { readFileSync } from "node:fs";
import { define, defineModule, mkIf, mkMerge } from "../../../../lib/index.ts";
import { fail } from "../../../../problems/index.ts";
import type { Std } from "../../../index.ts";
import { sh } from "../../../shell.ts";
import type { EtcFile } from "../../../system/boot/systemd/definitions.ts";
import { options } from "./options.ts";
import { renderSshdConfig } from "./sshd-config.ts";

export { options };

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
