/**
 * The images that a machine writes to. Its memory knows what is in them, so they are kept, checked and copied together with it.
 *
 *     root disk                    <disk>
 *     boot disk, EFI variables     <disk>.boot, <disk>.efivars; without a root disk <images>/machine.boot, <images>/machine.efivars
 *     empty disks                  <images>/<serial>.qcow2
 *
 * Where there is a root disk, what lies beside it lasts as it does. All else is made anew at each start, and gone on with only by a
 * machine that is resumed.
 */
import {
  constants,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { fail } from "../problems/index.ts";
import { driveImage } from "./disks.ts";
import { qemuImg } from "./resume.ts";
import { specOf } from "./running.ts";
import type { MachineSpec } from "./spec.ts";

/** Where a machine has its images. */
export interface ImagePlaces {
  /** The root disk's image. */
  readonly disk: string;
  /** Directory of the images that are one start's. */
  readonly images: string;
}

/** An image that a machine writes to. */
export interface MachineImage {
  readonly path: string;
  /** Whether it outlives a start. */
  readonly lasts: boolean;
  /** Whether a machine can write to a layer above it; the launcher takes a boot disk's layer by what it is a layer of. */
  readonly layers: boolean;
}

/** The images of a machine in these places; the root disk, if it has one, is the last. */
export function imagesOf(spec: MachineSpec, { disk, images }: ImagePlaces): readonly MachineImage[] {
  const lasts = spec.disk !== null;
  const beside = lasts ? disk : join(images, "machine");
  const whole = [
    ...(spec.bootDisk === undefined ? [] : [`${beside}.boot`]),
    ...(spec.firmware?.kind === "efi" ? [`${beside}.efivars`] : []),
  ];
  const empty = spec.drives.flatMap(({ image, serial }) => ("size" in image ? [join(images, driveImage(serial))] : []));
  return [
    ...empty.map((path) => ({ path, lasts: false, layers: true })),
    ...whole.map((path) => ({ path, lasts, layers: false })),
    ...(lasts ? [{ path: disk, lasts, layers: true }] : []),
  ];
}

/** What the launcher is told of the places; `kept` for a machine that goes on with what is there. */
export function imageEnvironment(places: ImagePlaces, kind: "new" | "kept"): Record<string, string> {
  return {
    OSMOD_DISK_IMAGE: places.disk,
    OSMOD_IMAGES: places.images,
    OSMOD_KEEP_IMAGES: kind === "kept" ? "1" : "",
  };
}

/** Give a machine layers of its own above images that are only read. Problems: `disk-image-failed`, `vm-not-resumed`. */
export async function layerImages(launcher: string, from: ImagePlaces, to: ImagePlaces): Promise<void> {
  for (const [source, target] of pairs(launcher, from, to)) {
    if (!source.layers) copyWhole(source.path, target.path);
    else await qemuImg(launcher, ["create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", source.path, target.path]);
  }
}

/**
 * Give a machine copies of images that are only read; a file system that can shares the blocks. It has all of them or none.
 * Problem: `vm-not-resumed` where there is no room.
 */
export function copyImages(launcher: string, from: ImagePlaces, to: ImagePlaces): void {
  const made: string[] = [];
  try {
    for (const [source, target] of pairs(launcher, from, to)) {
      copyWhole(source.path, target.path);
      made.push(target.path);
    }
  } catch (error) {
    for (const path of made) rmSync(path, { force: true });
    throw error;
  }
}

/**
 * Make sure that a running QEMU has its images where they are looked for: a launcher of an older osmod makes some elsewhere, where they end
 * with it. Problem: `vm-not-saved`.
 */
export function checkImages(spec: MachineSpec, runtime: string, places: ImagePlaces): void {
  const fds = join("/proc", readFileSync(join(runtime, "qemu.pid"), "utf8").trim(), "fd");
  const open = new Set(readdirSync(fds).map((fd) => linkTarget(join(fds, fd))));
  const missing = imagesOf(spec, places).find(({ path }) => !open.has(resolved(path)));
  if (missing === undefined) return;
  fail({
    code: "vm-not-saved",
    message: `the memory of ${spec.name} cannot be saved: it does not use the image ${missing.path}`,
    fix: "Build the machine again if another version of osmod built it, and start it anew; or boot it (no --resume), and stop it without saving it.",
  });
}

/** Images and what they are copied to, whose directory is there. */
function pairs(launcher: string, from: ImagePlaces, to: ImagePlaces) {
  const spec = specOf(launcher);
  const targets = imagesOf(spec, to);
  for (const { path } of targets) mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  return imagesOf(spec, from).map((source, i) => [source, targets[i] as MachineImage] as const);
}

function copyWhole(from: string, to: string): void {
  const draft = `${to}.new-${process.pid}`;
  try {
    copyFileSync(from, draft, constants.COPYFILE_FICLONE);
    renameSync(draft, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
    fail(
      {
        code: "vm-not-resumed",
        message: `an image of the saved start cannot be copied to ${to}: there is no room for it`,
        fix: "Free some space there, or boot the machine (without --resume).",
      },
      error,
    );
  } finally {
    rmSync(draft, { force: true });
  }
}

function linkTarget(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    // Closed meanwhile.
    return undefined;
  }
}

function resolved(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}
