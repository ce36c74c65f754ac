/**
 * What a builder finds: its environment variables and the files in its build directory. Pure.
 *
 * The variables are Nix's, in Nix's order of precedence: defaults that a derivation may override, the derivation's own,
 * and those nobody overrides. `passAsFile` names variables that are too large for an environment; each becomes a file,
 * and `<name>Path` says which.
 */
import { fail, quoted } from "../../problems/index.ts";
import { encodeBase32 } from "../base32.ts";
import { sha256 } from "../hash.ts";
import type { Derivation } from "../objects.ts";
import { STORE_DIR } from "../path.ts";

/** Where a builder may write besides its outputs. */
export const BUILD_DIR = "/build";

/** A builder's surroundings. */
export interface BuilderEnvironment {
  readonly env: ReadonlyMap<string, string>;
  /** Contents by name in the build directory. */
  readonly files: ReadonlyMap<string, string>;
  readonly args: readonly string[];
}

/** What stands in a derivation for the path of its own output, where that is not known yet. */
export function placeholder(output: string): string {
  return `/${encodeBase32(sha256(`nix-output:${output}`).bytes)}`;
}

/** The surroundings of a derivation's builder. */
export function builderEnvironment(drv: Derivation, cores: number): BuilderEnvironment {
  const fill = filler(drv);
  const asFile = new Set((drv.data.env.get("passAsFile") ?? "").split(/\s+/).filter((name) => name !== ""));
  const env = new Map<string, string>([
    ["PATH", "/path-not-set"],
    ["HOME", "/homeless-shelter"],
    ["NIX_STORE", STORE_DIR],
    ["NIX_BUILD_CORES", String(cores)],
  ]);
  const files = new Map<string, string>();
  for (const [name, value] of drv.data.env) {
    if (!/^[^=\0]+$/.test(name) || (value.includes("\0") && !asFile.has(name))) unusable(drv, name);
    if (!asFile.has(name)) {
      env.set(name, fill(value));
      continue;
    }
    const file = `.attr-${encodeBase32(sha256(name).bytes)}`;
    files.set(file, fill(value));
    env.set(`${name}Path`, `${BUILD_DIR}/${file}`);
  }
  env.set("NIX_BUILD_TOP", BUILD_DIR);
  for (const name of ["TMPDIR", "TEMPDIR", "TMP", "TEMP", "PWD"]) env.set(name, BUILD_DIR);
  if (drv.fixedOutput !== undefined) env.set("NIX_OUTPUT_CHECKED", "1");
  env.set("NIX_LOG_FD", "2");
  env.set("TERM", "xterm-256color");
  return { env, files, args: drv.data.args.map(fill) };
}

function unusable(drv: Derivation, name: string): never {
  fail({
    code: "derivation-invalid",
    message: `${drv.name} has the variable ${quoted(name)}, which no environment can hold`,
    fix: "A name has neither = nor zero bytes, a value no zero bytes; put such data into a file (`passAsFile`).",
  });
}

function filler(drv: Derivation): (text: string) => string {
  const known = Object.entries(drv.outputs).map(([name, path]) => [placeholder(name), path] as const);
  return (text) => known.reduce((filled, [from, to]) => filled.replaceAll(from, to), text);
}
