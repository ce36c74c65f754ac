/** The virtual machine's variant: what it changes of a machine, what it leaves alone, and what comes out as data. */
import { describe, expect, it } from "vitest";
import { define, mkForce } from "../../src/lib/index.ts";
import { ProblemError, renderProblems } from "../../src/problems/index.ts";
import { type BootDiskParts, grubConfig, loaderConfig, loaderEntry } from "../../src/vm/boot-disk.ts";
import { canResume, defineMachine, evalMachine, type MachineSpec, vmOf } from "../../src/vm/index.ts";
import { stubPackages } from "../modules/support/rendered.ts";

const web = defineMachine({
  config: {
    networking: { hostName: "web" },
    fileSystems: {
      "/": { device: "/dev/disk/by-label/web-root", fsType: "ext4" },
      "/data": { device: "/dev/sdb1", fsType: "xfs" },
    },
    swapDevices: [{ device: "/dev/sdc" }],
    system: { stateVersion: "13" },
  },
});

/** A machine, its variant, and the machine as data. */
function evaluate(...more: readonly ReturnType<typeof defineMachine>[]) {
  const { pkgs, files } = stubPackages();
  const host = evalMachine([web, ...more], { pkgs });
  const vm = vmOf(host);
  const spec = (): MachineSpec => {
    void vm.config.system.build.vm.path;
    const file = [...files].find(([path]) => path.endsWith("/share/osmod/machine.json"))?.[1];
    if (file === undefined || !("text" in file)) throw new Error("no machine.json was written");
    return JSON.parse(file.text) as MachineSpec;
  };
  return { host, vm, spec };
}

describe("file systems", () => {
  it("of the machine are replaced as a whole", () => {
    const { host, vm } = evaluate();
    expect(Object.keys(host.config.fileSystems).sort()).toEqual(["/", "/data"]);
    expect(Object.keys(vm.config.fileSystems).sort()).toEqual([
      "/",
      "/nix/.ro-store",
      "/nix/store",
      "/tmp/shared",
      "/tmp/xchg",
    ]);
    expect(vm.config.fileSystems["/"]).toMatchObject({
      device: "/dev/disk/by-id/virtio-root",
      fsType: "ext4",
      autoFormat: true,
      autoResize: true,
    });
    expect(vm.config.swapDevices).toEqual([]);
  });

  it("of the machine are not even looked at", () => {
    const broken = defineMachine({
      config: {
        fileSystems: {
          "/broken": () => {
            throw new Error("the machine's own table was evaluated");
          },
        },
      },
    });
    expect(Object.keys(evaluate(broken).vm.config.fileSystems)).not.toContain("/broken");
  });

  it("have the store read-only from the share, before anything else runs", () => {
    const { "/nix/.ro-store": shared, "/nix/store": store } = evaluate().vm.config.fileSystems;
    expect(shared).toMatchObject({ device: "//10.0.3.4/store", fsType: "cifs", neededForBoot: true });
    expect(shared?.options).toEqual(expect.arrayContaining(["ro", "posix", "nomapposix", "iocharset=iso8859-1"]));
    // Above it is a layer that remembers what is not there, and no layer that could be written to.
    expect(store).toMatchObject({ fsType: "overlay", neededForBoot: true, depends: ["/nix/.ro-store"] });
    expect(store?.options).toEqual(expect.arrayContaining(["ro", "lowerdir=/nix/.ro-store:/nix/.no-store"]));
    expect(store?.options.join()).not.toContain("upperdir");
  });

  it("get those of virtualisation.fileSystems", () => {
    const more = defineMachine({
      config: { virtualisation: { fileSystems: { "/scratch": { device: "tmpfs", fsType: "tmpfs" } } } },
    });
    expect(evaluate(more).vm.config.fileSystems["/scratch"]?.fsType).toBe("tmpfs");
  });

  it("keep the root in memory when there is no disk", () => {
    const { vm, spec } = evaluate(defineMachine({ config: { virtualisation: { diskImage: null } } }));
    expect(vm.config.fileSystems["/"]?.fsType).toBe("tmpfs");
    expect(spec().disk).toBe(null);
  });
});

