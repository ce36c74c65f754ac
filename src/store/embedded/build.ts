/**
 * Running one builder, from its inputs to valid outputs.
 *
 * The caller holds the claims on the outputs and has made the inputs valid.
 */
import {
  chmodSync,
  closeSync,
  fchmodSync,
  lstatSync,
  openSync,
  readlinkSync,
  renameSync,
  statfsSync,
  writeFileSync,
} from "node:fs";
import { availableParallelism } from "node:os";
import { type Problem, ProblemError, problem } from "../../problems/index.ts";
import type { Derivation } from "../objects.ts";
import { type StorePath, storeBaseName } from "../path.ts";
import { builderEnvironment } from "./environment.ts";
import { logFile } from "./layout.ts";
import { LIMITS, Patience, type TimeLimits } from "./limits.ts";
import { LogFollower, lastLines } from "./log.ts";
import { diskFull, sandboxUnavailable } from "./problems.ts";
import { fixedCheck, type Made, publish } from "./publish.ts";
import { referencesGraphs } from "./references-graph.ts";
import { SANDBOX_ETC, type SandboxInput, sandboxArgv } from "./sandbox.ts";
import type { Scratch } from "./scratch.ts";
import { seccompFilter } from "./seccomp.ts";
import type { State } from "./state.ts";
import { FILTER_DESCRIPTOR, type supervise } from "./supervise.ts";
import { canonicalise, removeTree } from "./trees.ts";

/** How to run a builder. */
export interface BuildOptions {
  /** Argv prefix that ends in bubblewrap. */
  readonly tool: readonly string[];
  /** Where it may write. */
  readonly scratch: Scratch;
  /** Runs it. */
  readonly supervise: typeof supervise;
  readonly signal: AbortSignal;
  /** Called when the builder has ended well: the next may run while this one's outputs are hashed. */
  readonly ended?: () => void;
  readonly onLine?: (line: string) => void;
  /** How long it may take. */
  readonly time?: TimeLimits;
  /** Outputs to be made anew although they are valid. */
  readonly again?: ReadonlySet<StorePath>;
}

/** Lines of the log that a problem quotes. */
const QUOTED_LINES = 20;

/** Run a derivation's builder and publish what it made. */
export async function build(state: State, drv: Derivation, options: BuildOptions): Promise<void> {
  const { scratch } = options;
  const temporaries: string[] = [];
  try {
    const inputs = state.infos.closure(inputPaths(drv));
    const shown = inputs.map((path) => sandboxInput(state, path));
    scratch.prepare(shown);
    const surroundings = builderEnvironment(drv, availableParallelism());
    for (const [name, text] of [...surroundings.files, ...referencesGraphs(state, drv)]) {
      writeFileSync(`${scratch.build}/${name}`, text);
    }
    const argv = sandboxArgv({
      tool: options.tool,
      store: scratch.store,
      build: scratch.build,
      etc: sandboxEtc(state),
      inputs: shown,
      env: surroundings.env,
      args: surroundings.args,
      network: drv.fixedOutput !== undefined,
      kvm: asksForKvm(drv),
      builder: drv.data.builder,
      filter: FILTER_DESCRIPTOR,
    });
    await run(state, drv, argv, options);
    options.ended?.();
    const made = collect(state, drv, scratch.store, temporaries, options.again);
    const fixed = fixedCheck(drv);
    await publish(state, made, {
      candidates: inputs,
      deriver: drv.drvPath,
      signal: options.signal,
      ...(fixed === undefined ? {} : { fixed }),
    });
  } finally {
    for (const place of temporaries) removeTree(place);
  }
}

/** Every path a builder may read, before their own references. */
function inputPaths(drv: Derivation): StorePath[] {
  return [
    ...drv.inputSources.map((source) => source.path),
    ...drv.inputDerivations.flatMap(({ derivation, outputs }) =>
      outputs.map((o) => derivation.outputs[o] as StorePath),
    ),
  ];
}

/** Whether the derivation names `kvm` among the features of its builder, as Nix understands them. */
function asksForKvm(drv: Derivation): boolean {
  return (drv.data.env.get("requiredSystemFeatures") ?? "").split(/\s+/).includes("kvm");
}

function sandboxInput(state: State, path: StorePath): SandboxInput {
  const physical = state.physical(path);
  return lstatSync(physical).isSymbolicLink()
    ? { path, physical, symlink: readlinkSync(physical) }
    : { path, physical };
}

function sandboxEtc(state: State): string {
  const { etc } = state.layout;
  for (const [name, text] of [...Object.entries(SANDBOX_ETC), [FILTER, seccompFilter()] as const]) {
    const file = `${etc}/${name}`;
    if (lstatSync(file, { throwIfNoEntry: false })?.size !== text.length) writeFileSync(file, text);
  }
  return etc;
}

/** Name of the file with the system call filter. */
const FILTER = "filter.bpf";

