/**
 * Every measurement that README or docs quote, side by side with what we compare against, in one go on one machine.
 *
 *     npm run bench                        everything
 *     npm run bench -- --only warm,boot    some of it
 *     npm run bench -- --runs 5
 *     npm run bench -- --only store --mebibytes 64 --paths 1000      a quick look
 *     npm run bench -- --only store --parts hash,upkeep              without fetching packages (unpack)
 *
 * Prints a table of medians and ratios and writes bench/results/latest.json. Absolute times differ from machine to
 * machine; the ratios are what to look at. A comparison whose tool is not installed is left out, and said to be.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { parseArgs } from "node:util";
import { renderTable } from "./support/table.mjs";

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    runs: { type: "string", default: "3" },
    mebibytes: { type: "string", default: "1024" },
    paths: { type: "string", default: "10000" },
    parts: { type: "string", default: "hash,unpack,upkeep" },
  },
});
const runs = Number(values.runs);
const sizes = { mebibytes: Number(values.mebibytes), paths: Number(values.paths), parts: values.parts.split(",") };
const suites = ["evaluate", "types", "warm", "store", "cold", "boot", "run-true", "vm", "cache"];
const chosen = values.only?.split(",") ?? suites;

const report = {
  machine: {
    cpu: cpus()[0]?.model,
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
  },
  date: new Date().toISOString().slice(0, 10),
  runs,
  rows: [],
};
for (const name of suites.filter((suite) => chosen.includes(suite))) {
  const { measure } = await import(`./${name}.mjs`);
  process.stderr.write(`measuring ${name} …\n`);
  report.rows.push(...(await measure({ runs, ...sizes })));
}
process.stdout.write(`${renderTable(report.rows)}\n`);
mkdirSync(new URL("./results/", import.meta.url), { recursive: true });
writeFileSync(new URL("./results/latest.json", import.meta.url), `${JSON.stringify(report, null, 2)}\n`);
