/**
 * From machines to machines under test: build, start, wait until commands can be run.
 *
 * Each has a directory of its own for its disk, which is removed with it. Several are built one after the other, since they share
 * most of their packages, and boot together, on one LAN: `192.168.1.1`, `192.168.1.2` and so on, in the order in which they are named, and
 * each knows the others by those names.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type AnyModule, define, mkDefault, mkOverride } from "../lib/index.ts";
import { type BuildMachineOptions, canResume, defineMachine, type MachineSpec, VirtualLan } from "../vm/index.ts";
import type { DeclaredMachine } from "./declared.ts";
import { GuestMachine } from "./machine.ts";
import { interpreter, type Launcher, launcherFor } from "./prebuilt.ts";

/** How to boot machines. */
export interface BootOptions extends Omit<BuildMachineOptions, "onEvent"> {
  /** The name in messages. Default: the machine's host name. */
  readonly name?: string;
  /** More of QEMU's options. */
  readonly args?: readonly string[];
  /** Set in the launcher's environment, for example `OSMOD_ACCEL`. */
  readonly env?: Readonly<Record<string, string>>;
  /** Where the machine is started and its disk is made; kept then. Default: a new directory, removed at the end. */
  readonly directory?: string;
  /**
   * Whether its first start goes on from a saved start of its kind, made when there is none, instead of booting. What is
   * resumed has all its units up. Default: yes, unless `directory` is given or `OSMOD_TEST_RESUME` is `0`.
   */
  readonly resume?: boolean;
  /** Whether it is switched on. Default: yes. */
  readonly start?: boolean;
  /** Called with a line for each step. Default: standard error, when `OSMOD_TEST_LOG` is set. */
  readonly onLog?: (line: string) => void;
  /** Called with what the console shows. Default: standard error, when `OSMOD_TEST_LOG` is `console`. */
  readonly onConsole?: (text: string) => void;
}

/** The number of the LAN that machines which boot together are on. */
const LAN = 1;
/** A priority that loses against what a machine says, and wins against the name of every machine that says nothing. */
const BELOW_DEFAULT = 900;

/** Several machines under test, by name; they end together. */
export type GuestMachines<N extends string = string> = Readonly<Record<N, GuestMachine>> & AsyncDisposable;

/**
 * Build a machine, start it, and resolve when commands can be run in it.
 *
 * @param machine the module, or the path of the file that exports it
 * @example
 * import { bootMachine } from "osmod/testing";
 *
 * async function check(): Promise<void> {
 *   await using machine = await bootMachine("examples/web/machine.ts");
 *   await machine.waitForUnit("multi-user.target");
 *   await machine.succeed("curl -fsS http://localhost/");
 * }
 */
export async function bootMachine(machine: AnyModule | string, options: BootOptions = {}): Promise<GuestMachine> {
  const log = options.onLog ?? standardLog();
  const guest = guestOf(await launcherFor(machine, { onProgress: log, ...options }), options, log);
  if (options.start !== false)
    await guest.start().catch(async (error: unknown) => {
      await guest[Symbol.asyncDispose]();
      throw error;
    });
  return guest;
}

/**
 * Build several machines, start them together, and resolve when commands can be run in all of them.
 *
 * @example
 * import type { Machine, Module } from "osmod";
 * import { bootMachines } from "osmod/testing";
 *
 * async function check(server: Module<Machine>, client: Module<Machine>): Promise<void> {
 *   await using machines = await bootMachines({ server, client });
 *   await machines.server.waitForOpenPort(80);
 *   await machines.client.succeed("curl -fsS http://server/");
 * }
 */
