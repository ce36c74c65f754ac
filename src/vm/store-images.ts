/**
 * How a running guest whose store is an image is shown more of it: the image of the new system's closure becomes a disk of the machine,
 * and the guest lays it over `/nix/store`.
 *
 *     QEMU     images ── store-0, store-1, …         disks of a controller that is there for nothing else
 *     guest    /run/osmod-store/store-0, …  below    what they are mounted as, and what was at /nix/store before
 *              /nix/store                            an overlay of the newest one, those before it, and `below`
 *
 * What runs keeps the files that it has open; they are the same in every image that has them. QEMU itself knows which images there are. A guest
 * that is started anew has its first one again, and is shown the others when they are asked for.
 */
import { fail } from "../problems/index.ts";
import type { QmpClient } from "./qmp.ts";
import type { RunInGuest } from "./switch.ts";
import { imagesController } from "./transports/erofs.ts";

/** The name of an image: of its node and device in QEMU, its serial number, and where the guest mounts it. */
const nameOf = (index: number): string => `store-${index}`;

interface BlockNode {
  readonly "node-name"?: string;
  readonly file: string;
}

/** The files of the images that were added to a running machine, in that order. */
export async function addedImages(qmp: QmpClient): Promise<string[]> {
  const nodes = (await qmp.command("query-named-block-nodes", { flat: true })) as readonly BlockNode[];
  const files = new Map(nodes.map((node) => [node["node-name"], node.file]));
  const images: string[] = [];
  for (let file = files.get(nameOf(0)); file !== undefined; file = files.get(nameOf(images.length))) images.push(file);
  return images;
}

/** QEMU's arguments for a machine that had these images when it was put to sleep. */
export function addedImagesArgv(files: readonly string[]): string[] {
  return files.flatMap((file, index) => [
    "-blockdev",
    JSON.stringify(blockNode(file, index)),
    "-device",
    JSON.stringify(disk(index)),
  ]);
}

const blockNode = (filename: string, index: number) => ({
  driver: "raw",
  "node-name": nameOf(index),
  "read-only": true,
  file: { driver: "file", filename },
});

const disk = (index: number) => ({
  driver: "scsi-hd",
  id: nameOf(index),
  bus: `${imagesController}.0`,
  lun: index,
  drive: nameOf(index),
  serial: nameOf(index),
});

/** How the guest's part ended when what is at `/nix/store` can be written to. */
const WRITABLE = 3;

/**
 * Show a running guest all of `paths`, which are in the image `file`, unless they are there already. Problems: `switch-needs-live-store`, when the guest
 * writes to its store or QEMU was started without a place for more images; `store-image-not-shown`.
 */
export async function showImage(
  name: string,
  qmp: QmpClient,
  {
    file,
    paths,
    runInGuest,
  }: { readonly file: string; readonly paths: readonly string[]; readonly runInGuest: RunInGuest },
): Promise<void> {
  if ((await runInGuest(["sh", "-c", allThere, "sh", ...paths])).exitCode === 0) return;
  const index = await added(qmp, file);
  const { exitCode, stderr } = await runInGuest(["sh", "-c", layOver, "sh", nameOf(index)]);
  if (exitCode === 0) return;
  if (exitCode === WRITABLE) {
    fail({
      code: "switch-needs-live-store",
      option: "virtualisation.writableStore",
      message: `${name} cannot be shown more of the store while it runs`,
      notes: ["its store is an image with a layer that it writes to, and nothing can be laid between the two"],
      fix: "Use `osmod boot` and restart the machine; or do without virtualisation.writableStore.",
    });
  }
  fail({
    code: "store-image-not-shown",
    message: `${name} could not lay the image of the new system over its store`,
    notes: `${stderr}`.trim().split("\n").slice(-10),
    fix: "Use `osmod boot` and restart the machine; its journal may tell more.",
  });
}

/** Make an image a disk of the machine, unless it is one; answers which. */
async function added(qmp: QmpClient, file: string): Promise<number> {
  const images = await addedImages(qmp);
  const before = images.indexOf(file);
  if (before >= 0) return before;
  const index = images.length;
  await qmp.command("blockdev-add", blockNode(file, index));
  try {
    await qmp.command("device_add", disk(index));
  } catch (error) {
    await qmp.command("blockdev-del", { "node-name": nameOf(index) });
    throw error;
  }
  return index;
}

const allThere = 'for path; do [ -e "$path" ] || [ -h "$path" ] || exit 1; done';

/** Runs in the guest: mounts an image and lays it over the store. Its argument is the image's name. */
const layOver = `set -e
image=$1
mkdir -p "/run/osmod-store/$image"
cd /run/osmod-store
if [ ! -e order ]; then
  while read -r _ at type options _; do [ "$at" != /nix/store ] || top="$type $options"; done < /proc/mounts
  case $top in overlay*upperdir=*) exit ${WRITABLE} ;; esac
  mkdir -p below
  mountpoint -q below || mount --bind /nix/store below
  echo below > order
fi
if ! mountpoint -q "$image"; then
  modprobe -a virtio_scsi sd_mod
  for scan in /sys/bus/virtio/drivers/virtio_scsi/virtio*/host*/scsi_host/host*/scan; do echo - - - > "$scan"; done
  tries=200 disk=
  while :; do
    for block in /sys/block/sd*; do
      [ "$(tail -c +5 "$block/device/vpd_pg80" 2> /dev/null)" != "$image" ] || disk=/dev/\${block##*/}
    done
    if [ -b "$disk" ]; then break; fi
    tries=$((tries - 1))
    [ $tries -gt 0 ] || { echo "the disk $image did not appear" >&2; exit 1; }
    sleep 0.1
  done
  mount -t erofs -o ro "$disk" "$image"
fi
read -r order < order
mount -t overlay -o "ro,lowerdir=$image:$order" overlay /nix/store
echo "$image:$order" > order`;
