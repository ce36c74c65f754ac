/**
 * `MachineSpec → argv`: QEMU's command line, as a pure function.
 *
 * The machine has no default devices (`-nodefaults`); what it has is listed here and nowhere else. What only the
 * start-up knows stays a hole (template.ts).
 */
import { driveArgv } from "./disks.ts";
import { bootDiskArgv, firmwareArgv } from "./firmware.ts";
import { networkArgv } from "./networks.ts";
import { qemuOption } from "./qemu-option.ts";
import type { MachineSpec } from "./spec.ts";
import { type Hole, hostPath, type Part, type Template, type Word, when, word } from "./template.ts";
import { tpmArgv } from "./tpm.ts";
import { transportArgv, wireOf } from "./transports/index.ts";
import { libraryFolder, treeProgram } from "./tree-program.ts";

const runtime: Hole = { hole: "runtime" };

/**
 * Words of the kernel's command line when the processor is emulated. Emulated code is not speculated about and has no
 * timers that drift; what guards against either only takes time: a sixth of the way to the first process.
 */
export const tcgKernelParams: readonly string[] = ["nokaslr", "mitigations=off", "no_timer_check", "tsc=reliable"];

/** Environment that QEMU needs when it runs from a merged tree. */
export function qemuEnvironment(spec: MachineSpec): Readonly<Record<string, Word>> {
  return { QEMU_MODULE_DIR: hostPath(`${spec.qemu.tree}${libraryFolder}/qemu`) };
}

/** The whole command line, up to what the user adds. */
export function qemuArgv(spec: MachineSpec): Template {
  return [
    ...treeProgram(spec.qemu.tree, "usr/bin/qemu-system-x86_64"),
    ...firmwareFiles(spec),
    ...firmwareArgv(spec),
    ...computer(spec),
    ...kernel(spec),
    ...bootDiskArgv(spec),
    ...rootDisk(spec),
    ...driveArgv(spec),
    ...networkArgv(spec, networkCard),
    ...storeNetwork(spec),
    ...transportArgv(spec),
    ...tpmArgv(spec),
    ...credentials(spec),
    ...consoles(),
    ...display(spec),
    ...control(),
    ...guestAgent(spec),
    ...spec.qemu.options.map((option) => word(option)),
  ];
}

function firmwareFiles({ qemu }: MachineSpec): Template {
  return ["usr/share/qemu", "usr/share/seabios", "usr/lib/ipxe/qemu"].flatMap((folder) => [
    word("-L"),
    hostPath(`${qemu.tree}/${folder}`),
  ]);
}

/** Controllers of a q35 board for devices that this machine does not have; the guest would load drivers for each. */
const unusedControllers = { vmport: false, sata: false, smbus: false };

/** System calls that QEMU gives up when it has started. */
const qemuSandbox = { obsolete: "deny", elevateprivileges: "deny", spawn: "deny", resourcecontrol: "deny" };

function computer(spec: MachineSpec): Template {
  const { name, cpu, memory, display } = spec;
  // Its filter would be that of the share's server as well, which could then not be confined.
  const startsPrograms = wireOf(spec).smb || spec.store.transport === "9p";
  return [
    ...flag("-name", qemuOption(undefined, { guest: name, process: `osmod-${name}` })),
    word("-no-user-config"),
    word("-nodefaults"),
    ...(startsPrograms ? [] : flag("-sandbox", qemuOption("on", qemuSandbox))),
    ...flag("-machine", qemuOption("q35", { ...unusedControllers, i8042: display.graphics })),
    ...when({ accel: "kvm" }, [word("-accel"), word("kvm"), word("-cpu"), word(cpu.model ?? "host")]),
    ...when({ accel: "tcg" }, [
      word("-accel"),
      qemuOption("tcg", { thread: "multi", "tb-size": 512 }),
      word("-cpu"),
      // All that can be emulated, except what only machines inside the guest would use, and string instructions said to be fast: they go byte by byte here,
      // where the kernel's other ways of clearing and copying memory go by eight.
      cpu.model === null ? qemuOption("max", { svm: false, erms: false, fsrm: false }) : word(cpu.model),
    ]),
    word("-smp"),
    word(String(cpu.cores)),
    word("-m"),
    word(`${memory}M`),
    ...flag("-object", qemuOption("rng-random", { id: "rng0", filename: "/dev/urandom" })),
    ...flag("-device", qemuOption("virtio-rng-pci", { rng: "rng0" })),
    // Another one at every start: a kernel that is resumed sees it and draws new random numbers.
    ...flag("-device", qemuOption("vmgenid", { guid: "auto" })),
  ];
}

