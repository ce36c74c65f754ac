/**
 * The store as a disk: a read-only image of the closure, made once when the machine is built.
 *
 * Nothing serves it and nothing of it is looked up on the host while the machine runs, so it is the fastest transport by far; a rebuilt
 * machine has a new image. The image is a derivation of the closure: equal machines share it, and only a change of the closure makes another one.
 */
import type { PackageSet } from "../../packages/index.ts";
import type { Derivation, StoreObject } from "../../store/index.ts";
import { STORE_SERIAL } from "../disks.ts";
import { qemuOption } from "../qemu-option.ts";
import type { ErofsImage } from "../spec.ts";
import { type Template, word } from "../template.ts";

/** The image's file in its store path. */
const IMAGE_FILE = "store.erofs";

/** A fixed one: the image depends on what is in it and on nothing else. */
const UUID = "6f736d6f-6400-4000-8000-000000000001";

/** The image as the machine's data name it. */
export function erofsImage(image: StoreObject): ErofsImage {
  return { transport: "erofs", image: `${image}/${IMAGE_FILE}`, serial: STORE_SERIAL };
}

/** How the guest mounts it. */
export const erofsFileSystem = { device: `/dev/disk/by-id/virtio-${STORE_SERIAL}`, fsType: "erofs", options: ["ro"] };

export const erofsModules: readonly string[] = ["erofs"];

/**
 * Make the image of the closure of `root`.
 *
 * mkfs.erofs reads `/nix/store` itself, where beside the closure lie the tools of this very build: they are left out by name.
 * What would differ from store to store is fixed: owners, times, the UUID, and whether equal files are joined by hard links.
 */
export function buildStoreImage(pkgs: PackageSet, root: StoreObject): Derivation {
  const tree = pkgs.mergedTree("erofs-utils", [pkgs["erofs-utils"]!], {
    exclude: ["debconf", "debconf-2.0", "init-system-helpers", "libpam-runtime", "libpam-modules"],
  });
  return pkgs.runCommand(
    "store-image",
    { tree, env: { exportReferencesGraph: `closure ${root}` } },
    `
set -e
awk '
  state == 0 { print; state = 1; next }
  state == 1 { state = 2; next }
  state == 2 { left = $1; state = left > 0 ? 3 : 0; next }
  --left == 0 { state = 0 }
' closure | sort -u > /build/wanted
mkdir "$out"
set --
for path in /nix/store/* /nix/store/.[!.]*; do
  grep -qxF "$path" /build/wanted || set -- "$@" "--exclude-path=\${path#/nix/store/}"
done
run mkfs.erofs --quiet -zlz4 -T0 --all-time -U${UUID} --all-root --hard-dereference -x-1 --workers=1 "$@" "$out/${IMAGE_FILE}" /nix/store
`,
  );
}

/** The controller to which a running machine's further images are added (store-images.ts). */
export const imagesController = "images";
/** Its slot, which no other device is given by itself as long as there are others. */
const IMAGES_SLOT = "1e";

/** Rules of udev: the controller's driver is loaded when there is something to drive, and costs a boot nothing until then. */
export const imagesRules = `SUBSYSTEM=="virtio", KERNELS=="0000:00:${IMAGES_SLOT}.0", ENV{MODALIAS}=""\n`;

/** QEMU's arguments for the image, opened read-only, also by root, and for the controller of further ones. */
export function erofsArgv(store: ErofsImage): Template {
  const file = [{ hole: "root" } as const, store.image];
  return [
    word("-drive"),
    qemuOption(undefined, { if: "none", id: "store", file, format: "raw", readonly: true }),
    word("-device"),
    qemuOption("virtio-blk-pci", { drive: "store", serial: store.serial }),
    word("-device"),
    qemuOption("virtio-scsi-pci", { id: imagesController, addr: IMAGES_SLOT }),
  ];
}
