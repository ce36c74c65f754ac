/** What the launcher does around QEMU: options, disk, locks, private directory, signals, exit codes. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ownerLives, thisOwner } from "../../src/store/embedded/owner.ts";
import { FakeStore, finish, launcherPath } from "./fake-store.ts";
import {
  biosLoader,
  diskless,
  disks,
  efi,
  efiLoader,
  erofs,
  full,
  networked,
  path,
  plain,
  shared,
} from "./machines.ts";

let store: FakeStore;
beforeEach(() => {
  store = new FakeStore(plain);
});
afterEach(() => store.remove());

describe("where it is started from", () => {
  it("finds its store through ./result, with blanks, commas and quotes on the way", async () => {
    symlinkSync(join(store.root, launcherPath), join(store.work, "result"));
    expect((await store.run()).code).toBe(0);
    expect(store.argv()).toContain(join(store.root, plain.boot.kernel));
  });

  it("finds it through a link to itself", async () => {
    symlinkSync(store.launcher, join(store.work, "my-vm"));
    const { code } = await finish(
      (await import("node:child_process")).spawn("./my-vm", ["--print-command"], { cwd: store.work }),
    );
    expect(code).toBe(0);
  });

  it("says so when it was copied out of its store", async () => {
    const copy = join(store.work, "copy");
    writeFileSync(copy, readFileSync(store.launcher), { mode: 0o755 });
    const { code, stderr } = await finish((await import("node:child_process")).spawn(copy, [], { cwd: store.work }));
    expect(code).toBe(1);
    expect(stderr).toContain("does not lie in a store");
  });
});

describe("QEMU_OPTS", () => {
  it.each([
    ["a b", ["a", "b"]],
    ["'a b' c", ["a b", "c"]],
    [`"a \\"b\\" \\$x \\n" d`, [`a "b" $x \\n`, "d"]],
    ["a\\ b ''", ["a b", ""]],
    ["pre'mid dle'post", ["premid dlepost"]],
    ["\t x \n y ", ["x", "y"]],
    ["$(touch pwned) `touch pwned` $HOME *", ["$(touch", "pwned)", "`touch", "pwned`", "$HOME", "*"]],
  ])("%j is split as a shell would, and nothing of it is run", async (text, words) => {
    await store.run(["last"], { QEMU_OPTS: text });
    expect(store.argv().slice(-words.length - 1)).toEqual([...words, "last"]);
    expect(existsSync(join(store.work, "pwned"))).toBe(false);
  });

  it("names a quote that is not closed", async () => {
    const { code, stderr } = await store.run([], { QEMU_OPTS: "-device 'x" });
    expect(code).toBe(1);
    expect(stderr).toContain("not closed");
  });

  it("understands 2009's -redir, also among the arguments", async () => {
    await store.run(["-redir", "udp:5353:10.0.2.15:53"], { QEMU_OPTS: "-redir tcp:18080::80 -m 2048" });
    const netdev = store.argv().find((a) => a.startsWith("user,id=net0"));
    expect(netdev).toBe("user,id=net0,hostfwd=tcp::18080-:80,hostfwd=udp::5353-10.0.2.15:53");
    expect(store.argv().slice(-2)).toEqual(["-m", "2048"]);
    expect(store.argv()).not.toContain("-redir");
  });

  it.each(["tcp:80", "tcp:80,x=y::80", "sctp:1::2", ""])(
    "refuses -redir %j and shows the right form",
    async (value) => {
      const { code, stderr } = await store.run(["-redir", value]);
      expect(code).toBe(1);
      expect(stderr).toContain("-redir tcp:8080::80");
    },
  );
});

describe("credentials", () => {
  it("are read by QEMU from files that nobody else can read", async () => {
    const file = join(store.work, "a, secret");
    writeFileSync(file, "hush", { mode: 0o600 });
    expect((await store.run(["--credential", `db.password=${file}`])).code).toBe(0);
    const at = store.argv().indexOf("-fw_cfg");
    expect(store.argv()[at + 1]).toBe(`name=opt/io.systemd.credentials/db.password,file=${file.replaceAll(",", ",,")}`);
    expect(store.argv().join("\n")).not.toContain("hush");
  });

  it.each([
    ["others can read it", 0o644, "chmod 600"],
    ["there is no such file", undefined, "mode 0600"],
  ])("are refused when %s", async (_, mode, fix) => {
    const file = join(store.work, "secret");
    if (mode !== undefined) writeFileSync(file, "hush", { mode });
    const { code, stderr } = await store.run(["--credential", `token=${file}`]);
    expect(code).toBe(1);
    expect(stderr).toContain(fix);
    expect(stderr).toContain(file);
  });

  it("of the configuration are looked at as well", async () => {
    store.remove();
    store = new FakeStore({ ...plain, credentials: [{ name: "token", source: "./it's, missing" }] });
    const { code, stderr } = await store.run();
    expect(code).toBe(1);
    expect(stderr).toContain("the credential token cannot be read from ./it's, missing");
  });
});

describe("forwarded ports", () => {
  it("drops a rule that the machine has already, and refuses one that contradicts it", async () => {
    store.remove();
    store = new FakeStore({ ...full, credentials: [], display: plain.display });
    await store.run([], { QEMU_OPTS: "-redir tcp:8080::80" });
    expect(
      store
        .argv()
        .find((a) => a.startsWith("user,id=net0"))
        ?.match(/8080/g),
    ).toHaveLength(1);
    const { code, stderr } = await store.run([], { QEMU_NET_OPTS: "hostfwd=tcp::8080-:81" });
    expect(code).toBe(1);
    expect(stderr).toContain("tcp::8080");
  });

  it("adds QEMU_NET_OPTS to the network", async () => {
    await store.run([], { QEMU_NET_OPTS: "hostfwd=tcp::12222-:22,hostname=x" });
    expect(store.argv()).toContain("user,id=net0,hostfwd=tcp::12222-:22,hostname=x");
  });

  it("names a port that is in use before anything is made", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const { code, stderr } = await store.run([], { QEMU_OPTS: `-redir tcp:${port}::80` });
    server.close();
    expect(code).toBe(1);
    expect(stderr).toContain(`port ${port} of this host is in use`);
    expect(readdirSync(store.work)).toEqual([]);
  });
});

describe("the accelerator", () => {
  it("is said in one line, with the reason and how to change it", async () => {
    const { stderr } = await store.run();
    expect(stderr).toContain("TCG (emulation), as asked for; OSMOD_ACCEL=auto");
    expect(store.argv()).toContain("tcg,thread=multi,tb-size=512");
  });

  it("must be one of three words", async () => {
    const { code, stderr } = await store.run([], { OSMOD_ACCEL: "xen" });
    expect(code).toBe(1);
    expect(stderr).toContain("kvm, tcg or auto");
  });
});

describe("the root disk", () => {
  it("is made at the first start and is all that is left behind", async () => {
    await store.run();
    expect(readdirSync(store.work)).toEqual(["web.qcow2"]);
    expect(readdirSync(store.runtimeBase)).toEqual([]);
    expect(store.argv()).toContain(
      `if=none,id=root,file=${join(store.work, "web.qcow2").replaceAll(",", ",,")},format=qcow2,discard=unmap,detect-zeroes=unmap`,
    );
  });

  it("is kept at the second, and grown when the machine says so", async () => {
    await store.run();
    const before = statSync(join(store.work, "web.qcow2"));
    await store.run();
    expect(statSync(join(store.work, "web.qcow2")).ino).toBe(before.ino);
    expect(readdirSync(store.work)).toEqual(["web.qcow2"]);
    const work = store.work;
    const larger = new FakeStore({ ...plain, disk: { image: join(work, "web.qcow2"), size: 2048, serial: "root" } });
    const { stderr } = await larger.run();
    larger.remove();
    expect(stderr).toContain("grew the disk image to 2048 MiB");
    expect(readFileSync(join(work, "web.qcow2.resized"), "utf8")).toBe("resized to 2048M");
  });

  it("is not left half-made when the disk is full", async () => {
    const { code, stderr } = await store.run([], { FAKE_FULL: "1" });
    expect(code).toBe(1);
    expect(stderr).toContain("no space left");
    expect(stderr).toContain("fix:");
    expect(readdirSync(store.work)).toEqual([]);
  });

  it("may be another one, also one that is raw", async () => {
    writeFileSync(join(store.work, "disk.img"), "not a qcow2 image");
    await store.run([], { OSMOD_DISK_IMAGE: "disk.img" });
    expect(store.argv().find((a) => a.includes("id=root"))).toContain("disk.img,format=raw");
    expect(readdirSync(store.work)).toEqual(["disk.img"]);
  });

  it("names a directory that does not exist", async () => {
    const { code, stderr } = await store.run([], { OSMOD_DISK_IMAGE: "/nowhere/at/all.qcow2" });
    expect(code).toBe(1);
    expect(stderr).toContain("/nowhere/at/all.qcow2");
  });

  it("is locked as long as QEMU lives: a second start names the first one's process", async () => {
    const first = store.start([], { FAKE_QEMU: "sleep 30" });
    await store.running();
    const { code, stderr } = await store.run();
    expect(code).toBe(1);
    expect(stderr).toMatch(/web\.qcow2 is in use already by process \d+/);
    first.kill("SIGTERM");
    expect((await finish(first)).code).toBe(143);
    expect((await store.run()).code).toBe(0);
  });

  it("does not exist for a machine whose root is in memory", async () => {
    store.remove();
    store = new FakeStore(diskless);
    expect((await store.run()).code).toBe(0);
    expect(readdirSync(store.work)).toEqual([]);
    expect(store.argv().some((a) => a.includes("virtio-blk"))).toBe(false);
  });
});

describe("what a root disk remembers", () => {
  const other = (work: string, spec: Partial<typeof plain>) => new FakeStore({ ...plain, disk: diskIn(work), ...spec });
  const diskIn = (work: string, size = 1024) => ({ image: join(work, "web.qcow2"), size, serial: "root" });

  it("is whose it is: another machine is told, and --fresh puts the image aside", async () => {
    await store.run();
    const stranger = other(store.work, { name: "mail" });
    const { code, stderr } = await stranger.run();
    expect(code).toBe(1);
    expect(stderr).toContain("was made by the machine web, not by mail");
    expect(stderr).toContain("--fresh");
    expect((await stranger.run(["--fresh"])).stderr).toContain("web.qcow2.old");
    expect((await stranger.run()).code).toBe(0);
    expect((await stranger.run(["--fresh"])).stderr).toContain("web.qcow2.old-2");
    stranger.remove();
    expect(readdirSync(store.work).sort()).toEqual(["web.qcow2", "web.qcow2.old", "web.qcow2.old-2"]);
  });

  it("is not asked of the same machine built anew", async () => {
    await store.run();
    const rebuilt = other(store.work, { toplevel: plain.toplevel.replace("aaaa", "bbbb") });
    expect((await rebuilt.run()).code).toBe(0);
    rebuilt.remove();
  });

  it("is its size, too: a smaller one is refused, with the size to set", async () => {
    await store.run();
    const smaller = other(store.work, { disk: diskIn(store.work, 512) });
    const { code, stderr } = await smaller.run();
    smaller.remove();
    expect(code).toBe(1);
    expect(stderr).toContain("has 1024 MiB and the machine asks for 512");
  });

  it("survives being looked at by other programs, and an image of another form is told", async () => {
    await store.run();
    const image = join(store.work, "web.qcow2");
    const bytes = readFileSync(image);
    expect(bytes.toString("latin1")).toContain("osmd\0\0\0\x0bosmod 1 web");
    writeFileSync(image, Buffer.from(bytes.toString("latin1").replace("osmod 1", "osmod 9"), "latin1"));
    expect((await store.run()).stderr).toContain("another version of osmod (osmod 9 web)");
  });

  it("is not replaced while a machine runs on it", async () => {
    const first = store.start([], { FAKE_QEMU: "sleep 30" });
    await store.running();
    const { code, stderr } = await store.run(["--fresh"]);
    first.kill("SIGTERM");
    await finish(first);
    expect(code).toBe(1);
    expect(stderr).toContain("in use");
  });
});

describe("further disks", () => {
  beforeEach(() => {
    store.remove();
    store = new FakeStore(disks);
  });

  it("are attached by serial, the empty ones made in the private directory", async () => {
    writeFileSync(join(store.work, "da,ta.img"), "raw");
    expect((await store.run()).code).toBe(0);
    const drives = store.argv().filter((a) => a.startsWith("if=none"));
    expect(drives[1]).toMatch(/file=.*\/empty0\.qcow2,format=qcow2,werror=report$/);
    expect(drives[2]).toContain("/work dir/da,,ta.img,format=raw");
    expect(store.argv()).toContain("virtio-blk-pci,drive=drive-empty0,serial=empty0");
    expect(readdirSync(store.work).sort()).toEqual(["da,ta.img", "web.qcow2"]);
  });

  it("are made anew where they are wanted, or gone on with", async () => {
    writeFileSync(join(store.work, "da,ta.img"), "raw");
    const images = join(store.work, "im,ages");
    const image = join(images, "empty0.qcow2");
    expect((await store.run([], { OSMOD_IMAGES: images })).code).toBe(0);
    expect(store.argv().join(" ")).toContain("/im,,ages/empty0.qcow2,format=qcow2");
    expect(readFileSync(image, "latin1").slice(0, 3)).toBe("QFI");
    writeFileSync(image, "of a machine that goes on");
    expect((await store.run([], { OSMOD_IMAGES: images, OSMOD_KEEP_IMAGES: "1" })).code).toBe(0);
    expect(readFileSync(image, "latin1")).toBe("of a machine that goes on");
    expect((await store.run([], { OSMOD_IMAGES: images })).code).toBe(0);
    expect(readFileSync(image, "latin1").slice(0, 3)).toBe("QFI");
  });

  it("are named when they do not exist, before anything is made", async () => {
    const { code, stderr } = await store.run();
    expect(code).toBe(1);
    expect(stderr).toContain("da,ta.img does not exist");
    expect(readdirSync(store.work)).toEqual([]);
  });
});

describe("shared directories", () => {
  beforeEach(() => {
    store.remove();
    store = new FakeStore(shared);
  });

  it("must exist", async () => {
    const { code, stderr } = await store.run();
    expect(code).toBe(1);
    expect(stderr).toContain("work dir/pro ject does not exist");
  });

  it("are listed for the server, with the directory for exchange", async () => {
    mkdirSync(join(store.work, "pro ject"));
    const child = store.start([], { FAKE_QEMU: "sleep 30" });
    await store.running();
    const [runtime = ""] = readdirSync(store.runtimeBase);
    const list = readFileSync(join(store.runtimeBase, runtime, "shares"), "utf8");
    child.kill("SIGTERM");
    await finish(child);
    expect(list).toBe(
      `rw xchg ${join(store.runtimeBase, runtime, "xchg")}\nro project ${join(store.work, "pro ject")}\n`,
    );
  });
});

describe("a machine whose store is a disk", () => {
  it("needs no namespaces", async () => {
    store.remove();
    store = new FakeStore(erofs);
    expect((await store.run([], { FAKE_NO_NAMESPACES: "1" })).code).toBe(0);
    expect(store.argv().find((a) => a.includes("store.erofs"))).toContain("readonly=on");
  });
});

describe("what lies beside the root disk", () => {
  const using = (spec: typeof plain) => {
    store.remove();
    store = new FakeStore(spec);
    return store;
  };
  const beside = () => readdirSync(store.work).sort();

  it("is nothing, for a machine without firmware of its own", async () => {
    await store.run();
    expect(beside()).toEqual(["web.qcow2"]);
  });

  it("are the EFI's variables, made once and kept", async () => {
    using(efiLoader);
    expect((await store.run()).code).toBe(0);
    const file = join(store.work, "web.qcow2.efivars");
    expect(readFileSync(file, "utf8")).toBe(`from ${store.root}${path("k", "boot-disk")}/efi-vars.fd`);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    writeFileSync(file, "written by the guest");
    await store.run();
    expect(readFileSync(file, "utf8")).toBe("written by the guest");
  });

  it("is what was written to the boot disk, until the machine has another one", async () => {
    using(biosLoader);
    await store.run();
    const file = join(store.work, "web.qcow2.boot");
    const first = readFileSync(file, "latin1");
    expect(first).toContain(`${store.root}${biosLoader.bootDisk?.image}`);
    writeFileSync(file, `${first}written by the guest`, "latin1");
    expect((await store.run()).stderr).not.toContain("begins again");
    expect(readFileSync(file, "latin1")).toContain("written by the guest");
    const rebuilt = new FakeStore({
      ...biosLoader,
      disk: { image: join(store.work, "web.qcow2"), size: 1024, serial: "root" },
    });
    const { code, stderr } = await rebuilt.run();
    expect({ code, again: stderr.includes("its boot disk begins again") }, stderr).toEqual({ code: 0, again: true });
    expect(readFileSync(file, "latin1")).not.toContain("written by the guest");
    expect(beside()).toEqual(["web.qcow2", "web.qcow2.boot"]);
    rebuilt.remove();
  });

  it("is what the TPM keeps, served as long as the machine runs", async () => {
    using(efi);
    const child = store.start([], { FAKE_QEMU: "sleep 30" });
    await store.running();
    const pid = Number(readFileSync(`${store.home}/argv.swtpm.pid`, "utf8"));
    process.kill(pid, 0);
    const argv = readFileSync(`${store.home}/argv.swtpm`, "utf8").split("\0");
    expect(argv).toContain("--die-with-parent");
    expect(argv[argv.lastIndexOf("--bind") + 1]).toBe(join(store.work, "web.qcow2.tpm"));
    expect(argv[argv.indexOf("/usr") - 1]).toBe(`${store.root}${efi.tpm?.tree}/usr`);
    expect(statSync(join(store.work, "web.qcow2.tpm")).mode & 0o777).toBe(0o700);
    child.kill("SIGTERM");
    await finish(child);
    expect(() => process.kill(pid, 0)).toThrow("ESRCH");
  });

  it("is not kept when the root is in memory", async () => {
    using({ ...efi, bootDisk: { image: "/nix/store/k/boot.img", serial: "boot" }, disk: null });
    const { code, stderr } = await store.run();
    expect(code, stderr).toBe(0);
    expect(beside()).toEqual([]);
    expect(store.argv().find((a) => a.includes("unit=1"))).toMatch(/file=\/tmp\/.*\/machine\.efivars$/);
    expect(readdirSync(store.runtimeBase)).toEqual([]);
  });

  it("is gone on with by a machine that is resumed, also when the root is in memory", async () => {
    using({ ...efi, disk: null });
    const [images, file] = [join(store.work, "images"), join(store.work, "images/machine.efivars")];
    await store.run([], { OSMOD_IMAGES: images });
    const made = readFileSync(file, "latin1");
    writeFileSync(file, "written by the guest");
    await store.run([], { OSMOD_IMAGES: images, OSMOD_KEEP_IMAGES: "1" });
    expect(readFileSync(file, "latin1")).toBe("written by the guest");
    await store.run([], { OSMOD_IMAGES: images });
    expect(readFileSync(file, "latin1")).toBe(made);
    // What is secret is not kept.
    expect(readdirSync(images)).toEqual(["machine.efivars"]);
  });

  it("goes aside with the disk that it belongs to", async () => {
    using({ ...efi, bootDisk: { image: "/nix/store/k/boot.img", serial: "boot" } });
    await store.run();
    await store.run(["--fresh"]);
    const parts = ["web.qcow2", "web.qcow2.boot", "web.qcow2.efivars", "web.qcow2.tpm"];
    const old = parts.map((name) => name.replace("web.qcow2", "web.qcow2.old"));
    expect(beside()).toEqual([...parts, ...old].sort());
  });

  it("starts nothing when the TPM does not", async () => {
    using(efi);
    const { code, stderr } = await store.run([], { FAKE_NO_TPM: "1" });
    expect(code).toBe(1);
    expect(stderr).toContain("swtpm, which is the machine's TPM, did not start: swtpm: the state is damaged");
    expect(stderr).toContain("web.qcow2.tpm");
    expect(readdirSync(store.runtimeBase)).toEqual([]);
  });

  it("is named by --print-command, and not made", async () => {
    using(efiLoader);
    const { stdout } = await store.run(["--print-command"]);
    expect(stdout).toContain("web.qcow2.efivars");
    expect(stdout).toContain("web.qcow2.boot");
    expect(stdout).toContain("kernel-cmdline-extra= nokaslr");
    expect(beside()).toEqual([]);
  });
});

describe("the way to the world", () => {
  beforeEach(() => {
    store.remove();
    store = new FakeStore(networked);
  });

  it("is passt, which leaves the host's loopback out and is told the forwarded ports", async () => {
    const child = store.start([], { FAKE_QEMU: "sleep 30", QEMU_NET_OPTS: "hostfwd=udp::5353-:53" });
    await store.running();
    const [runtime = ""] = readdirSync(store.runtimeBase);
    const ports = readFileSync(join(store.runtimeBase, runtime, "ports"), "utf8");
    child.kill("SIGTERM");
    const { stderr } = await finish(child);
    const free = /port (\d+) of the host leads to port 22 of the guest/.exec(stderr)?.[1];
    expect(ports).toBe(`tcp 127.0.0.1:8080 80\nudp 127.0.0.1:5353 53\ntcp 127.0.0.1:${free} 22\n`);
    const passt = store.passtArgv();
    expect(passt).toContain("--no-map-gw");
    expect(passt.slice(passt.indexOf("--tcp-ports"))).toEqual([
      "--tcp-ports",
      "127.0.0.1/8080:80",
      "--udp-ports",
      "5353:53",
      "--tcp-ports",
      `${free}:22`,
    ]);
  });

  it("takes no settings that only QEMU's own network has", async () => {
    const { code, stderr } = await store.run([], { QEMU_NET_OPTS: "hostname=x,hostfwd=tcp::2222-:22" });
    expect(code).toBe(1);
    expect(stderr).toContain("hostname=x");
    expect(stderr).toContain("networkBackend");
  });

  it("has LANs whose switch is named at the start, and cables without one lead nowhere", async () => {
    await store.run([], { OSMOD_VLAN_7: "/tmp/a,b" });
    const lans = store.argv().filter((a) => a.startsWith("stream,id=vlan"));
    expect(lans[0]).toMatch(/addr\.path=.*\/osmod-vlan-1,/);
    expect(lans[1]).toContain("addr.path=/tmp/a,,b,");
  });
});

describe("the end", () => {
  it("passes QEMU's exit code on", async () => {
    expect((await store.run([], { FAKE_QEMU: "exit 7" })).code).toBe(7);
  });

  it("takes QEMU along when the launcher is killed, and the next start clears up", async () => {
    const child = store.start([], { FAKE_QEMU: "sleep 31.4159" });
    await store.running();
    child.kill("SIGKILL");
    await finish(child);
    await new Promise((resolve) => setTimeout(resolve, 300));
    const left = readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && commandLine(pid).includes("31.4159"));
    expect(left).toEqual([]);
    expect(readdirSync(store.runtimeBase)).toHaveLength(1);
    expect((await store.run()).code).toBe(0);
    expect(readdirSync(store.runtimeBase)).toEqual([]);
  });

  it("ends with the program that started it, when that wants it so", async () => {
    const parent = ["sh", "-c", 'OSMOD_PARENT=$$ "$@" & wait', "sh"];
    const child = store.start([], { FAKE_QEMU: "sleep 27.1828" }, parent);
    await store.running();
    const left = () => readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && commandLine(pid).includes("27.1828"));
    expect(left().length).toBeGreaterThan(0);
    child.kill("SIGKILL");
    await finish(child);
    await expect.poll(left, { timeout: 5000 }).toEqual([]);
    await expect.poll(() => readdirSync(store.runtimeBase), { timeout: 5000 }).toEqual([]);
  });

  it("ends QEMU and cleans up on a signal", async () => {
    const child = store.start([], { FAKE_QEMU: "sleep 30" });
    await store.running();
    child.kill("SIGHUP");
    expect((await finish(child)).code).toBe(129);
    expect(readdirSync(store.runtimeBase)).toEqual([]);
  });
});

describe("the share", () => {
  it("is explained where user namespaces are forbidden", async () => {
    const { code, stderr } = await store.run([], { FAKE_NO_NAMESPACES: "1" });
    expect(code).toBe(1);
    expect(stderr).toContain("user namespaces");
    expect(stderr).toContain("sysctl");
  });
});

describe("the store it runs from", () => {
  const running = () => join(store.root, "nix/var/osmod/running");
  const locks = () => join(store.root, "nix/var/osmod/locks");
  beforeEach(() => {
    for (const place of [running(), locks()]) mkdirSync(place, { recursive: true });
  });

  it("is told what is used, as long as QEMU lives", async () => {
    const child = store.start([], { FAKE_QEMU: "sleep 30" });
    await store.running();
    const [name = ""] = readdirSync(running());
    const file = join(running(), name);
    expect(name).toBe(`vm.${child.pid}.${startOf(child.pid)}.${thisOwner().split(".").slice(2).join(".")}.1`);
    expect(readFileSync(file, "utf8")).toBe(`${launcherPath}\n`);
    expect(ownerLives(name.slice(3, -2), file)).toBe(true);
    child.kill("SIGTERM");
    await finish(child);
    expect(readdirSync(running())).toEqual([]);
  });

  it("is waited for while garbage is collected there, and not for a collection that died", async () => {
    writeFileSync(join(locks(), "collecting.4194304.1.1.1.1"), "");
    expect((await store.run()).code).toBe(0);
    const claim = join(locks(), `collecting.${thisOwner()}.1`);
    writeFileSync(claim, "");
    const begun = performance.now();
    setTimeout(() => rmSync(claim), 1500);
    expect((await store.run()).code).toBe(0);
    expect(performance.now() - begun).toBeGreaterThan(1400);
  });

  function startOf(pid: number | undefined): string | undefined {
    return readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ")[19];
  }
});

describe("its own options", () => {
  it("--print-command starts nothing and makes nothing", async () => {
    const { code, stdout } = await store.run(["--print-command", "-m", "it's 2"], { QEMU_KERNEL_PARAMS: "quiet a=b" });
    expect(code).toBe(0);
    expect(stdout).toContain("console=ttyS0 nokaslr mitigations=off no_timer_check tsc=reliable ");
    expect(stdout).toContain(" systemd.tty.rows.ttyS0=24 systemd.tty.columns.ttyS0=80 ");
    expect(stdout).toContain(" quiet a=b'");
    expect(stdout.trimEnd()).toMatch(/-m 'it'\\''s 2'$/);
    expect(readdirSync(store.work)).toEqual([]);
  });

  it("--help lists what can be set", async () => {
    const { code, stdout } = await store.run(["--help"]);
    expect(code).toBe(0);
    for (const name of ["OSMOD_ACCEL", "OSMOD_DISK_IMAGE", "QEMU_OPTS", "QEMU_NET_OPTS", "QEMU_KERNEL_PARAMS"]) {
      expect(stdout).toContain(name);
    }
  });

  it("gives QEMU the launcher's own standard input", async () => {
    const child = store.start(["--headless"], { FAKE_QEMU: "cat" });
    child.stdin?.write("typed at the console\n");
    expect((await finish(child)).stdout).toBe("typed at the console\n");
  });
});

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
}
