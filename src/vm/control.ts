/**
 * Starting a virtual machine from a program, and steering it.
 *
 * The launcher is started as a user would start it, with its console on pipes and a private directory of our choice, so
 * that the QMP socket's place is known. What it does on its own (locks, cleaning up, ending QEMU with itself) is not done again here.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { fail } from "../problems/index.ts";
import { QmpClient, type QmpEvent } from "./qmp.ts";

/** How to start a machine. */
export interface StartVmOptions {
  /** The launcher: `result/bin/run-<name>-vm`. */
  readonly launcher: string;
  /** The program, with its first arguments, that runs the launcher. Default: the launcher's own, `/bin/sh`. */
  readonly interpreter?: readonly string[];
  /** More of QEMU's options. */
  readonly args?: readonly string[];
  /** Set on top of this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Directory that the machine is started in, where its disk is made. Default: this process's. */
  readonly cwd?: string;
  /** What the serial console had shown before: of a machine that goes on. */
  readonly consoleBefore?: string;
}

/** A virtual machine that was started. */
export interface Vm extends AsyncDisposable {
  readonly process: ChildProcess;
  /** The machine's private directory: sockets and logs, as long as it runs. */
  readonly runtime: string;
  /** The serial console's input. */
  readonly stdin: Writable;
  /** The serial console's output. */
  readonly stdout: Readable;
  /** All that the serial console has shown so far. */
  console(): string;
  /** All that the launcher and QEMU have said so far. */
  messages(): string;
  exited(): boolean;
  /** Run a command of QMP. */
  qmp(command: string, args?: Readonly<Record<string, unknown>>): Promise<unknown>;
  /** Call a function at every event of QMP; answers what ends that. */
  onEvent(listener: (event: QmpEvent) => void): () => void;
  /** Press the power button and wait; a machine that does not heed it is ended after `seconds` (143 then). Resolves with the exit code. */
  shutdown(seconds?: number): Promise<number>;
  /** End the machine at once. Never throws; may be called at any time and any number of times. */
  stop(): Promise<void>;
  /** Resolves with the exit code when the machine has ended; a signal counts as 128 and its number. */
  waitForExit(): Promise<number>;
}

const POWER_OFF_SECONDS = 120;
const STOP_SECONDS = 5;
const POLL_MS = 5;
const SIGNALLED = 128;

/**
 * Start a machine and connect to it. Resolves when QEMU runs, long before the guest is up. The machine ends when this process does, however
 * that ends.
 * Problem: `vm-not-started`, with what the launcher said.
 */
export async function startVm(options: StartVmOptions): Promise<Vm> {
  const directory = mkdtempSync("/tmp/osmod-control-");
  const runtime = join(directory, "run");
  const [program, ...words] = [...(options.interpreter ?? []), options.launcher, "--headless", ...(options.args ?? [])];
  const child = spawn(program as string, words, {
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...process.env, ...options.env, OSMOD_RUNTIME_DIR: runtime, OSMOD_PARENT: String(process.pid) },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  const vm = new StartedVm(child, runtime, options.consoleBefore ?? "");
  void vm.waitForExit().finally(() => rmSync(directory, { recursive: true, force: true }));
  await vm.connect(join(runtime, "qmp"), options.launcher);
  return vm;
}

class StartedVm implements Vm {
  readonly process: ChildProcess;
  readonly runtime: string;
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly #exit: Promise<number>;
  #console: string;
  #messages = "";
  #code: number | undefined;
  #client: QmpClient | undefined;

  constructor(child: ChildProcess, runtime: string, consoleBefore: string) {
    const { stdin, stdout, stderr } = child;
    if (stdin === null || stdout === null || stderr === null) throw new Error("the launcher has no pipes");
    this.process = child;
    this.runtime = runtime;
    this.#console = consoleBefore;
    this.stdin = stdin;
    this.stdout = stdout;
    // Whoever types into a machine that has ended learns it from `exited`.
    stdin.on("error", () => {});
    stdout.setEncoding("utf8").on("data", (chunk: string) => {
      this.#console += chunk;
    });
    stderr.setEncoding("utf8").on("data", (chunk: string) => {
      this.#messages += chunk;
    });
    this.#exit = new Promise((resolve) => {
      const end = (code: number) => {
        this.#code ??= code;
        resolve(this.#code);
      };
      child.once("error", (error) => {
        this.#messages += `${error.message}\n`;
        end(SIGNALLED - 1);
      });
      child.once("close", (code) => end(code ?? SIGNALLED + 9));
    });
  }

  /** Wait for QEMU's control socket, as long as the launcher lives. */
  async connect(path: string, launcher: string): Promise<void> {
    while (this.#code === undefined) {
      try {
        this.#client = await QmpClient.connect(path);
        return;
      } catch {
        await Promise.race([sleep(POLL_MS), this.#exit]);
      }
    }
    fail({
      code: "vm-not-started",
      message: `${launcher} ended with ${this.#code} before the machine ran`,
      notes: this.#messages.trimEnd().split("\n"),
      fix: "Mend what the launcher complains about and start again.",
    });
  }

  console(): string {
    return this.#console;
  }

  messages(): string {
    return this.#messages;
  }

  exited(): boolean {
    return this.#code !== undefined;
  }

  waitForExit(): Promise<number> {
    return this.#exit;
  }

  async qmp(command: string, args?: Readonly<Record<string, unknown>>): Promise<unknown> {
    if (this.#client === undefined) throw new Error("not connected");
    return this.#client.command(command, args);
  }

  onEvent(listener: (event: QmpEvent) => void): () => void {
    if (this.#client === undefined) throw new Error("not connected");
    return this.#client.onEvent(listener);
  }

  async shutdown(seconds: number = POWER_OFF_SECONDS): Promise<number> {
    if (this.#code === undefined) {
      await this.qmp("system_powerdown").catch(() => {});
      await this.#exitWithin(seconds);
      await this.stop();
    }
    return this.#exit;
  }

  async stop(): Promise<void> {
    for (const signal of ["SIGTERM", "SIGKILL"] as const) {
      if (this.#code !== undefined) return;
      this.process.kill(signal);
      await this.#exitWithin(STOP_SECONDS);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #exitWithin(seconds: number): Promise<void> {
    const timer = new AbortController();
    await Promise.race([this.#exit, sleep(seconds * 1000, undefined, { signal: timer.signal }).catch(() => {})]);
    timer.abort();
  }
}
