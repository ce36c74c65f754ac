/** Run programs and time them. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../..", import.meta.url));
export const osmodMain = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

/** Run a program; throw with its output when it fails. Returns seconds of wall time and the outputs. */
export function timed(program, args, options = {}) {
  const started = process.hrtime.bigint();
  const run = spawnSync(program, args, { encoding: "utf8", maxBuffer: 1 << 28, ...options });
  const seconds = Number(process.hrtime.bigint() - started) / 1e9;
  if (run.error !== undefined) throw run.error;
  if (run.status !== 0) throw new Error(`${program} ${args.join(" ")} ended with ${run.status}:\n${run.stderr}`);
  return { seconds, stdout: run.stdout, stderr: run.stderr };
}

/** Is a program on the path? */
export function has(program) {
  return spawnSync("sh", ["-c", `command -v ${program}`]).status === 0;
}
