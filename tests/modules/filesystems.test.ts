import { describe, expect, it } from "vitest";
import { mkVMOverride } from "../../src/lib/index.ts";
import { inMountOrder } from "../../src/modules/index.ts";
import { initrdMountOptions, mountLine, netmask } from "../../src/modules/system/boot/stage-1.ts";
import { type Definitions, machine } from "./support/rendered.ts";

const root = { "/": { device: "/dev/vda", fsType: "ext4" } };
const fs = (mountPoint: string, more: object = {}) => ({
  mountPoint,
  device: "/dev/vdb",
  label: null,
  fsType: "ext4",
  options: ["defaults"],
  neededForBoot: false,
  autoFormat: false,
  autoResize: false,
  noCheck: false,
  depends: [],
  ...more,
});

describe("/etc/fstab", () => {
  it("lists parents before what lies in them, and checks only what the initrd did not", () => {
    const m = machine({
      fileSystems: {
        ...root,
        "/srv/data": { device: "/dev/vdc", fsType: "xfs", options: ["noatime"] },
        "/srv": { device: "/dev/vdb", fsType: "ext4" },
      },
    });
    expect(m.etc("fstab").split("\n").slice(1)).toEqual([
      "/dev/vda / ext4 x-initrd.mount 0 0",
      "/dev/vdb /srv ext4 defaults 0 2",
      "/dev/vdc /srv/data xfs noatime 0 2",
      "",
    ]);
  });

  it("finds a labelled file system by its label, and lets systemd make and grow what the initrd does not mount", () => {
    const m = machine({
      fileSystems: { ...root, "/data": { label: "data", fsType: "ext4", autoFormat: true, autoResize: true } },
    });
    expect(m.etc("fstab")).toContain("/dev/disk/by-label/data /data ext4 x-systemd.makefs,x-systemd.growfs 0 2\n");
  });

  it("has swap devices with their priority", () => {
    const m = machine({
      fileSystems: root,
      swapDevices: [{ device: "/dev/vdc" }, { device: "/dev/vdd", priority: 5 }],
    });
    expect(m.etc("fstab")).toContain("/dev/vdc none swap defaults 0 0\n/dev/vdd none swap defaults,pri=5 0 0\n");
  });

  it("keeps a virtual machine's file systems alone when it overrides them all", () => {
    const m = machine(
      { fileSystems: { ...root, "/data": { device: "/dev/nonsense" } } },
      { fileSystems: mkVMOverride({ "/": { device: "tmpfs", fsType: "tmpfs" } }) },
    );
    expect(Object.keys(m.config.fileSystems)).toEqual(["/"]);
  });
});

describe("the order of mounting", () => {
  it("follows depends as well as paths", () => {
    const order = inMountOrder([fs("/a", { depends: ["/z/lower"] }), fs("/z"), fs("/")]);
    expect(order.map((one) => one.mountPoint)).toEqual(["/", "/z", "/a"]);
  });

  it("ends for a circle too", () => {
    const order = inMountOrder([fs("/a", { depends: ["/b/x"] }), fs("/b", { depends: ["/a/x"] })]);
    expect(order).toHaveLength(2);
  });
});

describe("the initrd's mounts", () => {
  it("leave out the options that only systemd knows", () => {
    expect(initrdMountOptions({ options: ["ro", "x-initrd.mount", "nofail", "_netdev", "vers=3.1.1"] })).toBe(
      "ro,vers=3.1.1",
    );
    expect(initrdMountOptions({ options: ["defaults"] })).toBe("defaults");
  });

  it("find an overlay's directories below the new root", () => {
    expect(initrdMountOptions({ options: ["lowerdir=/a:/b", "upperdir=/c/u"] })).toBe(
      "lowerdir=/sysroot/a:/sysroot/b,upperdir=/sysroot/c/u",
    );
  });

  it("say what is to be done with a device", () => {
    expect(mountLine(fs("/", { autoFormat: true, autoResize: true, label: "osmod-root" }))).toBe(
      "mount_device /dev/vdb / ext4 defaults -efcg osmod-root",
    );
    expect(mountLine(fs("/nix/store", { device: "//10.0.3.4/store", fsType: "cifs", options: ["ro"] }))).toBe(
      "mount_other //10.0.3.4/store /nix/store cifs ro",
    );
  });

  it("are in the script of stage 1, the network before them", () => {
    const m = machine({
      fileSystems: { ...root, "/nix/store": { device: "//10.0.3.4/store", fsType: "cifs", options: ["ro"] } },
      boot: {
        initrd: {
          kernelModules: ["cifs"],
          network: { enable: true, interfaces: { store: { macAddress: "52:54:00:12:34:57", address: "10.0.3.15" } } },
        },
      },
    });
    const script = m.config.system.build.stage1;
    const lines = script.split("\n");
    const at = (start: string) => lines.findIndex((line) => line.startsWith(start));
    expect(at("modprobe -a cifs")).toBeGreaterThan(0);
    expect(lines).toContain("interface store 52:54:00:12:34:57 10.0.3.15 255.255.255.0 -");
    expect(at("interface store")).toBeLessThan(at("mount_device /dev/vda /"));
    expect(at("mount_device /dev/vda /")).toBeLessThan(at("mount_other //10.0.3.4/store"));
  });
});

describe("a netmask", () => {
  it.each([
    [24, "255.255.255.0"],
    [0, "0.0.0.0"],
    [20, "255.255.240.0"],
    [32, "255.255.255.255"],
  ])("of /%i is %s", (length, mask) => expect(netmask(length)).toBe(mask));
});

describe("mistakes in fileSystems", () => {
  const failed = (fileSystems: NonNullable<Definitions["fileSystems"]>) => machine({ fileSystems }).failedAssertions();

  it("are: no root", () => {
    expect(failed({ "/data": { device: "/dev/vdb" } })).toEqual([
      'fileSystems."/" is not set: the machine has no root file system.',
    ]);
  });

  it("are: no device", () => {
    expect(failed({ "/": {} })).toEqual(['fileSystems."/" needs a `device` or a `label`.']);
  });

  it("are: formatting what has no device or an unknown type", () => {
    expect(failed({ "/": { device: "tmpfs", fsType: "tmpfs", autoFormat: true } })[0]).toContain(
      "autoFormat needs a file system on a device",
    );
    expect(failed({ "/": { device: "/dev/vda", autoFormat: true } })[0]).toContain('other than "auto"');
    expect(failed({ "/": { device: "/dev/vda", fsType: "xfs", autoFormat: true } })[0]).toContain("not xfs");
  });

  it("are: depending on oneself", () => {
    expect(failed({ ...root, "/a": { device: "/dev/vdb", depends: ["/a/b"] } })[0]).toContain(
      'fileSystems."/a".depends',
    );
  });

  it("are: two entries for one mount point", () => {
    expect(failed({ ...root, data: { mountPoint: "/", device: "/dev/vdb" } })[0]).toContain(
      "more than one entry for the mount point /",
    );
  });

  it("are: an interface of the initrd without an address", () => {
    const m = machine({
      fileSystems: root,
      boot: { initrd: { network: { enable: true, interfaces: { store: {} } } } },
    });
    expect(m.failedAssertions()).toEqual(['boot.initrd.network.interfaces."store" needs an `address` or `useDHCP`.']);
  });
});
