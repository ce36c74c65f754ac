/**
 * `share.sh`: what QEMU runs when the guest connects, with the connection as its standard input and output.
 *
 * smbd sees Samba's own tree, a state of its own, its log and the view of the store (store-view.ts); nothing else of the host, no
 * network, no other process. Nothing but SMB may be written to the connection, so all messages go to a file.
 */

import type { LaunchPaths } from "./launch-script.ts";
import { shareBinds } from "./shared-directories.ts";
import type { MachineSpec } from "./spec.ts";
import { enterView, viewAsStore } from "./store-view.ts";
import { hostPath, renderShell, type Template, word } from "./template.ts";
import { treeProgram } from "./tree-program.ts";

/** The text of `share.sh`. */
export function shareScript(spec: MachineSpec, paths: LaunchPaths): string {
  const confinement: Template = [
    ...treeProgram(spec.qemu.tree, "usr/bin/bwrap"),
    ...["--unshare-all", "--die-with-parent", "--clearenv", "--uid", "1000", "--gid", "0"].map((w) => word(w)),
    ...["--setenv", "PATH", "/usr/sbin:/usr/bin"].map((w) => word(w)),
    word("--ro-bind"),
    hostPath(`${paths.samba}/usr`),
    word("/usr"),
    ...["--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64"].map((w) => word(w)),
    word("--ro-bind"),
    word({ hole: "share" }, "/etc"),
    word("/etc"),
    ...["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--tmpfs", "/run", "--tmpfs", "/var"].map((w) =>
      word(w),
    ),
    // Every connection has a state of its own: after a reset the guest connects anew while the server of its former
    // connection still waits, and two servers would not share one.
    ...["--perms", "0700", "--tmpfs", "/state"].map((w) => word(w)),
    word("--bind"),
    word({ hole: "runtime" }, "/log"),
    word("/log"),
    ...viewAsStore,
  ];
  return `#!/bin/sh
# The store's share of ${spec.name}; started by QEMU for the guest's connection.
root=$OSMOD_SHARE_ROOT share=$OSMOD_SHARE_DATA runtime=$OSMOD_SHARE_RUNTIME
exec 2>> "$runtime/smbd.log"
read -r viewProcess < "$runtime/view.pid"
${renderShell([...enterView(spec), ...confinement])}${spec.sharedDirectories.length === 0 ? "" : shareBinds}exec "$@" -- /usr/sbin/smbd -s /etc/samba/smb.conf -l /log
`;
}
