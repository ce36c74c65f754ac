/**
 * The guest's side of `osmod vm ssh`: an SSH daemon apart from the machine's own.
 *
 * It is started by a socket that nobody but the host can reach, and that is itself started only when somebody asks
 * (ssh.ts, by the guest agent). Its keys lie in /run and are handed over at that moment; so a start costs nothing, and no
 * secret is in the store, in an argument or on the disk.
 */
import { define, defineModule, mkIf } from "../lib/index.ts";
import type { Machine } from "./machine.ts";
import { storeShare } from "./store-share.ts";

/** Where the daemon listens: on the store's wire, which ends at the host. */
export const sshAccess = { netdev: "store", address: storeShare.guestAddress, port: 1022 } as const;

/** Where the guest keeps the keys. */
export const sshDirectory = "/run/osmod-ssh";

/** The socket's unit. */
export const sshSocket = "osmod-ssh.socket";

const config = `# For the owner of this virtual machine, from its host.
HostKey ${sshDirectory}/host_key
AuthorizedKeysFile ${sshDirectory}/authorized_keys
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
UsePAM yes
UseDNS no
AcceptEnv LANG LC_* COLORTERM
PrintMotd no
Subsystem sftp internal-sftp
`;

/** The module of {@link sshAccess}. */
export const sshAccessModule = defineModule<Machine>({
  key: "virtualisation/ssh-access",
  config: ({ config: machine, pkgs }) =>
    mkIf(
      () => machine.virtualisation.ssh.enable,
      define({
        users: { users: { sshd: { isSystemUser: true, group: "nogroup", home: "/run/sshd" } } },
        environment: {
          systemPackages: () => [pkgs["openssh-server"]!],
          etc: { "osmod/sshd_config": { text: config } },
        },
        systemd: {
          sockets: {
            "osmod-ssh": {
              description: "SSH for the virtual machine's owner",
              listenStreams: [`${sshAccess.address}:${sshAccess.port}`],
              socketConfig: { Accept: true, FreeBind: true },
            },
          },
          services: {
            "osmod-ssh@": {
              description: "SSH session of the virtual machine's owner",
              serviceConfig: {
                ExecStart: "-/usr/sbin/sshd -i -f /etc/osmod/sshd_config",
                StandardInput: "socket",
                RuntimeDirectory: "sshd",
                RuntimeDirectoryPreserve: true,
                RuntimeDirectoryMode: "0755",
              },
            },
          },
        },
      }),
    ),
});
