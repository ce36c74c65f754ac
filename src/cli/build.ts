/** `osmod build-vm`, `osmod build` and `osmod dry-run`: one way, three ends. */
import { availableParallelism } from "node:os";
import { basename, resolve } from "node:path";
import { explainGone, requireFetchable } from "../packages/index.ts";
import type { Derivation, Plan } from "../store/index.ts";
import { parse, type Syntax, wholeNumber } from "./arguments.ts";
import { evaluateMachine } from "./evaluate.ts";
import { showProgress, showWarnings } from "./progress.ts";
import { chosenStore } from "./store-choice.ts";
import { phase } from "./timing.ts";
import type { Verb } from "./verbs.ts";

const options = {
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

const syntax = (verb: string): Syntax<typeof options> => ({
  usage: `osmod ${verb} [options] [machine.ts]`,
  details,
  options,
});

/** Which derivation of a machine is wanted, and what to say when it is there. */
interface Goal {
  readonly verb: string;
  readonly attribute: "vm" | "toplevel";
  readonly words: (link: string, hostName: string) => readonly string[];
}

/** Build the virtual machine. */
export const buildVm: Verb = (argv, signal) =>
  build(
    {
      verb: "build-vm",
      attribute: "vm",
      words: (link, host) => [
        `The virtual machine "${host}" is built. Start it with:`,
        `    ${link}/bin/run-${host}-vm`,
      ],
    },
    argv,
    signal,
  );

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
  const byNix = chosenStore(values.store) === "nix";
  const limits = {
    ...jobs(values["max-jobs"], byNix),
    ...seconds("timeout", values.timeout, "timeout"),
    ...seconds("max-silent-time", values["max-silent-time"], "maxSilentTime"),
  };

  // 1. Evaluate down to the derivation.
  const { value, store, lockFile } = await evaluateMachine(
    positionals,
    { signal, store: values.store },
    ({ evaluation: { config } }) => ({
      drv: config.system.build[goal.attribute],
      hostName: config.networking.hostName,
      warnings: config.warnings,
    }),
  );
  for (const warning of value.warnings) process.stderr.write(`warning: ${warning}\n`);

  // 2. See what is missing, and make it.
  const plan = store.plan([value.drv]);
  phase("plan");
  if (values["dry-run"]) {
    const asked = await store.planWithCaches([value.drv], { signal, onEvent: showWarnings() });
    process.stdout.write(values.json ? `${JSON.stringify(planAsData(asked), null, 2)}\n` : planAsText(asked));
    return 0;
  }
  // What a cache may have needs no mirror; if it then does, that is told below.
  const cached = byNix || (process.env["OSMOD_SUBSTITUTERS"] ?? "").trim() !== "";
  if (!cached) requireFetchable(plan);
  const progress = showProgress(plan);
  try {
    await store.realise([value.drv], { ...limits, signal, onEvent: progress.onEvent });
  } catch (error) {
    if (cached && !signal.aborted) requireFetchable(store.plan([value.drv]));
    throw explainGone(error, lockFile);
  } finally {
    progress.end();
  }
  phase("realise");

  // 3. Keep it, and say how to go on.
  if (values["no-out-link"]) {
    process.stdout.write(`${store.physical(value.drv.outPath)}\n`);
    return 0;
  }
  const link = values["out-link"];
  store.addRoot(resolve(link), value.drv.outPath);
  phase("link");
  const shown = link.startsWith("/") || link.startsWith(".") ? link : `./${link}`;
  process.stdout.write(`${goal.words(shown, value.hostName).join("\n")}\n`);
  return 0;
}

/** Nix has settings of its own, where 0 means that only other machines build. */
function jobs(given: string | undefined, byNix: boolean): { maxJobs?: number } {
  if (given === undefined) return byNix ? {} : { maxJobs: availableParallelism() };
  return { maxJobs: wholeNumber("max-jobs", given, byNix ? 0 : 1) };
}

function seconds<K extends string>(option: string, given: string | undefined, key: K): { readonly [P in K]?: number } {
  return given === undefined ? {} : ({ [key]: wholeNumber(option, given, 0) } as { [P in K]: number });
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
