/** Real Nix, as far as it is installed: evaluating an expression, its time and its memory; and a store of its own. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { has, timed } from "./run.mjs";

/** Where nixpkgs' library is: `OSMOD_BENCH_NIXPKGS_LIB`, or `<nixpkgs/lib>`. Otherwise why there is none. */
export function findNix() {
  if (!has("nix-instantiate")) return { missing: "nix-instantiate is not installed, not measured" };
  const lib = process.env.OSMOD_BENCH_NIXPKGS_LIB ?? findLib();
  if (lib === undefined || !existsSync(`${lib}/default.nix`))
    return { missing: "nixpkgs' lib is not there (OSMOD_BENCH_NIXPKGS_LIB), not measured" };
  const { stdout } = timed("nix-instantiate", ["--version"]);
  return { lib, version: stdout.trim() };
}

function findLib() {
  try {
    return timed("nix-instantiate", ["--find-file", "nixpkgs/lib"]).stdout.trim();
  } catch {
    return undefined;
  }
}

/** Evaluate an expression strictly. Memory is measured where GNU time is installed. */
export function evaluateNix(expression, options = []) {
  const args = ["--eval", "--strict", ...options, "--expr", expression];
  const gnuTime = existsSync("/usr/bin/time");
  const { seconds, stdout, stderr } = gnuTime
    ? timed("/usr/bin/time", ["-f", "peak KiB: %M", "nix-instantiate", ...args])
    : timed("nix-instantiate", args);
  const peak = /^peak KiB: (\d+)$/m.exec(stderr)?.[1];
  return { seconds, stdout, peakMiB: peak === undefined ? undefined : Number(peak) / 1024 };
}

/** The environment in which Nix keeps everything below `place`. */
export function privateNix(place) {
  return {
    ...process.env,
    NIX_STORE_DIR: join(place, "store"),
    NIX_STATE_DIR: join(place, "var"),
    NIX_LOG_DIR: join(place, "log"),
    NIX_CONF_DIR: join(place, "etc"),
    NIX_REMOTE: "local",
  };
}
