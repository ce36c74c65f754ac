/** Store paths as users name them: themselves, or any file or link that leads to one. */
import { realpathSync } from "node:fs";
import { resolve } from "node:path";
import { fail } from "../problems/index.ts";
import { parseStorePath, type Store, type StorePath } from "../store/index.ts";

/** The store path behind an argument: `/nix/store/…`, `./result`, or a file below one. Problem: `store-path-unknown`. */
export function storePathOf(argument: string, store: Pick<Store, "physical">): StorePath {
  const direct = pathIn(argument, "/nix/store/");
  if (direct !== undefined) return direct;
  const place = store.physical("/nix/store/");
  try {
    const found =
      pathIn(realpathSync(resolve(argument)), place) ?? pathIn(realpathSync(resolve(argument)), realpathSync(place));
    if (found !== undefined) return found;
  } catch {
    // Nothing there: told below.
  }
  return fail({
    code: "store-path-unknown",
    message: `${argument} leads to nothing in the store at ${place.replace(/\/$/, "")}`,
    fix: "Name a store path or a link to one, such as ./result; OSMOD_STORE_ROOT and OSMOD_STORE say which store is meant.",
  });
}

function pathIn(path: string, directory: string): StorePath | undefined {
  const prefix = directory.endsWith("/") ? directory : `${directory}/`;
  if (!path.startsWith(prefix)) return undefined;
  const storePath = `/nix/store/${path.slice(prefix.length).split("/")[0]}`;
  return parseStorePath(storePath) === undefined ? undefined : storePath;
}
