/**
 * Links that keep objects of Nix's store alive.
 *
 * Where the store lies at `/`, `./result` points into `/nix/store` and is one of Nix's own indirect roots. In a store
 * elsewhere it cannot be: Nix wants a root's link to say `/nix/store/…`, and a user wants one that leads somewhere. There
 * `./result` points to the file, and a root of the store's own,
 *
 *     <root>/nix/var/nix/gcroots/osmod/<digest of the link's path>  →  /nix/store/…
 *     <root>/nix/var/nix/osmod-links/<the same>                     →  the link's path
 *
 * is removed when a later build finds that the link is gone or points elsewhere.
 */
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { encodeBase32 } from "../base32.ts";
import { ioProblem } from "../embedded/problems.ts";
import { compressHash, sha256 } from "../hash.ts";
import { placeForLink, readLink, replaceLink } from "../links.ts";
import type { StorePath } from "../path.ts";
import { type NixEnvironment, nix } from "./command.ts";

/** Make `link` lead to `target` and keep it. Problems: `root-occupied`, `nix-failed`, `store-not-writable`. */
export function addNixRoot(env: NixEnvironment, root: string, link: string, target: StorePath): void {
  const at = placeForLink(link, target);
  if (root === "/") {
    // Nix refuses to replace a link that leads out of its store.
    if (readLink(at)?.startsWith("/nix/store/") === false) rmSync(at);
    nix("nix-store", ["--realise", target, "--add-root", at, "--indirect"], env);
    return;
  }
  try {
    const places = { roots: `${root}/nix/var/nix/gcroots/osmod`, links: `${root}/nix/var/nix/osmod-links` };
    for (const place of Object.values(places)) mkdirSync(place, { recursive: true });
    removeStale(root, places);
    const name = encodeBase32(compressHash(sha256(at).bytes));
    replaceLink(`${places.links}/${name}`, at);
    replaceLink(`${places.roots}/${name}`, target);
    replaceLink(at, root + target);
  } catch (error) {
    throw ioProblem(error, root);
  }
}

function removeStale(root: string, places: { readonly roots: string; readonly links: string }): void {
  for (const name of readdirSync(places.roots)) {
    const link = readLink(`${places.links}/${name}`);
    const target = readLink(`${places.roots}/${name}`);
    if (link !== undefined && target !== undefined && readLink(link) === root + target) continue;
    rmSync(`${places.roots}/${name}`, { force: true });
    rmSync(`${places.links}/${name}`, { force: true });
  }
}
