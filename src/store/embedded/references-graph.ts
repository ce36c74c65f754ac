/**
 * `exportReferencesGraph`: how a builder learns what is behind a path, as Nix tells it.
 *
 *     exportReferencesGraph = "closure /nix/store/…-machine"
 *
 * gives the builder a file `closure` in its build directory with one record a path of the closure, sorted: the path, an
 * empty line, the number of its references, and the references, each on a line. The paths must be inputs of the derivation.
 */
import type { Derivation } from "../objects.ts";
import type { StorePath } from "../path.ts";
import type { State } from "./state.ts";

/** The files that a derivation asks for: contents by name in the build directory. */
export function referencesGraphs(state: State, drv: Derivation): ReadonlyMap<string, string> {
  const words = (drv.data.env.get("exportReferencesGraph") ?? "").split(/\s+/).filter((word) => word !== "");
  const files = new Map<string, string>();
  for (let i = 0; i + 1 < words.length; i += 2) {
    files.set(words[i] as string, graphOf(state, words[i + 1] as StorePath));
  }
  return files;
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
