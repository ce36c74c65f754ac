/**
 * Nix's store, by way of the Nix that is installed.
 *
 * Everything goes through its own programs, so its configuration holds: a daemon, remote builders, binary caches, trusted
 * keys. What is valid is remembered once it was asked, because every question costs a process; what is not valid is
 * asked again. Nothing is asked before it is needed: `osmod eval` runs no Nix.
 */
import { existsSync, lstatSync } from "node:fs";
import { planFor } from "../embedded/graph.ts";
import { type Derivation, originOf, type Source, type StoreObject } from "../objects.ts";
import { isStorePath, type StorePath, storeBaseName } from "../path.ts";
import type { PathInfo, Plan, RealiseOptions, Store } from "../store.ts";
import { inReferenceOrder } from "./add.ts";
import { type NixEnvironment, nix } from "./command.ts";
import { nixRoot } from "./place.ts";
import { realise } from "./realise.ts";
import { parseRegistrations } from "./registration.ts";
import { addNixRoot } from "./roots.ts";

/** What {@link openNixStore} takes. */
export interface OpenNixStoreOptions {
  /** The environment of Nix's programs; NIX_REMOTE and NIX_CONFIG in it choose the store. Default: this process's own. */
  readonly env?: NixEnvironment;
}

/**
 * Open the store of the Nix that is installed. Every path is the same as in the embedded store.
 *
 * Problems, when it is used: `nix-missing`, `nix-store-unusable`, `nix-failed`.
 *
 * @see openStore for the store that needs no Nix.
 */
export function openNixStore(options: OpenNixStoreOptions = {}): Store {
  return new NixStore(options.env ?? process.env);
}

/** Arguments of one command; a kernel takes 2 MiB of them. */
const AT_A_TIME = 4_000;

class NixStore implements Store {
  readonly #env: NixEnvironment;
  readonly #valid = new Set<StorePath>();
  readonly #infos = new Map<StorePath, PathInfo>();
  #root: string | undefined;

  constructor(env: NixEnvironment) {
    this.#env = env;
  }

  get root(): string {
    this.#root ??= nixRoot(this.#env);
    return this.#root;
  }

  physical(path: StorePath): string {
    return this.root === "/" ? path : this.root + path;
  }

  isValid(path: StorePath): boolean {
    return isStorePath(path) && this.#ask([path]).has(path);
  }

  info(path: StorePath): PathInfo | undefined {
    // A closure's are all read at once; asked one by one they would cost two processes each.
    if (!this.#infos.has(path) && this.isValid(path)) this.#read([path]);
    return this.#infos.get(path);
  }

  plan(targets: readonly StoreObject[]): Plan {
    const origins = targets.flatMap((target) => originOf(target) ?? []);
    const valid = this.#ask(inReferenceOrder(origins).flatMap(pathsOf));
    return planFor(targets, (path) => valid.has(path));
  }

  planWithCaches(targets: readonly StoreObject[]): Promise<Plan> {
    return Promise.resolve(this.plan(targets));
  }

  async realise(targets: readonly StoreObject[], options: RealiseOptions = {}): Promise<void> {
    const wanted = targets.map((target) => ({ target, paths: pathsOf(originOf(target) ?? target) }));
    const valid = this.#ask(wanted.flatMap(({ paths }) => paths));
    const missing = wanted.filter(({ paths }) => !paths.every((path) => valid.has(path))).map(({ target }) => target);
    if (missing.length === 0) return;
    const isThere = (path: StorePath) => lstatSync(this.physical(path), { throwIfNoEntry: false }) !== undefined;
    await realise(this.#env, missing, isThere, options);
  }

  closure(paths: readonly StorePath[]): StorePath[] {
    paths.forEach(storeBaseName);
    const members = lines(nix("nix-store", ["--query", "--requisites", ...paths], this.#env)).sort();
    this.#read(members.filter((path) => !this.#infos.has(path)));
    return members;
  }

  addRoot(link: string, target: StorePath): void {
    addNixRoot(this.#env, this.root, link, target);
  }

  log(drvPath: StorePath): string | undefined {
    const name = storeBaseName(drvPath);
    const file = `${this.root === "/" ? "" : this.root}/nix/var/log/nix/drvs/${name.slice(0, 2)}/${name.slice(2)}`;
    return [file, `${file}.bz2`].find((candidate) => existsSync(candidate));
  }

  /** Which of the paths are valid. */
  #ask(paths: readonly StorePath[]): ReadonlySet<StorePath> {
    const open = [...new Set(paths)].filter((path) => !this.#valid.has(path));
    for (let at = 0; at < open.length; at += AT_A_TIME) {
      const part = open.slice(at, at + AT_A_TIME);
      const invalid = new Set(lines(nix("nix-store", ["--check-validity", "--print-invalid", ...part], this.#env)));
      for (const path of part) if (!invalid.has(path)) this.#valid.add(path);
    }
    return this.#valid;
  }

  #read(paths: readonly StorePath[]): void {
    for (let at = 0; at < paths.length; at += AT_A_TIME) {
      const text = nix("nix-store", ["--dump-db", ...paths.slice(at, at + AT_A_TIME)], this.#env);
      for (const info of parseRegistrations(text, (path) => this.#since(path))) {
        this.#infos.set(info.path, info);
        this.#valid.add(info.path);
      }
    }
  }

  /** When the object got its name, which is when Nix registered it or a moment before. */
  #since(path: StorePath): number {
    return Math.floor((lstatSync(this.physical(path), { throwIfNoEntry: false })?.ctimeMs ?? 0) / 1000);
  }
}

function pathsOf(object: Derivation | Source | StoreObject): StorePath[] {
  return "outputs" in object ? Object.values(object.outputs) : [object.path];
}

function lines(text: string): string[] {
  return text.split("\n").filter((line) => line !== "");
}