describe("the machine as data", () => {
  it("follows from the defaults", () => {
    const spec = evaluate().spec();
    expect(spec).toMatchObject({
      format: 1,
      name: "web",
      memory: 1024,
      cpu: { cores: 1, model: null, accel: "auto" },
      disk: { image: "./web.qcow2", size: 1024, serial: "root" },
      display: { graphics: false },
    });
    expect(spec.boot.kernelParams[0]).toBe(`init=${spec.toplevel}/init`);
    expect(spec.boot.kernelParams).toContain("console=ttyS0,115200n8");
  });

  it("follows from what the machine says, also by another option", () => {
    const more = defineMachine({
      config: {
        virtualisation: {
          memorySize: 2048,
          cores: 3,
          forwardPorts: [{ host: { port: 8080 }, guest: { port: 80 } }],
          qemu: { options: ["-S"], accel: "tcg" },
        },
      },
    });
    const spec = evaluate(more).spec();
    expect(spec).toMatchObject({ memory: 2048, cpu: { cores: 3, accel: "tcg" }, qemu: { options: ["-S"] } });
    expect(spec.network.forwardPorts).toEqual([
      { from: "host", proto: "tcp", host: { address: "", port: 8080 }, guest: { address: "", port: 80 } },
    ]);
  });

  it("is what system.build.vm of the machine itself is made of", () => {
    const { host, vm } = evaluate();
    expect(host.config.system.build.vm.path).toBe(vm.config.system.build.vm.path);
  });

  it("names a host's port that is forwarded twice", () => {
    const twice = defineMachine({
      config: {
        virtualisation: {
          forwardPorts: [
            { host: { port: 8080 }, guest: { port: 80 } },
            { host: { port: 8080 }, guest: { port: 81 } },
          ],
        },
      },
    });
    const error = catchError(() => evaluate(twice).spec());
    expect(error).toBeInstanceOf(ProblemError);
    expect((error as ProblemError).has("forward-port-twice")).toBe(true);
    expect((error as ProblemError).message).toContain("8080");
  });

  it("refuses a port that is none", () => {
    const wrong = defineMachine({
      config: { virtualisation: { forwardPorts: [{ host: { port: 80800 }, guest: { port: 80 } }] } },
    });
    expect(catchError(() => evaluate(wrong).spec())).toBeInstanceOf(ProblemError);
  });
});

describe("disks beside the root", () => {
  const withDisks = (virtualisation: object) => evaluate(defineMachine({ config: { virtualisation } })).spec();

  it("are found by serial numbers that follow from their place, or by the one that is said", () => {
    const spec = withDisks({
      emptyDiskImages: [
        512,
        { size: 64, driveConfig: { serial: "log" } },
        { size: 8, driveConfig: { deviceExtraOpts: { serial: "s" } } },
      ],
      qemu: {
        drives: [
          { name: "data", file: "./data.img" },
          { file: "/x.img", driveExtraOpts: { format: "raw" } },
        ],
      },
    });
    expect(spec.drives.map((drive) => drive.serial)).toEqual(["empty0", "log", "s", "data", "drive1"]);
    expect(spec.drives[0]?.image).toEqual({ size: 512 });
    expect(spec.drives[2]?.deviceOptions).toEqual({});
  });

  it.each([
    ["a serial number that is there twice", [{ name: "a" }, { name: "a" }]],
    ["the machine's own", [{ name: "root" }]],
    ["one that does not fit", [{ name: "a-name-of-more-than-20-bytes" }]],
  ])("may not have %s", (_, list) => {
    const drives = list.map((drive) => ({ ...drive, file: "./x.img" }));
    const error = catchError(() => withDisks({ qemu: { drives } }));
    expect((error as ProblemError).has("drive-serial")).toBe(true);
  });
});

