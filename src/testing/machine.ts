/**
 * A virtual machine as a test sees it. The verbs are those of NixOS's test driver, in camelCase; each that waits has a time after which
 * it fails, and that time is longer where the processor is emulated.
 *
 * Everything happens by the guest agent, QMP and the serial console: no network, no login. The agent's connection outlives reboots.
 */
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { AnyModule } from "../lib/index.ts";
import { ProblemError } from "../problems/index.ts";
import {
  type BuildMachineOptions,
  buildMachine,
  type ExecOptions,
  GuestAgent,
  isOutOfSpace,
  putRight,
  type QmpEvent,
  type RunningVm,
  type StartVmOptions,
  type SwitchOutcome,
  startResumed,
  startVm,
  switchVm,
  type Vm,
} from "../vm/index.ts";
import { excerpt, GuestError } from "./failure.ts";
import * as scripts from "./guest-scripts.ts";
import { keysOf } from "./keys.ts";
import { inBuilder } from "./prebuilt.ts";

/** How long something may take, in seconds on a machine with KVM; several times as long where the processor is emulated. */
export interface WaitOptions {
  readonly timeoutSeconds?: number;
}

/** How to run a command in a machine. */
export interface CommandOptions extends Omit<ExecOptions, "timeoutSeconds">, WaitOptions {
  /** Run as this user instead of root, with a log-in shell. */
  readonly user?: string;
}

/** What a command in a machine gave. */
export interface CommandResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** What a machine is started with. */
export interface GuestMachineOptions extends StartVmOptions {
  /** The name in messages. */
  readonly name: string;
  /** Network devices of QEMU that {@link GuestMachine.block} unplugs. */
  readonly links?: readonly string[];
  /** Whether it has a screen and a keyboard. */
  readonly graphics?: boolean;
  /** The root disk; the first start, while there is none, goes on from a saved start. Absent for a machine that boots. */
  readonly disk?: string;
  /** Called with a line for each step. */
  readonly onLog?: (line: string) => void;
  /** Called with what the console shows. */
  readonly onConsole?: (text: string) => void;
  /** Called when the test is done with the machine. */
  readonly onEnd?: () => void;
}

/** How many times longer things take where the processor is emulated. */
const EMULATION = 5;
const DEFAULT_SECONDS = 120;
const BOOT_SECONDS = 120;
/** How long a key is held. */
const KEY_MS = 20;

/**
 * A machine under test. {@link bootMachine} makes one.
 *
 * @example
 * import type { GuestMachine } from "osmod/testing";
 *
 * async function servesItsPage(web: GuestMachine): Promise<boolean> {
 *   await web.waitForUnit("nginx.service");
 *   await web.waitForOpenPort(80);
 *   return (await web.succeed("curl -fsS http://localhost/")).includes("It works!");
 * }
 */
export class GuestMachine implements AsyncDisposable {
  readonly name: string;
  readonly #options: GuestMachineOptions;
  #vm: Vm | undefined;
  #agent: GuestAgent | undefined;
  #factor = EMULATION;
  #resets = 0;

  constructor(options: GuestMachineOptions) {
    this.name = options.name;
    this.#options = options;
  }

  /** The running virtual machine: its console, its process, QMP. Problem: `machine-not-running`. */
  get vm(): Vm {
    return this.#vm ?? this.#notRunning();
  }

  /** The connection to the guest agent. Problem: `machine-not-running`. */
  get agent(): GuestAgent {
    return this.#agent ?? this.#notRunning();
  }

  /** Whether the machine runs. */
  get running(): boolean {
    return this.#vm?.exited() === false;
  }

