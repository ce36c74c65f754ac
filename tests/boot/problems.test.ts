/** What can go wrong on the way, at the command line: each ends in a problem that says what, where and what to do. */
import type { ChildProcess } from "node:child_process";
import { existsSync, readdirSync, readFileSync, realpathSync, statSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Installed, type RunOptions } from "../helpers/installed.ts";

const home = new Installed("problems");
let directory: string;

beforeAll(async () => {
  directory = home.copy("examples/minimal", "machine");
  const built = await home.osmod(["build-vm"], { cwd: directory });
  expect(built.code, built.stderr).toBe(0);
});

afterAll(() => home.remove());

describe("a mistake in the machine", () => {
  it("names a misspelt option, its file and line, and what was meant", async () => {
    const { code, stderr } = await evaluate(`networking: { hostNmae: "x" }`);
    expect(code).toBe(1);
    expect(stderr).toMatch(/networking\.hostNmae.*does not exist/);
    expect(stderr).toMatch(/bad\.ts:5/);
    expect(stderr).toContain("hostName");
    expect(stderr).toContain("fix:");
  });

  it("names an option of the wrong type, the value and the line", async () => {
    const { code, stderr } = await evaluate(`networking: { firewall: { allowedTCPPorts: ["http" as never] } }`);
    expect(code).toBe(1);
    expect(stderr).toMatch(/networking\.firewall\.allowedTCPPorts/);
    expect(stderr).toContain(`"http"`);
    expect(stderr).toMatch(/bad\.ts:5/);
    expect(stderr).toContain("fix:");
  });

  it("names both places of a conflict and the ways out", async () => {
    const { code, stderr } = await evaluate(`time: { timeZone: "UTC" }`, `time: { timeZone: "Europe/Berlin" }`);
    expect(code).toBe(1);
    expect(stderr).toMatch(/time\.timeZone/);
    expect(stderr).toMatch(/bad\.ts:5/);
    expect(stderr).toMatch(/bad\.ts:6/);
    expect(stderr).toMatch(/mkForce|mkDefault/);
  });

  it("names a package that the archive does not have", async () => {
    const { code, stderr } = await evaluate(`environment: { systemPackages: [pkgs["nignx"]] }`);
    expect(code).toBe(1);
    expect(stderr).toContain("nignx");
    expect(stderr).toContain("nginx");
  });

  it("names a file that does not exist or exports no machine", async () => {
    expect((await home.osmod(["build-vm", "absent.ts"], { cwd: directory })).stderr).toContain("absent.ts");
    writeFileSync(join(directory, "empty.ts"), "export const x = 1;\n");
    expect((await home.osmod(["build-vm", "empty.ts"], { cwd: directory })).stderr).toContain("machine-not-a-module");
  });
});

