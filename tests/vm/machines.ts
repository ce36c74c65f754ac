/** Machines as data, for the tests of everything that starts from data. */
import type { MachineSpec } from "../../src/vm/index.ts";
import { storeShare } from "../../src/vm/store-share.ts";

/** A path of the store. */
export const path = (letter: string, name: string) => `/nix/store/${letter.repeat(32)}-${name}`;

/** A machine as the defaults make it. */
export const plain: MachineSpec = {
  format: 1,
  name: "web",
  system: "x86_64-linux",
  toplevel: path("a", "osmod-system-web"),
  boot: {
    kernel: `${path("b", "linux")}/boot/vmlinuz-6.12`,
    initrd: `${path("c", "initrd")}/initrd`,
    kernelParams: [`init=${path("a", "osmod-system-web")}/init`, "console=ttyS0"],
  },
  cpu: { cores: 1, model: null, accel: "auto" },
  memory: 1024,
  disk: { image: "./web.qcow2", size: 1024, serial: "root" },
  drives: [],
  network: { macAddress: "52:54:00:12:34:56", backend: "slirp", restrict: false, forwardPorts: [], options: [] },
  lans: [],
  store: storeShare,
  sharedDirectories: [],
  credentials: [],
  ssh: { netdev: "store", address: "10.0.3.15", port: 1022 },
  display: { graphics: false, resolution: { x: 1024, y: 768 } },
  guestAgent: true,
  qemu: { tree: path("d", "tools"), options: [] },
};

/** A machine that has set everything. */
export const full: MachineSpec = {
  ...plain,
  cpu: { cores: 4, model: "qemu64,-x2apic", accel: "tcg" },
  memory: 4096,
  network: {
    ...plain.network,
    restrict: true,
    forwardPorts: [
      { from: "host", proto: "tcp", host: { address: "", port: 8080 }, guest: { address: "", port: 80 } },
      {
        from: "host",
        proto: "udp",
        host: { address: "127.0.0.1", port: 5353 },
        guest: { address: "10.0.2.15", port: 53 },
      },
      { from: "guest", proto: "tcp", host: { address: "", port: 9000 }, guest: { address: "10.0.2.100", port: 9 } },
    ],
    options: ["hostname=web", "dns=10.0.2.3"],
  },
  credentials: [
    { name: "db.password", source: "./secrets/with, comma" },
    { name: "greeting", source: path("e", "greeting") },
  ],
  display: { graphics: true, resolution: { x: 1280, y: 720 } },
  qemu: { ...plain.qemu, options: ["-device", "virtio-balloon-pci,id=b", "a word, with 'quotes' and $money"] },
};

/** A machine with disks beside its root. */
export const disks: MachineSpec = {
  ...plain,
  drives: [
    { serial: "empty0", image: { size: 512 }, driveOptions: { werror: "report" }, deviceOptions: {} },
    {
      serial: "data",
      image: { file: "./da,ta.img" },
      driveOptions: {},
      deviceOptions: { physical_block_size: "4096" },
    },
  ],
};

/** Directories of the host that the guest mounts. */
const shares: MachineSpec["sharedDirectories"] = [
  { tag: "xchg", source: "$runtime/xchg", target: "/tmp/xchg", readOnly: false, securityModel: "none" },
  { tag: "project", source: "./pro ject", target: "/srv/project", readOnly: true, securityModel: "none" },
];

/** A machine whose store is a disk. */
export const erofs: MachineSpec = {
  ...plain,
  store: { transport: "erofs", image: `${path("i", "store-image")}/store.erofs`, serial: "store" },
};

/** A machine whose store comes over SMB with shared directories beside it. */
export const shared: MachineSpec = { ...plain, sharedDirectories: shares };

/** A machine whose store comes over virtiofs. */
export const virtiofs: MachineSpec = { ...shared, store: { transport: "virtiofs", tag: "store" } };

/** A machine whose store comes over 9p. */
export const ninep: MachineSpec = { ...shared, store: { transport: "9p", tag: "store" } };

/** A machine that reaches the world by passt, is reached by ports, and is on two LANs. */
export const networked: MachineSpec = {
  ...plain,
  network: {
    ...plain.network,
    backend: "passt",
    forwardPorts: [
      { from: "host", proto: "tcp", host: { address: "127.0.0.1", port: 8080 }, guest: { address: "", port: 80 } },
      { from: "host", proto: "tcp", host: { address: "", port: 0 }, guest: { address: "", port: 22 } },
      { from: "guest", proto: "tcp", host: { address: "", port: 9000 }, guest: { address: "10.0.2.100", port: 9 } },
    ],
  },
  lans: [
    { number: 1, interface: "eth1", address: "192.168.1.3", macAddress: "52:54:00:13:01:03" },
    { number: 7, interface: "eth2", address: "192.168.7.3", macAddress: "52:54:00:13:07:03" },
  ],
};
/** A machine whose root is in memory, and which cannot be told anything. */
export const diskless: MachineSpec = { ...plain, name: "diskless", disk: null, guestAgent: false };

const ovmf = `${path("j", "ovmf")}/usr/share/OVMF`;
const bootDisk = { image: `${path("k", "boot-disk")}/boot.img`, serial: "boot" };

/** A machine whose EFI is handed the kernel, with a TPM. */
export const efi: MachineSpec = {
  ...plain,
  firmware: { kind: "efi", code: `${ovmf}/OVMF_CODE_4M.fd`, variables: `${ovmf}/OVMF_VARS_4M.fd` },
  tpm: { tree: path("l", "swtpm"), deviceModel: "tpm-crb", provisioning: null },
};

/** A machine whose EFI starts a boot loader. */
export const efiLoader: MachineSpec = {
  ...plain,
  firmware: { kind: "efi", code: "/srv/own, code.fd", variables: `${path("k", "boot-disk")}/efi-vars.fd` },
  bootDisk,
};

/** A machine whose BIOS starts a boot loader. */
export const biosLoader: MachineSpec = { ...plain, bootDisk };

/** A machine with another BIOS. */
export const otherBios: MachineSpec = {
  ...plain,
  firmware: { kind: "bios", file: `${path("m", "qboot")}/bios.bin` },
};
