/**
 * From what a user names (`./result`, `./result/bin/run-web-vm`, a store path) to a launcher, its program and its store.
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

/** Where the store lies that a path of this host is in: the path is `<root>/nix/store/…`. */
export function rootOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/nix/store/"));
}

/** The store path that a path of this host is, or is in, without the root. */
export function storePathOf(path: string): string {
  return path.slice(rootOf(path).length).split("/").slice(0, 4).join("/");
}

/** The program of a launcher: `<launcher>/bin/run-<host>-vm`. */
export function programOf(launcher: string): string {
  return join(launcher, "bin", readdirSync(join(launcher, "bin"))[0] ?? "");
}
