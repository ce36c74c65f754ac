/** The compiler's own account of a folder: what it had to do to check it. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Check a folder with one checker; throws with the compiler's errors. */
export function compile(folder) {
  const tsc = join(root, "node_modules/.bin/tsc");
  const args = ["-p", folder, "--noEmit", "--extendedDiagnostics", "--singleThreaded"];
  const { status, stdout, error } = spawnSync(tsc, args, { encoding: "utf8", maxBuffer: 1 << 28 });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`tsc found errors in ${folder}:\n${stdout.slice(0, 4000)}`);
  const number = (name) => Number(new RegExp(`^${name}:\\s+([\\d.]+)`, "m").exec(stdout)?.[1]);
  return {
    instantiations: number("Instantiations"),
    types: number("Types"),
    memoryMiB: number("Memory used") / 1024,
    checkSeconds: number("Check time"),
    totalSeconds: number("Total time"),
  };
}
