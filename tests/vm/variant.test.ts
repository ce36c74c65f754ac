/** The virtual machine's variant: what it changes of a machine, what it leaves alone, and what comes out as data. */
import { describe, expect, it } from "vitest";
import { ProblemError } from "../../src/problems/index.ts";
import { defineMachine, evalMachine, type MachineSpec, vmOf } from "../../src/vm/index.ts";
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
    expect(Object.keys(vm.config.fileSystems).sort()).toEqual(["/", "/nix/store"]);
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
    expect(Object.keys(evaluate(broken).vm.config.fileSystems).sort()).toEqual(["/", "/nix/store"]);
  });

  it("have the store read-only from the share, before anything else runs", () => {
    const store = evaluate().vm.config.fileSystems["/nix/store"];
    expect(store).toMatchObject({ device: "//10.0.3.4/store", fsType: "cifs", neededForBoot: true });
    expect(store?.options).toEqual(expect.arrayContaining(["ro", "posix", "nomapposix", "iocharset=iso8859-1"]));
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
