/** `osmod switch`, `osmod test` and `osmod boot`: build a machine, and make a running virtual machine be it. */
import { resolve } from "node:path";
import { fail } from "../problems/index.ts";
import type { Store } from "../store/index.ts";
import {
  type Generation,
  GuestAgent,
  generationBefore,
  generationOf,
  generationsOf,
  makeDefault,
  type RunningVm,
  runningVm,
  runningVms,
  type SwitchAction,
  specOf,
  storePathOf,
  switchVm,
} from "../vm/index.ts";
import { parse, type Syntax, wholeNumber } from "./arguments.ts";
import { type Attribute, realised } from "./build.ts";
import { printJson } from "./open-store.ts";
import { openChosenStore } from "./store-choice.ts";
import type { Verb } from "./verbs.ts";

const options = {
  vm: { type: "string" },
  disk: { type: "string" },
  rollback: { type: "boolean", default: false },
  generation: { type: "string" },
  "list-generations": { type: "boolean", default: false },
  "dry-activate": { type: "boolean", default: false },
  test: { type: "boolean", default: false },
  "max-jobs": { type: "string", short: "j" },
  json: { type: "boolean", default: false },
  store: { type: "string" },
} as const;

const syntax = (action: SwitchAction): Syntax<typeof options> => ({
  usage: `osmod ${action} [options] [machine.ts]`,
  details: [
    {
      switch: "Makes a running virtual machine be what the file says, and its next start begin with it.",
      test: "Makes a running virtual machine be what the file says, until it is started again.",
      boot: "Lets the next start of a virtual machine begin with what the file says.",
      "dry-activate": "",
    }[action],
    "",
    "    --vm NAME           the running machine, by its name or process; default: the host name that the file gives",
    "    --disk IMAGE        instead of --vm, for boot and --list-generations: a machine that does not run",
    "    --rollback          take the generation before the default one; nothing is built",
    "    --generation N      take that generation; nothing is built",
    "    --list-generations  list what the machine has been, and which of it the next start begins with",
    "    --test              as osmod test: until the machine is started again",
    "    --dry-activate      only say which units would be stopped, restarted, reloaded, started",
    "-j, --max-jobs N        builders at a time",
    "    --store KIND        embedded or nix (default: OSMOD_STORE, else embedded)",
    "    --json              the outcome, or the generations, as JSON; what the guest says goes to standard error",
    "",
    "Ends with 4 when units failed.",
  ],
  options,
});

const verb =
  (action: SwitchAction): Verb =>
  (argv, signal) =>
    run(action, argv, signal);

/** Now, and at the next start. */
export const switchNow: Verb = verb("switch");
/** Now, until the next start. */
export const test: Verb = verb("test");
/** At the next start. */
export const boot: Verb = verb("boot");

async function run(given: SwitchAction, argv: readonly string[], signal: AbortSignal): Promise<number> {
  const parsed = parse(syntax(given), argv);
  if (parsed === undefined) return 0;
  const { values, positionals } = parsed;
  const action = values.test && given === "switch" ? "test" : given;
  const generation = values.generation === undefined ? undefined : wholeNumber("generation", values.generation, 1);
  if (values.disk !== undefined && values.vm === undefined && action !== "boot" && !values["list-generations"]) {
    fail({
      code: "usage",
      message: `osmod ${action} changes a machine that runs, and --disk names one that does not`,
      fix: "Use --vm NAME, or osmod boot with --disk.",
    });
  }

  if (values["list-generations"]) {
    const disk = values.disk === undefined ? diskOf(named(values.vm)) : resolve(values.disk);
    list(generationsOf(disk), values.json);
    return 0;
  }

  // 1. What the machine shall be: a former generation, or what the file says now.
  if (generation !== undefined || values.rollback) {
    const vm = values.disk === undefined ? named(values.vm) : undefined;
    const disk = vm === undefined ? resolve(values.disk ?? "") : diskOf(vm);
    const { launcher } = generation === undefined ? generationBefore(disk) : generationOf(disk, generation);
    const path = storePathOf(launcher);
    return become(action, { store: openChosenStore(values.store), launcher: path, vm, disk }, values, signal);
  }
  const { store, drv, hostName } = await realised(startingAlike(values), positionals, {
    signal,
    store: values.store,
    maxJobs: values["max-jobs"],
  });
  const vm = values.disk === undefined ? runningVm(values.vm ?? hostName) : undefined;
  const disk = vm === undefined ? resolve(values.disk ?? "") : vm.disk;
  return become(action, { store, launcher: drv.outPath, vm, disk }, values, signal);
}

