/**
 * The store over 9p: QEMU itself serves it, which needs no other program and a kernel that has 9p (Debian's cloud kernel has not).
 *
 * QEMU exports a directory that holds nothing but the closure. It is made in a mount namespace of QEMU's own, where each store path
 * is mounted read-only, so QEMU could not write to them even if it wanted to. There QEMU's user is called root, so that what belongs to
 * the user on the host belongs to root in the guest.
 */

import { qemuOption } from "../qemu-option.ts";
import type { MachineSpec } from "../spec.ts";
import { type Template, word } from "../template.ts";
import { treeProgram } from "../tree-program.ts";

export const ninepFileSystem = {
  device: "store",
  fsType: "9p",
  // A store path never changes, so the guest may keep whatever it has read.
  options: ["ro", "trans=virtio", "version=9p2000.L", "msize=262144", "cache=loose"],
};

export const ninepModules: readonly string[] = ["9p", "9pnet_virtio"];

/** How the guest mounts a shared directory, whose files change on the host as well. */
export function ninepShareOptions(readOnly: boolean): readonly string[] {
  return [readOnly ? "ro" : "rw", "trans=virtio", "version=9p2000.L", "msize=262144", "cache=none"];
}

/** QEMU's arguments for the store and the shared directories. */
export function ninepArgv(spec: MachineSpec): Template {
  if (spec.store.transport !== "9p") return [];
  const { tag } = spec.store;
  return [
    ...exported(
      tag,
      qemuOption("local", {
        id: `fs-${tag}`,
        path: [{ hole: "runtime" }, "/closure"],
        security_model: "none",
        readonly: true,
        // Every store path is a mount of its own.
        multidevs: "remap",
      }),
    ),
    ...spec.sharedDirectories.flatMap((one, index) =>
      exported(
        one.tag,
        qemuOption("local", {
          id: `fs-${one.tag}`,
          path: { hole: `share${index}` },
          security_model: one.securityModel,
          readonly: one.readOnly,
          multidevs: "remap",
        }),
      ),
    ),
  ];
}

function exported(tag: string, fsdev: ReturnType<typeof qemuOption>): Template {
  return [word("-fsdev"), fsdev, word("-device"), qemuOption("virtio-9p-pci", { fsdev: `fs-${tag}`, mount_tag: tag })];
}

/** The words before QEMU's own that make its namespace; `share/osmod/closure.sh` is {@link ninepScript}. */
export function ninepEnter(spec: MachineSpec): Template {
  if (spec.store.transport !== "9p") return [];
  return [
    ...treeProgram(spec.qemu.tree, "usr/bin/unshare"),
    ...["--user", "--map-root-user", "--mount", "--propagation", "private", "--"].map((w) => word(w)),
    word({ hole: "busybox" }),
    word("sh"),
    word({ hole: "share" }, "/closure.sh"),
    word({ hole: "root" }),
    word({ hole: "share" }),
    word({ hole: "runtime" }),
  ];
}

/** Words of setpriv: of its namespace QEMU keeps nothing but the mounts. */
export function ninepPrivileges(spec: MachineSpec): readonly string[] {
  return spec.store.transport === "9p" ? ["--inh-caps=-all", "--bounding-set=-all"] : [];
}

/** `closure.sh ROOT SHARE RUNTIME COMMAND…`: mounts the closure and becomes the command. */
export function ninepScript(): string {
  return `# Shows QEMU a directory with the machine's store paths, read-only, in a mount namespace of its own.
root=$1 share=$2 runtime=$3
shift 3
fail() { echo "error: the store cannot be shown to QEMU: $1" >&2; exit 1; }
mkdir -p "$runtime/closure"
mount -t tmpfs -o mode=0755 tmpfs "$runtime/closure" || fail "no tmpfs in a namespace"
while read -r kind path target; do
  here=$runtime/closure/\${path##*/}
  if [ "$kind" = link ]; then ln -s "$target" "$here"; continue; fi
  if [ -d "$root$path" ]; then mkdir "$here"; else : > "$here"; fi
  mount -o bind "$root$path" "$here" && mount -o remount,bind,ro,nosuid,nodev,noexec "$here" || fail "$path"
done < "$share/store-paths"
mount -o remount,bind,ro "$runtime/closure" || fail "it stayed writable"
exec "$@"
`;
}
