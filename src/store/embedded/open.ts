/**
 * The embedded store: everything in one directory of the user's, made by this process, with no daemon and no root.
 */
import { existsSync } from "node:fs";
import { ProblemError } from "../../problems/index.ts";
import { originOf, type StoreObject } from "../objects.ts";
import type { StorePath } from "../path.ts";
import type { PathInfo, Plan, RealiseOptions, SandboxTool, Store } from "../store.ts";
import { type Collected, collectGarbage, verify } from "./collect.ts";
import { planFor } from "./graph.ts";
import { type ImportOptions, importFrom } from "./import.ts";
import { createLayout, defaultRoot, layoutOf, logFile } from "./layout.ts";
import { BUILDING, COLLECTING } from "./locks.ts";
import { interrupted } from "./problems.ts";
import { type Caches, Realisation } from "./realise.ts";
import { addRoot } from "./roots.ts";
import { openState, type State } from "./state.ts";

/** Between the end of a build and its root lies some time in which nothing may take its result away. */
const DEFAULT_GRACE_SECONDS = 600;

/** What {@link openStore} takes. */
export interface OpenStoreOptions {
  /** Default: $OSMOD_STORE_ROOT, else $XDG_DATA_HOME/osmod, else ~/.local/share/osmod. */
  readonly root?: string;
  /** Where builders get their isolation from; asked only when something is to be built. */
  readonly sandbox: SandboxTool;
  /** Binary caches asked before anything is built: directories or URLs. Default: the words of $OSMOD_SUBSTITUTERS. */
  readonly substituters?: readonly string[];
  /** Keys whose signatures are believed. Default: the words of $OSMOD_TRUSTED_PUBLIC_KEYS. */
  readonly trustedPublicKeys?: readonly string[];
}

/** Open the embedded store. Nothing is created before something is made in it. */
export function openStore(options: OpenStoreOptions): EmbeddedStore {
  const caches: Caches = {
    substituters: options.substituters ?? words("OSMOD_SUBSTITUTERS"),
    trustedPublicKeys: options.trustedPublicKeys ?? words("OSMOD_TRUSTED_PUBLIC_KEYS"),
  };
  return new Opened(openState(layoutOf(options.root ?? defaultRoot())), options.sandbox, caches);
}

/** The embedded store: what every store can, and looking after itself. */
export interface EmbeddedStore extends Store {
  /** Remove every path that no root reaches, and garbage; what was made in the last `graceSeconds` (default 600) stays. */
  collectGarbage(options?: { readonly graceSeconds?: number }): Promise<Collected>;
  /**
   * Copy paths from a binary cache (a directory or URL), with all they refer to; without paths, everything that a
   * directory has. Answers what was copied. Problems: `cache-unreachable`, `cache-path-missing`, `signature-untrusted`, `hash-mismatch`, …
   */
  importFrom(cache: string, paths: readonly StorePath[] | undefined, options?: ImportOptions): Promise<StorePath[]>;
  /** Make every path invalid whose content is no longer what was registered, and answer which. */
  verify(): Promise<StorePath[]>;
}

class Opened implements EmbeddedStore {
  readonly root: string;
  readonly #state: State;
  readonly #sandbox: SandboxTool;

  readonly #caches: Caches;

  constructor(state: State, sandbox: SandboxTool, caches: Caches) {
    this.#caches = caches;
    this.root = state.layout.root;
    this.#state = state;
    this.#sandbox = sandbox;
  }

  physical(path: StorePath): string {
    return this.#state.physical(path);
  }

  isValid(path: StorePath): boolean {
    return this.#state.infos.isValid(path);
  }

  info(path: StorePath): PathInfo | undefined {
    return this.#state.infos.get(path);
  }

  plan(targets: readonly StoreObject[]): Plan {
    return planFor(targets, (path) => this.isValid(path));
  }

  async realise(targets: readonly StoreObject[], options: RealiseOptions = {}): Promise<void> {
    const missing = targets.filter((target) => !this.#isMade(target));
    if (missing.length === 0) return;
    await this.#making(options.signal, () =>
      new Realisation(this.#state, this.#sandbox, options, this.#caches).run(missing),
    );
  }

  importFrom(
    cache: string,
    paths: readonly StorePath[] | undefined,
    options: ImportOptions = {},
  ): Promise<StorePath[]> {
    const keys = [...this.#caches.trustedPublicKeys, ...(options.trustedPublicKeys ?? [])];
    return this.#making(options.signal, () =>
      importFrom(this.#state, cache, paths, { ...options, trustedPublicKeys: keys }),
    );
  }

  /** Do something that makes paths, while nobody collects. */
  async #making<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    createLayout(this.#state.layout);
    this.#state.temporaries.sweep();
    this.#state.locks.sweep();
    try {
      const release = await this.#state.locks.announced(BUILDING, COLLECTING, signal);
      try {
        return await work();
      } finally {
        release();
      }
    } catch (error) {
      if (signal?.aborted !== true || error instanceof ProblemError) throw error;
      throw new ProblemError([interrupted()], { cause: error });
    }
  }

  closure(paths: readonly StorePath[]): StorePath[] {
    return this.#state.infos.closure(paths);
  }

  addRoot(link: string, target: StorePath): void {
    addRoot(this.#state, link, target);
  }

  log(drvPath: StorePath): string | undefined {
    const file = logFile(this.#state.layout, drvPath);
    return existsSync(file) ? file : undefined;
  }

  async collectGarbage(options: { readonly graceSeconds?: number } = {}): Promise<Collected> {
    createLayout(this.#state.layout);
    return collectGarbage(this.#state, options.graceSeconds ?? DEFAULT_GRACE_SECONDS);
  }

  async verify(): Promise<StorePath[]> {
    createLayout(this.#state.layout);
    return verify(this.#state);
  }

  #isMade(target: StoreObject): boolean {
    const origin = originOf(target);
    const paths = origin?.type === "derivation" ? Object.values(origin.outputs) : [target.path];
    return origin !== undefined && paths.every((path) => this.isValid(path));
  }
}

function words(variable: string): string[] {
  return (process.env[variable] ?? "").split(/\s+/).filter((word) => word !== "");
}