describe("the store's transport", () => {
  const over = (transport: "smb" | "erofs" | "virtiofs" | "9p", more: object = {}) =>
    evaluate(defineMachine({ config: { virtualisation: { store: { transport }, ...more } } }));

  it.each([
    ["smb", "cifs"],
    ["erofs", "erofs"],
    ["virtiofs", "virtiofs"],
    ["9p", "9p"],
  ] as const)(
    "%s mounts the store read-only, before anything else, and the shared directories",
    (transport, fsType) => {
      const { vm, spec } = over(transport);
      const shared = transport === "smb" ? "/nix/.ro-store" : "/nix/store";
      expect(vm.config.fileSystems[shared]).toMatchObject({ fsType, neededForBoot: true });
      expect(vm.config.fileSystems[shared]?.options).toContain("ro");
      expect(vm.config.fileSystems["/nix/store"]?.options).toContain("ro");
      expect(vm.config.fileSystems["/tmp/xchg"]?.fsType).toBe(fsType === "erofs" ? "cifs" : fsType);
      expect(vm.config.boot.initrd.kernelModules).toContain(fsType);
      expect(spec().store.transport).toBe(transport);
    },
  );

  it("9p takes Debian's generic kernel, and says so when the machine insists on another", () => {
    expect(over("9p").vm.config.boot.kernelPackage.name).toBe("linux-image-amd64");
    expect(over("smb").vm.config.boot.kernelPackage.name).toBe("linux-image-cloud-amd64");
    const { vm } = evaluate(
      defineMachine({
        config: ({ pkgs }) =>
          define({
            boot: { kernelPackage: () => pkgs["linux-image-cloud-amd64"]! },
            virtualisation: { store: { transport: "9p" } },
          }),
      }),
    );
    expect(vm.config.assertions.filter(({ assertion }) => !assertion).map(({ message }) => message)).toEqual([
      expect.stringContaining('virtualisation.store.transport is "9p", for which the kernel'),
    ]);
  });

  it("may have a layer that can be written to above it", () => {
    const { vm } = over("smb", { writableStore: true });
    expect(vm.config.fileSystems["/nix/.ro-store"]?.fsType).toBe("cifs");
    expect(vm.config.fileSystems["/nix/.rw-store"]?.fsType).toBe("tmpfs");
    expect(vm.config.fileSystems["/nix/store"]).toMatchObject({ fsType: "overlay", neededForBoot: true });
    const onDisk = over("smb", { writableStore: true, writableStoreUseTmpfs: false }).vm;
    expect(Object.keys(onDisk.config.fileSystems)).not.toContain("/nix/.rw-store");
  });

  it("an image needs no SMB when nothing is shared", () => {
    const alone = over("erofs", { sharedDirectories: mkForce({}) });
    expect(alone.vm.config.boot.initrd.kernelModules).not.toContain("cifs");
    expect(alone.spec().sharedDirectories).toEqual([]);
  });
});

describe("shared directories", () => {
  it("are mounted by the initrd, or when somebody looks where a mount of the machine's would hide them", () => {
    const shared = {
      a: { source: "./a", target: "/srv/a" },
      b: { source: "$HOME/b", target: "/tmp/b", readOnly: false },
    };
    const { vm } = evaluate(defineMachine({ config: { virtualisation: { sharedDirectories: shared } } }));
    expect(vm.config.fileSystems["/srv/a"]).toMatchObject({ neededForBoot: true, device: "//10.0.3.4/a" });
    expect(vm.config.fileSystems["/srv/a"]?.options).toContain("ro");
    expect(vm.config.fileSystems["/tmp/b"]).toMatchObject({ neededForBoot: false });
    expect(vm.config.fileSystems["/tmp/b"]?.options).toEqual(expect.arrayContaining(["rw", "x-systemd.automount"]));
  });

  it("have names that every transport takes", () => {
    const shared = { "a b": { source: "./a", target: "/srv/a" } };
    const machine = evaluate(defineMachine({ config: { virtualisation: { sharedDirectories: shared } } }));
    expect((catchError(() => machine.spec()) as ProblemError).has("shared-directory-name")).toBe(true);
  });
});

describe("virtual LANs", () => {
  it("are eth1, eth2, … with addresses that follow from the LAN and the node", () => {
    const virtualisation = { vlans: [1, 7], test: { nodeNumber: 3 } };
    const { vm, spec } = evaluate(defineMachine({ config: { virtualisation } }));
    expect(vm.config.networking.primaryIPAddress).toBe("192.168.1.3");
    expect(vm.config.networking.interfaces["eth2"]?.ipv4.addresses).toEqual([
      { address: "192.168.7.3", prefixLength: 24 },
    ]);
    expect(spec().lans.map((lan) => lan.macAddress)).toEqual(["52:54:00:13:01:03", "52:54:00:13:07:03"]);
  });

  it("are named once", () => {
    const machine = evaluate(defineMachine({ config: { virtualisation: { vlans: [1, 1] } } }));
    expect((catchError(() => machine.spec()) as ProblemError).has("vlan-twice")).toBe(true);
  });
});

