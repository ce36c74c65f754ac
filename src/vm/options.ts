/**
 * `virtualisation`: what a machine says about its virtual machine.
 *
 * A real machine may carry these options too; they are heeded by its virtual machine only. Names are NixOS's.
 */
import { declareOptions, mkOption, t } from "../lib/index.ts";
import { derivationType, fileSystemOptions, packageType } from "../modules/index.ts";
import { drives, emptyDiskImages } from "./disks.ts";
import { bios, bootPartition, efi, useBootLoader, useDefaultFilesystems, useEFIBoot } from "./firmware.ts";

import { networkBackend, nodeNumber, primaryIPAddress, vlans } from "./networks.ts";
import { sharedDirectories } from "./shared-directories.ts";
import { tpm } from "./tpm.ts";

const port = (description: string, example: number) => mkOption({ type: t.port, description, example });
const address = (side: string) =>
  mkOption({
    type: t.strMatching("([0-9]{1,3}(\\.[0-9]{1,3}){3})?"),
    default: "",
    description: `IPv4 address on the ${side} side; empty for all of them (of a guest: the one it was given).`,
    example: "127.0.0.1",
  });

export const options = declareOptions({
  virtualisation: {
    memorySize: mkOption({
      type: t.ints.positive,
      default: 1024,
      description: "Memory of the virtual machine, in MiB.",
      example: 4096,
    }),
    cores: mkOption({
      type: t.ints.between(1, 255),
      default: 1,
      description: "Processors of the virtual machine.",
      example: 2,
    }),
    diskSize: mkOption({
      type: t.ints.positive,
      default: 1024,
      description:
        "Size of the root disk, in MiB. When it is larger than the disk of an earlier start, that disk and its file system are grown; a smaller one is refused, and `--fresh` makes a new disk.",
      example: 8192,
    }),
    diskImage: mkOption({
      type: t.nullOr(t.nonEmptyStr),
      defaultText: '"./<hostname>.qcow2"',
      description:
        "The root disk's image, made at the first start; a relative path counts from the directory the machine is started in. " +
        "`null` keeps the root in memory, and every start is the first one. `OSMOD_DISK_IMAGE` names another image at run time.",
      example: "/var/lib/machines/web.qcow2",
    }),
    emptyDiskImages,
    useBootLoader,
    useEFIBoot,
    useDefaultFilesystems,
    bootPartition,
    bios,
    efi,
    tpm,
    // Those of the virtual machine; the machine's own are ignored there.
    fileSystems: fileSystemOptions.fileSystems,
    forwardPorts: mkOption({
      type: t.listOf(
        t.submodule({
          from: mkOption({
            type: t.enum(["host", "guest"]),
            default: "host",
            description:
              "`host`: a port of the host leads into the guest. `guest`: an address and port that the guest sees lead to the host.",
            example: "guest",
          }),
          proto: mkOption({
            type: t.enum(["tcp", "udp"]),
            default: "tcp",
            description: "The protocol.",
            example: "udp",
          }),
          host: {
            address: address("host's"),
            port: port(
              "Port on the host's side; 0 takes a free one, which the launcher says and writes to `ports` in its private directory.",
              8080,
            ),
          },
          guest: { address: address("guest's"), port: port("Port on the guest's side.", 80) },
        }),
      ),
      default: [],
      description: "Ports that lead from the host into the guest, or the other way.",
      example: [{ from: "host", host: { port: 2222 }, guest: { port: 22 } }],
    }),
    restrictNetwork: mkOption({
      type: t.bool,
      default: false,
      description: "Whether the guest is kept from reaching the host and the world. Forwarded ports still work.",
      example: true,
    }),
    graphics: mkOption({
      type: t.bool,
      default: false,
      description:
        "Whether the virtual machine has a screen, in a window. The serial console is there in any case. The kernel is then `linux-image-amd64` by default, since the cloud kernel has no drivers for screens.",
      example: true,
    }),
    resolution: mkOption({
      type: t.submodule({
        x: mkOption({ type: t.ints.positive, default: 1024, description: "Width in pixels.", example: 1280 }),
        y: mkOption({ type: t.ints.positive, default: 768, description: "Height in pixels.", example: 720 }),
      }),
      default: {},
      description: "Size of the screen.",
      example: { x: 1280, y: 720 },
    }),
    qemu: {
      package: mkOption({
        type: packageType,
        defaultText: 'pkgs["qemu-system-x86"]',
        description: "The package that has `qemu-system-x86_64`.",
        example: 'pkgs["qemu-system-x86-xen"]',
      }),
      options: mkOption({
        type: t.listOf(t.str),
        default: [],
        description: "Further arguments of QEMU, one word each. `QEMU_OPTS` adds more at run time.",
        example: ["-device", "virtio-balloon-pci"],
      }),
      networkingOptions: mkOption({
        type: t.listOf(t.strMatching("[^=,]+=.*")),
        default: [],
        description: "Further settings of QEMU's user network. `QEMU_NET_OPTS` adds more at run time.",
        example: ["hostname=web"],
      }),
      drives,
      networkBackend,
      consoles: mkOption({
        type: t.listOf(t.strMatching("[^ \\t\\n]+")),
        default: ["ttyS0,115200n8"],
        description: "Consoles of the kernel; the last one is `/dev/console`.",
        example: ["tty0", "ttyS0"],
      }),
      accel: mkOption({
        type: t.enum(["auto", "kvm", "tcg"]),
        default: "auto",
        description:
          "How the processor is made. `auto` takes KVM where it works (`/dev/kvm` opens and the processor has vmx or svm) and emulates elsewhere. `OSMOD_ACCEL` decides at run time.",
        example: "tcg",
      }),
      guestAgent: {
        enable: mkOption({
          type: t.bool,
          default: true,
          description:
            "Whether QEMU's guest agent runs in the virtual machine: programs of the host run commands in it that way.",
          example: false,
        }),
      },
      cpu: mkOption({
        type: t.nullOr(t.nonEmptyStr),
        default: null,
        description:
          "QEMU's model of the processor; `null` for the host's own under KVM and the most complete one when emulated.",
        example: "qemu64",
      }),
    },
    store: {
      transport: mkOption({
        type: t.enum(["smb", "virtiofs", "9p", "erofs"]),
        default: "smb",
        description:
          "How the guest reaches the store. `smb`: a server that sees nothing but the machine's closure, started by QEMU. " +
          "`erofs`: a read-only image of the closure, made when the machine is built; the fastest. `virtiofs`: a confined " +
          "virtiofsd. `9p`: QEMU itself; needs Debian's generic kernel, which is then the default.",
        example: "erofs",
      }),
    },
    vlans,
    test: { nodeNumber },
    sharedDirectories,
    writableStore: mkOption({
      type: t.bool,
      default: false,
      description:
        "Whether the guest can write to its store: what it writes stays in the guest, in a layer above the shared store.",
      example: true,
    }),
    writableStoreUseTmpfs: mkOption({
      type: t.bool,
      default: true,
      description:
        "Whether that layer is kept in memory, and so is empty at every start. Otherwise it is on the root disk.",
      example: false,
    }),
    ssh: {
      enable: mkOption({
        type: t.bool,
        default: true,
        description:
          "Whether `osmod vm ssh` can log in to the virtual machine, with a key made for it, whatever `services.openssh` says. " +
          "Nothing listens before it is asked for, in the guest or on the host.",
        example: false,
      }),
    },
    credentials: mkOption({
      type: t.attrsOf(
        t.submodule({
          source: mkOption({
            type: t.nullOr(t.nonEmptyStr),
            default: null,
            description:
              "File of the host that holds the credential, read at every start; a relative path counts from the directory the machine is started in. Nobody but its owner may be able to read it (mode 0600).",
            example: "./secrets/token",
          }),
          text: mkOption({
            type: t.nullOr(t.str),
            default: null,
            description: "The credential itself. It is written into the store, where everybody can read it.",
            example: "nobody knows",
          }),
        }),
      ),
      default: {},
      description:
        "systemd credentials of the guest, by name; services read them with `LoadCredential` or `ImportCredential`, see systemd.exec(5). " +
        "`--credential NAME=FILE` adds more at run time.",
      example: { "db.password": { source: "./secrets/db" } },
    }),
    vmVariant: mkOption({
      type: t.deferredModule,
      default: [],
      description: "Modules for the virtual machine only; they may override anything of the machine.",
      example: { virtualisation: { memorySize: 4096 } },
    }),
    vmVariantWithBootLoader: mkOption({
      type: t.deferredModule,
      default: [],
      description:
        "Modules for the virtual machine that starts by its boot loader (`osmod build-vm-with-bootloader`), beside those of `vmVariant`.",
      example: { virtualisation: { memorySize: 4096 } },
    }),
  },
  networking: { primaryIPAddress },
  system: {
    build: {
      vm: mkOption({
        type: derivationType,
        description: "The launcher of the virtual machine: `bin/run-<hostname>-vm`.",
      }),
      vmWithBootLoader: mkOption({
        type: derivationType,
        description:
          "The same of a virtual machine that starts by its boot loader; by EFI if the boot loader is systemd-boot or may touch EFI variables.",
      }),
    },
  },
});