function kernel({ boot, bootDisk }: MachineSpec): Template {
  if (bootDisk !== undefined) return [];
  return [
    word("-kernel"),
    hostPath(boot.kernel),
    word("-initrd"),
    hostPath(boot.initrd),
    word("-append"),
    word(boot.kernelParams.join(" "), { hole: "kernelParams" }),
  ];
}

function rootDisk({ disk }: MachineSpec): Template {
  if (disk === null) return [];
  const drive = qemuOption(undefined, {
    if: "none",
    id: "root",
    file: { hole: "disk" },
    format: { hole: "diskFormat" },
    discard: "unmap",
    "detect-zeroes": "unmap",
  });
  return [
    ...flag("-drive", drive),
    ...flag("-device", qemuOption("virtio-blk-pci", { drive: "root", serial: disk.serial })),
  ];
}

/** The wire between host and guest, which leads nowhere else; on it the server of the store answers. */
function storeNetwork(spec: MachineSpec): Template {
  const { wire, smb } = wireOf(spec);
  const netdev = qemuOption("user", {
    id: "store",
    restrict: true,
    net: wire.network,
    ipv6: false,
    guestfwd: smb ? [`tcp:${wire.serverAddress}:${wire.serverPort}-cmd:/bin/sh `, runtime, "/smbd"] : undefined,
  });
  return [...flag("-netdev", netdev), ...flag("-device", networkCard("store", wire.macAddress))];
}

function networkCard(netdev: string, mac: string): Word {
  // No boot ROM: nothing boots from the network, and the firmware is done sooner.
  return qemuOption("virtio-net-pci", { netdev, mac, romfile: "" });
}

/** Where systemd looks for credentials in what the firmware hands over. */
export const credentialPrefix = "opt/io.systemd.credentials/";

/** QEMU reads the files; what is in them appears nowhere else on the host. */
function credentials({ credentials }: MachineSpec): Template {
  return credentials.flatMap(({ name, source }) => {
    const file: Part[] = source.startsWith("/nix/store/") ? [{ hole: "root" }, source] : [source];
    return flag("-fw_cfg", qemuOption(undefined, { name: `${credentialPrefix}${name}`, file }));
  });
}

/** The serial console. At a terminal, C-a x leaves and C-a c reaches QEMU's monitor; otherwise every byte is the guest's. */
function consoles(): Template {
  const logged = { id: "console", signal: false, logfile: [runtime, "/console.log"], logappend: false };
  return [
    ...when({ console: "terminal" }, [
      ...flag("-chardev", qemuOption("stdio", { ...logged, mux: true })),
      ...flag("-mon", qemuOption(undefined, { chardev: "console", mode: "readline" })),
    ]),
    ...when({ console: "plain" }, flag("-chardev", qemuOption("stdio", logged))),
    word("-serial"),
    word("chardev:console"),
  ];
}

function display({ display: { graphics, resolution } }: MachineSpec): Template {
  if (!graphics) return flag("-display", word("none"));
  return [
    ...flag("-device", qemuOption("virtio-vga", { xres: resolution.x, yres: resolution.y })),
    ...flag("-device", word("qemu-xhci")),
    ...flag("-device", word("usb-tablet")),
    // The keyboard is the board's own: keys would go to a USB one first, for which Debian's cloud kernel has no driver.
    ...flag("-display", word("gtk")),
  ];
}

/**
 * How other programs steer the machine: QMP on sockets in the private directory. A socket serves one program at a time, so
 * whoever starts the machine and stays has `qmp`, and whoever comes by later has `control`.
 */
function control(): Template {
  return [
    ...["qmp", "control"].flatMap((id) => [
      ...flag("-chardev", qemuOption("socket", { id, path: [runtime, `/${id}`], server: true, wait: false })),
      ...flag("-mon", qemuOption(undefined, { chardev: id, mode: "control" })),
    ]),
    ...flag("-pidfile", word(runtime, "/qemu.pid")),
  ];
}

/** The port over which other programs run commands in the guest. */
function guestAgent(spec: MachineSpec): Template {
  if (!spec.guestAgent) return [];
  return [
    ...flag("-device", word("virtio-serial-pci")),
    ...flag("-chardev", qemuOption("socket", { id: "qga", path: [runtime, "/qga"], server: true, wait: false })),
    ...flag("-device", qemuOption("virtserialport", { chardev: "qga", name: "org.qemu.guest_agent.0" })),
  ];
}

function flag(name: string, value: Word): Template {
  return [word(name), value];
}
