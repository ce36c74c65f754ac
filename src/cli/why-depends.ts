/** `osmod why-depends`: the references that lead from one path to another. */
import { fail } from "../problems/index.ts";
import { parse } from "./arguments.ts";
import { printJson, theStore } from "./open-store.ts";
import type { Verb } from "./verbs.ts";

const syntax = {
  usage: "osmod why-depends [--json] from to",
  details: [
    "Both may be store paths, base names, beginnings of digits, names, or links like ./result.",
    "",
    "--json    one object a reference",
  ],
  options: { json: { type: "boolean", default: false } },
} as const;

/** Print the shortest chain; ends with 1 when there is none. */
export const run: Verb = async (argv) => {
  const parsed = parse(syntax, argv);
  if (parsed === undefined) return 0;
  const [a, b] = parsed.positionals;
  if (a === undefined || b === undefined)
    return fail({ code: "usage", message: "why-depends needs two paths", fix: syntax.usage });
  const store = theStore();
  const [from, to] = [store.find(a), store.find(b)];
  const chain = store.whyDepends(from, to);
  if (parsed.values.json) {
    printJson(chain);
  } else if (chain.length === 0) {
    process.stdout.write(from === to ? `${from} is the same path\n` : `${from} does not refer to ${to}\n`);
  } else {
    const lines = [from];
    for (const [depth, { to: next, file, context }] of chain.entries()) {
      const indent = "  ".repeat(depth + 1);
      lines.push(`${indent}${file ?? "(the file is gone)"}: ${context ?? ""}`, `${indent}→ ${next}`);
    }
    process.stdout.write(`${lines.join("\n")}\n`);
  }
  return chain.length === 0 && from !== to ? 1 : 0;
};
