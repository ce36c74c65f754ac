/**
 * Importing from a binary cache on request. What a build quietly does without is an error here.
 */
import { fail, ProblemError } from "../../problems/index.ts";
import { openCache } from "../cache/reader.ts";
import type { StorePath } from "../path.ts";
import type { State } from "./state.ts";
import { Substituter } from "./substitute.ts";

/** How to import. */
export interface ImportOptions {
  /** Keys to believe besides those of the store. */
  readonly trustedPublicKeys?: readonly string[];
  /** Take what nobody signed and what does not prove itself. */
  readonly allowUnsigned?: boolean;
  readonly signal?: AbortSignal;
  readonly onCopied?: (path: StorePath) => void;
}

const FETCHES = 8;

/** Copy paths and all they refer to, or everything that a directory has; answers what was copied. */
export async function importFrom(
  state: State,
  location: string,
  paths: readonly StorePath[] | undefined,
  options: ImportOptions,
): Promise<StorePath[]> {
  const signal = options.signal ?? new AbortController().signal;
  const wanted = paths ?? (await everything(location, signal));
  const copied: StorePath[] = [];
  let refused: ProblemError | undefined;
  const substituter = new Substituter(state, {
    caches: [location],
    trustedPublicKeys: options.trustedPublicKeys ?? [],
    allowUnsigned: options.allowUnsigned === true,
    maxFetches: FETCHES,
    signal,
    onCopied: (path) => {
      copied.push(path);
      options.onCopied?.(path);
    },
    onRefused: (_from, problem) => {
      refused ??= new ProblemError([problem]);
    },
  });
  if (await substituter.copy(wanted)) return copied;
  throw refused ?? missing(location, wanted);
}

async function everything(location: string, signal: AbortSignal): Promise<readonly StorePath[]> {
  const all = (await openCache(location, signal)).all();
  if (all !== undefined) return all;
  return fail({
    code: "usage",
    message: `what the cache ${location} has cannot be listed`,
    fix: "Name the store paths to import; only a directory can be imported as a whole.",
  });
}

function missing(location: string, paths: readonly StorePath[]): ProblemError {
  const named = paths.length === 1 ? paths[0] : `all of the ${paths.length} paths`;
  return new ProblemError([
    {
      code: "cache-path-missing",
      message: `the cache ${location} does not have ${named} with everything they refer to`,
      sites: [],
      notes: [],
      fix: "Export it there first (`osmod store export`), or import from another cache.",
    },
  ]);
}
