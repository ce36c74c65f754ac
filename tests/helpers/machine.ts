/**
 * Another machine for tests of Nix: a real OpenSSH server on the loopback, whose account builds in a Nix store of its own.
 *
 * Everything of it lies in a folder of the test: host key, the client's key, configuration, store. Where no server is
 * installed (Debian: apt-get install openssh-server), such tests are skipped, and vitest counts them as skipped.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { userInfo } from "node:os";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { runNix, type TestFolder } from "./nix.ts";
import { descendants, endServer } from "./process.ts";

/** OpenSSH's server, if it is installed; it insists on being started by its full name. */
export const sshServer = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/usr/local/sbin"]
  .map((directory) => join(directory, "sshd"))
  .find((program) => existsSync(program));

/** How a machine is named in `builders`. */
export interface BuilderLine {
  readonly protocol?: "ssh" | "ssh-ng";
  readonly features?: string;
  /** The host key that is expected, `ssh-ed25519 …`. Default: the machine's. */
  readonly hostKey?: string;
}

/** Where the host's name says nothing about its port, which these settings of ssh do. */
const HOST = "builder";

/** A machine that runs until it is stopped. */
export class OtherMachine {
  /** The environment of Nix on that machine. */
  readonly env: Readonly<Record<string, string>>;
  readonly #place: string;
  #server: ChildProcess | undefined;

  /** @param env The environment in which the account's programs run: which store, and how it builds. */
  static async start(folder: TestFolder, name: string, env: Readonly<Record<string, string>>): Promise<OtherMachine> {
    const machine = new OtherMachine(join(folder.path, name), env);
    machine.#makeKeys();
    // Between finding a free port and listening on it somebody else may take it.
    for (let tries = 5; !(await machine.#listen(await freePort())); tries--)
      if (tries === 0) throw new Error("sshd does not start");
    return machine;
  }

  private constructor(place: string, env: Readonly<Record<string, string>>) {
    this.#place = place;
    this.env = env;
    mkdirSync(place, { mode: 0o700 });
  }

  /** Its line for `builders`. */
  builder({ protocol = "ssh", features = "-", hostKey = this.hostKey }: BuilderLine = {}): string {
    const key = Buffer.from(hostKey).toString("base64");
    return `${protocol}://${HOST} x86_64-linux ${this.#file("client")} 2 1 ${features} - ${key}`;
  }

  /** What ssh has to know to get there: the environment of a Nix that builds on this machine. */
  get client(): Record<string, string> {
    return { NIX_SSHOPTS: `-F ${this.#file("ssh_config")}` };
  }

  get hostKey(): string {
    return readFileSync(this.#file("host.pub"), "utf8").trim();
  }

  /** Ask its Nix. */
  run(program: string, ...args: string[]): string {
    return runNix({ ...this.env }, program, ...args);
  }

  /** The processes of its sessions: what Nix was asked to run there, and builders. */
  get processes(): number[] {
    return descendants(this.#server?.pid ?? 0);
  }

  /** End the server and its sessions. */
  stop(): Promise<void> {
    return endServer(this.#server);
  }

  #file(name: string): string {
    return join(this.#place, name);
  }

  #makeKeys(): void {
    for (const name of ["host", "client"])
      execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", this.#file(name)]);
    const assignments = Object.entries(this.env).map(([name, value]) => `${name}=${quote(value)}`);
    const shell = this.#file("session");
    // The command is the one that Nix asked for; only where it runs is decided here.
    writeFileSync(shell, `#!/bin/sh\nexec env -i ${assignments.join(" ")} sh -c "$SSH_ORIGINAL_COMMAND"\n`);
    chmodSync(shell, 0o755);
    writeFileSync(
      this.#file("authorized_keys"),
      `restrict,command="${shell}" ${readFileSync(this.#file("client.pub"))}`,
    );
  }

  /** Start on a port; false if that is taken. */
  async #listen(port: number): Promise<boolean> {
    const settings = [
      `ListenAddress 127.0.0.1:${port}`,
      `HostKey ${this.#file("host")}`,
      `AuthorizedKeysFile ${this.#file("authorized_keys")}`,
      "PidFile none",
      "UsePAM no",
      "PasswordAuthentication no",
      "PermitRootLogin prohibit-password",
      // What the account's shell would read at the start takes time, and may speak where Nix's programs do.
      `SetEnv HOME=${this.#place}`,
      // Everything lies below /tmp, where others may write.
      "StrictModes no",
    ];
    writeFileSync(this.#file("sshd_config"), `${settings.join("\n")}\n`);
    const host = [
      `Host ${HOST}`,
      "HostName 127.0.0.1",
      `Port ${port}`,
      `User ${userInfo().username}`,
      `HostKeyAlias ${HOST}`,
      "GlobalKnownHostsFile none",
      "StrictHostKeyChecking yes",
      "BatchMode yes",
    ];
    writeFileSync(this.#file("ssh_config"), `${host.join("\n")}\n`);
    // Debian's service makes this directory each time it starts.
    if (process.getuid?.() === 0) mkdirSync("/run/sshd", { recursive: true, mode: 0o755 });
    const server = spawn(sshServer ?? "sshd", ["-D", "-e", "-f", this.#file("sshd_config")], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.#server = server;
    const words: string[] = [];
    const listening = await new Promise<boolean>((resolve) => {
      createInterface({ input: server.stderr }).on("line", (line) => {
        words.push(line);
        if (line.startsWith("Server listening")) resolve(true);
      });
      server.once("close", () => resolve(false));
    });
    if (!listening && !words.some((line) => line.includes("in use"))) throw new Error(words.join("\n"));
    return listening;
  }
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
