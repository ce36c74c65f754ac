/**
 * The store over 9p: QEMU itself serves it, which needs no other program and a kernel that has 9p (Debian's cloud kernel has not).
 *
 * QEMU exports the view of the store (store-view.ts), in a mount namespace of its own in which all of it is read-only: QEMU could not
 * write to it even if it wanted to. There QEMU's user is called root, so that what belongs to the user on the host belongs to root in
 * the guest.
 */

import { qemuOption } from "../qemu-option.ts";
import type { MachineSpec } from "../spec.ts";
import { enterView } from "../store-view.ts";
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
        path: [{ hole: "runtime" }, "/view"],
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

/** The words before QEMU's own that make its namespace; `share/osmod/closed.sh` is {@link ninepScript}. */
export function ninepEnter(spec: MachineSpec): Template {
  if (spec.store.transport !== "9p") return [];
  return [
    ...enterView(spec),
    ...treeProgram(spec.qemu.tree, "usr/bin/unshare"),
    ...["--mount", "--propagation", "slave", "--"].map((w) => word(w)),
    word({ hole: "busybox" }),
    word("sh"),
    word({ hole: "share" }, "/closed.sh"),
    word({ hole: "runtime" }),
  ];
}

/** Words of setpriv: of its namespace QEMU keeps nothing but the mounts. */
export function ninepPrivileges(spec: MachineSpec): readonly string[] {
  return spec.store.transport === "9p" ? ["--inh-caps=-all", "--bounding-set=-all"] : [];
}

/** `closed.sh RUNTIME COMMAND…`: closes the view to writing and becomes the command. What is bound into the view later is seen all the same. */
export function ninepScript(): string {
  return `# Shows QEMU the machine's store paths, read-only, in a mount namespace of its own.
runtime=$1
shift
mount -o remount,bind,ro "$runtime/view" || { echo "error: the store cannot be shown to QEMU: it stayed writable" >&2; exit 1; }
exec "$@"
`;
}