describe("a mirror that fails", () => {
  let server: Server;
  let mirror: string;
  let answer: "closed" | "corrupt" | "gone" = "corrupt";

  beforeAll(async () => {
    server = createServer((_request, response) => {
      if (answer === "gone") response.writeHead(404).end();
      else response.end("these are not the bytes that were signed");
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    if (typeof address !== "object" || address === null) throw new Error("no address");
    mirror = `http://127.0.0.1:${address.port}/debian`;
  });
  afterAll(() => server.close());

  it("is reported when it cannot be reached", async () => {
    const { code, stderr } = await inEmptyStore("unreachable", "http://127.0.0.1:9/debian");
    expect(code).toBe(1);
    expect(stderr).toContain("http://127.0.0.1:9/debian");
    expect(stderr).toContain("OSMOD_DEBIAN_MIRROR");
  });

  it("cannot pass a corrupted download into the store", async () => {
    answer = "corrupt";
    const { code, stderr, store } = await inEmptyStore("corrupt", mirror, true);
    expect(code).toBe(1);
    expect(stderr).toMatch(/hash|sha256/);
    expect(visible(store)).toEqual([]);
  });

  it("that dropped a locked file leads to the two ways out", async () => {
    answer = "gone";
    const { code, stderr } = await inEmptyStore("gone", mirror, true);
    expect(code).toBe(1);
    expect(stderr).toContain("osmod lock --update");
    expect(stderr).toMatch(/snapshot/);
  });

  /** Build in a store of its own; with the lock that stands beside the machine, or without one. */
  async function inEmptyStore(name: string, OSMOD_DEBIAN_MIRROR: string, locked = false) {
    const store = home.makeDirectory(join(home.home, `store ${name}`));
    const target = home.copy("examples/minimal", name);
    if (locked) writeFileSync(join(target, "osmod.lock.json"), readFileSync(join(directory, "osmod.lock.json")));
    home.giveAll(target);
    const env = { OSMOD_STORE_ROOT: store, OSMOD_DEBIAN_MIRROR, OSMOD_DEBIAN_SECURITY_MIRROR: OSMOD_DEBIAN_MIRROR };
    return { ...(await home.osmod(["build-vm"], { cwd: target, env })), store };
  }
});

describe("what stops a build half-way", () => {
  it("a builder that is killed is a problem, and nothing of it is in the store", async () => {
    const before = visible(home.storeRoot).length;
    const run = buildExtra(`pkgs.runCommand("waits", {}, "${busyWait}")`, (child) => killBuilder(child));
    const { code, stderr } = await run;
    expect(code).toBe(1);
    expect(stderr).toContain("waits");
    expect(stderr).toContain("fix:");
    expect(visible(home.storeRoot).filter((name) => name.endsWith("-waits"))).toEqual([]);
    expect(visible(home.storeRoot).length).toBeGreaterThanOrEqual(before);
  });

  it("a build that is killed itself leaves a store in which the next build works", async () => {
    const own = home.makeDirectory(join(home.home, "killed store"));
    const env = { OSMOD_STORE_ROOT: own };
    const killed = await home.osmod(["build-vm"], {
      cwd: directory,
      env,
      started: (child) => void setTimeout(() => child.kill("SIGKILL"), 4000),
    });
    expect(killed.code).toBe(null);
    const again = await home.osmod(["build-vm", "--out-link", "again"], { cwd: directory, env });
    expect(again.code, again.stderr).toBe(0);
    const path = (link: string) => realpathSync(join(directory, link)).split("/nix/store/")[1];
    expect(path("again")).toBe(path("result"));
  });

  it("a full disk is a problem, and once there is room the build goes on where it was", async () => {
    const own = home.makeDirectory(join(home.home, "full store"));
    const script = [
      `mount -t tmpfs -o size=3g none "$1" && fallocate -l 3030m "$1/ballast" || exit 99`,
      `"$2" "$3" build-vm --out-link full; echo "first $?"`,
      `rm "$1/ballast"; "$2" "$3" build-vm --out-link full; echo "second $?"`,
      "readlink full",
    ].join("\n");
    const words = ["unshare", "-r", "-m", home.busybox, "sh", "-c", script, "sh", own, process.execPath, home.main];
    const { stdout, stderr } = await home.run(home.busybox, words, { cwd: directory, env: { OSMOD_STORE_ROOT: own } });
    expect(stdout, stderr).toContain("first 1");
    expect(stderr).toContain("[disk-full]");
    expect(stderr).toContain("OSMOD_STORE_ROOT");
    expect(stdout, stderr).toContain("second 0");
    expect(stdout).toContain(realpathSync(join(directory, "result")).split("/nix/store/")[1]);
  });

  it("Ctrl-C stops it with 130", async () => {
    const own = home.makeDirectory(join(home.home, "stopped store"));
    const { code, stderr } = await home.osmod(["build-vm"], {
      cwd: directory,
      env: { OSMOD_STORE_ROOT: own },
      started: (child) => void setTimeout(() => child.kill("SIGINT"), 3000),
    });
    expect(stderr).toContain("stopped");
    expect(code).toBe(130);
  });

  const busyWait = "while :; do sleep 1; done";

  function buildExtra(expression: string, started: (child: ChildProcess) => void) {
    writeFileSync(
      join(directory, "extra.ts"),
      `import { define, defineMachine } from "osmod";
import minimal from "./machine.ts";
export default defineMachine({ imports: [minimal], config: ({ pkgs }) => define({ environment: { etc: { extra: { text: () => \`\${${expression}}\` } } } }) });
`,
    );
    return home.osmod(["build-vm", "extra.ts", "--out-link", "extra"], { cwd: directory, started });
  }

  /** Kill the shell that runs the endless script, found by its words in /proc. */
  function killBuilder(child: ChildProcess): void {
    const timer = setInterval(() => {
      if (child.exitCode !== null) return clearInterval(timer);
      for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
        try {
          if (builderOf(pid)) process.kill(Number(pid), "SIGKILL");
        } catch {
          // It ended with the one above it.
        }
      }
    }, 200);
  }

  function builderOf(pid: string): boolean {
    try {
      const environment = readFileSync(`/proc/${pid}/environ`, "utf8");
      return environment.includes("name=waits\0");
    } catch {
      return false;
    }
  }
});

describe("the launcher", () => {
  it("says so when KVM was asked for and there is none that works", async () => {
    const { code, stderr, stdout } = await launch({ OSMOD_ACCEL: "kvm" });
    expect(code).not.toBe(0);
    expect(stderr + stdout).toMatch(/\/dev\/kvm/);
    expect(stderr + stdout).toContain("OSMOD_ACCEL");
  });

  it("names a host port that is in use", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const { code, stderr } = await launch({ QEMU_OPTS: `-redir tcp:${port}::80`, OSMOD_ACCEL: "tcg" });
    server.close();
    expect(code).not.toBe(0);
    expect(stderr).toContain(String(port));
  });

  it("names a port that only root may open", async () => {
    const { code, stderr } = await launch({ QEMU_NET_OPTS: "hostfwd=tcp::81-:80" });
    expect(code).toBe(1);
    expect(stderr).toContain("port 81 of this host is root's");
  });

  it("makes no half disk when the disk is full, and starts once there is room", async () => {
    const script = `mount -t tmpfs -o size=64k none "$1" && cd "$1" && "$2"; code=$?; ls -A; exit $code`;
    const small = home.makeDirectory(join(home.home, "small"));
    const launcher = join(directory, "result/bin/run-minimal-vm");
    const full = await mounting(script, [small, launcher], { env: { OSMOD_ACCEL: "tcg" } });
    expect(full.code).not.toBe(0);
    expect(full.stderr).toMatch(/no space|full/i);
    expect(full.stdout).not.toContain("qcow2\n");
  });

  it("is not booted to be saved where there is no room for its memory", async () => {
    const script = `mount -t tmpfs -o size=64m none "$1" && "$2" "$3" run machine.ts -- true; code=$?; ls -A "$1/osmod/starts"; exit $code`;
    const small = home.makeDirectory(join(home.home, "small cache"));
    const { code, stdout, stderr } = await mounting(script, [small, process.execPath, home.main], {
      cwd: directory,
      env: { XDG_CACHE_HOME: small, OSMOD_ACCEL: "tcg" },
    });
    expect({ code, stdout }, stderr).toEqual({ code: 1, stdout: "" });
    expect(stderr).toContain("[vm-not-saved]");
    expect(stderr).toContain("XDG_CACHE_HOME");
  });

  it("says that there was no room when it is saved and others take what there was", async () => {
    const script = `
      mount -t tmpfs -o size=2g none "$1"
      { until [ -s "$1"/osmod/starts/*/ram ]; do usleep 50000; done; dd if=/dev/zero of="$1/others" bs=1M 2> /dev/null; } &
      "$2" "$3" run machine.ts -- true; code=$?; ls -A "$1/osmod/starts"; exit $code`;
    const small = home.makeDirectory(join(home.home, "filling cache"));
    const { code, stdout, stderr } = await mounting(script, [small, process.execPath, home.main], {
      cwd: directory,
      env: { XDG_CACHE_HOME: small, OSMOD_ACCEL: "tcg" },
    });
    expect({ code, stdout }, stderr).toEqual({ code: 1, stdout: "" });
    expect(stderr).toContain("[vm-not-saved]");
    expect(orphans()).toEqual([]);
  });

  it("leaves the disk image intact when it is killed", async () => {
    const child = home.start(join(directory, "result/bin/run-minimal-vm"), [], {
      cwd: directory,
      env: { OSMOD_ACCEL: "tcg" },
    });
    await new Promise<void>((resolve) => {
      let text = "";
      child.stdout?.on("data", (chunk: Buffer) => {
        text += chunk.toString();
        if (text.includes("login:")) resolve();
      });
      child.once("close", () => resolve());
    });
    child.kill("SIGKILL");
    await new Promise((resolve) => setTimeout(resolve, 3000));
    expect(orphans()).toEqual([]);
    expect(existsSync(join(directory, "minimal.qcow2"))).toBe(true);
    expect(statSync(join(directory, "minimal.qcow2")).size).toBeGreaterThan(0);
  });

  /** Run a script that may mount what it likes, for itself. */
  function mounting(script: string, args: readonly string[], options: RunOptions) {
    const shell = ["unshare", "-r", "-m", home.busybox, "sh", "-c", script, "sh", ...args];
    return home.run(home.busybox, shell, options);
  }

  function launch(env: Readonly<Record<string, string>>) {
    return home.run(join(directory, "result/bin/run-minimal-vm"), [], { cwd: directory, env });
  }

  /** Processes of this installation's virtual machines that still run. */
  function orphans(): string[] {
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .flatMap((pid) => {
        try {
          const line = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
          return line.includes("minimal.qcow2") ? [line] : [];
        } catch {
          return [];
        }
      });
  }
});

/** Evaluate a machine made of the given definitions, one a module, one a line from line 5. */
function evaluate(...definitions: readonly string[]) {
  const modules = definitions.map((d) => `  defineMachine({ config: ({ pkgs }) => define({ ${d} }) }),`);
  const lines = [
    `import { define, defineMachine } from "osmod";`,
    `import minimal from "./machine.ts";`,
    "",
    "export default defineMachine({ imports: [minimal,",
    ...modules,
    "] });",
    "",
  ];
  writeFileSync(join(directory, "bad.ts"), lines.join("\n"));
  return home.osmod(["build-vm", "bad.ts", "--out-link", "bad"], { cwd: directory });
}

/** What was made in a store; descriptions of what could be made do not count. */
function visible(store: string): string[] {
  const folder = join(store, "nix/store");
  return existsSync(folder)
    ? readdirSync(folder).filter((name) => !name.startsWith(".") && !name.endsWith(".drv"))
    : [];
}