/** A machine that was built with a boot loader (`build-vm-with-bootloader`) stays one with it, also if its file says nothing of it. */
function startingAlike({
  vm,
  disk,
}: {
  readonly vm?: string | undefined;
  readonly disk?: string | undefined;
}): Attribute {
  return ({ hostName, useBootLoader }) => {
    if (useBootLoader) return "vm";
    const launcher =
      disk === undefined
        ? runningVms().find(({ name, pid }) => [name, String(pid)].includes(vm ?? hostName))?.launcher
        : generationsOf(resolve(disk)).find(({ isDefault }) => isDefault)?.launcher;
    return launcher !== undefined && specOf(launcher).bootDisk !== undefined ? "vmWithBootLoader" : "vm";
  };
}

interface Goal {
  readonly store: Store;
  readonly launcher: string;
  readonly vm: RunningVm | undefined;
  readonly disk: string | null;
}

async function become(
  given: SwitchAction,
  { store, launcher, vm, disk }: Goal,
  values: { readonly json: boolean; readonly "dry-activate": boolean },
  signal: AbortSignal,
): Promise<number> {
  const action = values["dry-activate"] && given !== "boot" ? "dry-activate" : given;
  const say = (line: string) => (values.json ? process.stderr : process.stdout).write(`${line}\n`);
  if (vm === undefined) {
    const made = makeDefault(store, disk ?? "", launcher);
    if (values.json) printJson({ generation: made });
    else say(nextStart(made));
    return 0;
  }
  // The agent is only asked when there is something to do in the guest.
  let agent: GuestAgent | undefined;
  try {
    const outcome = await switchVm(vm, {
      action,
      store,
      launcher,
      runInGuest: async (argv, heard) => {
        agent ??= await GuestAgent.connect(`${vm.runtime}/qga`, { signal });
        return agent.exec(argv, { ...heard });
      },
      onOutput: (bytes) => (values.json ? process.stderr : process.stdout).write(bytes),
    });
    if (outcome.generation !== undefined) say(nextStart(outcome.generation));
    else if (action === "switch")
      say("the machine has no disk: its next start begins with what its launcher was built of");
    if (outcome.atNextStart.length > 0)
      say(`only a new start of the virtual machine changes: ${outcome.atNextStart.join(", ")}`);
    if (values.json) printJson(outcome);
    return outcome.exitCode;
  } finally {
    await agent?.close();
  }
}

function nextStart({ number }: Generation): string {
  return `the next start begins with generation ${number}`;
}

function named(name: string | undefined): RunningVm {
  return runningVm(
    name ?? fail({ code: "usage", message: "which virtual machine?", fix: "Name it: --vm NAME, or --disk IMAGE." }),
  );
}

function diskOf({ disk, name }: RunningVm): string {
  return (
    disk ??
    fail({
      code: "generations-need-a-disk",
      message: `${name} has its root in memory: there is no disk to keep generations beside`,
      fix: "Set virtualisation.diskImage.",
    })
  );
}

function list(generations: readonly Generation[], json: boolean): void {
  if (json) {
    printJson(generations);
    return;
  }
  if (generations.length === 0)
    process.stdout.write("no generations yet: they come with osmod switch and osmod boot\n");
  for (const { number, created, toplevel, isDefault } of generations) {
    const when = created.toISOString().slice(0, 19).replace("T", " ");
    process.stdout.write(`${String(number).padStart(4)}   ${when}   ${toplevel}${isDefault ? "   (default)" : ""}\n`);
  }
}
