/** `osmod build-vm`, `osmod build-vm-with-bootloader`, `osmod build` and `osmod dry-run`: one way, four ends. */
import { availableParallelism } from "node:os";
import { basename, resolve } from "node:path";
import { explainGone, requireFetchable } from "../packages/index.ts";
import type { BuildEvent, Derivation, Plan, Store } from "../store/index.ts";
import { parse, type Syntax, wholeNumber } from "./arguments.ts";
import { type EvaluateOptions, evaluateMachine } from "./evaluate.ts";
import { showProgress, showWarnings } from "./progress.ts";
import { chosenStore } from "./store-choice.ts";
import { phase } from "./timing.ts";
import type { Verb } from "./verbs.ts";

/** Options of whatever builds. */
export const buildOptions = {
  "out-link": { type: "string", short: "o", default: "result" },
  "no-out-link": { type: "boolean", default: false },
  "max-jobs": { type: "string", short: "j" },
  timeout: { type: "string" },
  "max-silent-time": { type: "string" },
  "dry-run": { type: "boolean", default: false },
  json: { type: "boolean", default: false },
  store: { type: "string" },
} as const;

const details = [
  "-o, --out-link NAME   the link to make, default ./result",
  "    --no-out-link     make no link, print the store path",
  "-j, --max-jobs N      builders at a time, default the number of CPUs; with --store nix, what nix.conf says",
  "    --timeout N       stop a builder that takes more than N seconds",
  "    --max-silent-time N  stop a builder that says nothing for N seconds",
  "    --store KIND      embedded, or nix: let the Nix that is installed build (default: OSMOD_STORE, else embedded)",
  "    --dry-run         list what would be copied from caches, fetched and built, and do nothing",
  "    --json            with --dry-run: as JSON",
];

const syntax = (verb: string): Syntax<typeof buildOptions> => ({
  usage: `osmod ${verb} [options] [machine.ts]`,
  details,
  options: buildOptions,
});

/** Which derivation of a machine is wanted, and what to say when it is there. */
interface Goal {
  readonly verb: string;
  readonly attribute: "vm" | "vmWithBootLoader" | "toplevel";
  readonly words: (link: string, hostName: string) => readonly string[];
}

const startWith = (link: string, host: string) => [
  `The virtual machine "${host}" is built. Start it with:`,
  `    ${link}/bin/run-${host}-vm`,
];

/** Build the virtual machine. */
export const buildVm: Verb = (argv, signal) =>
  build({ verb: "build-vm", attribute: "vm", words: startWith }, argv, signal);

/** Build the virtual machine that starts by its boot loader. */
export const buildVmWithBootLoader: Verb = (argv, signal) =>
  build({ verb: "build-vm-with-bootloader", attribute: "vmWithBootLoader", words: startWith }, argv, signal);

/** Build the machine itself. */
export const buildToplevel: Verb = (argv, signal) =>
  build(
    { verb: "build", attribute: "toplevel", words: (link, host) => [`The machine "${host}" is built: ${link}`] },
    argv,
    signal,
  );

/** List what `build-vm` would do. */
export const dryRun: Verb = (argv, signal) => buildVm([...argv, "--dry-run"], signal);

async function build(goal: Goal, argv: readonly string[], signal: AbortSignal): Promise<number> {
  const parsed = parse(syntax(goal.verb), argv);
  if (parsed === undefined) return 0;
  const { values, positionals } = parsed;
  const given = {
    signal,
    store: values.store,
    maxJobs: values["max-jobs"],
    timeout: values.timeout,
    maxSilentTime: values["max-silent-time"],
  };
  if (values["dry-run"]) {
    const { store, drv } = await evaluated(goal.attribute, positionals, given);
    const plan = await store.planWithCaches([drv], { signal, onEvent: showWarnings() });
    phase("plan");
    printPlan(plan, values.json);
    return 0;
  }
  const { store, drv, hostName } = await realised(goal.attribute, positionals, given);

  // Keep it, and say how to go on.
  if (values["no-out-link"]) {
    process.stdout.write(`${store.physical(drv.outPath)}\n`);
    return 0;
  }
  const link = values["out-link"];
  store.addRoot(resolve(link), drv.outPath);
  phase("link");
  const shown = shownLink(link);
  process.stdout.write(`${goal.words(shown, hostName).join("\n")}\n`);
  return 0;
}

/** A derivation of a machine by its name, or by what the machine says. */
export type Attribute =
  | Goal["attribute"]
  | ((machine: { readonly hostName: string; readonly useBootLoader: boolean }) => Goal["attribute"]);

/** A link's name as it is told: `./result` can be started as it stands. */
export function shownLink(link: string): string {
  return link.startsWith("/") || link.startsWith(".") ? link : `./${link}`;
}

