/**
 * A real Nix for tests: stores of its own in temporary folders, with nothing of the machine's configuration.
 *
 * Where no Nix is installed (Debian: apt-get install nix-bin), such tests are skipped, and vitest counts them as skipped.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** True when a Nix is installed. */
export const hasNix = spawnSync("nix-store", ["--version"], { stdio: "ignore" }).status === 0;

/** Settings of every test's Nix: isolated builders, no users to build as, no caches. */
const SETTINGS = ["experimental-features = nix-command", "sandbox = true", "build-users-group =", "substituters ="];

/** A folder for a test; may hold a store, whose directories are read-only. */
export class TestFolder {
  readonly path = mkdtempSync(join(tmpdir(), "osmod-nix-"));

  /** The environment of a Nix whose store lies in a folder below. */
  nix(name: string, settings: readonly string[] = []): Record<string, string> {
    return {
      PATH: process.env["PATH"] ?? "",
      HOME: this.path,
      NIX_REMOTE: `local?root=${encodeURIComponent(join(this.path, name)).replaceAll("%2F", "/")}`,
      NIX_CONFIG: [...SETTINGS, ...settings].join("\n"),
    };
  }

  remove(): void {
    makeWritable(this.path);
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** Run a program of Nix; what it printed. */
export function runNix(env: Record<string, string>, program: string, ...args: string[]): string {
  return execFileSync(program, args, { env, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

function makeWritable(directory: string): void {
  chmodSync(directory, 0o755);
  for (const entry of readdirSync(directory, { withFileTypes: true }))
    if (entry.isDirectory()) makeWritable(join(directory, entry.name));
}
