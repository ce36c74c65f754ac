/**
 * From a derivation's data to its paths.
 *
 * An output path cannot hash the text that contains it, and a fixed output's path must not depend on how it was
 * fetched. Both are solved by hashing "modulo":
 *
 *     modulo(fixed output)  = sha256("fixed:out:<algo>:<hash>:<path>")          – nothing of its inputs counts
 *     modulo(other)         = sha256(text with each input .drv replaced by modulo(input))
 *     output path           = from modulo(text with its own output paths blanked)
 *
 * Two mirrors of one file thus give one path downstream, and so do two ways of fetching it.
 */
import { fail } from "../problems/index.ts";
import { type DerivationData, type DerivationOutput, printDerivation } from "./aterm.ts";
import { type Hash, sha256, toHex } from "./hash.ts";
import { checkName, type FixedMode, fixedPath, methodAlgo, outputPath, type StorePath, textPath } from "./path.ts";

/** A derivation before its own paths are known. */
export interface Unresolved extends Omit<DerivationData, "outputs"> {
  readonly name: string;
  readonly outputs: readonly string[];
  readonly fixed?: { readonly hash: Hash; readonly mode: FixedMode };
}

/** A derivation with everything that follows from it. */
export interface Resolved {
  readonly data: DerivationData;
  /** The text of the `.drv` file. */
  readonly text: string;
  readonly drvPath: StorePath;
  /** What stands for this derivation in the hashes of those that use it, hex. */
  readonly modulo: string;
}

/** Compute output paths, `.drv` text and path. `moduloOf` answers for each input derivation. */
export function resolveDerivation(drv: Unresolved, moduloOf: (drvPath: StorePath) => string): Resolved {
  checkName(`${drv.name}.drv`);
  const outputs = drv.fixed === undefined ? builtOutputs(drv, moduloOf) : fixedOutput(drv, drv.fixed);
  const env = new Map(drv.env);
  for (const [name, output] of outputs) env.set(name, output.path);
  const data: DerivationData = {
    outputs,
    inputDerivations: drv.inputDerivations,
    inputSources: drv.inputSources,
    system: drv.system,
    builder: drv.builder,
    args: drv.args,
    env,
  };
  const text = printDerivation(data);
  const references = [...drv.inputSources, ...drv.inputDerivations.keys()];
  return { data, text, drvPath: textPath(`${drv.name}.drv`, text, references), modulo: hashModulo(data, moduloOf) };
}

/** The hash of a derivation modulo its inputs' own spelling, hex; what output paths downstream are made from. */
export function hashModulo(data: DerivationData, moduloOf: (drvPath: StorePath) => string): string {
  const out = data.outputs.get("out");
  if (data.outputs.size === 1 && out !== undefined && out.hash !== "") {
    return toHex(sha256(`fixed:out:${out.hashAlgo}:${out.hash}:${out.path}`));
  }
  return toHex(sha256(printDerivation({ ...data, inputDerivations: byModulo(data.inputDerivations, moduloOf) })));
}

function fixedOutput(drv: Unresolved, fixed: NonNullable<Unresolved["fixed"]>): Map<string, DerivationOutput> {
  if (drv.outputs.length !== 1 || drv.outputs[0] !== "out") {
    fail({
      code: "derivation-invalid",
      message: `the fixed-output derivation ${drv.name} has the outputs ${drv.outputs.join(", ") || "none"}`,
      fix: 'A fixed output is the only output and is called "out"; leave `outputs` out.',
    });
  }
  const path = fixedPath(drv.name, fixed.mode, fixed.hash);
  return new Map([["out", { path, hashAlgo: methodAlgo(fixed.mode, fixed.hash), hash: toHex(fixed.hash) }]]);
}

function builtOutputs(drv: Unresolved, moduloOf: (drvPath: StorePath) => string): Map<string, DerivationOutput> {
  const blank = { path: "", hashAlgo: "", hash: "" };
  const masked: DerivationData = {
    outputs: new Map(drv.outputs.map((name) => [name, blank])),
    inputDerivations: drv.inputDerivations,
    inputSources: drv.inputSources,
    system: drv.system,
    builder: drv.builder,
    args: drv.args,
    env: new Map([...drv.env, ...drv.outputs.map((name) => [name, ""] as const)]),
  };
  const modulo = sha256(printDerivation({ ...masked, inputDerivations: byModulo(drv.inputDerivations, moduloOf) }));
  return new Map(drv.outputs.map((name) => [name, { ...blank, path: outputPath(name, modulo, drv.name) }]));
}

/** Two inputs may share a hash (one file from two mirrors); then their outputs are asked for together. */
function byModulo(
  inputs: ReadonlyMap<StorePath, readonly string[]>,
  moduloOf: (drvPath: StorePath) => string,
): Map<string, readonly string[]> {
  const result = new Map<string, readonly string[]>();
  for (const [path, outputs] of inputs) {
    const hash = moduloOf(path);
    result.set(hash, [...(result.get(hash) ?? []), ...outputs]);
  }
  return result;
}