/** How to build. */
export interface BuildOptions {
  readonly signal: AbortSignal;
  /** What the options of these names said. */
  readonly store?: string | undefined;
  readonly maxJobs?: string | undefined;
  readonly timeout?: string | undefined;
  readonly maxSilentTime?: string | undefined;
  /** Called with each line that a builder says. */
  readonly onLine?: ((drv: Derivation, line: string) => void) | undefined;
}

/** A derivation of a machine, and where it lies. */
export interface Built {
  readonly drv: Derivation;
  readonly store: Store;
  readonly hostName: string;
  readonly lockFile: string;
}

/** Evaluate a machine down to one of its derivations, and print its warnings. */
async function evaluated(
  attribute: Attribute,
  positionals: readonly string[],
  { signal, store: choice, builds = false }: Pick<EvaluateOptions, "signal" | "store" | "builds">,
): Promise<Built> {
  const { value, store, lockFile } = await evaluateMachine(
    positionals,
    { signal, store: choice, builds },
    ({ evaluation: { config } }) => {
      const { hostName } = config.networking;
      const { useBootLoader } = config.virtualisation;
      const name = typeof attribute === "string" ? attribute : attribute({ hostName, useBootLoader });
      return { drv: config.system.build[name], hostName, warnings: config.warnings };
    },
  );
  for (const warning of value.warnings) process.stderr.write(`warning: ${warning}\n`);
  return { ...value, store, lockFile };
}

/** Evaluate a machine, see what is missing, and make it. */
export async function realised(
  attribute: Attribute,
  positionals: readonly string[],
  options: BuildOptions,
): Promise<Built> {
  const built = await evaluated(attribute, positionals, { ...options, builds: true });
  await realise({ ...built, drvs: [built.drv] }, options);
  return built;
}

/** See what is missing of derivations, and make it. */
export async function realise(
  { store, drvs, lockFile }: { readonly store: Store; readonly drvs: readonly Derivation[]; readonly lockFile: string },
  options: BuildOptions,
): Promise<void> {
  const byNix = chosenStore(options.store) === "nix";
  const limits = {
    ...jobs(options.maxJobs, byNix),
    ...seconds("timeout", options.timeout, "timeout"),
    ...seconds("max-silent-time", options.maxSilentTime, "maxSilentTime"),
  };
  const plan = store.plan(drvs);
  phase("plan");
  // What a cache may have needs no mirror; if it then does, that is told below.
  const cached = byNix || (process.env["OSMOD_SUBSTITUTERS"] ?? "").trim() !== "";
  if (!cached) requireFetchable(plan);
  const progress = showProgress(plan);
  const onEvent = (event: BuildEvent): void => {
    if (event.type === "log") options.onLine?.(event.drv, event.line);
    progress.onEvent(event);
  };
  try {
    await store.realise(drvs, { ...limits, signal: options.signal, onEvent });
  } catch (error) {
    if (cached && !options.signal.aborted) requireFetchable(store.plan(drvs));
    throw explainGone(error, lockFile);
  } finally {
    progress.end();
  }
  phase("realise");
}

/** Nix has settings of its own, where 0 means that only other machines build. */
function jobs(given: string | undefined, byNix: boolean): { maxJobs?: number } {
  if (given === undefined) return byNix ? {} : { maxJobs: availableParallelism() };
  return { maxJobs: wholeNumber("max-jobs", given, byNix ? 0 : 1) };
}

function seconds<K extends string>(option: string, given: string | undefined, key: K): { readonly [P in K]?: number } {
  return given === undefined ? {} : ({ [key]: wholeNumber(option, given, 0) } as { [P in K]: number });
}

/** Print what would be done, for people or as JSON. */
export function printPlan(plan: Plan, json: boolean): void {
  process.stdout.write(json ? `${JSON.stringify(planAsData(plan), null, 2)}\n` : planAsText(plan));
}

function planAsData(plan: Plan) {
  const list = (drvs: readonly Derivation[]) =>
    drvs.map((drv) => ({ name: drv.name, drvPath: drv.drvPath, outPath: drv.outPath }));
  const copy = plan.copy ?? [];
  return { copy, fetch: list(plan.fetch), build: list(plan.build), add: plan.add.map((source) => source.path) };
}

function planAsText(plan: Plan): string {
  const section = (title: string, paths: readonly string[]) =>
    paths.length === 0 ? [] : [`${paths.length} ${title}:`, ...paths.map((path) => `  ${basename(path)}`)];
  const lines = [
    ...section(
      "to copy from caches",
      (plan.copy ?? []).map(({ path }) => path),
    ),
    ...section(
      "to fetch",
      plan.fetch.map((drv) => drv.outPath),
    ),
    ...section(
      "to build",
      plan.build.map((drv) => drv.drvPath),
    ),
  ];
  return lines.length === 0 ? "nothing to do\n" : `${lines.join("\n")}\n`;
}