  /** Switch the machine on, unless it is; resolves when commands can be run, which is long before all units are up. */
  async start(options: WaitOptions = {}): Promise<void> {
    if (this.running) return;
    const began = Date.now();
    const { disk } = this.#options;
    const resumed = disk !== undefined && !existsSync(disk);
    const own =
      disk === undefined ? this.#options : { ...this.#options, env: { ...this.#options.env, OSMOD_DISK_IMAGE: disk } };
    const { vm, ...way } = resumed
      ? await startResumed(own, { disk, images: join(dirname(disk), "images") })
      : { vm: await startVm(own) };
    this.#vm = vm;
    this.#resets = 0;
    const { onConsole } = this.#options;
    if (onConsole !== undefined) vm.stdout.on("data", (text: string) => onConsole(text));
    const stuck = new AbortController();
    vm.onEvent((event) => {
      if (event.event === "RESET") this.#resets += 1;
      if (!isOutOfSpace(event) || stuck.signal.aborted) return;
      const reason = this.#noSpace();
      stuck.abort(reason);
      this.#agent?.abandon(reason);
    });
    const kvm = (await vm.qmp("query-kvm")) as { readonly enabled: boolean };
    this.#factor = kvm.enabled ? 1 : EMULATION;
    const ended = new AbortController();
    void vm.waitForExit().then(() => ended.abort());
    const late = AbortSignal.timeout(this.#ms(options, BOOT_SECONDS));
    try {
      this.#agent = await GuestAgent.connect(join(vm.runtime, "qga"), {
        signal: AbortSignal.any([ended.signal, late, stuck.signal]),
        ...way,
      });
      stuck.signal.throwIfAborted();
    } catch (cause) {
      await vm.stop();
      stuck.signal.throwIfAborted();
      throw new GuestError(
        {
          code: "machine-not-up",
          message: `${this.name}: ${late.aborted ? "its guest agent did not answer in time" : "it ended before its guest agent answered"}`,
          notes: [...excerpt("the launcher said", vm.messages()), ...excerpt("the console ends with", vm.console())],
          fix: "Look at the console; a machine without virtualisation.qemu.guestAgent.enable cannot be tested.",
        },
        cause,
      );
    }
    if (resumed) {
      // The agent has nothing else to do meanwhile.
      await Promise.all([putRight(this.agent, "new"), this.agent.prepare()]).catch(async (error: unknown) => {
        await vm.stop();
        throw error;
      });
    }
    this.log(`${resumed ? "resumed" : "up"} after ${((Date.now() - began) / 1000).toFixed(1)} s`);
  }

  /** Start the guest anew, from inside, and wait until commands can be run again. */
  async reboot(options: WaitOptions = {}): Promise<void> {
    const before = this.#resets;
    await this.execute("systemctl --no-block reboot");
    await this.#untilEvent(
      "a reset",
      options,
      ({ event }) => event === "RESET",
      () => this.#resets > before,
    );
    await this.#within(this.agent.sync(), "its guest agent to answer again", options, BOOT_SECONDS);
    this.log("rebooted");
  }

  /**
   * Make the running machine be another system until its next start, as `osmod switch` does, and tell what became of its units.
   * Problems: those of {@link switchVm}; `switch-in-builder` in a test that is itself being built; `units-failed` when units of the new system did not start.
   */
  async switchTo(machine: AnyModule | string, options: BuildMachineOptions = {}): Promise<SwitchOutcome> {
    if (inBuilder()) {
      throw new GuestError({
        code: "switch-in-builder",
        message: `${this.name} cannot be switched while its test is built: a builder builds no other machine, and the store of this one is an image`,
        fix: "Run this test by `osmod test`, and keep it in a file of its own.",
      });
    }
    const { vm, agent, name } = this;
    const built = await buildMachine(machine, { onProgress: (line) => this.log(line), ...options });
    const running: RunningVm = {
      name,
      pid: vm.process.pid ?? 0,
      runtime: vm.runtime,
      launcher: dirname(dirname(this.#options.launcher)),
      disk: null,
      started: new Date(),
    };
    const outcome = await switchVm(running, {
      action: "test",
      store: built.store,
      launcher: built.path,
      runInGuest: (argv, how) => agent.exec(argv, how),
    });
    this.log(`switched to ${outcome.toplevel}`);
    if (outcome.units.failed.length === 0) return outcome;
    const notes = await Promise.all(outcome.units.failed.map((unit) => this.#unitNotes(unit)));
    throw new GuestError({
      code: "units-failed",
      message: `${name}: units of the new system failed: ${outcome.units.failed.join(", ")}`,
      notes: notes.flat(),
      fix: "Mend what their journals complain about.",
    });
  }

  /** Power the machine off, from inside, and wait for its end. */
  async shutdown(options: WaitOptions = {}): Promise<void> {
    if (!this.running) return;
    await this.agent.call("guest-exec", { path: "systemctl", arg: ["--no-block", "poweroff"] });
    await this.waitForShutdown(options);
  }

  /** Wait until the machine has switched itself off. */
  async waitForShutdown(options: WaitOptions = {}): Promise<void> {
    if (this.#vm === undefined) return;
    await this.#within(this.#vm.waitForExit(), "its shutdown", options);
    this.#forget();
  }

  /** Switch the machine off at once, as by pulling the plug: what is not on its disk yet is lost. `start` boots it again. */
  async crash(): Promise<void> {
    this.log("crash");
    await this.vm.qmp("quit").catch(() => {});
    await this.vm.stop();
    this.#forget();
  }

  /** End the machine whatever it does; never throws. */
  async forceShutdown(): Promise<void> {
    await this.#vm?.stop();
    this.#forget();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.forceShutdown();
    this.#options.onEnd?.();
  }

  /** Run a command, by bash with `set -euo pipefail`, and tell how it ended. */
  async execute(command: string, options: CommandOptions = {}): Promise<CommandResult> {
    const { user, timeoutSeconds: _, ...how } = options;
    const strict = `set -euo pipefail; ${command}`;
    const words =
      user === undefined
        ? ["bash", "-c", strict]
        : ["runuser", "--login", user, "--shell", "/bin/bash", "--command", strict];
    const timeoutSeconds = this.#ms(options, DEFAULT_SECONDS) / 1000;
    const began = Date.now();
    try {
      const { exitCode, stdout, stderr } = await this.agent.exec(words, { ...how, timeoutSeconds });
      this.log(`${command} → ${exitCode} (${Date.now() - began} ms)`);
      return { exitCode, stdout: stdout.toString(), stderr: stderr.toString() };
    } catch (error) {
      if (!(error instanceof ProblemError) || error instanceof GuestError) throw error;
      const [{ code, message, notes }] = error.problems;
      throw new GuestError(
        {
          code,
          message: `${this.name}: ${message}`,
          notes: [...notes, ...this.#consoleNotes()],
          fix: "Look at the output and the console; give it more time by timeoutSeconds, if that is all it needs.",
        },
        error,
      );
    }
  }

  /** Run a command that has to succeed, and give its standard output. Problem: `guest-command-failed`. */
  async succeed(command: string, options: CommandOptions = {}): Promise<string> {
    const result = await this.execute(command, options);
    if (result.exitCode !== 0) this.#unexpected(command, result, `ended with ${result.exitCode}`);
    return result.stdout;
  }

  /** Run a command that has to fail, and give what it said, standard output first. Problem: `guest-command-succeeded`. */
  async fail(command: string, options: CommandOptions = {}): Promise<string> {
    const result = await this.execute(command, options);
    if (result.exitCode === 0) this.#unexpected(command, result, "succeeded, and should have failed");
    return result.stdout + result.stderr;
  }

  /** Run a command again and again until it succeeds, and give its standard output. */
  async waitUntilSucceeds(command: string, options: CommandOptions = {}): Promise<string> {
    const { stdout } = await this.#until(command, options, ({ exitCode }) => exitCode === 0, "did not succeed in time");
    return stdout;
  }

  /** Run a command again and again until it fails, and give what it said. */
  async waitUntilFails(command: string, options: CommandOptions = {}): Promise<string> {
    const result = await this.#until(command, options, ({ exitCode }) => exitCode !== 0, "did not fail in time");
    return result.stdout + result.stderr;
  }

  /** Wait until a unit is active. Problem: `unit-not-active`, at once when it has failed or nothing is going to start it, with its journal. */
  async waitForUnit(unit: string, options: WaitOptions = {}): Promise<void> {
    const exitCode = await this.#wait(`the unit ${unit}`, scripts.waitForUnit, [unit], options, () =>
      this.#unitNotes(unit),
    );
    if (exitCode === 0) return;
    const why =
      exitCode === scripts.unitStates.failed ? "has failed" : "is inactive, and no job is waiting that could start it";
    throw new GuestError({
      code: "unit-not-active",
      message: `${this.name}: the unit ${unit} ${why}`,
      notes: [...(await this.#unitNotes(unit)), ...this.#consoleNotes()],
      fix: "Mend what its journal complains about; a unit that nothing starts needs wantedBy.",
    });
  }

  /** What systemd knows of a unit: `ActiveState`, `MainPID` and so on. */
  async getUnitInfo(unit: string): Promise<Readonly<Record<string, string>>> {
    const text = await this.systemctl(["show", "--no-pager", "--", unit]);
    return Object.fromEntries(
      text.split("\n").flatMap((line) => {
        const at = line.indexOf("=");
        return at < 0 ? [] : [[line.slice(0, at), line.slice(at + 1)]];
      }),
    );
  }

  /** One thing that systemd knows of a unit. Problem: `unit-property-unknown`. */
  async getUnitProperty(unit: string, property: string): Promise<string> {
    const value = (await this.getUnitInfo(unit))[property];
    if (value !== undefined) return value;
    throw new GuestError({
      code: "unit-property-unknown",
      message: `${this.name}: the unit ${unit} has no property ${property}`,
      fix: `See the names with: systemctl show ${unit}`,
    });
  }

  /** Demand that a unit is in a state now. Problem: `unit-state`. */
  async requireUnitState(unit: string, state = "active"): Promise<void> {
    const actual = await this.getUnitProperty(unit, "ActiveState");
    if (actual === state) return;
    throw new GuestError({
      code: "unit-state",
      message: `${this.name}: the unit ${unit} is ${actual}, and should be ${state}`,
      notes: await this.#unitNotes(unit),
      fix: "Wait for it with waitForUnit, if it is only a matter of time.",
    });
  }

  /** Run systemctl, which has to succeed, and give its standard output. */
  async systemctl(words: readonly string[]): Promise<string> {
    return this.succeed(`systemctl ${words.map(quote).join(" ")}`);
  }

  /** Start a unit and wait until it is up. */
  async startJob(unit: string): Promise<void> {
    await this.systemctl(["start", "--", unit]);
  }

  /** Stop a unit and wait until it is down. */
  async stopJob(unit: string): Promise<void> {
    await this.systemctl(["stop", "--", unit]);
  }

  /** The journal of this boot, or of one unit in it. */
  async journal(unit?: string): Promise<string> {
    const of = unit === undefined ? "" : ` --unit=${quote(unit)}`;
    return this.succeed(`journalctl --quiet --no-pager --boot --output=short-monotonic${of}`);
  }

  /** Wait until a TCP port accepts connections, seen from inside. */
  async waitForOpenPort(port: number, options: WaitOptions & { readonly address?: string } = {}): Promise<void> {
    await this.#wait(
      `port ${port} to open`,
      scripts.waitForOpenPort,
      [options.address ?? "localhost", String(port)],
      options,
    );
  }

  /** Wait until a TCP port accepts no connections, seen from inside. */
  async waitForClosedPort(port: number, options: WaitOptions & { readonly address?: string } = {}): Promise<void> {
    await this.#wait(
      `port ${port} to close`,
      scripts.waitForClosedPort,
      [options.address ?? "localhost", String(port)],
      options,
    );
  }

  /** Wait until somebody listens on a Unix socket. */
  async waitForOpenUnixSocket(path: string, options: WaitOptions = {}): Promise<void> {
    await this.#wait(`a listener on ${path}`, scripts.waitForOpenUnixSocket, [path], options);
  }

  /** Wait until there is a file. */
  async waitForFile(path: string, options: WaitOptions = {}): Promise<void> {
    await this.#wait(`the file ${path}`, scripts.waitForFile, [path], options);
  }

  /** Wait until the serial console has shown something since the machine was started, and give the match. */
  async waitForConsoleText(pattern: RegExp | string, options: WaitOptions = {}): Promise<string> {
    const { vm } = this;
    const regex = typeof pattern === "string" ? new RegExp(pattern) : pattern;
    const match = () => regex.exec(vm.console().replaceAll("\r\n", "\n"))?.[0];
    const found = deferred<string>();
    const look = () => {
      const text = match();
      if (text !== undefined) found.resolve(text);
    };
    vm.stdout.on("data", look);
    look();
    try {
      return await this.#within(found.promise, `the console to show ${regex}`, options);
    } finally {
      vm.stdout.off("data", look);
    }
  }

  /** Wait until a virtual terminal's text matches; for machines with a screen. */
  async waitUntilTtyMatches(tty: number, pattern: RegExp | string, options: WaitOptions = {}): Promise<string> {
    const regex = typeof pattern === "string" ? new RegExp(pattern) : pattern;
    const columns = Number((await this.succeed(`stty -F /dev/tty${tty} size`)).split(" ")[1]);
    const command = `fold -w ${columns} < /dev/vcs${tty}`;
    const { stdout } = await this.#until(
      command,
      options,
      (r) => regex.test(r.stdout),
      `did not show ${regex} in time`,
    );
    return stdout;
  }

  /** Copy a file or directory of the host into the machine, with modes and links. */
  async copyFromHost(source: string, target: string): Promise<void> {
    const modes: string[] = [];
    const copy = async (from: string, to: string): Promise<void> => {
      const status = lstatSync(from);
      if (status.isDirectory()) {
        modes.push(`mkdir -p ${quote(to)}`);
        await this.succeed(`mkdir -p ${quote(to)}`);
        for (const name of readdirSync(from)) await copy(join(from, name), `${to}/${name}`);
      } else if (status.isSymbolicLink()) {
        modes.push(`ln -sfn ${quote(readlinkSync(from))} ${quote(to)}`);
        return;
      } else await this.agent.writeFile(to, readFileSync(from));
      modes.push(`chmod ${(status.mode & 0o7777).toString(8)} ${quote(to)}`);
    };
    await this.succeed(`mkdir -p ${quote(dirname(target))}`);
    await copy(source, target);
    await this.succeed("source /dev/stdin", { stdin: `${modes.join("\n")}\n` });
  }

  /** Copy a file or directory of the machine to the host, with modes and links. */
  async copyFromMachine(source: string, target: string): Promise<void> {
    const listing = await this.succeed(`${scripts.listFiles.replace('"$1"', quote(source))}`);
    for (const entry of listing.split("\0").slice(0, -1)) {
      const [type = "", mode = "", ...rest] = entry.split(" ");
      const name = rest.join(" ");
      const from = name === "" ? source : `${source}/${name}`;
      const to = name === "" ? resolve(target) : join(resolve(target), name);
      mkdirSync(dirname(to), { recursive: true });
      if (type === "d") mkdirSync(to, { recursive: true });
      else if (type === "l") symlinkSync(await this.succeed(`readlink -n ${quote(from)}`), to);
      else if (type === "f") writeFileSync(to, await this.agent.readFile(from), { mode: Number.parseInt(mode, 8) });
    }
  }

  /** Press a key, or several at a time: `a`, `ret`, `ctrl-alt-delete`. The machine needs `virtualisation.graphics`. */
  async sendKey(key: string): Promise<void> {
    this.#needsScreen("a keyboard");
    await this.vm.qmp("send-key", { keys: keysOf(key).map((data) => ({ type: "qcode", data })), "hold-time": KEY_MS });
    // A keyboard remembers few keys until the guest has read them.
    await sleep(2 * KEY_MS * this.#factor);
  }

  /** Press keys one after the other. */
  async sendKeys(keys: readonly string[]): Promise<void> {
    for (const key of keys) await this.sendKey(key);
  }

  /** Type a text on the keyboard. */
  async sendChars(text: string): Promise<void> {
    for (const character of text) await this.sendKey(character);
  }

  /** Type a text at the serial console. */
  sendConsole(text: string): void {
    this.vm.stdin.write(text);
  }

  /** Take a picture of the screen, as PNG. The machine needs `virtualisation.graphics`. Problem: `no-screen`. */
  async screenshot(file: string): Promise<void> {
    this.#needsScreen("a screen");
    await this.vm.qmp("screendump", { filename: resolve(file), format: "png" });
  }

  /** Unplug the machine's network cables; the store's stays. */
  async block(): Promise<void> {
    await this.#setLinks(false);
  }

  /** Plug them in again. */
  async unblock(): Promise<void> {
    await this.#setLinks(true);
  }

  /** Say something in the test's log. */
  log(line: string): void {
    this.#options.onLog?.(`${this.name}: ${line}`);
  }

  async #setLinks(up: boolean): Promise<void> {
    for (const name of this.#options.links ?? ["net0"]) await this.vm.qmp("set_link", { name, up });
    this.log(up ? "unblock" : "block");
  }

  #needsScreen(what: string): void {
    if (this.#options.graphics === true) return;
    throw new GuestError({
      code: "no-screen",
      message: `${this.name} has no ${what.replace(/^a /, "")}`,
      fix: "Set virtualisation.graphics to true in the test's machine, or use the serial console: sendConsole, waitForConsoleText.",
    });
  }

  /** Run one of the blocking scripts; gives its exit code. */
  async #wait(
    what: string,
    script: string,
    words: readonly string[],
    options: WaitOptions,
    more: () => Promise<readonly string[]> = async () => [],
  ): Promise<number> {
    const began = Date.now();
    try {
      const timeoutSeconds = this.#ms(options, DEFAULT_SECONDS) / 1000;
      const { exitCode } = await this.agent.exec(["bash", "-c", script, "osmod", ...words], { timeoutSeconds });
      this.log(`waited for ${what}: ${Date.now() - began} ms`);
      return exitCode;
    } catch (error) {
      if (!(error instanceof ProblemError && error.has("guest-command-timeout"))) throw error;
      throw this.#late(what, options, await more(), error);
    }
  }

  /** Run a command until its result is as wanted. Failures are looked at more and more rarely, up to once a second. */
  async #until(
    command: string,
    options: CommandOptions,
    wanted: (result: CommandResult) => boolean,
    otherwise: string,
  ): Promise<CommandResult> {
    const deadline = Date.now() + this.#ms(options, DEFAULT_SECONDS);
    for (let pause = 100; ; pause = Math.min(1000, pause * 1.5)) {
      const result = await this.execute(command, options);
      if (wanted(result)) return result;
      if (Date.now() + pause > deadline) this.#unexpected(command, result, otherwise);
      await sleep(pause);
    }
  }

  async #untilEvent(
    what: string,
    options: WaitOptions,
    wanted: (event: QmpEvent) => boolean,
    already: () => boolean,
  ): Promise<void> {
    const seen = deferred<void>();
    const stop = this.vm.onEvent((event) => {
      if (wanted(event)) seen.resolve();
    });
    if (already()) seen.resolve();
    await this.#within(seen.promise, what, options).finally(stop);
  }

  /** Wait for something of the host's side, as long as the machine lives. */
  async #within<T>(work: Promise<T>, what: string, options: WaitOptions, seconds = DEFAULT_SECONDS): Promise<T> {
    const timer = new AbortController();
    const late = sleep(this.#ms(options, seconds), undefined, { signal: timer.signal }).then(() => {
      throw this.#late(what, options);
    });
    const ended = this.vm.waitForExit().then(async () => {
      // Who waits for the end itself is served first.
      await sleep(0);
      throw new GuestError({
        code: "machine-ended",
        message: `${this.name} ended while the test waited for ${what}`,
        notes: this.#consoleNotes(),
        fix: "Look at the console for the reason.",
      });
    });
    try {
      return await Promise.race([work, late, ended]);
    } finally {
      timer.abort();
      for (const promise of [late, ended]) promise.catch(() => {});
    }
  }

  #late(what: string, options: WaitOptions, notes: readonly string[] = [], cause?: unknown): GuestError {
    const seconds = Math.round(this.#ms(options, DEFAULT_SECONDS) / 1000);
    return new GuestError(
      {
        code: "wait-timeout",
        message: `${this.name}: waited ${seconds} s for ${what}, in vain`,
        notes: [...notes, ...this.#consoleNotes()],
        fix: "Find out why it does not come; give it more time by timeoutSeconds, if that is all it needs.",
      },
      cause,
    );
  }

  #unexpected(command: string, { exitCode, stdout, stderr }: CommandResult, how: string): never {
    throw new GuestError({
      code: exitCode === 0 ? "guest-command-succeeded" : "guest-command-failed",
      message: `${this.name}: ${command} ${how}`,
      notes: [...excerpt("standard output", stdout), ...excerpt("standard error", stderr), ...this.#consoleNotes()],
      fix: "Run it in the machine by hand: osmod test --interactive stops there.",
    });
  }

  #noSpace(): GuestError {
    return new GuestError({
      code: "machine-out-of-space",
      message: `${this.name} was stopped, because this host has no room left for what it writes to its disks`,
      notes: this.#consoleNotes(),
      fix: "Free some space where the disks lie (TMPDIR, or the test's directory). What the guest has synced is there at its next start.",
    });
  }

  async #unitNotes(unit: string): Promise<readonly string[]> {
    const command = `systemctl status --no-pager --lines=0 -- ${quote(unit)}; journalctl --quiet --no-pager --boot --lines=20 --output=cat --unit=${quote(unit)}`;
    const { stdout } = await this.agent.exec(["sh", "-c", command], { timeoutSeconds: 60 });
    return excerpt(`the unit ${unit}`, stdout.toString());
  }

  #consoleNotes(): readonly string[] {
    return excerpt("the console ends with", this.#vm?.console() ?? "");
  }

  #ms(options: WaitOptions, seconds: number): number {
    return (options.timeoutSeconds ?? seconds) * 1000 * this.#factor;
  }

  #forget(): void {
    void this.#agent?.close();
    this.#agent = undefined;
    this.#vm = undefined;
  }

  #notRunning(): never {
    throw new GuestError({
      code: "machine-not-running",
      message: `${this.name} does not run`,
      fix: "Start it: await machine.start()",
    });
  }
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function deferred<T>(): { readonly promise: Promise<T>; readonly resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((fulfil) => {
    resolve = fulfil;
  });
  return { promise, resolve };
}
