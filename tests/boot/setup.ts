/** Before the tests that boot: install osmod as a user would, and own the store; after them: remove the former. */
import { rmSync } from "node:fs";
import { claimSharedStore, install } from "../helpers/installed.ts";

/** Called by vitest once a run; what it returns is called at the end. */
export default function setup(): () => void {
  claimSharedStore();
  const folder = install();
  process.env["OSMOD_TEST_INSTALLATION"] = folder;
  return () => rmSync(folder, { recursive: true, force: true });
}
