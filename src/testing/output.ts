/** Where a test puts what is to be kept of it. */
import { mkdirSync } from "node:fs";
import { resolve } from "node:path";

/** The variable that names the directory. */
export const OUTPUT = "OSMOD_TEST_OUTPUT";

/**
 * The directory for pictures, logs and other files that a test wants to be kept: `files` in the result of `osmod build-test`, else what
 * `OSMOD_TEST_OUTPUT` says, else `./test-output`. It is made when it is asked for.
 *
 * @example
 * import { type GuestMachine, outputDirectory } from "osmod/testing";
 *
 * async function keepTheLog(web: GuestMachine): Promise<void> {
 *   await web.copyFromMachine("/var/log/nginx", `${outputDirectory()}/nginx`);
 * }
 */
export function outputDirectory(): string {
  const directory = resolve(process.env[OUTPUT] ?? "test-output");
  mkdirSync(directory, { recursive: true });
  return directory;
}
