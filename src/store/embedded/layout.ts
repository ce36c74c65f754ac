/**
 * Where an embedded store keeps what, below its root:
 *
 *     nix/store/<digits>-<name>          the objects
 *     nix/store/.tmp-<owner>.<n>         what is being made; in the same directory, so that one rename publishes it
 *     nix/var/osmod/info/<digits>-<name> what is known of a valid object (infos.ts); the path is valid when it is there
 *     nix/var/osmod/locks/               claims on paths (locks.ts)
 *     nix/var/osmod/gcroots/             links to links that keep objects alive (roots.ts)
 *     nix/var/osmod/roots/               links to objects that are kept by name (roots.ts)
 *     nix/var/osmod/running/             what running builds and virtual machines use (running.ts)
 *     nix/var/osmod/unsynced/            marks of those whose work may not be on the disk yet (durable.ts)
 *     nix/var/osmod/etc/                 passwd, group and hosts as builders see them
 *     nix/var/log/osmod/drvs/            what builders said; for the owner only
 */
import { chmodSync, existsSync, mkdirSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
import { STORE_DIR, type StorePath, storeBaseName } from "../path.ts";
import { ioProblem } from "./problems.ts";

/** The places of one store. */
export interface Layout {
  readonly root: string;
  readonly store: string;
  readonly infos: string;
  readonly locks: string;
  readonly gcroots: string;
  readonly roots: string;
  readonly running: string;
  readonly unsynced: string;
  readonly etc: string;
  readonly logs: string;
}

/** The root a store has when nobody says: $OSMOD_STORE_ROOT, $XDG_DATA_HOME/osmod, ~/.local/share/osmod. */
export function defaultRoot(env: Readonly<Record<string, string | undefined>> = process.env): string {
  const own = env["OSMOD_STORE_ROOT"];
  if (own !== undefined && own !== "") return resolve(own);
  const data = env["XDG_DATA_HOME"];
  // The XDG rule: a relative path is to be ignored.
  if (data !== undefined && isAbsolute(data)) return join(data, "osmod");
  return join(homedir(), ".local/share/osmod");
}

/** The places below a root. */
export function layoutOf(root: string): Layout {
  const at = resolve(root);
  const below = (path: string): string => join(at, path);
  return {
    root: at,
    store: below(STORE_DIR),
    infos: below("nix/var/osmod/info"),
    locks: below("nix/var/osmod/locks"),
    gcroots: below("nix/var/osmod/gcroots"),
    roots: below("nix/var/osmod/roots"),
    running: below("nix/var/osmod/running"),
    unsynced: below("nix/var/osmod/unsynced"),
    etc: below("nix/var/osmod/etc"),
    logs: below("nix/var/log/osmod/drvs"),
  };
}

/** Create what is missing; a root that cannot be written is the problem `store-not-writable`. */
export function createLayout(layout: Layout): void {
  try {
    const { root: _, ...places } = layout;
    for (const place of Object.values(places))
      if (!existsSync(place)) mkdirSync(place, { recursive: true, mode: 0o755 });
    // A builder holds its log open, and could make a setuid program of it for as long as it runs.
    if ((statSync(layout.logs).mode & 0o077) !== 0) chmodSync(layout.logs, 0o700);
  } catch (error) {
    throw ioProblem(error, layout.root);
  }
}

/** Where a store path, or something below one, lies on this machine. */
export function physicalPath(layout: Layout, path: StorePath): string {
  return layout.root === "/" ? path : layout.root + path;
}

/** Where what is known of a path lies. */
export function infoFile(layout: Layout, path: StorePath): string {
  return `${layout.infos}/${storeBaseName(path)}`;
}

/** Where the log of a derivation lies. */
export function logFile(layout: Layout, drvPath: StorePath): string {
  return `${layout.logs}/${storeBaseName(drvPath)}`;
}
