/** `osmod vm start`: a virtual machine in the background, by its file or by its name. */
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import {
  besideDisk,
  launcherAt,
  type NamedVm,
  namedVm,
  specOf,
  startNamed,
  storePathOf,
  waitForGuest,
} from "../vm/index.ts";
import { parse } from "./arguments.ts";
import { realised } from "./build.ts";
import { storeOf } from "./launcher-store.ts";
import type { Verb } from "./verbs.ts";

const syntax = {
  usage: "osmod vm start [options] machine.ts | NAME | ./result [-- QEMU's options]",
  details: [
    "Starts a machine in the background, on a disk of its own that it keeps. Its file is built first; a name that was",
    "started before is started as it was built then.",
    "    --name NAME    what to call it, default the machine's host name",
    "    --resume       go on from where osmod vm stop put it to sleep, or from a saved start, instead of booting",
    "    --fresh        throw its disk away and start with an empty one",
    "    --wait         wait until it is up",
    "    --store KIND   embedded, or nix (default: OSMOD_STORE, else embedded)",
  ],
  options: {
    name: { type: "string" },
    resume: { type: "boolean", default: false },
    fresh: { type: "boolean", default: false },
    wait: { type: "boolean", default: false },
    store: { type: "string" },
  },
} as const;

/** Build if there is a file, then start. */
export const run: Verb = async (argv, signal) => {
  const parsed = parse(syntax, argv);
  if (parsed === undefined) return 0;
  const { values, positionals } = parsed;
  const [subject = "machine.ts", ...args] = positionals;
  const vm = await prepare(subject, values.name, { signal, store: values.store });
  if (values.fresh) {
    for (const part of besideDisk) rmSync(`${vm.disk}.${part}`, { recursive: true, force: true });
    rmSync(vm.disk, { force: true });
    for (const state of [vm.saved, vm.snapshots]) rmSync(state, { recursive: true, force: true });
  }
  const { running, how } = await startNamed(vm, { args, signal, resume: values.resume });
  if (values.wait) await waitForGuest(running, signal);
  const state = how === "resumed" ? "goes on" : values.wait ? "is up" : "is starting";
  process.stdout.write(
    [
      `The virtual machine "${vm.name}" ${state} (process ${running.pid}).`,
      `    osmod vm ssh ${vm.name}      a shell in it`,
      `    osmod vm logs ${vm.name}     its console`,
      `    osmod vm stop ${vm.name}     its end`,
      "",
    ].join("\n"),
  );
  return 0;
};

/** The named machine that is meant, with its launcher linked. */
async function prepare(
  subject: string,
  name: string | undefined,
  options: { readonly signal: AbortSignal; readonly store: string | undefined },
): Promise<NamedVm> {
  if (/\.[cm]?[jt]s$/.test(subject)) {
    const { store, drv, hostName } = await realised("vm", [subject], options);
    const vm = made(namedVm(name ?? hostName), dirname(resolve(subject)));
    store.addRoot(vm.link, drv.outPath);
    return vm;
  }
  if (!subject.includes("/") || !existsSync(subject)) return namedVm(subject);
  const launcher = launcherAt(subject);
  const vm = made(namedVm(name ?? specOf(launcher).name), process.cwd());
  storeOf(launcher).addRoot(vm.link, storePathOf(launcher));
  return vm;
}

function made(vm: NamedVm, home: string): NamedVm {
  mkdirSync(vm.directory, { recursive: true, mode: 0o700 });
  writeFileSync(vm.home, `${home}\n`);
  return vm;
}