export async function bootMachines<N extends string>(
  machines: Readonly<Record<N, AnyModule | string>>,
  options: Omit<BootOptions, "name" | "directory"> = {},
): Promise<GuestMachines<N>> {
  const log = options.onLog ?? standardLog();
  const guests = new Map<N, GuestMachine>();
  const directory = mkdtempSync(join(tmpdir(), "osmod-lan-"));
  const lan = await VirtualLan.listen(join(directory, "vlan1"));
  const end = async () => {
    await Promise.all([...guests.values()].map((guest) => guest[Symbol.asyncDispose]()));
    await lan.close();
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    for (const [name, { machine, options: own }] of declarationsOf(machines, options)) {
      const built = await launcherFor(machine, { onProgress: log, ...options, ...own });
      const env = { ...options.env, OSMOD_VLAN_1: await lan.attach(name) };
      guests.set(name, guestOf(built, { ...options, name, env }, log, ["vlan1"]));
    }
  } catch (error) {
    await end();
    throw error;
  }
  if (options.start !== false) {
    const started = await Promise.allSettled([...guests.values()].map((guest) => guest.start()));
    const failed = started.find((result) => result.status === "rejected");
    if (failed !== undefined) {
      await end();
      throw failed.reason;
    }
  }
  return { ...(Object.fromEntries(guests) as Record<N, GuestMachine>), [Symbol.asyncDispose]: end };
}

/** How each of several machines is built. */
export function declarationsOf<N extends string>(
  machines: Readonly<Record<N, AnyModule | string>>,
  { lockFile, modules = [] }: DeclaredMachine["options"],
): readonly (readonly [N, DeclaredMachine])[] {
  const names = Object.keys(machines) as N[];
  return names.map((name, index) => {
    const own = { modules: [...modules, nodeModule(names, index)], ...(lockFile === undefined ? {} : { lockFile }) };
    return [name, { machine: machines[name], options: own }];
  });
}

/** What makes a machine one of several: its host name, its place on the LAN, and the names of all. */
function nodeModule(names: readonly string[], index: number): AnyModule {
  const hosts = names.map((name, other) => `192.168.${LAN}.${other + 1} ${name}\n`).join("");
  return defineMachine({
    config: define({
      networking: { hostName: mkOverride(BELOW_DEFAULT, names[index] ?? ""), extraHosts: hosts },
      virtualisation: { vlans: mkDefault([LAN]), test: { nodeNumber: mkDefault(index + 1) } },
    }),
  });
}

function guestOf(
  built: Launcher,
  options: BootOptions,
  onLog: (line: string) => void,
  links?: readonly string[],
): GuestMachine {
  const { name = built.name, args = [], env = {}, directory } = options;
  const own = directory === undefined ? mkdtempSync(join(tmpdir(), `osmod-test-${name}-`)) : undefined;
  const spec = JSON.parse(readFileSync(join(built.share, "machine.json"), "utf8")) as MachineSpec;
  const { graphics } = spec.display;
  const onConsole = options.onConsole ?? standardConsole();
  const resume = own !== undefined && canResume(spec) && (options.resume ?? process.env["OSMOD_TEST_RESUME"] !== "0");
  return new GuestMachine({
    name,
    launcher: built.launcher,
    interpreter: interpreter(),
    cwd: directory ?? own ?? ".",
    env,
    // A test has no window: pictures are taken without one.
    args: [...(graphics ? ["-display", "none"] : []), ...args],
    graphics,
    ...(resume ? { disk: join(own, "disk.qcow2") } : {}),
    onLog,
    ...(links === undefined ? {} : { links }),
    ...(onConsole === undefined ? {} : { onConsole }),
    onEnd: () => {
      if (own !== undefined) rmSync(own, { recursive: true, force: true });
    },
  });
}

function standardLog(): (line: string) => void {
  if (process.env["OSMOD_TEST_LOG"] === undefined) return () => {};
  return (line) => void process.stderr.write(`${line}\n`);
}

function standardConsole(): ((text: string) => void) | undefined {
  if (process.env["OSMOD_TEST_LOG"] !== "console") return undefined;
  return (text) => void process.stderr.write(text);
}