describe("the way to the world", () => {
  const over = (virtualisation: object) => evaluate(defineMachine({ config: { virtualisation } })).spec();

  it("is passt unless settings of QEMU's own network are there", () => {
    expect(over({}).network.backend).toBe("passt");
    expect(over({ qemu: { networkingOptions: ["hostname=x"] } }).network.backend).toBe("slirp");
  });

  it("leads addresses of the guest's network to the host, if they are free there", () => {
    const rule = (address: string) => ({
      forwardPorts: [{ from: "guest", guest: { address, port: 9 }, host: { port: 9000 } }],
    });
    expect(over(rule("10.0.2.100")).network.forwardPorts).toHaveLength(1);
    expect((catchError(() => over(rule("10.0.2.2"))) as ProblemError).has("forward-port-address")).toBe(true);
  });

  it("may lead any number of free ports into the guest", () => {
    const free = { host: { port: 0 }, guest: { port: 80 } };
    expect(over({ forwardPorts: [free, { ...free, guest: { port: 22 } }] }).network.forwardPorts).toHaveLength(2);
  });
});

describe("firmware and boot loader", () => {
  const over = (virtualisation: object, loader: object = {}) =>
    evaluate(defineMachine({ config: { virtualisation, boot: { loader } } }));
  const systemdBoot = { "systemd-boot": { enable: true } };

  it("are not there unless they are asked for", () => {
    const { vm, spec } = over({});
    expect(spec()).not.toHaveProperty("firmware");
    expect(spec()).not.toHaveProperty("bootDisk");
    expect(spec()).not.toHaveProperty("tpm");
    expect(spec().boot.kernel).toMatch(/\/vmlinux$/);
    expect(Object.keys(vm.config.fileSystems)).not.toContain("/boot");
  });

  it("EFI takes Debian's own kernel file, and begins with the variables of its package or of a file", () => {
    const direct = over({ useEFIBoot: true }).spec();
    expect(direct.boot.kernel).toContain("/boot/vmlinuz-");
    expect(direct).not.toHaveProperty("bootDisk");
    expect(direct.firmware).toMatchObject({
      code: expect.stringMatching(/ovmf-unpacked\/usr\/share\/OVMF\/OVMF_CODE_4M\.fd$/),
      variables: expect.stringMatching(/\/OVMF_VARS_4M\.fd$/),
    });
    const own = over({ useEFIBoot: true, efi: { variables: "/srv/vars.fd" } }).spec();
    expect(own.firmware).toMatchObject({ variables: "/srv/vars.fd" });
  });

  it("a boot loader has a disk, which is mounted at boot.loader.efi.efiSysMountPoint", () => {
    const { vm, spec } = over(
      { useBootLoader: true, useEFIBoot: true },
      { ...systemdBoot, efi: { efiSysMountPoint: "/efi" } },
    );
    expect(spec().bootDisk).toEqual({ image: expect.stringMatching(/-boot-disk\/boot\.img$/), serial: "boot" });
    expect(spec().firmware).toMatchObject({ variables: expect.stringMatching(/-boot-disk\/efi-vars\.fd$/) });
    expect(vm.config.fileSystems["/efi"]).toMatchObject({
      device: "/dev/disk/by-id/virtio-boot-part1",
      fsType: "vfat",
    });
    expect(over({ useBootLoader: true, bootPartition: null }).vm.config.fileSystems["/boot"]).toBe(undefined);
  });

  it("system.build.vmWithBootLoader has one, by EFI where the boot loader needs it, and takes both variants", () => {
    const { pkgs, files } = stubPackages();
    const more = [defineMachine({ config: { virtualisation: { memorySize: 333 } } })];
    const virtualisation = { vmVariant: [defineMachine({ config: { virtualisation: { cores: 2 } } })] };
    const { build } = evalMachine(
      [
        web,
        defineMachine({
          config: {
            boot: { loader: systemdBoot },
            virtualisation: { ...virtualisation, vmVariantWithBootLoader: more },
          },
        }),
      ],
      { pkgs },
    ).config.system;
    void build.vmWithBootLoader.path;
    const file = [...files].find(([path]) => path.endsWith("/share/osmod/machine.json"))?.[1];
    const spec = JSON.parse((file as { text: string }).text) as MachineSpec;
    expect(spec).toMatchObject({
      memory: 333,
      cpu: { cores: 2 },
      firmware: { kind: "efi" },
      bootDisk: { serial: "boot" },
    });
  });

  it("another BIOS is a file, or a store object that has it", () => {
    const { pkgs } = stubPackages();
    expect(over({ bios: "/srv/bios.bin" }).spec().firmware).toEqual({ kind: "bios", file: "/srv/bios.bin" });
    const made = over({ bios: pkgs["seabios"]! }).spec().firmware;
    expect(made).toEqual({ kind: "bios", file: `${pkgs["seabios"]}/bios.bin` });
    const within = over({ bios: `${pkgs["seabios"]}/usr/share/seabios/bios.bin` }).spec().firmware;
    expect(within).toEqual({ kind: "bios", file: `${pkgs["seabios"]}/usr/share/seabios/bios.bin` });
  });

  it("a root of one's own replaces the usual one", () => {
    const fileSystems = { "/": { device: "/dev/vdb", fsType: "xfs" } };
    const { vm } = over({ useDefaultFilesystems: false, fileSystems });
    expect(vm.config.fileSystems["/"]).toMatchObject({ device: "/dev/vdb", autoFormat: false });
  });

  it.each([
    ["firmware-twice", { bios: "/srv/bios.bin", useEFIBoot: true }, {}],
    ["boot-loader-needs-efi", { useBootLoader: true }, systemdBoot],
    ["boot-loader-choice", { useBootLoader: true }, { grub: { enable: false } }],
    ["boot-loader-choice", { useBootLoader: true }, { grub: { enable: true }, ...systemdBoot }],
    ["efi-variables-without-disk", { useEFIBoot: true, efi: { keepVariables: true } }, {}],
  ])("%s is told before anything starts", async (code, virtualisation, loader) => {
    const error = catchError(() => over(virtualisation, loader).spec()) as ProblemError;
    expect(error.has(code)).toBe(true);
    const more = "grub" in loader && loader.grub.enable ? "-both" : "";
    await expect(`${renderProblems(error.problems, { color: false })}\n`).toMatchFileSnapshot(
      `expected/${code}${more}.txt`,
    );
  });
});

