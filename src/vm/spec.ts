/**
 * `MachineSpec`: a virtual machine as plain data.
 *
 * The configuration is reduced to this record, and everything else (QEMU's command line, the launcher, other tools)
 * starts from it; it is what `result/share/osmod/machine.json` holds. Paths in it are logical store paths, so the same
 * record is right wherever the store lies.
 */

/** Version of the format of {@link MachineSpec}; changed when a reader of the old one would go wrong. */
export const MACHINE_SPEC_FORMAT = 1;

/** A virtual machine. */
export interface MachineSpec {
  readonly format: typeof MACHINE_SPEC_FORMAT;
  /** Host name; the launcher is `run-<name>-vm`. */
  readonly name: string;
  readonly system: "x86_64-linux";
  /** The machine's own store path. */
  readonly toplevel: string;
  readonly boot: {
    readonly kernel: string;
    readonly initrd: string;
    /** Words of the kernel's command line, without those of the start-up. */
    readonly kernelParams: readonly string[];
  };
  /** What runs before the kernel; absent for QEMU's own BIOS. */
  readonly firmware?: Firmware;
  /** The disk whose boot loader starts the kernel; absent when QEMU enters the kernel directly. */
  readonly bootDisk?: BootDisk;
  /** The machine's TPM; absent when it has none. */
  readonly tpm?: Tpm;
  readonly cpu: {
    readonly cores: number;
    /** QEMU's CPU model; null takes the host's own under KVM and the most complete one under TCG. */
    readonly model: string | null;
    readonly accel: "auto" | "kvm" | "tcg";
  };
  /** MiB. */
  readonly memory: number;
  /** The root disk; null when the root is kept in memory. */
  readonly disk: {
    /** Where it is made: relative to the directory the machine is started in. */
    readonly image: string;
    /** MiB. */
    readonly size: number;
    /** Name by which the guest finds it: `/dev/disk/by-id/virtio-<serial>`. */
    readonly serial: string;
  } | null;
  /** Disks beside the root. */
  readonly drives: readonly Drive[];
  readonly network: {
    readonly macAddress: string;
    /** What connects the guest to the world. */
    readonly backend: "passt" | "slirp";
    /** Keep the guest from reaching the host and the world; forwarded ports still work. */
    readonly restrict: boolean;
    readonly forwardPorts: readonly ForwardPort[];
    /** More of the network device's options, each `key=value`. */
    readonly options: readonly string[];
  };
  /** Virtual LANs, in the order of the guest's interfaces. */
  readonly lans: readonly Lan[];
  readonly store: StoreShare;
  readonly sharedDirectories: readonly SharedDirectory[];
  /** systemd credentials that the guest is given: the file of the host each is read from. */
  readonly credentials: readonly Credential[];
  /** Where a guest that is asked to lets its owner in over ssh; null when it does not. */
  readonly ssh: {
    /** The network device that leads there. */
    readonly netdev: string;
    readonly address: string;
    readonly port: number;
  } | null;
  readonly display: {
    readonly graphics: boolean;
    readonly resolution: { readonly x: number; readonly y: number };
  };
  /** Whether there is a port for QEMU's guest agent. */
  readonly guestAgent: boolean;
  readonly qemu: {
    /** Merged tree of QEMU and of what starts and serves it. */
    readonly tree: string;
    /** Further arguments, one word each. */
    readonly options: readonly string[];
  };
}

/** What runs before the kernel. */
export type Firmware = BiosFirmware | EfiFirmware;

/** Another BIOS than QEMU's own. */
export interface BiosFirmware {
  readonly kind: "bios";
  /** Its file, in the store or elsewhere on the host. */
  readonly file: string;
}

/** An EFI, with variables that are kept beside the root disk. */
export interface EfiFirmware {
  readonly kind: "efi";
  /** The firmware's file, which is only read. */
  readonly code: string;
  /** What the variables begin as. */
  readonly variables: string;
}

/** The disk with boot loader, kernel and initrd. */
export interface BootDisk {
  /** The image, in the store; the machine writes to a layer above it. */
  readonly image: string;
  /** Name by which the guest finds it: `/dev/disk/by-id/virtio-<serial>`. */
  readonly serial: string;
}

/** An emulated TPM 2.0, made by swtpm. */
export interface Tpm {
  /** Merged tree of swtpm. */
  readonly tree: string;
  readonly deviceModel: "tpm-tis" | "tpm-crb";
  /** What runs before each start: the merged tree of its tools and the script. */
  readonly provisioning: { readonly tree: string; readonly script: string } | null;
}

/** A disk beside the root. */
export interface Drive {
  /** Name by which the guest finds it: `/dev/disk/by-id/virtio-<serial>`. */
  readonly serial: string;
  /** An image that exists, or a size in MiB: an empty one for each boot. */
  readonly image: { readonly file: string } | { readonly size: number };
  /** Further settings of `-drive` and of the device, by name. */
  readonly driveOptions: Readonly<Record<string, string>>;
  readonly deviceOptions: Readonly<Record<string, string>>;
}

/** A port of one side that leads to the other. */
export interface ForwardPort {
  /** `host`: the host's port leads into the guest. `guest`: the guest's address and port lead to the host. */
  readonly from: "host" | "guest";
  readonly proto: "tcp" | "udp";
  readonly host: { readonly address: string; readonly port: number };
  readonly guest: { readonly address: string; readonly port: number };
}

/** A secret, or whatever else a service of the guest is to be told. */
export interface Credential {
  readonly name: string;
  /** Path on the host; one of the store is the machine's own. */
  readonly source: string;
}

/** A virtual LAN that the machine is on. */
export interface Lan {
  readonly number: number;
  /** Name of the guest's interface. */
  readonly interface: string;
  readonly address: string;
  readonly macAddress: string;
}

/** How the guest reaches the store. */
export type StoreShare = SmbShare | VirtiofsShare | NinePShare | ErofsImage;

/** Over virtiofs. */
export interface VirtiofsShare {
  readonly transport: "virtiofs";
  readonly tag: string;
}

/** Over 9p. */
export interface NinePShare {
  readonly transport: "9p";
  readonly tag: string;
}

/** As a disk. */
export interface ErofsImage {
  readonly transport: "erofs";
  /** The image, in the store. */
  readonly image: string;
  readonly serial: string;
}

/** Over SMB on a wire of its own. */
export interface SmbShare {
  readonly transport: "smb";
  readonly macAddress: string;
  /** The wire's network. */
  readonly network: string;
  readonly guestAddress: string;
  readonly serverAddress: string;
  readonly serverPort: number;
  readonly shareName: string;
}

/** A directory of the host that the guest mounts. */
export interface SharedDirectory {
  /** Name of the share. */
  readonly tag: string;
  /** Path on the host; relative to the directory the machine is started in; a variable may stand at its beginning. */
  readonly source: string;
  /** Path in the guest. */
  readonly target: string;
  readonly readOnly: boolean;
  /** 9p only. */
  readonly securityModel: "none" | "passthrough" | "mapped-xattr" | "mapped-file";
}
