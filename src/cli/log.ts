/** `osmod log`: what a builder said. */
import { readFileSync } from "node:fs";
import { fail, ProblemError } from "../problems/index.ts";
import { type EmbeddedStore, isNamed, type StorePath } from "../store/index.ts";
import { parse } from "./arguments.ts";
import { theStore } from "./open-store.ts";
import type { Verb } from "./verbs.ts";

/** Print the log of a derivation, of the derivation that made a path, or of a package. */
export const run: Verb = async (argv) => {
  const usage = "osmod log drv|path|package";
  const details = ["A .drv file, a path that was built, a link like ./result, or a name such as nginx."];
  const parsed = parse({ usage, details, options: {} }, argv);
  if (parsed === undefined) return 0;
  const [text] = parsed.positionals;
  if (text === undefined) return fail({ code: "usage", message: "log needs a path or a name", fix: usage });
  const store = theStore();
  const said = readFileSync(logOf(store, text));
  process.stdout.write(said);
  if (said.length === 0) process.stderr.write("the builder said nothing\n");
  return 0;
};

function logOf(store: EmbeddedStore, text: string): string {
  const candidates = meant(store, text);
  const drvs = new Set(
    candidates.flatMap((path) =>
      path.endsWith(".drv") ? [path] : [store.info(path)?.deriver].filter((d) => d !== undefined),
    ),
  );
  const logs = [...drvs].flatMap((drv) => {
    const log = store.log(drv);
    return log === undefined ? [] : [{ drv, log }];
  });
  const [first, second] = logs;
  if (first === undefined) {
    return fail({
      code: "log-missing",
      message: `the store has no log for ${text}`,
      notes: [...drvs],
      fix: "Only what a builder of this store made has one; what was fetched or added has none.",
    });
  }
  if (second === undefined) return first.log;
  return fail({
    code: "store-path-ambiguous",
    message: `${text} may be any of ${logs.length} derivations`,
    notes: logs.map(({ drv }) => drv),
    fix: "Name one of them.",
  });
}

/** A path; or, for a name that several paths have, all of them: a package's file has no log, its tree has one. */
function meant(store: EmbeddedStore, text: string): readonly StorePath[] {
  try {
    return [store.find(text)];
  } catch (error) {
    if (!(error instanceof ProblemError) || !error.has("store-path-ambiguous")) throw error;
    return store.paths().filter((path) => isNamed(path, text));
  }
}
