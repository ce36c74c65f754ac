/**
 * Programs of the host that can judge what modules render. None is needed: a test that wants one is skipped, and
 * counted as skipped, where it is missing.
 */
import { spawnSync } from "node:child_process";
import { accessSync, constants, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";

/** Where a program is, or `undefined`. */
export function tool(name: string): string | undefined {
  const places = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/sbin"];
  return places.map((dir) => join(dir, name)).find(isExecutable);
}

/** What a program answers. */
export interface Answer {
  readonly status: number | null;
  readonly output: string;
}

/** Run a program on files that exist for that time only; `args` gets the directory. */
export function judge(
  program: string,
  files: { readonly [name: string]: string },
  args: (directory: string) => readonly string[],
): Answer {
  const directory = mkdtempSync(join(tmpdir(), "osmod-judge-"));
  try {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
    const result = spawnSync(program, args(directory), { encoding: "utf8", cwd: directory, timeout: 30_000 });
    return { status: result.status, output: `${result.stdout}${result.stderr}` };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
