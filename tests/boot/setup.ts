/** Before the tests that boot: install osmod as a user would; after them: remove it. */
import { rmSync } from "node:fs";
import { install } from "../helpers/installed.ts";

/** Called by vitest once a run; what it returns is called at the end. */
export default function setup(): () => void {
  const folder = install();
  process.env["OSMOD_TEST_INSTALLATION"] = folder;
  return () => rmSync(folder, { recursive: true, force: true });
}
