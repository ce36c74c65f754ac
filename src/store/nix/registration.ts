/**
 * What Nix has registered about paths, from `nix-store --dump-db`:
 *
 *     <path> ⏎ <hash of the NAR, hex> ⏎ <its size> ⏎ <deriver or nothing> ⏎ <n> ⏎ n references, one a line
 */
import { fail } from "../../problems/index.ts";
import { parseHash, toSri } from "../hash.ts";
import { isStorePath, type StorePath } from "../path.ts";
import type { PathInfo } from "../store.ts";

/** Read a dump. `timeOf` answers when a path came into the store, which a dump does not tell. Problem: `nix-failed`. */
export function parseRegistrations(text: string, timeOf: (path: StorePath) => number): PathInfo[] {
  const lines = text.split("\n");
  const infos: PathInfo[] = [];
  for (let at = 0; at < lines.length - 1; ) {
    const [path = "", hash = "", size = "", deriver = "", count = ""] = lines.slice(at, at + 5);
    const references = lines.slice(at + 5, at + 5 + Number(count));
    if (!isStorePath(path) || !/^\d+$/.test(size) || !/^\d+$/.test(count) || references.length !== Number(count))
      malformed(path);
    infos.push({
      path,
      narHash: toSri(parseHash(hash, "sha256")),
      narSize: Number(size),
      references: references.sort(),
      ...(deriver === "" ? {} : { deriver }),
      registrationTime: timeOf(path),
    });
    at += 5 + references.length;
  }
  return infos;
}

function malformed(path: string): never {
  fail({
    code: "nix-failed",
    message: `what Nix says of ${JSON.stringify(path)} cannot be read`,
    fix: "This Nix writes its registrations in another form than the one known (2.4 and later); use one of those.",
  });
}