async function run(state: State, drv: Derivation, argv: readonly string[], options: BuildOptions): Promise<void> {
  const file = logFile(state.layout, drv.drvPath);
  const log = openSync(file, "w", 0o644);
  const filter = `${state.layout.etc}/${FILTER}`;
  const follower = options.onLine === undefined ? undefined : new LogFollower(file, options.onLine);
  const patience = new Patience(file, options.time ?? {});
  try {
    const ending = AbortSignal.any([options.signal, patience.signal]);
    const [code, signal] = await options.supervise({ argv, log: file, filter }, ending).catch(notStarted);
    options.signal.throwIfAborted();
    const timedOut = patience.problem(drv.name, file);
    if (timedOut !== undefined) throw new ProblemError([timedOut]);
    if (code !== 0) throw new ProblemError([failure(state, drv, file, code, signal)]);
  } finally {
    patience.stop();
    follower?.stop();
    // The builder could write to it, so it could also have made it a program that runs as its owner.
    fchmodSync(log, 0o644);
    closeSync(log);
  }
}

/** The sandbox itself did not come into being. */
function notStarted(error: NodeJS.ErrnoException): never {
  const why = error.code === "E2BIG" ? tooLarge() : sandboxUnavailable(`it cannot be started (${error.message})`);
  throw new ProblemError([why], { cause: error });
}

/** The kernel takes 128 KiB for one argument or variable, and a few MiB for all. */
function tooLarge(): Problem {
  return problem({
    code: "builder-environment-too-large",
    message: "the builder's arguments or variables are larger than the kernel allows",
    fix: "Name the large variables in `passAsFile` (each becomes a file, and $<name>Path says which), or write them to the store first.",
  });
}

function failure(state: State, drv: Derivation, log: string, code: number | null, signal: string | null): Problem {
  const lines = lastLines(log, QUOTED_LINES);
  if (lines[0]?.startsWith(`${LIMITS}: `) === true && /too long/i.test(lines[0])) return tooLarge();
  const isolation = isolationFailure(lines);
  if (isolation !== undefined) return sandboxUnavailable(isolation);
  if (lines.some((line) => line.includes("No space left on device")) || isFull(state.layout.root))
    return diskFull(state.layout.root, [`while building ${drv.name}`, ...lines]);
  const how = signal !== null || code === null ? `was killed by ${signal}` : exitText(code);
  return problem({
    code: "builder-failed",
    message: `the builder of ${drv.name} ${how}`,
    sites: [{ file: log, label: "whole log" }],
    notes:
      lines.length === 0
        ? ["(it said nothing)"]
        : [`last ${lines.length} lines of its log:`, ...lines.map((l) => `> ${l}`)],
    fix: `Find the cause in the log, ${log}, and change the derivation or its inputs; its builder is ${drv.data.builder}.`,
  });
}

function exitText(code: number): string {
  return code > 128 ? `was killed by signal ${code - 128}` : `failed with exit code ${code}`;
}

/** Bubblewrap's own complaint, or that of what starts it, when it got no further than setting up. */
function isolationFailure(lines: readonly string[]): string | undefined {
  const [first] = lines;
  if (lines.length !== 1 || first === undefined) return undefined;
  if (first.startsWith(`${LIMITS}: `)) return `it cannot be started (${first.slice(LIMITS.length + 2)})`;
  if (!first.startsWith("bwrap: ")) return undefined;
  return first.startsWith("bwrap: execvp") ? undefined : first.slice("bwrap: ".length);
}

function isFull(root: string): boolean {
  const { bavail, bsize } = statfsSync(root);
  return bavail * bsize < 64 * 1024;
}

/** Move outputs out of the scratch store, next to where they will be. */
function collect(
  state: State,
  drv: Derivation,
  scratch: string,
  temporaries: string[],
  again: ReadonlySet<StorePath> | undefined,
): Made[] {
  const made: Made[] = [];
  for (const [output, path] of Object.entries(drv.outputs)) {
    const from = `${scratch}/${storeBaseName(path)}`;
    const stat = lstatSync(from, { throwIfNoEntry: false });
    if (stat === undefined) {
      throw new ProblemError([
        problem({
          code: "builder-failed",
          message: `the builder of ${drv.name} succeeded without making its output ${output}`,
          sites: [{ file: logFile(state.layout, drv.drvPath), label: "whole log" }],
          fix: `Make the file or directory $${output} in the builder, or take ${output} off the derivation's outputs.`,
        }),
      ]);
    }
    // Valid already while another output was missing: what is there stays.
    if (state.infos.isValid(path) && again?.has(path) !== true) continue;
    const temporary = state.temporaries.next();
    // Before it leaves the place that only we can enter: no setuid program is ever in sight of other users.
    canonicalise(from);
    // A directory can change its parent only while it is writable.
    if (stat.isDirectory()) chmodSync(from, 0o755);
    renameSync(from, temporary);
    temporaries.push(temporary);
    made.push({ path, temporary, canonical: true });
  }
  return made;
}
