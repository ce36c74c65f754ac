/** `osmod store verify`: is everything in the store as it was registered? */
import { renderProblems } from "../problems/index.ts";
import { type Finding, findingProblem } from "../store/index.ts";
import { parse } from "./arguments.ts";
import { count, printJson, size, theStore, ticker, todaysMirrors } from "./open-store.ts";
import { renderOptions } from "./render-options.ts";
import type { Verb } from "./verbs.ts";

const syntax = {
  usage: "osmod store verify [--repair] [--json]",
  details: [
    "Hashes every registered path, and looks for what is missing, unregistered or left behind.",
    "Ends with 1 when damage remains.",
    "",
    "--repair    fetch or build again what is damaged, and put it in its place",
    "--json      print the findings as JSON",
  ],
  options: { repair: { type: "boolean", default: false }, json: { type: "boolean", default: false } },
} as const;

/** Verify, repair if asked to, tell. */
export const run: Verb = async (argv, signal) => {
  const parsed = parse(syntax, argv);
  if (parsed === undefined) return 0;
  const { repair, json } = parsed.values;
  const store = theStore();

  // 1. Look.
  const line = ticker();
  const onProgress = (done: number, total: number, bytes: number) =>
    line.say(`[${done}/${total}] ${size(bytes)} hashed`);
  const looked = await store.verify({ signal, onProgress }).finally(() => line.end());
  const damage = looked.findings.filter(({ litter }) => !litter);

  // 2. Mend.
  const onEvent = (event: { type: string; drv?: { name: string } }) => {
    if (event.type === "start" && event.drv !== undefined) process.stderr.write(`making ${event.drv.name} again\n`);
  };
  const repaired =
    repair && damage.length > 0
      ? await store.repair(looked.findings, { signal, onEvent, moreUrls: todaysMirrors })
      : { repaired: [], changed: [], forgotten: [], problems: [] };
  const mended = new Set(repaired.repaired);
  const remaining = damage.filter(
    ({ path, code }) => code === "root-dangling" || path === undefined || !mended.has(path),
  );

  // 3. Tell.
  if (json) {
    printJson({ checked: looked.checked, bytes: looked.bytes, findings: looked.findings.map(asData), ...repaired });
    return remaining.length === 0 ? 0 : 1;
  }
  const told = remaining.length > 0 && repair ? [...repaired.problems] : [];
  const problems = [...remaining.map(findingProblem), ...told];
  if (problems.length > 0) process.stderr.write(`${renderProblems(problems, renderOptions())}\n`);
  const litter = looked.findings.length - damage.length;
  const lines = [
    `${count(looked.checked, "path")} hashed, ${size(looked.bytes)}: ${damage.length === 0 ? "no damage" : `${count(damage.length, "finding")} of damage`}`,
    ...(mended.size === 0 ? [] : [`${count(mended.size, "path")} repaired`]),
    ...repaired.changed.map((path) => `${path} is not the same as before: its builder does not make the same twice`),
    ...(repaired.forgotten.length === 0
      ? []
      : [
          `${count(repaired.forgotten.length, "path")} cannot be made from what the store has; build your machines again, which makes them`,
        ]),
    ...(litter === 0
      ? []
      : [`${count(litter, "thing")} left behind by interrupted work; \`osmod store gc\` removes it`]),
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
  return remaining.length === 0 ? 0 : 1;
};

function asData(finding: Finding) {
  const { code, path, place, litter, notes } = finding;
  return { code, ...(path === undefined ? {} : { path }), place, litter, notes };
}
