/**
 * A real Nix for tests: stores of its own in temporary folders, with nothing of the machine's configuration.
 *
 * Where no Nix is installed (Debian: apt-get install nix-bin), such tests are skipped, and vitest counts them as skipped.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { ProblemError } from "../../src/problems/index.ts";
import { endServer } from "./process.ts";

/** True when a Nix is installed. */
export const hasNix = spawnSync("nix-store", ["--version"], { stdio: "ignore" }).status === 0;

/** Settings of every test's Nix: isolated builders, no users to build as, no caches. */
const SETTINGS = ["experimental-features = nix-command", "sandbox = true", "build-users-group =", "substituters ="];

/** A folder for a test; may hold a store, whose directories are read-only. */
export class TestFolder {
  readonly path = mkdtempSync(join(tmpdir(), "osmod-nix-"));

  /** The environment of a Nix whose store lies in a folder below. */
  nix(name: string, settings: readonly string[] = []): Record<string, string> {
    return {
      PATH: process.env["PATH"] ?? "",
      HOME: this.path,
      NIX_REMOTE: `local?${this.#rootOf(name)}`,
      NIX_CONFIG: [...SETTINGS, ...settings].join("\n"),
    };
  }

  /** The environment of a client of the daemon that serves such a store. */
  nixClient(name: string, settings: readonly string[] = []): Record<string, string> {
    return { ...this.nix(name, settings), NIX_REMOTE: `unix://${this.socket(name)}?${this.#rootOf(name)}` };
  }

  /** Where that daemon listens. */
  socket(name: string): string {
    return join(this.path, `${name}.socket`);
  }

  #rootOf(name: string): string {
    return `root=${encodeURIComponent(join(this.path, name)).replaceAll("%2F", "/")}`;
  }

  remove(): void {
    makeWritable(this.path);
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** Run a program of Nix; what it printed. */
export function runNix(env: Record<string, string>, program: string, ...args: string[]): string {
  return execFileSync(program, args, { env, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

/** A `nix-daemon` that runs until it is stopped. */
export class TestDaemon {
  readonly #process: ChildProcess;

  /** Serve the store of that name in the folder. */
  static async start(
    folder: TestFolder,
    name: string,
    settings: readonly string[] = [],
    extra: Readonly<Record<string, string>> = {},
  ): Promise<TestDaemon> {
    const env = { ...folder.nix(name, settings), ...extra, NIX_DAEMON_SOCKET_PATH: folder.socket(name) };
    const daemon = new TestDaemon(spawn("nix-daemon", [], { env, stdio: "ignore" }));
    while (!(await answers(folder.socket(name)))) {
      if (daemon.#process.exitCode !== null) throw new Error("nix-daemon does not start");
      await setTimeout(20);
    }
    return daemon;
  }

  private constructor(process: ChildProcess) {
    this.#process = process;
  }

  /** End it and the connections that it serves. */
  stop(): Promise<void> {
    return endServer(this.#process);
  }
}

async function answers(socket: string): Promise<boolean> {
  const client = connect(socket);
  try {
    await once(client, "connect");
    return true;
  } catch {
    return false;
  } finally {
    client.destroy();
  }
}

function makeWritable(directory: string): void {
  chmodSync(directory, 0o755);
  for (const entry of readdirSync(directory, { withFileTypes: true }))
    if (entry.isDirectory()) makeWritable(join(directory, entry.name));
}

/** The problem that something ends with. */
export async function problemOf(work: Promise<unknown>): Promise<ProblemError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof ProblemError)) throw error ?? new Error("nothing went wrong");
  return error;
}