describe("the boot disk", () => {
  const parts: BootDiskParts = {
    loader: "grub",
    efi: false,
    title: "web",
    release: "6.12",
    kernel: "/nix/store/b-linux/boot/vmlinuz-6.12",
    initrd: "/nix/store/c-initrd/initrd",
    kernelParams: ["init=/nix/store/a/init", "console=ttyS0,115200n8", `a="b c"`, "d=it's $x"],
    timeout: 5,
    editor: false,
    extraGrubConfig: "set color_normal=white/blue",
    variables: undefined,
  };

  it("has a menu for GRUB that takes every word as it is", async () => {
    await expect(grubConfig(parts)).toMatchFileSnapshot("expected/grub.cfg");
    expect(grubConfig({ ...parts, timeout: null })).toContain("set timeout=-1\n");
  });

  it("has an entry for systemd-boot", async () => {
    await expect(`${loaderConfig(parts)}--\n${loaderEntry(parts)}`).toMatchFileSnapshot("expected/loader.conf");
    expect(loaderConfig({ ...parts, timeout: null })).toContain("timeout menu-force\n");
  });
});

describe("a TPM", () => {
  it("has the device and the script that are said, and its drivers in the initrd", () => {
    const tpm = { enable: true, deviceModel: "tpm-crb" as const, provisioning: "tpm2_getcap properties-fixed" };
    const { vm, spec } = evaluate(defineMachine({ config: { virtualisation: { tpm } } }));
    expect(vm.config.boot.initrd.availableKernelModules).toEqual(expect.arrayContaining(["tpm_tis", "tpm_crb"]));
    expect(spec().tpm).toMatchObject({
      deviceModel: "tpm-crb",
      tree: expect.stringMatching(/osmod-vm-swtpm$/),
      provisioning: { script: "tpm2_getcap properties-fixed", tree: expect.stringMatching(/tpm2-tools$/) },
    });
  });
});

describe("saved memory", () => {
  const resumes = (virtualisation: object) => canResume(evaluate(defineMachine({ config: { virtualisation } })).spec());

  it("is not for machines with disks of their user, or with a TPM", () => {
    for (const one of [{}, { useBootLoader: true }, { useEFIBoot: true }, { emptyDiskImages: [64] }]) {
      expect(resumes(one), JSON.stringify(one)).toBe(true);
    }
    for (const one of [{ qemu: { drives: [{ file: "./a.img" }] } }, { tpm: { enable: true } }]) {
      expect(resumes(one), JSON.stringify(one)).toBe(false);
    }
  });
});

describe("virtualisation.vmVariant", () => {
  it("changes the virtual machine and not the machine", () => {
    const variant = defineMachine({
      config: { virtualisation: { memorySize: 4096 }, time: { timeZone: "Europe/Berlin" } },
    });
    const { host, vm, spec } = evaluate(defineMachine({ config: { virtualisation: { vmVariant: [variant] } } }));
    expect(host.config.time.timeZone).not.toBe("Europe/Berlin");
    expect(vm.config.time.timeZone).toBe("Europe/Berlin");
    expect(spec().memory).toBe(4096);
  });
});

