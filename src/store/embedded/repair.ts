/**
 * Mending a store: what is damaged is fetched or built again from its `.drv` file and put in its place.
 *
 * Which derivation makes a path is registered with the path; where that is lost, the `.drv` files are asked. Inputs that
 * are damaged are made first, inputs that were collected are made as in any build. What nothing can make (a source, a
 * `.drv`) is forgotten with all that refers to it, so that the next build of the machine adds it again.
 */
import { readFileSync } from "node:fs";
import { type Problem, ProblemError } from "../../problems/index.ts";
import { parseDerivation } from "../aterm.ts";
import type { Derivation } from "../objects.ts";
import type { StorePath } from "../path.ts";
import type { RealiseOptions, SandboxTool } from "../store.ts";
import { durably } from "./durable.ts";
import { forgetWithReferrers } from "./forget.ts";
import { Loader, type MoreUrls } from "./load.ts";
import { COLLECTING } from "./locks.ts";
import { noCaches, Realisation } from "./realise.ts";
import { announceUse } from "./running.ts";
import type { State } from "./state.ts";
import { examinePath, type Finding } from "./verify.ts";

/** How to repair. */
export interface RepairOptions extends RealiseOptions {
  /** Where else a file may be fetched from, given the address that was used first. */
  readonly moreUrls?: MoreUrls;
}

/** What a repair did. */
export interface Repaired {
  /** Paths that are right again. */
  readonly repaired: readonly StorePath[];
  /** Paths that were made again and came out differently: their builder does not make the same twice. */
  readonly changed: readonly StorePath[];
  /** Paths that are not valid any more, because nothing in the store can make them; the next build does. */
  readonly forgotten: readonly StorePath[];
  /** What went wrong on the way. */
  readonly problems: readonly Problem[];
}

/** Repair what was found. */
export async function repairStore(
  state: State,
  tool: SandboxTool,
  findings: readonly Finding[],
  options: RepairOptions = {},
): Promise<Repaired> {
  const damaged = new Set(
    findings.flatMap(({ path, litter, code }) => (path && !litter && isPathCode(code) ? [path] : [])),
  );
  if (damaged.size === 0) return { repaired: [], changed: [], forgotten: [], problems: [] };
  const before = new Map([...damaged].map((path) => [path, hashOf(state, path)]));
  const problems: Problem[] = [];
  const note = (error: unknown): void => {
    if (!(error instanceof ProblemError)) throw error;
    problems.push(...error.problems);
  };
  const release = announceUse(state, [...damaged, ...state.infos.all()]);
  try {
    await state.locks.ended(COLLECTING, options.signal);
    await durably(state, async () => {
      const order = derivers(state, damaged, new Loader(state, options.moreUrls), note);
      // What cannot be read would stop whoever needs it as an input; without it the path is made like any other.
      for (const { code, path } of findings) if (code === "registration-broken") state.infos.forget(path as StorePath);
      const again = new Set(damaged);
      for (const drv of order) await new Realisation(state, tool, options, noCaches, again).run([drv]).catch(note);
    });
    const left: StorePath[] = [];
    for (const path of damaged) {
      if (!state.infos.isValid(path) || (await examinePath(state, path)) !== undefined) left.push(path);
    }
    const forgotten = forgetWithReferrers(state, left);
    const repaired = [...damaged].filter((path) => !forgotten.includes(path));
    const changed = repaired.filter(
      (path) => before.get(path) !== undefined && hashOf(state, path) !== before.get(path),
    );
    // A path that several need fails for each of them.
    const told = problems.filter((p, i) => problems.findIndex(({ message }) => message === p.message) === i);
    return { repaired, changed, forgotten, problems: told };
  } finally {
    release();
  }
}

/** The derivations that make the damaged paths, each once, inputs first. */
function derivers(
  state: State,
  damaged: ReadonlySet<StorePath>,
  loader: Loader,
  note: (error: unknown) => void,
): Derivation[] {
  const makers = makersOf(state, damaged);
  const found = new Set<Derivation>();
  for (const path of damaged) {
    const drvPath = deriverOf(state, path) ?? makers.get(path);
    if (drvPath === undefined || damaged.has(drvPath)) continue;
    try {
      found.add(loader.load(drvPath));
    } catch (error) {
      note(error);
    }
  }
  return loader.loaded.filter((drv) => found.has(drv));
}

/** Which `.drv` makes each of some paths, for those whose registration does not tell. */
function makersOf(state: State, paths: ReadonlySet<StorePath>): Map<StorePath, StorePath> {
  const makers = new Map<StorePath, StorePath>();
  if ([...paths].every((path) => path.endsWith(".drv") || deriverOf(state, path) !== undefined)) return makers;
  for (const drvPath of state.infos.all()) {
    if (!drvPath.endsWith(".drv") || paths.has(drvPath)) continue;
    try {
      const { outputs } = parseDerivation(readFileSync(state.physical(drvPath), "utf8"));
      for (const { path } of outputs.values()) if (paths.has(path)) makers.set(path, drvPath);
    } catch {
      // Damaged itself, and found as that.
    }
  }
  return makers;
}

function deriverOf(state: State, path: StorePath): StorePath | undefined {
  try {
    return state.infos.registered(path)?.deriver;
  } catch {
    return undefined;
  }
}

function hashOf(state: State, path: StorePath): string | undefined {
  try {
    return state.infos.registered(path)?.narHash;
  } catch {
    return undefined;
  }
}

/** A reference that is missing is no fault of the path that refers to it, but making it again brings the reference back. */
function isPathCode(code: Finding["code"]): boolean {
  return code !== "root-dangling";
}
