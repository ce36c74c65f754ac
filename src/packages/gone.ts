/**
 * A mirror that no longer has what the lock names.
 *
 * The store says it once a file, in the store's words. For a locked machine it is one fact with two ways out, however
 * many files it is about: an archive keeps only the present version of a package, and snapshots keep the others.
 */
import { type Problem, ProblemError, problem } from "../problems/index.ts";
import { SUPERSEDED, WAYS_OUT } from "./download.ts";

/** Files that are named one by one. */
const NAMED = 5;

/** The error to throw instead of one that realising a locked machine ended with: missing files become one problem. */
export function explainGone(error: unknown, lockFile: string): unknown {
  if (!(error instanceof ProblemError) || !error.has("fetch-not-found")) return error;
  const gone = error.problems.filter((found) => found.code === "fetch-not-found");
  const others = error.problems.filter((found) => found.code !== "fetch-not-found");
  return new ProblemError([asOne(gone, lockFile), ...others], { cause: error });
}

function asOne(gone: readonly Problem[], lockFile: string): Problem {
  const [first] = gone;
  const named = gone.slice(0, NAMED).map((found) => found.message);
  const more = gone.length - named.length;
  return problem({
    code: "fetch-not-found",
    message:
      gone.length === 1
        ? `the mirror no longer has a file of the lock: ${first?.message}`
        : `the mirror no longer has ${gone.length} files of the lock`,
    sites: [{ file: lockFile, label: "locked here" }],
    notes: [...(gone.length === 1 ? [] : named), ...(more > 0 ? [`and ${more} more`] : []), SUPERSEDED],
    fix: WAYS_OUT,
  });
}
