/**
 * Runs a file of expectations: `conformance <kind> <file>`.
 *
 * Prints each case that fails with the difference, and at the end `N passed, M failed`; exits with 1 if any failed.
 */
import type { Result } from "./run.ts";

/** What the module of a kind exports. */
interface Runner {
  readonly run: (file: string) => Result | Promise<Result>;
}

/** The kinds; each is loaded only when it is asked for. */
const runners: { readonly [kind: string]: () => Promise<Runner> } = {
  modules: () => import("./modules.ts"),
  docs: () => import("./docs.ts"),
  derivations: () => import("./derivations.ts"),
  nar: () => import("./nar.ts"),
};

async function main(kind = "", file = ""): Promise<number> {
  const load = Object.hasOwn(runners, kind) ? runners[kind] : undefined;
  if (load === undefined || file === "") {
    console.error(`usage: conformance <${Object.keys(runners).join("|")}> <file>`);
    return 2;
  }
  const { run } = await load();
  const { passed, failed } = await run(file);
  for (const { id, difference } of failed) console.log(`${id}: ${difference}`);
  console.log(`${passed} passed, ${failed.length} failed`);
  return failed.length === 0 ? 0 : 1;
}

process.exitCode = await main(process.argv[2], process.argv[3]);
