/**
 * Having Nix build: the `.drv` files are handed over, and one `nix-store --realise` does the rest, by builders of its own,
 * on other machines, or from caches, as its configuration says.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { ProblemError } from "../../problems/index.ts";
import { originsOf } from "../embedded/graph.ts";
import { interrupted } from "../embedded/problems.ts";
import type { Derivation, StoreObject } from "../objects.ts";
import type { StorePath } from "../path.ts";
import type { RealiseOptions } from "../store.ts";
import { addBelow, inReferenceOrder } from "./add.ts";
import { type NixEnvironment, notStarted } from "./command.ts";
import { NixEvents } from "./events.ts";
import { problemsOf } from "./failures.ts";
import { NixSession } from "./serve.ts";

/** How long Nix has to stop its builders before it is killed. */
const MERCY_MS = 5_000;

/** Make the targets valid in Nix's store. Problems: `nix-missing`, `nix-failed`, and what building may bring. */
export async function realise(
  env: NixEnvironment,
  targets: readonly StoreObject[],
  isThere: (path: StorePath) => boolean,
  options: RealiseOptions,
): Promise<void> {
  const { signal } = options;
  const origins = originsOf(targets);
  try {
    signal?.throwIfAborted();
    const session = await NixSession.open(env, signal);
    try {
      await addBelow(session, origins, options);
      const drvs = origins.filter((origin) => origin.type === "derivation");
      // The session stays open: what it was given may not be collected before it is used.
      if (drvs.length > 0) await build(env, drvs, isThere, options);
    } finally {
      await session.close();
    }
  } catch (error) {
    if (signal?.aborted === true) throw new ProblemError([interrupted()], { cause: error });
    throw error;
  }
}

async function build(
  env: NixEnvironment,
  drvs: readonly Derivation[],
  isThere: (path: StorePath) => boolean,
  options: RealiseOptions,
): Promise<void> {
  const below = inReferenceOrder(drvs).filter((object) => object.type === "derivation");
  const byDrvPath = new Map(below.map((drv) => [drv.drvPath, drv]));
  const { onEvent } = options;
  const events = new NixEvents({
    byDrvPath,
    isMade: (drv) => Object.values(drv.outputs).every(isThere),
    ...(onEvent === undefined ? {} : { onEvent }),
  });
  const args = ["--realise", "--log-format", "internal-json", "-v"];
  if (options.maxJobs !== undefined) args.push("--max-jobs", String(options.maxJobs));
  if (options.timeout !== undefined) args.push("--timeout", String(options.timeout));
  if (options.maxSilentTime !== undefined) args.push("--max-silent-time", String(options.maxSilentTime));
  const child = spawn("nix-store", [...args, ...drvs.map((drv) => drv.drvPath)], {
    env: { ...env },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const stop = (): void => terminate(child);
  options.signal?.addEventListener("abort", stop);
  if (options.signal?.aborted === true) stop();
  try {
    createInterface({ input: child.stderr }).on("line", (line) => events.line(line));
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once("error", (error) => reject(notStarted(error)));
      child.once("close", resolve);
    });
    options.signal?.throwIfAborted();
    const { logs, machines, refusals } = events;
    if (code !== 0) throw new ProblemError(problemsOf(events.errors, { byDrvPath, logs, machines, refusals }));
  } finally {
    options.signal?.removeEventListener("abort", stop);
  }
}

function terminate(child: ChildProcess): void {
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), MERCY_MS);
  timer.unref();
  child.once("close", () => clearTimeout(timer));
}
