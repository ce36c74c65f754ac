/**
 * `exportReferencesGraph`: how a builder learns what is behind a path, as Nix tells it.
 *
 *     exportReferencesGraph = "closure /nix/store/…-machine"
 *
 * gives the builder a file `closure` in its build directory with one record a path of the closure, sorted: the path, an
 * empty line, the number of its references, and the references, each on a line. The paths must be inputs of the derivation,
 * and the name that of a file in the build directory.
 */
import { fail, quoted } from "../../problems/index.ts";
import type { Derivation } from "../objects.ts";
import type { StorePath } from "../path.ts";
import type { State } from "./state.ts";

/** The files that a derivation asks for: contents by name in the build directory. */
export function referencesGraphs(state: State, drv: Derivation): ReadonlyMap<string, string> {
  const words = (drv.data.env.get("exportReferencesGraph") ?? "").split(/\s+/).filter((word) => word !== "");
  const files = new Map<string, string>();
  for (let i = 0; i + 1 < words.length; i += 2) {
    const name = words[i] as string;
    if (!/^[0-9a-zA-Z+\-_?=][0-9a-zA-Z+\-._?=]*$/.test(name)) impossible(drv, name);
    files.set(name, graphOf(state, words[i + 1] as StorePath));
  }
  return files;
}

function impossible(drv: Derivation, name: string): never {
  fail({
    code: "derivation-invalid",
    message: `${drv.name} wants a references graph in the file ${quoted(name)}`,
    fix: "Name a file of the build directory in `exportReferencesGraph`: letters, digits and + - . _ ? = only.",
  });
}

function graphOf(state: State, path: StorePath): string {
  return state.infos
    .closure([path])
    .map((member) => {
      const references = state.infos.get(member)?.references ?? [];
      return [member, "", String(references.length), ...references, ""].join("\n");
    })
    .join("");
}