describe("the store's wire", () => {
  it("is set up by the initrd, left alone by networkd, and trusted by the firewall", () => {
    const { vm } = evaluate();
    expect(vm.config.boot.initrd.network.interfaces["store"]).toMatchObject({ address: "10.0.3.15" });
    expect(vm.config.networking.unmanagedInterfaces).toContain("52:54:00:12:34:57");
    expect(vm.config.networking.firewall.trustedInterfaces).toContain("52:54:00:12:34:57");
    expect(vm.config.boot.initrd.kernelModules).toEqual(expect.arrayContaining(["cifs", "virtio_net", "virtio_blk"]));
  });

  it("does not exist in the machine itself", () => {
    const { host } = evaluate();
    expect(host.config.boot.initrd.network.enable).toBe(false);
    expect(host.config.networking.unmanagedInterfaces).toEqual([]);
  });
});

describe("a screen", () => {
  it("has its size, and its driver from the start, in Debian's generic kernel, and nothing else has it", () => {
    const { vm } = evaluate(
      defineMachine({ config: { virtualisation: { graphics: true, resolution: { x: 1280, y: 720 } } } }),
    );
    expect(vm.config.boot.kernelParams).toContain("video=1280x720");
    expect(vm.config.boot.kernelPackage.name).toBe("linux-image-amd64");
    expect(vm.config.boot.initrd.kernelModules).toContain("virtio_gpu");
    expect(vm.config.assertions.filter(({ assertion }) => !assertion)).toEqual([]);
    expect(evaluate().vm.config.boot.initrd.kernelModules).not.toContain("virtio_gpu");
  });
});

describe("log-in prompts", () => {
  const trigger = (vm: ReturnType<typeof vmOf>): unknown =>
    vm.config.systemd.services["systemd-udev-trigger"]?.serviceConfig.ExecStart;

  it("come at once and before other services, and who logs in has no such advantage", () => {
    const { host, vm } = evaluate();
    expect(vm.config.systemd.services["serial-getty@"]?.serviceConfig).toMatchObject({ Type: "simple", Nice: -15 });
    expect(`${vm.config.systemd.services["serial-getty@"]?.serviceConfig.ExecStart}`).toContain(" --nice 15 ");
    expect(host.config.systemd.services["serial-getty@"]?.serviceConfig).not.toHaveProperty("Nice");
    expect(host.config.services.getty.extraArgs).toEqual([]);
  });

  it("wait for their serial port, which udev is told of first", () => {
    expect(trigger(evaluate().vm)).toEqual([
      "",
      expect.stringMatching(/--subsystem-match=tty --attr-match=type=\[1-9\]\*$/),
      expect.stringMatching(/--subsystem-match=block .*--subsystem-match=virtio-ports/),
    ]);
  });

  it("may be on a virtio console, of which udev is told when there is one", () => {
    const named = defineMachine({ config: { virtualisation: { qemu: { consoles: ["hvc0"] } } } });
    const device = defineMachine({
      config: { virtualisation: { qemu: { options: ["-device virtconsole,chardev=mine"] } } },
    });
    for (const one of [named, device])
      expect(trigger(evaluate(one).vm)).toContainEqual(expect.stringMatching(/=hvc\*$/));
  });
});

describe("the guest agent", () => {
  it("runs in the virtual machine, from before anything that may fail, and not in the machine itself", () => {
    const { host, vm, spec } = evaluate();
    expect(host.config.services.qemuGuest.enable).toBe(false);
    expect(vm.config.services.qemuGuest.enable).toBe(true);
    expect(vm.config.boot.initrd.kernelModules).toContain("virtio_console");
    expect(vm.config.systemd.services["qemu-guest-agent"]?.wantedBy).toEqual(["sysinit.target"]);
    expect(spec().guestAgent).toBe(true);
  });

  it("can be left out", () => {
    const { vm, spec } = evaluate(
      defineMachine({ config: { virtualisation: { qemu: { guestAgent: { enable: false } } } } }),
    );
    expect(vm.config.services.qemuGuest.enable).toBe(false);
    expect(vm.config.boot.initrd.kernelModules).not.toContain("virtio_console");
    expect(spec().guestAgent).toBe(false);
  });
});

function catchError(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  return undefined;
}
