/** `osmod version`. */
import { readFileSync } from "node:fs";
import type { Verb } from "./verbs.ts";

/** Print the version of this copy of osmod. */
export const run: Verb = async () => {
  const manifest: unknown = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  const version = typeof manifest === "object" && manifest !== null && "version" in manifest ? manifest.version : "?";
  process.stdout.write(`osmod ${String(version)}\n`);
  return 0;
};
