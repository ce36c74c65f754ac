/**
 * Disks, transports, shares and networks of real machines. One machine has most of it at once (its store is an image, which
 * starts soonest); each other transport has a short look of its own.
 */
import type { ChildProcess } from "node:child_process";
import { existsSync, lchownSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { VirtualLan } from "../../src/vm/index.ts";
import { GuestConsole } from "../helpers/console.ts";
import { Installed } from "../helpers/installed.ts";

const home = new Installed("devices");
const directory = home.copy("examples/minimal", "machine");
const runtimeBase = join("/tmp", `osmod-devices-${process.pid}`);
let vm: ChildProcess | undefined;
let guest: GuestConsole;
let runtime = "";
let starts = 0;

beforeAll(() => {
  home.makeDirectory(runtimeBase);
  home.makeDirectory(join(directory, "pro ject"));
  writeFileSync(join(directory, "pro ject/file"), "from the host\n");
  writeFileSync(join(directory, "data.img"), Buffer.concat([Buffer.from("raw image"), Buffer.alloc(1 << 20)]));
  home.giveAll(directory);
});

afterAll(() => {
  vm?.kill("SIGKILL");
  home.remove();
});

describe("a machine with disks and networks, whose store is an image", () => {
  let lan: VirtualLan;
  let neighbour: Neighbour;
  const servers: Server[] = [];
  const ports: Record<"private" | "forwarded", number> = { private: 0, forwarded: 0 };

  beforeAll(async () => {
    ports.private = await answer("of the host alone", servers);
    ports.forwarded = await answer("led to the host", servers);
    lan = await VirtualLan.listen(join(runtimeBase, "lan"));
    const cable = await lan.attach("devices");
    lchownSync(cable, home.uid, home.uid);
    neighbour = new Neighbour(await lan.attach("neighbour"));
    await build(`
      store: { transport: "erofs" },
      writableStore: true,
      diskSize: 512,
      emptyDiskImages: [64, { size: 32, driveConfig: { serial: "log" } }],
      qemu: { drives: [{ name: "data", file: "./data.img" }] },
      fileSystems: { "/scratch": { device: "/dev/disk/by-id/virtio-empty0", fsType: "ext4", autoFormat: true } },
      vlans: [1],
      test: { nodeNumber: 3 },
      forwardPorts: [
        { host: { port: 0 }, guest: { port: 8000 } },
        { from: "guest", guest: { address: "10.0.2.100", port: 9 }, host: { port: ${ports.forwarded} } },
      ],`);
    await start({ OSMOD_VLAN_1: cable });
  });

  afterAll(async () => {
    for (const server of servers) server.close();
    await lan?.close();
  });

  it("has its disks under their names, and a file system on one that was blank", async () => {
    const names = await guest.succeed("udevadm settle; ls -1 /dev/disk/by-id");
    for (const name of ["data", "empty0", "log", "root", "store"]) expect(names).toContain(`virtio-${name}\n`);
    expect(await guest.succeed("head -c 9 /dev/disk/by-id/virtio-data")).toBe("raw image");
    expect(await guest.succeed("findmnt -no FSTYPE /scratch")).toBe("ext4\n");
    await guest.succeed("echo kept > /root/kept");
  });

  it("shows the closure and every name in it, and writes to a layer of its own", async () => {
    await looksRight("erofs", "/nix/.ro-store");
    await guest.succeed("echo x > /nix/store/written");
    expect((await guest.run("echo x > /nix/.ro-store/written")).code).not.toBe(0);
    expect(readdirSync(join(home.storeRoot, "nix/store"))).not.toContain("written");
  });

  it("is not changed while it runs, since nothing gets between its image and that layer", async () => {
    describeMachine(`store: { transport: "erofs" }, writableStore: true`, "devices", `live: { text: "never\\n" }, `);
    const { code, stderr } = await home.osmod(["test", "test-machine.ts", "--vm", "devices"], { cwd: directory });
    expect(code).toBe(1);
    expect(stderr).toContain("[switch-needs-live-store]");
    expect((await guest.run("cat /etc/live")).code).not.toBe(0);
  });

  it("leaves what the guest writes to the user who started it", sharesBelongToTheUser);

  it("is reached by the port that was free", async () => {
    const [line = ""] = readFileSync(join(runtime, "ports"), "utf8").split("\n");
    expect(line).toMatch(/^tcp 127\.0\.0\.1:\d+ 8000$/);
    await guest.succeed(
      "bb=$(ls -d /nix/store/*-busybox-static)/bin/busybox; $bb nc -ll -p 8000 -e $bb echo of the guest &",
    );
    expect(await ask(Number(/:(\d+)/.exec(line)?.[1]))).toBe("of the guest\n");
  });

  it("reaches what is led to the host, and nothing else of it", async () => {
    expect((await tcp("10.0.2.100", 9)).output).toContain("led to the host");
    for (const address of ["10.0.2.2", "10.0.2.3", "10.0.2.254", "10.0.3.2", "10.0.3.4"]) {
      expect((await tcp(address, ports.private)).output, address).not.toContain("of the host alone");
    }
  });

  it("meets others on its LAN until its cable is pulled", async () => {
    expect(await guest.succeed("cat /sys/class/net/eth1/address")).toBe("52:54:00:13:01:03\n");
    const meet = "timeout 2 bash -c '< /dev/tcp/192.168.1.9/1' 2> /dev/null; grep 192.168.1.9 /proc/net/arp";
    expect(await guest.succeed(meet)).toContain(neighbour.mac);
    lan.block("devices");
    const heard = neighbour.heard;
    await guest.run("timeout 2 bash -c '< /dev/tcp/192.168.1.77/1'");
    expect(neighbour.heard).toBe(heard);
    lan.unblock("devices");
  });

  it("has no failed unit", async () => {
    expect(await guest.succeed("systemctl --failed --no-legend --plain")).toBe("");
    await powerOff();
  });
});

describe("the same disk later", () => {
  it("refuses to shrink, and another machine's is told by name", async () => {
    await build(`store: { transport: "erofs" }, diskSize: 256`);
    expect((await launch()).stderr).toContain("has 512 MiB and the machine asks for 256");
    await build(`store: { transport: "erofs" }, diskImage: "./devices.qcow2"`, "other");
    expect((await launch("other")).stderr).toContain("was made by the machine devices, not by other");
  });

  it("grows with its file system, over virtiofs", async () => {
    await build(`store: { transport: "virtiofs" }, diskSize: 1024`);
    await start();
    expect(Number(await guest.succeed("df -m --output=size / | tail -n 1"))).toBeGreaterThan(900);
    expect(await guest.succeed("cat /root/kept")).toBe("kept\n");
    await looksRight("virtiofs", "/nix/store");
    await sharesBelongToTheUser();
    await becomesAnotherWhileItRuns(`store: { transport: "virtiofs" }, diskSize: 1024`);
    await powerOff();
  });
});

describe("a new disk for the same machine, in a restricted network", () => {
  it("is asked for, and leaves the former one beside it", async () => {
    await build(`store: { transport: "erofs" }, writableStore: true, writableStoreUseTmpfs: false, restrictNetwork: true,
      forwardPorts: [{ host: { port: 0 }, guest: { port: 8000 } }],`);
    await start({}, ["--fresh"]);
    expect((await guest.run("cat /root/kept")).code).not.toBe(0);
    expect(existsSync(join(directory, "devices.qcow2.old"))).toBe(true);
  });

  it("keeps what is written to the store on that disk", async () => {
    await guest.succeed("echo x > /nix/store/written");
    expect(await guest.succeed("findmnt -no FSTYPE -T /nix/.rw-store/upper/written")).toBe("ext4\n");
  });

  it("is reached by the forwarded port alone, and reaches nothing", async () => {
    const [line = ""] = readFileSync(join(runtime, "ports"), "utf8").split("\n");
    await guest.succeed(
      "bb=$(ls -d /nix/store/*-busybox-static)/bin/busybox; $bb nc -ll -p 8000 -e $bb echo of the guest &",
    );
    expect(await ask(Number(/:(\d+)/.exec(line)?.[1]))).toBe("of the guest\n");
    const servers: Server[] = [];
    const port = await answer("of the host alone", servers, "0.0.0.0");
    for (const address of ["10.0.2.2", "10.0.2.3", "10.0.3.4", ...externalAddresses()]) {
      expect((await tcp(address, port)).output, address).not.toContain("of the host alone");
    }
    for (const server of servers) server.close();
    await powerOff();
  });
});

describe("a machine without a disk", () => {
  it.each(["9p", "smb"] as const)("has its root in memory, and its store over %s", async (transport) => {
    await build(`store: { transport: "${transport}" }, diskImage: null`);
    await start();
    expect(await guest.succeed("findmnt -no FSTYPE /")).toBe("tmpfs\n");
    await (transport === "smb" ? looksRight("cifs", "/nix/.ro-store") : looksRight("9p", "/nix/store"));
    await sharesBelongToTheUser();
    if (transport === "9p") await becomesAnotherWhileItRuns(`store: { transport: "9p" }, diskImage: null`);
    await powerOff();
  });
});

const oddNames = [
  "a:b",
  "back\\slash",
  "question?",
  "star*",
  "pipe|",
  'quote"',
  "trailing.",
  "trailing ",
  "CON",
  "case",
  "CASE",
  "ümlaut",
];

/** examples/minimal with these words below `virtualisation`, a shared directory, and a store path full of odd names. */
async function build(virtualisation: string, name = "devices"): Promise<void> {
  describeMachine(virtualisation, name);
  const { code, stderr } = await home.osmod(["build-vm", "test-machine.ts"], { cwd: directory });
  expect(code, stderr).toBe(0);
}

function describeMachine(virtualisation: string, name: string, etc = ""): void {
  writeFileSync(
    join(directory, "test-machine.ts"),
    `import { define, defineMachine, mkForce } from "osmod";
import minimal from "./machine.ts";

const names: readonly string[] = ${JSON.stringify(oddNames)};
const quote = (text: string) => "'" + text.replaceAll("'", "'\\\\''") + "'";

export default defineMachine({
  imports: [minimal],
  config: ({ pkgs }) =>
    define({
      networking: { hostName: mkForce("${name}"), firewall: { allowedTCPPorts: [8000] } },
      environment: { etc: { ${etc}"odd-names": { text: () => \`\${pkgs.runCommand("odd-names", {}, ["mkdir $out && cd $out", ...names.map((n) => \`printf '%s\\\\n' \${quote("content of " + n)} > \${quote(n)}\`), "ln -s a:b link", "ln -s /etc/passwd absolute"].join("\\n"))}\` } } },
      virtualisation: { sharedDirectories: { project: { source: "./pro ject", target: "/srv/project" } }, ${virtualisation} },
    }),
});
`,
  );
  home.giveAll(directory);
}

function launch(name = "devices") {
  return home.run(join(directory, `result/bin/run-${name}-vm`), [], { cwd: directory });
}

async function start(env: Readonly<Record<string, string>> = {}, options: readonly string[] = []): Promise<void> {
  // A test that failed may have left its machine running.
  const former = vm;
  if (former !== undefined && former.exitCode === null && former.signalCode === null) {
    former.kill("SIGTERM");
    await new Promise((resolve) => former.once("close", resolve));
  }
  starts += 1;
  // A name by which osmod finds what runs.
  runtime = `${runtimeBase}-run${String(starts).padStart(3, "0")}`;
  vm = home.start(join(directory, "result/bin/run-devices-vm"), ["--headless", ...options], {
    cwd: directory,
    env: { OSMOD_RUNTIME_DIR: runtime, ...env },
  });
  if (vm.stdin === null || vm.stdout === null) throw new Error("the launcher has no console");
  guest = new GuestConsole(vm.stdin, vm.stdout);
  vm.stderr?.on("data", (chunk: Buffer) => {
    guest.transcript += chunk.toString();
  });
  await guest.login("root", "root", 400);
}

async function powerOff(): Promise<void> {
  guest.send("poweroff");
  expect(await new Promise((resolve) => vm?.once("close", resolve))).toBe(0);
}

/** The store's mount: its type, the closure and nothing else, names, links, and no writing, not even by root. */
async function looksRight(fsType: string, mountPoint: string): Promise<void> {
  expect(await guest.succeed(`findmnt -no FSTYPE ${mountPoint}`)).toBe(`${fsType}\n`);
  const listing = await guest.succeed(
    'cd $(cat /etc/odd-names) && for f in *; do [ -L "$f" ] || echo "$f=$(cat "$f")"; done; readlink link absolute',
  );
  expect(listing.trim().split("\n").sort()).toEqual(
    [...oddNames.map((name) => `${name}=content of ${name}`), "a:b", "/etc/passwd"].sort(),
  );
  const closure = readFileSync(join(directory, "result/share/osmod/store-paths"), "utf8").trim().split("\n");
  const seen = (await guest.succeed(`ls -1A ${mountPoint}`)).trim().split("\n");
  expect(seen.sort()).toEqual(closure.map((line) => line.split(" ")[1]?.split("/").at(-1)).sort());
  expect(await guest.succeed(`stat -c %u:%g ${mountPoint}/*-etc`)).toBe("0:0\n");
  await guest.run(`mount -o remount,rw ${mountPoint}`);
  expect((await guest.run(`echo x > ${mountPoint}/written`)).code).not.toBe(0);
  expect((await guest.run(`echo x >> $(ls -d ${mountPoint}/*-osmod-system-*)/init`)).code).not.toBe(0);
}

/** Paths that the machine did not have when it was started are shown to it, and to whoever listens for them in it. */
async function becomesAnotherWhileItRuns(virtualisation: string): Promise<void> {
  expect((await guest.run("cat /etc/live")).code).not.toBe(0);
  describeMachine(virtualisation, "devices", `live: { text: "seen while it runs\\n" }, `);
  const { code, stderr } = await home.osmod(["test", "test-machine.ts", "--vm", "devices"], { cwd: directory });
  expect(code, stderr).toBe(0);
  expect(await guest.succeed("cat /etc/live")).toBe("seen while it runs\n");
  const [old = ""] = (await guest.succeed("ls -d /nix/store/*-odd-names")).split("\n");
  expect((await guest.run(`echo x > ${old}/written`)).code).not.toBe(0);
  expect((await guest.run("echo x > /nix/store/written")).code).not.toBe(0);
}

/** Directories of the host: what both sides write and see. */
async function sharesBelongToTheUser(): Promise<void> {
  expect(await guest.succeed("cat /srv/project/file")).toBe("from the host\n");
  expect((await guest.run("echo x > /srv/project/new")).code).not.toBe(0);
  await guest.succeed(
    "mkdir /tmp/xchg/made && echo of the guest > /tmp/xchg/made/file && chmod 600 /tmp/xchg/made/file",
  );
  const made = statSync(join(runtime, "xchg/made/file"));
  expect([made.uid, made.mode & 0o777]).toEqual([home.uid, 0o600]);
  expect(readFileSync(join(runtime, "xchg/made/file"), "utf8")).toBe("of the guest\n");
  writeFileSync(join(runtime, "xchg/answer"), "of the host\n");
  lchownSync(join(runtime, "xchg/answer"), home.uid, home.uid);
  await new Promise((resolve) => setTimeout(resolve, 1500));
  expect(await guest.succeed("cat /tmp/shared/answer; stat -c %u /tmp/shared/answer")).toBe("of the host\n0\n");
}

/** The host's addresses on other networks than its own. */
function externalAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((list) =>
    (list ?? []).filter(({ family, internal }) => family === "IPv4" && !internal).map(({ address }) => address),
  );
}

