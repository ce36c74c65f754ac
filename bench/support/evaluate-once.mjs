/**
 * One evaluation in a process of its own: `node evaluate-once.mjs <what> <argument>` prints `{ seconds, peakMiB, value }`.
 *
 *     osmod <case.json>    the modules of a case, by osmod
 *     merge <case.json>    the same definitions deep-merged, which is the least that any module system has to do
 *     grown <options>      a generated configuration of so many options, by osmod
 *
 * The clock runs from modules in memory to a configuration of which everything has been read. Loading, parsing and reading
 * the notation are outside, as Nix's own start and parsing are.
 */
import { readFileSync } from "node:fs";
import { performance } from "node:perf_hooks";
import { grownModules } from "./grown.mjs";

const [what, argument] = process.argv.slice(2);
const run = await prepare();
// What loading and reading left behind is theirs: without this, the collection of it may fall into what is measured.
globalThis.gc?.({ type: "minor" });
const idleMiB = process.resourceUsage().maxRSS / 1024;
const started = performance.now();
const value = run();
const seconds = (performance.now() - started) / 1000;
const peakMiB = process.resourceUsage().maxRSS / 1024;
process.stdout.write(
  JSON.stringify({ seconds, peakMiB, idleMiB, ...(what === "osmod" ? { value } : { count: count(value) }) }),
);

async function prepare() {
  const { raw } = await import("../../dist/lib/index.js");
  if (what === "grown") {
    const modules = grownModules(raw, Number(argument));
    return () => forced(raw.evaluate({ modules }).config);
  }
  const { modules } = JSON.parse(readFileSync(argument, "utf8"));
  if (what === "merge") {
    const { deepmerge } = await import("deepmerge-ts");
    const definitions = modules.map(({ config }) => bare(config ?? {}));
    return () => forced(deepmerge(...definitions));
  }
  const { readModule } = await import("../../dist/conformance/neutral.js");
  const native = modules.map(readModule);
  return () => forced(raw.evaluate({ modules: native }).config);
}

/** Read everything there is. */
function forced(value) {
  if (Array.isArray(value)) for (let i = 0; i < value.length; i += 1) forced(value[i]);
  else if (typeof value === "object" && value !== null) for (const key of Object.keys(value)) forced(value[key]);
  return value;
}

/** Definitions without what a deep merge knows nothing of: what a wrapper contains; what is computed, as data. */
function bare(expr) {
  if (typeof expr !== "object" || expr === null || Array.isArray(expr)) return expr;
  const [name] = Object.keys(expr);
  if (name === "$mkIf" || name === "$mkOverride" || name === "$mkOrder") return bare(expr[name][1]);
  if (name?.startsWith("$mk")) return bare(expr[name]);
  if (name?.startsWith("$")) return JSON.stringify(expr);
  return Object.fromEntries(Object.entries(expr).map(([key, value]) => [key, bare(value)]));
}

function count(value) {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return 1;
  return Object.values(value).reduce((sum, member) => sum + count(member), 0);
}
