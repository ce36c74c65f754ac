/** The main job, end to end: build examples/web as an ordinary user, boot it, use it, power it off, boot it again. */
import type { ChildProcess } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { readdirSync, readFileSync, readlinkSync, realpathSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { GuestConsole } from "../helpers/console.ts";
import { Installed } from "../helpers/installed.ts";

const key = sshKey();
const home = new Installed("session");
let directory: string;
let port: number;
let sshPort: number;
let vm: ChildProcess;
let guest: GuestConsole;
let portsBefore: ReadonlySet<number>;

beforeAll(async () => {
  directory = home.copy("examples/web", "a machine");
  writeMachine("first page");
  port = await freePort();
  sshPort = await freePort();
  portsBefore = listeningPorts(home.uid);
});

afterAll(() => {
  vm?.kill("SIGKILL");
  home.remove();
});

describe("osmod build-vm", () => {
  it("builds the machine and says how to start it", async () => {
    const { code, stdout, stderr } = await home.osmod(["build-vm", "test-machine.ts"], { cwd: directory });
    expect(stderr).not.toContain("error");
    expect(code).toBe(0);
    expect(stdout).toContain("./result/bin/run-web-vm");
    expect(readlinkSync(join(directory, "result"))).toContain(`${home.storeRoot}/nix/store/`);
  });

  it("does nothing the second time", async () => {
    const before = realpathSync(join(directory, "result"));
    const { code, stderr } = await home.osmod(["build-vm", "test-machine.ts"], { cwd: directory });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(realpathSync(join(directory, "result"))).toBe(before);
  });
});

describe("the first start", () => {
  beforeAll(async () => {
    start();
    // Whoever waits for the page knocks long before anything is there to answer.
    let waiting = true;
    const knock = async (): Promise<void> => {
      while (waiting) {
        await fetch(`http://127.0.0.1:${port}/`, { signal: AbortSignal.timeout(1000) }).catch(() => {});
        await new Promise((resolve) => setTimeout(resolve, 500));
      }
    };
    const knocking = knock();
    await guest.login("root", "root").finally(() => {
      waiting = false;
    });
    await knocking;
  });

  it("serves the page on the port that 2009's QEMU_OPTS forwards", async () => {
    expect(await fetchPage()).toContain("first page");
  });

  it("opens no port on the host but the forwarded ones", () => {
    const opened = [...listeningPorts(home.uid)].filter((p) => !portsBefore.has(p));
    expect(opened.sort()).toEqual([port, sshPort].sort());
  });

  it("lets a user in over ssh by the key that the machine names, and by nothing else", async () => {
    expect(await greeting(sshPort)).toMatch(/^SSH-2\.0-OpenSSH/);
    await guest.succeed(`umask 077; printf '%s' '${key.private}' > /root/key`);
    const ssh = "ssh -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR";
    expect(await guest.succeed(`${ssh} -i /root/key alice@localhost 'id -un; id -Gn'`)).toMatch(/^alice\n.*wheel/);
    expect((await guest.run(`${ssh} -i /root/key root@localhost true`)).code).not.toBe(0);
  });

  it("mounts the store read-only over cifs", async () => {
    expect(await guest.succeed("mount | grep ' /nix/.ro-store '")).toMatch(/ type cifs \(ro,/);
    expect(await guest.succeed("mount | grep ' /nix/store '")).toMatch(/ type overlay \(ro,/);
  });

  it("refuses root's writes to the store, at the server too", async () => {
    for (const store of ["/nix/.ro-store", "/nix/store"]) {
      expect((await guest.run(`mount -o remount,rw ${store}; touch ${store}/written`)).code).not.toBe(0);
    }
    expect((await guest.run("echo x >> /run/current-system/init")).code).not.toBe(0);
    expect(readdirSync(join(home.storeRoot, "nix/store"))).not.toContain("written");
  });

  it("shows the closure of the machine and nothing else of the store", async () => {
    const seen = new Set((await guest.succeed("ls -A /nix/store")).trim().split("\n"));
    const all = readdirSync(join(home.storeRoot, "nix/store")).filter((name) => !name.startsWith("."));
    const outside = all.filter((name) => !seen.has(name));
    expect(outside.length).toBeGreaterThan(10);
    for (const name of outside.slice(0, 3)) {
      expect((await guest.run(`test -e '/nix/store/${name}'`)).code).not.toBe(0);
    }
  });

  it("shows every name that Linux allows, with its content, and links as links", async () => {
    const listing = await guest.succeed(
      'cd $(cat /etc/odd-names) && for f in *; do [ -L "$f" ] || echo "$f=$(cat "$f")"; done; readlink link absolute',
    );
    expect(listing.trim().split("\n").sort()).toEqual(
      [...oddNames.map((name) => `${name}=content of ${name}`), "a:b", "/etc/passwd"].sort(),
    );
  });

  it("ignores the machine's own file systems, which osmod eval still shows", async () => {
    expect(await guest.succeed("findmnt -no SOURCE,FSTYPE / || mount | grep ' / '")).toMatch(/\/dev\/vda.*ext4/);
    const { stdout } = await home.osmod(["eval", "test-machine.ts", "fileSystems", "--json"], { cwd: directory });
    expect(JSON.parse(stdout)["/"].device).toBe("/dev/disk/by-label/web-root");
  });

  it("has no failed unit", async () => {
    expect(await guest.succeed("systemctl --failed --no-legend --plain")).toBe("");
  });

  it("gives whoever logs in the priority of everybody", async () => {
    expect(await guest.succeed("nice")).toBe("0\n");
  });

  it("keeps the journal on disk from its first message", async () => {
    expect(await guest.succeed("ls /run/log/journal 2> /dev/null | wc -l")).toBe("0\n");
    const files = await guest.succeed("ls /var/log/journal/*/system.journal");
    expect(await guest.succeed(`journalctl --file ${files.trim()} -b -k --no-pager | head -n 2`)).toContain(
      "Linux version",
    );
  });

  it("refuses a second start on the same disk with a message that says why", async () => {
    const second = await home.run(join(directory, "result/bin/run-web-vm"), [], { cwd: directory });
    expect(second.code).not.toBe(0);
    expect(second.stderr).toMatch(/web\.qcow2/);
    expect(second.stderr).toMatch(/in use|already/i);
    expect(await fetchPage()).toContain("first page");
  });

  it("powers off with exit code 0 and leaves only its disk behind", async () => {
    await guest.succeed("echo precious > /root/kept; sync");
    guest.send("poweroff");
    expect(await exitCode(vm)).toBe(0);
    expect(readdirSync(directory).sort()).toEqual(
      ["machine.ts", "osmod.lock.json", "result", "test-machine.ts", "web.qcow2"].sort(),
    );
  });
});

describe("after a rebuild", () => {
  it("starts the new machine on the old disk", async () => {
    writeMachine("second page");
    expect((await home.osmod(["build-vm", "test-machine.ts"], { cwd: directory })).code).toBe(0);
    start();
    await guest.login("root", "root");
    expect(await fetchPage()).toContain("second page");
    expect(await guest.succeed("cat /root/kept")).toBe("precious\n");
  });

  it("comes up again after a reboot from inside", async () => {
    guest.send("reboot");
    await guest.login("root", "root");
    expect(await guest.succeed("cat /root/kept")).toBe("precious\n");
    expect(await guest.succeed("systemctl --failed --no-legend --plain")).toBe("");
    guest.send("poweroff");
    expect(await exitCode(vm)).toBe(0);
  });
});

const oddNames = [
  "a:b",
  "back\\slash",
  "question?",
  "star*",
  "pipe|",
  "less<more>",
  'quote"',
  "trailing.",
  "trailing ",
  "CON",
  "case",
  "CASE",
  "ümlaut",
];

/** examples/web plus a page of its own, a key, and a store path full of names that other systems forbid. */
function writeMachine(page: string): void {
  writeFileSync(
    join(directory, "test-machine.ts"),
    `import { define, defineMachine, mkForce } from "osmod";
import web from "./machine.ts";

const names: readonly string[] = ${JSON.stringify(oddNames)};
const quote = (text: string) => "'" + text.replaceAll("'", "'\\\\''") + "'";

export default defineMachine({
  imports: [web],
  config: ({ pkgs }) =>
    define({
      virtualisation: { forwardPorts: mkForce([]) },
      users: { users: { alice: { openssh: { authorizedKeys: { keys: [${JSON.stringify(key.public)}] } } } } },
      services: { nginx: { virtualHosts: { localhost: { root: mkForce(() => \`\${pkgs.writeTree("page", { "index.html": { text: ${JSON.stringify(page)} } })}\`) } } } },
      environment: {
        etc: {
          "odd-names": {
            text: () => \`\${pkgs.runCommand("odd-names", {}, ["mkdir $out && cd $out", ...names.map((n) => \`printf '%s\\\\n' \${quote("content of " + n)} > \${quote(n)}\`), "ln -s a:b link", "ln -s /etc/passwd absolute"].join("\\n"))}\`,
          },
        },
      },
    }),
});
`,
  );
  home.giveAll(directory);
}

function start(): void {
  vm = home.start(join(directory, "result/bin/run-web-vm"), [], {
    cwd: directory,
    env: { QEMU_OPTS: `-redir tcp:${port}::80 -redir tcp:${sshPort}::22` },
  });
  if (vm.stdin === null || vm.stdout === null) throw new Error("the launcher has no console");
  guest = new GuestConsole(vm.stdin, vm.stdout);
  vm.stderr?.on("data", (chunk: Buffer) => {
    guest.transcript += chunk.toString();
  });
}

function exitCode(child: ChildProcess): Promise<number | null> {
  return child.exitCode === null
    ? new Promise((resolve) => child.once("close", (code) => resolve(code)))
    : Promise.resolve(child.exitCode);
}

async function fetchPage(): Promise<string> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await (await fetch(`http://127.0.0.1:${port}/`, { signal: AbortSignal.timeout(10_000) })).text();
    } catch (error) {
      if (attempt === 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
}

/** A key pair for ssh: the public half as one line, the private half as a file. */
function sshKey(): { readonly public: string; readonly private: string } {
  const pair = generateKeyPairSync("ed25519");
  const raw = Buffer.from(pair.publicKey.export({ format: "jwk" }).x ?? "", "base64url");
  const field = (bytes: Buffer) => Buffer.concat([Buffer.from([0, 0, 0, bytes.length]), bytes]);
  const blob = Buffer.concat([field(Buffer.from("ssh-ed25519")), field(raw)]);
  return {
    public: `ssh-ed25519 ${blob.toString("base64")} test`,
    private: pair.privateKey.export({ format: "pem", type: "pkcs8" }).toString(),
  };
}

/** What a server says first. */
function greeting(at: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(at, "127.0.0.1");
    socket.setTimeout(60_000, () => socket.destroy(new Error("no greeting")));
    socket.on("error", reject);
    socket.once("data", (chunk: Buffer) => {
      resolve(chunk.toString());
      socket.destroy();
    });
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}

/** Ports on which a process of this user listens, from the kernel's own tables. */
function listeningPorts(uid: number): ReadonlySet<number> {
  const listen = "0A";
  const lines = ["/proc/net/tcp", "/proc/net/tcp6"].flatMap((file) => readFileSync(file, "utf8").split("\n").slice(1));
  return new Set(
    lines
      .map((line) => line.trim().split(/\s+/))
      .filter((fields) => fields[3] === listen && Number(fields[7]) === uid)
      .map((fields) => Number.parseInt(fields[1]?.split(":").at(-1) ?? "0", 16)),
  );
}
