/**
 * Looking at everything a store holds: is it what was registered, and is anything there that should not be?
 *
 * Looking changes nothing. What is found is either damage, which somebody may stumble over, or litter, which takes room
 * until the next collection. A store may be built in while it is looked at: what is found is looked at once more, and
 * what running builds are making is not litter.
 */
import { lstatSync, readdirSync } from "node:fs";
import { type Problem, ProblemError, problem } from "../../problems/index.ts";
import { STORE_DIR, type StorePath } from "../path.ts";
import { type Digest, HashPool, hashHere } from "./hash-pool.ts";
import { infoFile } from "./layout.ts";
import { roots } from "./roots.ts";
import { usedNow } from "./running.ts";
import { several } from "./several.ts";
import type { State } from "./state.ts";

/** What is wrong with one thing in a store. */
export type FindingCode =
  /** The content is not what was registered. */
  | "path-damaged"
  /** Registered, and not there. */
  | "path-missing"
  /** The disk or the permissions do not let it be read. */
  | "path-unreadable"
  /** What was registered cannot be read. */
  | "registration-broken"
  /** It refers to a path that is not valid. */
  | "reference-missing"
  /** A root leads to a path that is not valid. */
  | "root-dangling"
  /** An object that nobody registered. */
  | "object-unregistered"
  /** What a process was making that is gone. */
  | "temporary-left";

/** One thing that is not as it should be. */
export interface Finding {
  readonly code: FindingCode;
  /** Litter takes room; everything else is damage. */
  readonly litter: boolean;
  /** The store path, where it is about one. */
  readonly path?: StorePath;
  /** Where it lies on this machine. */
  readonly place: string;
  /** Further facts, one a line. */
  readonly notes: readonly string[];
}

/** What a look at a store found. */
export interface Verification {
  /** Paths that were hashed, and the sum of their archives' sizes. */
  readonly checked: number;
  readonly bytes: number;
  readonly findings: readonly Finding[];
}

/** How to look. */
export interface VerifyOptions {
  readonly signal?: AbortSignal;
  /** Called as paths are done. */
  readonly onProgress?: (done: number, total: number, bytes: number) => void;
}

/** Hash every registered path and look at everything else. Reads only. */
export async function verifyStore(state: State, options: VerifyOptions = {}): Promise<Verification> {
  const paths = state.infos.all();
  const pool = new HashPool(options.signal);
  const findings: Finding[] = [];
  let [done, bytes] = [0, 0];
  try {
    await several(paths, LOOKED_AT, async (path) => {
      const finding = await examinePath(state, path, async (place) => {
        const digest = await pool.hash(place);
        bytes += digest.narSize;
        return digest;
      });
      if (finding !== undefined) findings.push(finding);
      options.onProgress?.(++done, paths.length, bytes);
    });
  } finally {
    await pool.close();
  }
  findings.push(...danglingRoots(state), ...litter(state, new Set(paths)));
  const order = (a: Finding, b: Finding) => (a.place < b.place ? -1 : 1);
  return { checked: paths.length, bytes, findings: findings.sort(order) };
}

/** Enough to keep the pool busy, and no more, because what waits takes memory. */
const LOOKED_AT = 256;

/** What is wrong with one registered path, or undefined. */
export async function examinePath(
  state: State,
  path: StorePath,
  hash: (place: string) => Promise<Digest> = hashHere,
): Promise<Finding | undefined> {
  const found = await look(state, path, hash);
  // A collection may have taken it away meanwhile.
  return found !== undefined && state.infos.isRegistered(path) ? found : undefined;
}

async function look(
  state: State,
  path: StorePath,
  hash: (place: string) => Promise<Digest>,
): Promise<Finding | undefined> {
  const place = state.physical(path);
  const damage = (code: FindingCode, notes: readonly string[] = [], at = place): Finding => {
    return { code, litter: false, path, place: at, notes };
  };
  let info: ReturnType<typeof state.infos.registered>;
  try {
    info = state.infos.registered(path);
  } catch (error) {
    return damage("registration-broken", notesOf(error), infoFile(state.layout, path));
  }
  if (info === undefined) return undefined;
  try {
    const { narHash, narSize } = await hash(place);
    if (narHash !== info.narHash) {
      return damage("path-damaged", [
        `registered  ${info.narHash}, ${info.narSize} bytes`,
        `found       ${narHash}, ${narSize} bytes`,
      ]);
    }
  } catch (error) {
    if ((error as Error).name === "AbortError") throw error;
    if (lstatSync(place, { throwIfNoEntry: false }) === undefined) return damage("path-missing");
    // It changed while it was read, or holds what no archive can: that is not what was registered.
    if (error instanceof ProblemError || !isIoError(error)) return damage("path-damaged", [messageOf(error)]);
    return damage("path-unreadable", [messageOf(error)]);
  }
  const missing = info.references.filter((reference) => !state.infos.isValid(reference));
  return missing.length === 0 ? undefined : damage("reference-missing", missing);
}

function danglingRoots(state: State): Finding[] {
  return roots(state).flatMap(({ link, path }) =>
    state.infos.isValid(path)
      ? []
      : [{ code: "root-dangling" as const, litter: false, path, place: link, notes: [`it leads to ${path}`] }],
  );
}

/** What lies in the store directory without being registered. */
function litter(state: State, registered: ReadonlySet<StorePath>): Finding[] {
  const used = usedNow(state);
  const left = new Set(state.temporaries.left());
  const found: Finding[] = [...left].map((place) => ({ code: "temporary-left", litter: true, place, notes: [] }));
  for (const name of readdirSync(state.layout.store)) {
    const path = `${STORE_DIR}/${name}`;
    const place = `${state.layout.store}/${name}`;
    if (name.startsWith(".tmp-") || registered.has(path) || used.has(path)) continue;
    if (lstatSync(place, { throwIfNoEntry: false }) === undefined) continue;
    if (state.infos.isRegistered(path)) continue;
    found.push({ code: "object-unregistered", litter: true, place, notes: [] });
  }
  return found;
}

/** A finding in words. */
export function findingProblem(finding: Finding): Problem {
  const { code, place, notes } = finding;
  const subject = finding.path ?? place;
  const [message, fix] = WORDS[code];
  return problem({ code, message: message.replace("%", subject), sites: [{ file: place }], notes, fix });
}

const REPAIR = "Run `osmod store verify --repair`: it is fetched or built again and put in its place.";
const COLLECT = "`osmod store gc` removes it.";

const WORDS: Readonly<Record<FindingCode, readonly [message: string, fix: string]>> = {
  "path-damaged": ["% is not what was registered", REPAIR],
  "path-missing": ["% is registered and not there", REPAIR],
  "path-unreadable": ["% cannot be read", `Look after the disk and its permissions first; then: ${REPAIR}`],
  "registration-broken": ["what the store knows of % cannot be read", REPAIR],
  "reference-missing": ["% refers to paths that are not in the store", REPAIR],
  "root-dangling": [
    "a root leads to %, which is not in the store",
    "Build the machine again, or remove the link or root.",
  ],
  "object-unregistered": ["% lies in the store, and nobody registered it", COLLECT],
  "temporary-left": ["% was left by a process that is gone", COLLECT],
};

function isIoError(error: unknown): boolean {
  return ["EIO", "EACCES", "EPERM"].includes((error as { code?: string }).code ?? "");
}

function notesOf(error: unknown): readonly string[] {
  return error instanceof ProblemError ? error.problems.flatMap((p) => p.notes) : [messageOf(error)];
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
