/** `osmod store du`: what paths take, with all they refer to. */
import { parse } from "./arguments.ts";
import { count, printJson, size, theStore } from "./open-store.ts";
import type { Verb } from "./verbs.ts";

const syntax = {
  usage: "osmod store du [--json] [path ...]",
  details: [
    "Without a path: everything that is kept by a root or by something running.",
    "own is what none of the other lines has; shared is the rest of the closure.",
    "",
    "--json    bytes instead of words",
  ],
  options: { json: { type: "boolean", default: false } },
} as const;

/** Print one line a path, the largest first. */
export const run: Verb = async (argv) => {
  const parsed = parse(syntax, argv);
  if (parsed === undefined) return 0;
  const store = theStore();
  const asked = parsed.positionals.map((text) => store.find(text));
  const kept = [
    ...store.roots().map(({ path }) => path),
    ...store.running().flatMap(({ kind, paths }) => (kind === "vm" ? paths : [])),
  ];
  const paths = [...new Set(asked.length > 0 ? asked : kept)].filter((path) => store.isValid(path));
  const usage = store.usage(paths).sort((a, b) => b.closure - a.closure);
  const disk = store.diskUsage();
  if (parsed.values.json) {
    printJson({ paths: usage, store: disk });
    return 0;
  }
  const rows = [
    ["closure", "own", "shared", "paths", ""],
    ...usage.map((u) => [size(u.closure), size(u.own), size(u.shared), String(u.paths), u.path]),
  ];
  const widths = [0, 1, 2, 3].map((i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
  for (const row of rows) {
    const cells = widths.map((width, i) => row[i]?.padStart(width));
    process.stdout.write(`${[...cells, row[4]].join("  ").trimEnd()}\n`);
  }
  const saved = disk.saved === 0 ? "" : `; equal files save ${size(disk.saved)}`;
  process.stdout.write(`the whole store: ${count(disk.paths, "path")}, ${size(disk.disk)} on the disk${saved}\n`);
  return 0;
};
