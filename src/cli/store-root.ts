/** `osmod store root add|list|remove`: what the store keeps, and why. */
import { fail } from "../problems/index.ts";
import { storeBaseName } from "../store/index.ts";
import { parse } from "./arguments.ts";
import { printJson, theStore } from "./open-store.ts";
import type { Verb } from "./verbs.ts";

const syntax = {
  usage: "osmod store root add [--name NAME] path | list [--json] | remove name|link",
  details: [
    "add      keep a path, and all it refers to, under a name (default: the path's own)",
    "list     show named roots, result links, running builds and running virtual machines",
    "remove   let go of a named root, or of a link, which is removed as well",
  ],
  options: { name: { type: "string" }, json: { type: "boolean", default: false } },
} as const;

/** One of the three. */
export const run: Verb = async (argv) => {
  const parsed = parse(syntax, argv);
  if (parsed === undefined) return 0;
  const [action, subject] = parsed.positionals;
  const store = theStore();
  const needed = () => subject ?? fail({ code: "usage", message: `${action} needs one more word`, fix: syntax.usage });
  if (action === "add") {
    const path = store.find(needed());
    const name = parsed.values.name ?? storeBaseName(path);
    store.addNamedRoot(name, path);
    process.stdout.write(`${name} keeps ${path}\n`);
    return 0;
  }
  if (action === "remove") {
    const { link, path } = store.removeRoot(needed());
    process.stdout.write(`${link} no longer keeps ${path}\n`);
    return 0;
  }
  if (action !== "list" && action !== undefined) {
    fail({ code: "usage", message: `there is no action "${action}"`, fix: syntax.usage });
  }
  const [roots, running] = [store.roots(), store.running()];
  if (parsed.values.json) {
    printJson({ roots, running });
    return 0;
  }
  const lines = [
    ...roots.map(({ kind, name, link, path }) => `${kind === "named" ? `name ${name}` : `link ${link}`}  ${path}`),
    ...running.map(({ kind, pid, paths }) =>
      kind === "vm"
        ? `virtual machine, process ${pid}  ${paths[0] ?? ""}`
        : `build, process ${pid}  ${paths.length} paths`,
    ),
  ];
  process.stdout.write(lines.length === 0 ? "nothing is kept\n" : `${lines.join("\n")}\n`);
  return 0;
};
