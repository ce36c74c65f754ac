/**
 * The store's share: which wire it is on, what the server is told, and how the guest mounts it.
 *
 * The wire is a network card of its own that leads nowhere but to one address and port; QEMU starts a confined smbd for the
 * connection, and no port is opened on the host. Server and mount options belong together and were chosen by measuring:
 *
 * - `posix`, `nomapposix` and no name mangling show every name as it is, and links as links.
 * - ISO-8859-1 on both ends maps each byte of a name to one character and back, so names that are no UTF-8 get through.
 * - Leases on files and directories let the guest keep what it has read: with `max_cached_dirs`, walking a tree of 7400
 *   entries a second time takes 1.4 s instead of 8, without a single request.
 */
import type { SmbShare } from "./spec.ts";

/** The wire and the share. */
export const storeShare: SmbShare = {
  transport: "smb",
  macAddress: "52:54:00:12:34:57",
  network: "10.0.3.0/24",
  guestAddress: "10.0.3.15",
  serverAddress: "10.0.3.4",
  serverPort: 445,
  shareName: "store",
};

/** Length of the prefix of {@link storeShare}'s network. */
export const storePrefixLength = 24;

/** Kernel modules that the guest's initrd loads to reach the share. cifs asks for the ciphers by name, not by dependency. */
export const storeModules: readonly string[] = [
  "virtio_net",
  "cifs",
  "cmac",
  "gcm",
  "ccm",
  "ghash_generic",
  "nls_iso8859_1",
];

/** How the guest mounts the share. `ip` is for mount programs that do not look at the device's name. */
export const storeMountOptions: readonly string[] = [
  "ro",
  "vers=3.1.1",
  "posix",
  "nomapposix",
  "sec=none",
  "iocharset=iso8859-1",
  "uid=0",
  "gid=0",
  "forceuid",
  "forcegid",
  // After an open the client would replace a file's mode by a default; with this it keeps what the lookup said.
  "dynperm",
  // Who reads while the connection is made anew waits for it.
  "hard",
  // A store path never changes: whatever was read once stays right.
  "cache=loose",
  "actimeo=3600",
  "max_cached_dirs=4000",
  // What is run is run again: the second process opens its libraries without asking.
  "closetimeo=5",
  `ip=${storeShare.serverAddress}`,
];

/** For how many seconds the guest keeps directories that it holds a lease on; the kernel's own limit. */
export const directoryCacheTimeout = 65_000;

/**
 * Directories of which a boot needs many entries: listing one brings all of them in one answer, where each would be asked for
 * by itself.
 */
const busyDirectories: readonly string[] = [
  "/usr",
  "/usr/lib",
  "/usr/lib/systemd",
  "/usr/lib/x86_64-linux-gnu",
  "/usr/lib/x86_64-linux-gnu/security",
  "/usr/sbin",
];

/** Shell lines that list {@link busyDirectories}: names only, without a process. */
export const listBusyDirectories = `for directory in ${busyDirectories.join(" ")}; do set -- "$directory"/*; done\n`;

/** The server's configuration. Its paths are those it sees in its own namespace. */
export function smbConf(share: SmbShare): string {
  const settings = (values: readonly (readonly [string, string])[]) =>
    values.map(([key, value]) => `  ${key} = ${value}\n`).join("");
  const stateDirectories = ["private dir", "pid directory", "lock directory", "state directory", "cache directory"];
  return `[global]
${settings([
  ...stateDirectories.map((key) => [key, "/state"] as const),
  ["ncalrpc dir", "/state/ncalrpc"],
  ["log file", "/log/log.smbd"],
  ["max log size", "1000"],
  ["server role", "standalone server"],
  ["map to guest", "Bad User"],
  ["guest account", "osmod"],
  ["disable netbios", "yes"],
  ["disable spoolss", "yes"],
  ["load printers", "no"],
  ["printcap name", "/dev/null"],
  ["usershare max shares", "0"],
  ["rpc start on demand helpers", "no"],
  ["server min protocol", "SMB3_11"],
  // The wire is a socket between two processes of one user.
  ["server signing", "disabled"],
  ["smb3 unix extensions", "yes"],
  ["unix charset", "ISO-8859-1"],
  ["mangled names", "no"],
  ["case sensitive", "yes"],
  ["preserve case", "yes"],
  // Leases need Samba's own share modes and locks; those of the kernel would only cost time.
  ["smb3 directory leases", "yes"],
  ["kernel share modes", "no"],
  ["kernel oplocks", "no"],
  ["strict locking", "no"],
  // With durable handles smbd aborts at the end of a connection.
  ["durable handles", "no"],
  ["store dos attributes", "no"],
  ["ea support", "no"],
  ["nt acl support", "no"],
  ["acl allow execute always", "yes"],
  ["wide links", "no"],
  ["use sendfile", "yes"],
])}
[${share.shareName}]
${settings([
  ["path", "/nix/store"],
  ["read only", "yes"],
  ["guest ok", "yes"],
  ["guest only", "yes"],
])}`;
}
