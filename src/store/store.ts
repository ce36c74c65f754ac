/**
 * The interface behind which stores differ.
 *
 * `embedded` needs nothing but this process (embedded/); `nix` hands the same `.drv` texts to a Nix that is installed
 * (nix/). Callers see no difference: the same objects have the same paths in both.
 */
import type { Problem } from "../problems/index.ts";
import type { Derivation, Source, StoreObject } from "./objects.ts";
import type { StorePath } from "./path.ts";

/** A place where store objects are made and kept. */
export interface Store {
  /** Physical prefix: `/nix/store/x` lies at `<root>/nix/store/x`. May contain spaces. */
  readonly root: string;
  /** Where a store path lies on this machine, whether or not it is there. */
  physical(path: StorePath): string;
  /** True when the path is complete and registered. Synchronous and fast. */
  isValid(path: StorePath): boolean;
  /** What was registered about a valid path. */
  info(path: StorePath): PathInfo | undefined;
  /** What {@link realise} would do, in an order in which it could be done. */
  plan(targets: readonly StoreObject[]): Plan;
  /**
   * The same, with the store's caches asked what they have. What is wrong with one goes to `onEvent`. With Nix, whose
   * caches only Nix knows, it is {@link plan}.
   */
  planWithCaches(targets: readonly StoreObject[], options?: PlanOptions): Promise<Plan>;
  /** Make the targets valid, and everything they refer to. Throws a `ProblemError` with all that failed. */
  realise(targets: readonly StoreObject[], options?: RealiseOptions): Promise<void>;
  /** The paths, and all that they refer to, sorted. Every path must be valid. */
  closure(paths: readonly StorePath[]): StorePath[];
  /** Make the symlink `link` to the physical place of `target`, and keep the target as long as the link is there. */
  addRoot(link: string, target: StorePath): void;
  /** The file with what the builder said, if the derivation was built in this store. */
  log(drvPath: StorePath): string | undefined;
}

/** What a store knows about a valid path. */
export interface PathInfo {
  readonly path: StorePath;
  /** SRI. */
  readonly narHash: string;
  readonly narSize: number;
  /** Store paths whose hash occurs in the object, sorted; may include the path itself. */
  readonly references: readonly StorePath[];
  /** The `.drv` it was built from. */
  readonly deriver?: StorePath;
  /** Seconds since 1970. */
  readonly registrationTime: number;
}

/** What has to be done to make targets valid; each list in an order that respects the inputs. */
export interface Plan {
  /** Derivations whose builder would run. */
  readonly build: readonly Derivation[];
  /** Fixed-output derivations that would be fetched. */
  readonly fetch: readonly Derivation[];
  /** Sources that would be added. */
  readonly add: readonly Source[];
  /** Paths that would be copied from caches, where they were asked. */
  readonly copy?: readonly { readonly path: StorePath; readonly narSize: number }[];
}

/** How to plan. */
export type PlanOptions = Pick<RealiseOptions, "signal" | "onEvent">;

/** How to realise. */
export interface RealiseOptions {
  /** Builders at a time. Default: the number of CPUs. */
  readonly maxJobs?: number;
  /** Downloads at a time. Default: 8. */
  readonly maxFetches?: number;
  /** Seconds that a builder may take; 0 is no limit. Default: none of ours; Nix has one in nix.conf. */
  readonly timeout?: number;
  /** Seconds that a builder may be silent; 0 is no limit. Default: as for `timeout`. */
  readonly maxSilentTime?: number;
  /** Stops everything: builders are killed, nothing half-made becomes visible. */
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: BuildEvent) => void;
}

/** What happens while realising. */
export type BuildEvent =
  | { readonly type: "start"; readonly drv: Derivation }
  | { readonly type: "done"; readonly drv: Derivation; readonly milliseconds: number }
  | { readonly type: "fail"; readonly drv: Derivation; readonly code: string }
  | { readonly type: "log"; readonly drv: Derivation; readonly line: string }
  | {
      readonly type: "fetch-progress";
      readonly drv: Derivation;
      readonly received: number;
      /** Absent when the server does not tell. */
      readonly total?: number;
    }
  | { readonly type: "add"; readonly source: Source }
  /** A valid path was copied from a cache instead of being made here. */
  | { readonly type: "substitute"; readonly path: StorePath; readonly from: string }
  /** A cache, or one path of it, is not used; building goes on without. */
  | { readonly type: "cache-refused"; readonly from: string; readonly problem: Problem }
  /** A machine that Nix sends builds to is not used; building goes on without. */
  | { readonly type: "machine-refused"; readonly machine: string; readonly problem: Problem };

/** How a builder gets its mount namespace: an argv prefix that ends in bubblewrap, made ready on first need. */
export interface SandboxTool {
  prepare(): Promise<readonly string[]>;
}
