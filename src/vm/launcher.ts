/**
 * The launcher derivation: what `./result` links to.
 *
 *     bin/run-<name>-vm          starts the machine
 *     share/osmod/machine.json   the machine as data (spec.ts), for other tools
 *     share/osmod/launch.sh, share.sh, etc/, store-paths   what the start-up reads
 *
 * `store-paths` is the closure of the machine's toplevel: what the guest sees of the store. A store object that is itself
 * a symbolic link is listed with its target, because a mount would follow it.
 */
import type { Package, PackageSet } from "../packages/index.ts";
import type { Derivation, StoreObject } from "../store/index.ts";
import { entryScript } from "./entry-script.ts";
import { type LaunchPaths, launchScript } from "./launch-script.ts";
import { shareScript } from "./share-script.ts";
import { smbSections } from "./shared-directories.ts";
import type { MachineSpec } from "./spec.ts";
import { smbConf } from "./store-share.ts";
import { viewScript } from "./store-view.ts";
import { wireOf } from "./transports/index.ts";
import { ninepScript } from "./transports/ninep.ts";

/** Files of the launcher that are text, by path. */
export function launcherFiles(
  spec: MachineSpec,
  paths: LaunchPaths,
): Readonly<Record<string, { text: string; mode?: "0555" }>> {
  return {
    [`bin/run-${spec.name}-vm`]: { text: entryScript(spec, paths), mode: "0555" },
    "share/osmod/machine.json": { text: `${JSON.stringify(spec, null, 2)}\n` },
    "share/osmod/launch.sh": { text: launchScript(spec, paths) },
    "share/osmod/share.sh": { text: shareScript(spec, paths) },
    "share/osmod/view.sh": { text: viewScript() },
    "share/osmod/etc/samba/smb.conf": {
      text: `${smbConf(wireOf(spec).wire)}${smbSections(spec.sharedDirectories)}`,
    },
    ...(spec.store.transport === "9p" ? { "share/osmod/closed.sh": { text: ninepScript() } } : {}),
    "share/osmod/etc/passwd": { text: "osmod:x:1000:0::/:/bin/false\n" },
    "share/osmod/etc/group": { text: "root:x:0:\n" },
    "share/osmod/etc/nsswitch.conf": { text: "passwd: files\ngroup: files\nhosts: files\n" },
  };
}

/** Build the launcher of a machine. */
export function buildLauncher(
  pkgs: PackageSet,
  spec: MachineSpec,
  toplevel: StoreObject,
  samba: Derivation,
): Derivation {
  const paths: LaunchPaths = {
    busybox: `${pkgs.staticBusybox}/bin/busybox`,
    samba: wireOf(spec).smb ? `${samba}` : "",
    ...(spec.store.transport === "virtiofs" ? { virtiofsd: `${virtiofsdTree(pkgs)}` } : {}),
  };
  const files = pkgs.writeTree(`run-${spec.name}-vm-files`, launcherFiles(spec, paths));
  return pkgs.runCommand(
    `run-${spec.name}-vm`,
    { env: { exportReferencesGraph: `closure ${toplevel}` } },
    `
set -e
cp -R ${files} "$out"
chmod -R u+w "$out"
# Each record of the closure is a path, its deriver, a number, and that many references.
awk '
  state == 0 { print; state = 1; next }
  state == 1 { state = 2; next }
  state == 2 { left = $1; state = left > 0 ? 3 : 0; next }
  --left == 0 { state = 0 }
' closure | sort -u | while read -r path; do
  if [ -h "$path" ]; then echo "link $path $(readlink "$path")"; else echo "path $path"; fi
done > "$out/share/osmod/store-paths"
`,
  );
}

/** The programs that start and serve the machine, run by the host. */
export function launcherTree(pkgs: PackageSet, qemuPackages: readonly Package[]): Derivation {
  return pkgs.mergedTree("osmod-vm-tools", [...qemuPackages, pkgs["bubblewrap"]!, pkgs["util-linux"]!], {
    exclude: hostOnly,
  });
}

/** What the store's server sees beside the store: Samba and its libraries. */
export function sambaTree(pkgs: PackageSet): Derivation {
  return pkgs.mergedTree("osmod-vm-samba", [pkgs["samba"]!], {
    exclude: [...hostOnly, "passwd", "procps", "samba-common", "samba-common-bin"],
  });
}

/** What the servers of virtiofs see beside what they serve. */
export function virtiofsdTree(pkgs: PackageSet): Derivation {
  return pkgs.mergedTree("osmod-vm-virtiofsd", [pkgs["virtiofsd"]!], { exclude: [...hostOnly, "uidmap"] });
}

/** What swtpm sees beside what the TPM keeps. */
export function swtpmTree(pkgs: PackageSet, swtpm: Package): Derivation {
  return pkgs.mergedTree("osmod-vm-swtpm", [swtpm], { exclude: hostOnly });
}

/** What the script that provisions a TPM runs. */
export function provisioningTree(pkgs: PackageSet): Derivation {
  return pkgs.mergedTree("osmod-vm-tpm2-tools", [pkgs["tpm2-tools"]!, pkgs["libtss2-tcti-swtpm0t64"]!], {
    exclude: hostOnly,
  });
}

/** Packages that only matter to an installed system. */
const hostOnly = ["debconf", "debconf-2.0", "init-system-helpers", "libpam-runtime", "libpam-modules"];
