/**
 * Evaluating, and nothing else: the module system against real Nix with nixpkgs' library, on the same cases, with the same
 * results; next to it a plain deep merge of the same definitions, the floor. Then how the time grows with the number of
 * options.
 *
 * Every run is a process of its own, so that neither a warm JIT nor a warm heap flatters us. Ours is the time inside the
 * process from modules in memory to a configuration of which everything has been read; Nix's is the time of the whole
 * process less that of one that parses the same file and evaluates no modules. Memory is told apart in the same way.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { caseToNix } from "./support/neutral-nix.mjs";
import { evaluateNix, findNix } from "./support/nix.mjs";
import { root, timed } from "./support/run.mjs";
import { median } from "./support/table.mjs";

const once = join(root, "bench/support/evaluate-once.mjs");
const SIZES = [1000, 3162, 10_000, 31_623, 100_000];
const CASES = {
  a: "50 modules, 1000 options with 3 definitions each",
  b: "500 modules, 10 000 options with 3 definitions each",
  c: "1000 submodules of 10 options",
  d: "a chain of 300 conditions, each reading the one before",
};

export async function measure({ runs }) {
  const many = Math.max(runs, 5);
  const folder = process.env.OSMOD_BENCH_CASES ?? join(root, "../shared/corpus/perf");
  return [...cases(folder, many), ...growth(many)];
}

function cases(folder, many) {
  if (!existsSync(folder)) {
    const note = "the cases are not there (OSMOD_BENCH_CASES), not measured";
    return [{ suite: "evaluate", what: "cases", seconds: [], note }];
  }
  const nix = findNix();
  return Object.entries(CASES).flatMap(([name, description]) => {
    const file = join(folder, `${name}.json`);
    const expected = JSON.parse(readFileSync(join(folder, `${name}.expected.json`), "utf8"));
    const suite = `evaluate: ${name}`;
    return [
      { suite, what: "Nix", ...nixRow(nix, file, expected, many), note2: description },
      { suite, what: "osmod", ...ownRow(["osmod", file], many, expected), against: "Nix" },
      { suite, what: "deepmerge-ts", ...ownRow(["merge", file], many), against: "Nix" },
    ].map(({ note2, note, ...row }) => ({ ...row, note: [note2, note].filter(Boolean).join("; ") }));
  });
}

function growth(many) {
  return SIZES.map((size) => {
    const { seconds, note } = ownRow(["grown", String(size)], many);
    const each = ((median(seconds) / size) * 1e6).toFixed(2);
    return { suite: "evaluate: growth", what: `${size} options`, seconds, note: `${each} µs an option; ${note}` };
  });
}

/** Runs of our own, each in a fresh process. */
function ownRow(args, many, expected) {
  const results = Array.from({ length: many }, () =>
    JSON.parse(timed(process.execPath, ["--expose-gc", once, ...args]).stdout),
  );
  if (expected !== undefined && !results.every(({ value }) => isDeepStrictEqual(value, expected)))
    throw new Error(`osmod: ${args.join(" ")} does not give what it should`);
  return { seconds: results.map(({ seconds }) => seconds), note: peak(results) };
}

function nixRow(nix, file, expected, many) {
  if (nix.missing !== undefined) return { seconds: [], note: nix.missing };
  const directory = mkdtempSync(join(tmpdir(), "osmod-bench-"));
  try {
    const nixFile = join(directory, "case.nix");
    writeFileSync(nixFile, caseToNix(JSON.parse(readFileSync(file, "utf8"))));
    // Both parse the library and the case; only one evaluates the case.
    const expression = (modules, result) => `
      let
        lib = import ${nix.lib};
        case = import ${nixFile};
        config = builtins.removeAttrs (lib.evalModules { modules = ${modules}; }).config [ "_module" ];
      in builtins.seq case (${result})`;
    const forced = "builtins.deepSeq config true";
    const got = evaluateNix(expression("case { inherit lib; }", "config"), ["--json"]).stdout;
    if (!isDeepStrictEqual(JSON.parse(got), expected)) throw new Error(`Nix: ${file} does not give what it should`);
    const results = Array.from({ length: many }, () => {
      const idle = evaluateNix(expression("[ ]", forced));
      const { seconds, peakMiB } = evaluateNix(expression("case { inherit lib; }", forced));
      return { seconds: seconds - idle.seconds, peakMiB, idleMiB: idle.peakMiB };
    });
    return { seconds: results.map(({ seconds }) => seconds), note: `${nix.version}; ${peak(results)}` };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function peak(results) {
  const middle = (of) => median(results.map(of));
  if (results.some(({ peakMiB }) => peakMiB === undefined)) return "memory not measured";
  const own = middle(({ peakMiB, idleMiB }) => peakMiB - idleMiB);
  return `peak ${middle(({ peakMiB }) => peakMiB).toFixed(0)} MiB, of which ${own.toFixed(0)} for the evaluation`;
}