/** Listen on every address of the host, or on its loopback, and say something to whoever comes. */
function answer(text: string, servers: Server[], host = "127.0.0.1"): Promise<number> {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.end(`${text}\n`);
  });
  servers.push(server);
  return new Promise((resolve) => {
    server.listen(0, host, () => {
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : 0);
    });
  });
}

/** What a port of the host says; asked again until somebody in the guest listens. */
async function ask(port: number): Promise<string> {
  for (let attempt = 0; attempt < 60; attempt += 1) {
    const text = await new Promise<string>((resolve) => {
      const socket = connect(port, "127.0.0.1");
      let heard = "";
      socket.setTimeout(10_000, () => socket.destroy());
      socket.on("data", (chunk: Buffer) => {
        heard += chunk.toString();
      });
      socket.on("error", () => {});
      socket.on("close", () => resolve(heard));
    });
    if (text !== "") return text;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  throw new Error(`nobody answers on port ${port}`);
}

/** What the guest hears at an address. Whoever says something does so at once. */
function tcp(address: string, port: number) {
  return guest.run(`timeout 5 bash -c 'head -n 1 < /dev/tcp/${address}/${port}'`);
}

/** A node of the LAN that answers who it is. */
class Neighbour {
  readonly mac = "52:54:00:13:01:09";
  heard = 0;
  readonly #socket: Socket;
  #pending = Buffer.alloc(0);

  constructor(path: string) {
    this.#socket = connect(path);
    this.#socket.on("error", () => {});
    this.#socket.on("data", (chunk: Buffer) => {
      this.#pending = Buffer.concat([this.#pending, chunk]);
      while (this.#pending.length >= 4 && this.#pending.length >= 4 + this.#pending.readUInt32BE(0)) {
        const end = 4 + this.#pending.readUInt32BE(0);
        this.#take(Buffer.from(this.#pending.subarray(4, end)));
        this.#pending = this.#pending.subarray(end);
      }
    });
  }

  /** Answer ARP's question for 192.168.1.9 (from 14 on: who asks at 22, for whom at 38). */
  #take(frame: Buffer): void {
    this.heard += 1;
    const own = Buffer.from(this.mac.replaceAll(":", ""), "hex");
    const address = Buffer.from([192, 168, 1, 9]);
    if (frame.readUInt16BE(12) !== 0x806 || !frame.subarray(38, 42).equals(address)) return;
    const reply = Buffer.from(frame);
    frame.copy(reply, 0, 6, 12);
    own.copy(reply, 6);
    reply.writeUInt16BE(2, 20);
    own.copy(reply, 22);
    address.copy(reply, 28);
    frame.copy(reply, 32, 22, 32);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(reply.length);
    this.#socket.write(Buffer.concat([length, reply]));
  }
}
