#!/usr/bin/env node
/**
 * The command `osmod`: reads the verb, runs it, prints problems, and ends with the verb's exit code.
 * Ctrl-C aborts what is running, which leaves nothing but garbage behind, and ends with 130.
 */
import { ProblemError, renderProblems } from "../problems/index.ts";
import { renderOptions } from "./render-options.ts";
import { usage, verbs } from "./verbs.ts";

const EXIT_PROBLEM = 1;
const EXIT_USAGE = 2;
const EXIT_INTERRUPTED = 130;

async function main(argv: readonly string[]): Promise<number> {
  const [name, rest] = verbOf(argv);
  if (name === undefined || name === "help" || name === "--help" || name === "-h") {
    process.stdout.write(`${usage()}\n`);
    return name === undefined ? EXIT_USAGE : 0;
  }
  const load = verbs.get(name === "--version" || name === "-V" ? "version" : name);
  if (load === undefined) {
    process.stderr.write(`osmod: there is no verb "${name}"\n\n${usage()}\n`);
    return EXIT_USAGE;
  }
  const abort = new AbortController();
  const interrupt = () => abort.abort();
  process.once("SIGINT", interrupt);
  process.once("SIGTERM", interrupt);
  try {
    const verb = await load.run();
    return await verb(rest, abort.signal);
  } catch (error) {
    if (abort.signal.aborted) {
      process.stderr.write("osmod: stopped; nothing half-made was left behind\n");
      return EXIT_INTERRUPTED;
    }
    return await report(error);
  } finally {
    process.removeListener("SIGINT", interrupt);
    process.removeListener("SIGTERM", interrupt);
  }
}

/** A verb of two words, else the first word; what follows is its own. */
function verbOf(argv: readonly string[]): [name: string | undefined, rest: readonly string[]] {
  const two = argv.slice(0, 2).join(" ");
  return verbs.has(two) ? [two, argv.slice(2)] : [argv[0], argv.slice(1)];
}

/** Problems are for the user; anything else is a fault of ours and shows its stack. */
async function report(error: unknown): Promise<number> {
  if (error instanceof ProblemError) {
    // Loaded when something is printed: sources are read for it.
    const { locateProblems } = await import("./locate.ts");
    process.stderr.write(`${renderProblems(error.problems, { ...renderOptions(), refine: locateProblems })}\n`);
    return error.has("usage") ? EXIT_USAGE : EXIT_PROBLEM;
  }
  process.stderr.write(`osmod: internal error, please report it:\n${error instanceof Error ? error.stack : error}\n`);
  return EXIT_PROBLEM;
}

process.exitCode = await main(process.argv.slice(2));
