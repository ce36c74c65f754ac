/** `osmod store gc`: remove what nothing needs. */
import { parse } from "./arguments.ts";
import { count, duration, printJson, size, theStore } from "./open-store.ts";
import type { Verb } from "./verbs.ts";

const syntax = {
  usage: "osmod store gc [--dry-run] [--older-than 7d] [--json]",
  details: [
    "Needed is what result links, named roots, running virtual machines and running builds reach.",
    "",
    "--dry-run           list what would be removed, and remove nothing",
    "--older-than TIME   leave what was made within this time (s, m, h, d, w); default 10m",
    "--json              print what was removed as JSON",
  ],
  options: {
    "dry-run": { type: "boolean", default: false },
    "older-than": { type: "string", default: "10m" },
    json: { type: "boolean", default: false },
  },
} as const;

/** Collect, and say what became free. */
export const run: Verb = async (argv) => {
  const parsed = parse(syntax, argv);
  if (parsed === undefined) return 0;
  const { "dry-run": dryRun, "older-than": age, json } = parsed.values;
  const graceSeconds = duration("older-than", age);
  const collected = await theStore().collectGarbage({ graceSeconds, dryRun });
  if (json) {
    printJson({ dryRun, ...collected });
    return 0;
  }
  const { removed, litter, freed, spared } = collected;
  const lines = [
    ...removed,
    `${dryRun ? "would remove" : "removed"} ${count(removed.length, "path")}${litter === 0 ? "" : ` and ${count(litter, "thing")} left behind`}, ${size(freed)}`,
    ...(spared === 0 ? [] : [`${count(spared, "path")} made within ${age} stay; --older-than 0s takes them as well`]),
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
  return 0;
};
