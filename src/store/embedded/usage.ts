/** What takes how much room. */
import { readdirSync } from "node:fs";
import type { StorePath } from "../path.ts";
import { reachable } from "./collect.ts";
import type { State } from "./state.ts";
import { Tally } from "./tally.ts";

/** What one path takes with all below it, in bytes of archives. */
export interface Usage {
  readonly path: StorePath;
  /** The path alone. */
  readonly self: number;
  /** The path and all it refers to, however far. */
  readonly closure: number;
  /** How many paths that are. */
  readonly paths: number;
  /** The part of the closure that none of the other paths asked about has. */
  readonly own: number;
  /** The part that others have, too. */
  readonly shared: number;
}

/** What a store takes on the disk, in bytes. */
export interface DiskUsage {
  readonly paths: number;
  readonly disk: number;
  /** What equal files save by being one file. */
  readonly saved: number;
}

/** What some paths take; what is their own is said with regard to each other. */
export function usageOf(state: State, paths: readonly StorePath[]): Usage[] {
  const closures = new Map(paths.map((path) => [path, reachable(state, [path], false)]));
  const users = new Map<StorePath, number>();
  for (const closure of closures.values()) for (const path of closure) users.set(path, (users.get(path) ?? 0) + 1);
  const size = (path: StorePath): number => state.infos.registered(path)?.narSize ?? 0;
  return [...closures].map(([path, members]) => {
    let [closure, own] = [0, 0];
    for (const member of members) {
      closure += size(member);
      if (users.get(member) === 1) own += size(member);
    }
    return { path, self: size(path), closure, paths: members.size, own, shared: closure - own };
  });
}

/** What the whole store takes, litter included. */
export function usageOnDisk(state: State): DiskUsage {
  const tally = new Tally();
  for (const name of readdirSync(state.layout.store)) tally.add(`${state.layout.store}/${name}`);
  return { paths: state.infos.all().length, disk: tally.total, saved: tally.saved };
}
