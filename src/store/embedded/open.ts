/**
 * The embedded store: everything in one directory of the user's, made by this process, with no daemon and no root.
 */
import { existsSync } from "node:fs";
import { ProblemError } from "../../problems/index.ts";
import { originOf, type StoreObject } from "../objects.ts";
import type { StorePath } from "../path.ts";
import type { PathInfo, Plan, PlanOptions, RealiseOptions, SandboxTool, Store } from "../store.ts";
import { type Collected, type CollectOptions, collectGarbage } from "./collect.ts";
import { durably, recover } from "./durable.ts";
import { findPath } from "./find.ts";
import { pathsBelow, planFor } from "./graph.ts";
import { type ImportOptions, importFrom } from "./import.ts";
import { createLayout, defaultRoot, layoutOf, logFile } from "./layout.ts";
import { COLLECTING } from "./locks.ts";
import { type Optimised, type OptimiseOptions, optimise } from "./optimise.ts";
import { planWithCaches } from "./plan.ts";
import { interrupted, ioProblem } from "./problems.ts";
import { type Caches, Realisation, substituterFor } from "./realise.ts";
import { type Repaired, type RepairOptions, repairStore } from "./repair.ts";
import { addNamedRoot, addRoot, type Root, removeRoot, roots } from "./roots.ts";
import { announceUse, type Running, running } from "./running.ts";
import { openState, type State } from "./state.ts";
import { type DiskUsage, type Usage, usageOf, usageOnDisk } from "./usage.ts";
import { type Finding, type Verification, type VerifyOptions, verifyStore } from "./verify.ts";
import { type Dependency, whyDepends } from "./why-depends.ts";

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
  /**
   * Copy paths from a binary cache (a directory or URL), with all they refer to; without paths, everything that a
   * directory has. Answers what was copied. Problems: `cache-unreachable`, `cache-path-missing`, `signature-untrusted`, `hash-mismatch`, …
   */
  importFrom(cache: string, paths: readonly StorePath[] | undefined, options?: ImportOptions): Promise<StorePath[]>;
  /** Every valid path. */
  paths(): StorePath[];
  /**
   * The path that a text means: a store path or something below one, a link to one, its base name, or enough of that
   * to be the only one. Problems: `store-path-not-found`, `store-path-ambiguous`.
   */
  find(text: string): StorePath;
  /** Remove every path that neither a root nor anything running needs, and litter. Problem: `store-busy`. */
  collectGarbage(options?: CollectOptions): Promise<Collected>;
  /** Look at everything, and change nothing. */
  verify(options?: VerifyOptions): Promise<Verification>;
  /** Fetch or build again what {@link verify} found damaged, and put it in its place. */
  repair(findings: readonly Finding[], options?: RepairOptions): Promise<Repaired>;
  /** Let equal files be one file with several names. */
  optimise(options?: OptimiseOptions): Promise<Optimised>;
  /** What keeps paths alive: links and names. */
  roots(): Root[];
  /** Keep a path under a name. Problems: `root-name-invalid`, `store-path-invalid`. */
  addNamedRoot(name: string, target: StorePath): void;
  /** Let go of what a name or a link keeps. Problem: `root-not-found`. */
  removeRoot(nameOrLink: string): Root;
  /** Builds and virtual machines that run now, and what they need. */
  running(): Running[];
  /** What some paths take with all below them; {@link DiskUsage} tells of the whole store. */
  usage(paths: readonly StorePath[]): Usage[];
  /** What the store takes on the disk. */
  diskUsage(): DiskUsage;
  /** The shortest chain of references from one path to another, and where each is written; empty when there is none. */
  whyDepends(from: StorePath, to: StorePath): Dependency[];
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

  async planWithCaches(targets: readonly StoreObject[], options: PlanOptions = {}): Promise<Plan> {
    if (this.#caches.substituters.length === 0) return this.plan(targets);
    return planWithCaches(this.#state, targets, substituterFor(this.#state, this.#caches, options));
  }

  async realise(targets: readonly StoreObject[], options: RealiseOptions = {}): Promise<void> {
    await recover(this.#state);
    const missing = targets.filter((target) => !this.#isMade(target));
    if (missing.length === 0) return this.#tidy();
    await this.#making(pathsBelow(missing), options.signal, () =>
      new Realisation(this.#state, this.#sandbox, options, this.#caches).run(missing),
    );
  }

  /** Remove what a build left that was killed after its last path, where that is allowed: the store may only be ours to read. */
  #tidy(): void {
    try {
      this.#state.temporaries.sweep();
    } catch {
      // Nothing is to be made, so nothing depends on it.
    }
  }

  importFrom(
    cache: string,
    paths: readonly StorePath[] | undefined,
    options: ImportOptions = {},
  ): Promise<StorePath[]> {
    const keys = [...this.#caches.trustedPublicKeys, ...(options.trustedPublicKeys ?? [])];
    return this.#making(paths ?? [], options.signal, () =>
      importFrom(this.#state, cache, paths, { ...options, trustedPublicKeys: keys }),
    );
  }

  /** Do something that makes paths; `needed` is what no collection may take away meanwhile. */
  async #making<T>(needed: Iterable<StorePath>, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    createLayout(this.#state.layout);
    this.#state.temporaries.sweep();
    this.#state.locks.sweep();
    const release = this.#guarded(() => announceUse(this.#state, needed));
    try {
      await this.#state.locks.ended(COLLECTING, signal);
      return await durably(this.#state, work);
    } catch (error) {
      if (error instanceof ProblemError) throw error;
      if (signal?.aborted === true) throw new ProblemError([interrupted()], { cause: error });
      throw ioProblem(error, this.root);
    } finally {
      release();
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

  paths(): StorePath[] {
    return this.#made()
      .infos.all()
      .filter((path) => this.isValid(path))
      .sort();
  }

  find(text: string): StorePath {
    return findPath(this.#made(), text);
  }

  collectGarbage(options?: CollectOptions): Promise<Collected> {
    return collectGarbage(this.#made(), options);
  }

  verify(options?: VerifyOptions): Promise<Verification> {
    return verifyStore(this.#made(), options);
  }

  repair(findings: readonly Finding[], options?: RepairOptions): Promise<Repaired> {
    return repairStore(this.#made(), this.#sandbox, findings, options);
  }

  optimise(options?: OptimiseOptions): Promise<Optimised> {
    return optimise(this.#made(), options);
  }

  roots(): Root[] {
    return roots(this.#state);
  }

  addNamedRoot(name: string, target: StorePath): void {
    addNamedRoot(this.#state, name, target);
  }

  removeRoot(nameOrLink: string): Root {
    return removeRoot(this.#state, nameOrLink);
  }

  running(): Running[] {
    return running(this.#state);
  }

  usage(paths: readonly StorePath[]): Usage[] {
    return usageOf(this.#state, paths);
  }

  diskUsage(): DiskUsage {
    return usageOnDisk(this.#made());
  }

  whyDepends(from: StorePath, to: StorePath): Dependency[] {
    return whyDepends(this.#state, from, to);
  }

  /** The state, of a store that has its directories. */
  #made(): State {
    createLayout(this.#state.layout);
    return this.#state;
  }

  #guarded<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw ioProblem(error, this.root);
    }
  }

  #isMade(target: StoreObject): boolean {
    const origin = originOf(target);
    if (origin === undefined) return false;
    const paths = origin.type === "derivation" ? [origin.drvPath, ...Object.values(origin.outputs)] : [origin.path];
    return paths.every((path) => this.isValid(path));
  }
}

function words(variable: string): string[] {
  return (process.env[variable] ?? "").split(/\s+/).filter((word) => word !== "");
}
