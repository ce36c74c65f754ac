/**
 * What a machine was started with and shown while it ran, kept with its memory: a machine that goes on from it has to be the same one, and to see
 * what it saw.
 *
 *     launcher       the launcher's store path on this host, which a switch may have made another than the next start's
 *     args           what its start was given beside the launcher
 *     store-paths    all that it was shown of the store, as the launcher's own list
 *     store-images   the images that were added to it (store-images.ts)
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { storePathOf } from "./launcher-path.ts";
import type { QmpClient } from "./qmp.ts";
import type { RunningVm } from "./running.ts";
import { addedImages, addedImagesArgv } from "./store-images.ts";
import { readViewEntries } from "./store-view.ts";

/** How a machine is started that is to go on from a memory. */
export interface Shown {
  /** The launcher's store path on this host. */
  readonly launcher: string;
  /** What the start was given. */
  readonly args: readonly string[];
  /** What is to be given because of what it was shown. */
  readonly once: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** Keep what a running machine was started with and shown, in a directory that is made when there is none. */
export async function keepShown(
  running: RunningVm,
  qmp: QmpClient,
  directory: string,
  args: readonly string[],
): Promise<void> {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const images = await addedImages(qmp);
  const view = join(running.runtime, "store-paths");
  const inImages = images.map((file) => `path ${storePathOf(file)}\n`);
  writeFileSync(join(directory, "launcher"), `${running.launcher}\n`);
  writeFileSync(join(directory, "args"), JSON.stringify(args));
  writeFileSync(join(directory, "store-images"), images.map((file) => `${file}\n`).join(""));
  writeFileSync(
    join(directory, "store-paths"),
    [existsSync(view) ? readFileSync(view, "utf8") : "", ...inImages].join(""),
  );
}

/** What was kept in a directory; `undefined` when nothing was. */
export function shownBefore(directory: string): Shown | undefined {
  try {
    const read = (name: string) => readFileSync(join(directory, name), "utf8");
    return {
      launcher: read("launcher").trimEnd(),
      args: JSON.parse(read("args")) as string[],
      once: addedImagesArgv(read("store-images").split("\n").slice(0, -1)),
      env: { OSMOD_VM_GENERATION: "own", OSMOD_MORE_STORE_PATHS: join(directory, "store-paths") },
    };
  } catch {
    return undefined;
  }
}

/** Keeps a store path from being collected, as long as there is the link. */
export type KeepPath = (link: string, path: string) => void;

/** Keep what is noted in a directory in the store, by links beside it: the launcher, and what a switch showed its machine that is not the launcher's. */
export function keepPaths(directory: string, keep: KeepPath): void {
  const shown = shownBefore(directory);
  if (shown === undefined) return;
  const own = new Set(readViewEntries(join(shown.launcher, "share/osmod/store-paths")).map(({ path }) => path));
  const more = readViewEntries(join(directory, "store-paths")).filter(
    ({ kind, path }) => kind === "path" && !own.has(path),
  );
  mkdirSync(join(directory, "roots"), { recursive: true });
  for (const path of [storePathOf(shown.launcher), ...more.map((entry) => entry.path)]) {
    keep(join(directory, "roots", path.slice("/nix/store/".length)), path);
  }
}
