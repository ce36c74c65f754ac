/**
 * Runs a corpus of expectations: `conformance <kind> <file>`.
 *
 * Prints each case that fails with the difference, and at the end `N passed, M failed`; exits with 1 if any failed.
 */
import { readFileSync } from "node:fs";

/** What a kind's module exports. */
interface Runner {
  /** The cases in a parsed file. */
  readonly casesOf: (data: unknown, file: string) => readonly { readonly id?: string }[];
  /** What is wrong with a case; nothing when it passes. */
  readonly check: (item: never) => string | undefined | Promise<string | undefined>;
}

const runners: { readonly [kind: string]: () => Promise<Runner> } = {
  modules: () => import("./modules.ts"),
  docs: () => import("./docs.ts"),
};

async function main(kind = "", file = ""): Promise<number> {
  const load = runners[kind];
  if (load === undefined || file === "") {
    console.error(`usage: conformance <${Object.keys(runners).join("|")}> <file>`);
    return 2;
  }
  const { casesOf, check } = await load();
  const cases = casesOf(JSON.parse(readFileSync(file, "utf8")), file);
  let failed = 0;
  for (const [i, item] of cases.entries()) {
    const problem = await attempt(() => check(item as never));
    if (problem === undefined) continue;
    failed++;
    console.log(`${item.id ?? i}: ${problem}`);
  }
  console.log(`${cases.length - failed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

async function attempt(check: () => string | undefined | Promise<string | undefined>): Promise<string | undefined> {
  try {
    return await check();
  } catch (error) {
    return `crashed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
  }
}

process.exitCode = await main(process.argv[2], process.argv[3]);
