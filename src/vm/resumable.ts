/**
 * Which machines can be saved with their memory, and what stands against it.
 *
 * A memory is right as long as all that it knows is as it was. Images that the launcher makes are kept and copied with it (images.ts); what the
 * host shares, or could change behind its back, cannot be.
 */
import type { Drive, MachineSpec } from "./spec.ts";

/** What stands against saving a machine, and what would help. */
export interface Obstacle {
  readonly reason: string;
  readonly option: string;
  readonly fix: string;
}

/**
 * Whether the memory of a machine can be saved and gone on with: its store must not be held open by a server of the host, its disks must be
 * its launcher's own, and it must have no TPM, whose secrets would be the same in many machines.
 */
export function canResume(spec: MachineSpec): boolean {
  return obstacleOf(spec) === undefined;
}

/** Why {@link canResume} says no. */
export function obstacleOf({ store, drives, tpm }: MachineSpec): Obstacle | undefined {
  for (const drive of drives) {
    const obstacle = obstacleOfDrive(drive);
    if (obstacle !== undefined) return obstacle;
  }
  if (tpm !== undefined) {
    return {
      reason: "it has a TPM, whose secrets would be the same in every machine that goes on from it",
      option: "virtualisation.tpm.enable",
      fix: without("the TPM"),
    };
  }
  if (store.transport === "smb" || store.transport === "erofs") return undefined;
  return {
    reason: `its store is shared over ${store.transport}`,
    option: "virtualisation.store.transport",
    fix: 'Use "smb" or "erofs" for the store, or stop the machine without saving it.',
  };
}

/** Why a running machine's snapshot cannot hold its memory: it would lie in the root disk's image, and be of that disk alone. */
export function obstacleToSnapshot(spec: MachineSpec): Obstacle | undefined {
  const { drives, bootDisk, firmware } = spec;
  const reason = "its snapshots are of its root disk, and it writes to others";
  if (drives.length > 0) {
    return {
      reason,
      option: "virtualisation.emptyDiskImages, virtualisation.qemu.drives",
      fix: without("further disks"),
    };
  }
  if (bootDisk !== undefined) {
    return { reason, option: "virtualisation.useBootLoader", fix: without("the boot loader") };
  }
  if (firmware?.kind === "efi") return { reason, option: "virtualisation.useEFIBoot", fix: without("EFI") };
  return obstacleOf(spec);
}

/** Settings of `-drive` with which a disk is still the image that the launcher made, and all that is written is in it. */
const HARMLESS = /^(aio|cache(\..*)?|discard|detect-zeroes|read-?only|[rw]error|(throttling|iops|bps).*)$/;

function obstacleOfDrive({ serial, image, driveOptions }: Drive): Obstacle | undefined {
  if ("file" in image) {
    return {
      reason: `its disk ${serial} is an image of yours, which can change while the memory stays as it is`,
      option: "virtualisation.qemu.drives",
      fix: "Use virtualisation.emptyDiskImages for what need not outlive the machine, or stop it without saving it.",
    };
  }
  const setting = Object.keys(driveOptions).find((name) => !HARMLESS.test(name));
  if (setting === undefined) return undefined;
  return {
    reason: `its disk ${serial} is used with ${setting}=${driveOptions[setting]}, so it may not be what lies in its image`,
    option: "virtualisation.emptyDiskImages",
    fix: without(`driveConfig.driveExtraOpts.${setting}`),
  };
}

function without(what: string): string {
  return `Do without ${what}, or stop the machine without saving it.`;
}
