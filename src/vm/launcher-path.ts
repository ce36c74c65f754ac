/**
 * From what a user names (`./result`, `./result/bin/run-web-vm`, a store path) to a launcher and its program.
 */
import { readdirSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { fail } from "../problems/index.ts";

/** The launcher's store path on this host, of any path into it. Problem: `launcher-not-found`. */
export function launcherAt(path: string): string {
  try {
    const real = realpathSync(path);
    const [, launcher] = /^(.*\/nix\/store\/[^/]+-run-[^/]+-vm)(\/.*)?$/.exec(real) ?? [];
    if (launcher !== undefined) return launcher;
  } catch {
    // Said below.
  }
  return fail({
    code: "launcher-not-found",
    message: `${path} is no virtual machine's launcher`,
    fix: "Build one (osmod build-vm machine.ts) and name ./result.",
  });
}

/** The program of a launcher: `<launcher>/bin/run-<host>-vm`. */
export function programOf(launcher: string): string {
  return join(launcher, "bin", readdirSync(join(launcher, "bin"))[0] ?? "");
}
