/**
 * The ways by which a guest reaches the store, as the variant and the launcher see them: what the guest mounts, which
 * modules its initrd needs, and what is put on QEMU's command line.
 *
 * | | host | guest | can be snapshotted |
 * |---|---|---|---|
 * | `smb` | a confined smbd for each connection | any kernel with cifs | yes |
 * | `erofs` | nothing; an image made at build time | a disk | yes |
 * | `virtiofs` | a confined virtiofsd, the guest's memory shared with it | any kernel with virtiofs | no |
 * | `9p` | QEMU in a mount namespace of its own | Debian's generic kernel | no |
 */
import type { MachineSpec, SmbShare, StoreShare } from "../spec.ts";
import { storeModules, storeMountOptions, storeShare } from "../store-share.ts";
import type { Template } from "../template.ts";
import { erofsArgv, erofsFileSystem, erofsModules } from "./erofs.ts";
import { ninepArgv, ninepFileSystem, ninepModules } from "./ninep.ts";
import { virtiofsArgv, virtiofsFileSystem, virtiofsModules } from "./virtiofs.ts";

/** The name of a transport. */
export type TransportName = StoreShare["transport"];

/** Where the guest finds the store. */
export interface StoreMount {
  readonly device: string;
  readonly fsType: string;
  readonly options: readonly string[];
}

const mounts: { readonly [name in TransportName]: StoreMount } = {
  smb: { device: `//${storeShare.serverAddress}/${storeShare.shareName}`, fsType: "cifs", options: storeMountOptions },
  erofs: erofsFileSystem,
  virtiofs: virtiofsFileSystem,
  "9p": ninepFileSystem,
};

/** How the guest mounts the store. */
export function storeMount(transport: TransportName): StoreMount {
  return mounts[transport];
}

/** Modules that the guest's initrd loads; `smb` when something is served over SMB. */
export function transportModules(transport: TransportName, smb: boolean): readonly string[] {
  const own = { smb: [], erofs: erofsModules, virtiofs: virtiofsModules, "9p": ninepModules }[transport];
  return ["virtio_net", ...(smb ? storeModules : []), ...own];
}

/** Whether an SMB server answers on the wire: for the store, or for shared directories of a machine whose store is an image. */
export function needsSmb(transport: TransportName, shares: number): boolean {
  return transport === "smb" || (transport === "erofs" && shares > 0);
}

/** The wire of a machine, and whether a server answers on it. */
export function wireOf(spec: MachineSpec): { readonly wire: SmbShare; readonly smb: boolean } {
  return { wire: storeShare, smb: needsSmb(spec.store.transport, spec.sharedDirectories.length) };
}

/** Whether something of the host runs in a namespace, which the host must let programs make. */
export function confines(spec: MachineSpec): boolean {
  return hasView(spec) || spec.tpm !== undefined;
}

/** QEMU's arguments for every transport but SMB, whose wire is a network card (argv.ts). */
export function transportArgv(spec: MachineSpec): Template {
  if (spec.store.transport === "erofs") return erofsArgv(spec.store);
  return [...virtiofsArgv(spec), ...ninepArgv(spec)];
}

/** Does the guest see a view of the store (store-view.ts)? Shared directories that go over SMB are served from one as well. */
export function hasView(spec: MachineSpec): boolean {
  return wireOf(spec).smb || spec.store.transport !== "erofs";
}
