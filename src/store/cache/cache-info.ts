/**
 * `nix-cache-info`, the file that makes a directory or a site a binary cache:
 *
 *     StoreDir: /nix/store
 *     WantMassQuery: 1
 *     Priority: 40
 */
import { STORE_DIR } from "../path.ts";
import { malformed, parseLines } from "./lines.ts";

/** What a cache says of itself. */
export interface CacheInfo {
  /** Lower is asked first. Nix's own default is 50. */
  readonly priority: number;
}

/** Its name in a cache. */
export const CACHE_INFO = "nix-cache-info";

/** Read the file. Problem: `cache-info-malformed`, also for a cache of another store directory. */
export function parseCacheInfo(text: string, where: string): CacheInfo {
  const fields = parseLines(text, where, "cache-info-malformed");
  const directory = fields.get("StoreDir")?.[0] ?? STORE_DIR;
  if (directory !== STORE_DIR)
    malformed(where, "cache-info-malformed", `its paths are of ${JSON.stringify(directory)}, and ours of ${STORE_DIR}`);
  const priority = fields.get("Priority")?.[0] ?? "50";
  if (!/^\d{1,9}$/.test(priority))
    malformed(where, "cache-info-malformed", `its priority is ${JSON.stringify(priority)}`);
  return { priority: Number(priority) };
}

/** Print the file. */
export function printCacheInfo(info: CacheInfo): string {
  return `StoreDir: ${STORE_DIR}\nWantMassQuery: 1\nPriority: ${info.priority}\n`;
}
