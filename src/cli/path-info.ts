/** `osmod path-info`: what the store knows of paths. */
import { fail } from "../problems/index.ts";
import type { EmbeddedStore, StorePath } from "../store/index.ts";
import { parse } from "./arguments.ts";
import { printJson, size, theStore } from "./open-store.ts";
import type { Verb } from "./verbs.ts";

const syntax = {
  usage: "osmod path-info [--json] [--closure] [--all] path ...",
  details: [
    "A path may be a store path, its base name, the beginning of its digits, its name, or a link like ./result.",
    "",
    "--json       as JSON, one member a path",
    "--closure    with all they refer to",
    "--all        every path of the store",
  ],
  options: {
    json: { type: "boolean", default: false },
    closure: { type: "boolean", short: "r", default: false },
    all: { type: "boolean", default: false },
  },
} as const;

/** Print paths, or what is known of them. */
export const run: Verb = async (argv) => {
  const parsed = parse(syntax, argv);
  if (parsed === undefined) return 0;
  const { json, closure, all } = parsed.values;
  const store = theStore();
  if (!all && parsed.positionals.length === 0)
    fail({ code: "usage", message: "path-info needs a path", fix: syntax.usage });
  const asked = all ? store.paths() : parsed.positionals.map((text) => store.find(text));
  const paths = closure ? store.closure(asked) : asked;
  if (json) {
    printJson(Object.fromEntries(paths.map((path) => [path, dataOf(store, path)])));
    return 0;
  }
  // Many paths are a list for other programs; one is a question.
  if (paths.length !== 1) process.stdout.write(paths.map((path) => `${path}\n`).join(""));
  else for (const path of paths) process.stdout.write(`${textOf(store, path).join("\n")}\n`);
  return 0;
};

function dataOf(store: EmbeddedStore, path: StorePath) {
  const info = store.info(path);
  if (info === undefined) return null;
  const { path: _, ...rest } = info;
  return { ...rest, closureSize: store.usage([path])[0]?.closure };
}

function textOf(store: EmbeddedStore, path: StorePath): string[] {
  const info = store.info(path);
  if (info === undefined) return [`${path} is registered and not there`];
  const references = info.references.filter((reference) => reference !== path);
  return [
    path,
    `  lies at     ${store.physical(path)}`,
    `  hash        ${info.narHash}`,
    `  size        ${size(info.narSize)}, with all below it ${size(store.usage([path])[0]?.closure ?? 0)}`,
    `  registered  ${new Date(info.registrationTime * 1000).toISOString()}`,
    ...(info.deriver === undefined ? [] : [`  made by     ${info.deriver}`]),
    ...references.map((reference, i) => `  ${i === 0 ? "refers to " : "          "}  ${reference}`),
  ];
}
