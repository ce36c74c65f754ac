/**
 * The package set: packages by name, and the builders, behind one object.
 *
 * `pkgs.nginx` is a handle and costs nothing. The lookup happens when its version or path is asked for, so that a
 * module may name packages that a machine then never uses, and an unknown name is reported where it is used.
 */
import { type Derivation, hashNar, narOfTree, type Source, StoreScope, toSri } from "../store/index.ts";
import { busyboxTree } from "./bootstrap.ts";
import { type BuilderTools, linkFarm, runCommand, SYSTEM, writeScript, writeText, writeTree } from "./builders.ts";
import { mergeTree } from "./merge.ts";
import type { Mirrors } from "./mirror.ts";
import { PACKAGE_NAME, type PackageRecord } from "./record.ts";
import type { Resolution } from "./resolver.ts";
import { BUSYBOX, type PackageSource } from "./source.ts";
import type { Builders, ClosureOptions, Package, PackageSet } from "./types.ts";
import { fetchPackage, unpackPackage, unpackXz } from "./unpack.ts";

/** What {@link createPackageSet} needs. */
export interface PackageSetOptions {
  readonly source: PackageSource;
  /** Addresses for what has to be fetched. They change no store path. */
  readonly mirrors?: Mirrors;
  /** Where objects are described. Default: a scope of its own. */
  readonly scope?: StoreScope;
}

/** Make a package set. */
export function createPackageSet(options: PackageSetOptions): PackageSet {
  const { source } = options;
  const scope = options.scope ?? new StoreScope();
  const mirrors = options.mirrors ?? {};

  let busybox: Source | undefined;
  const tools: BuilderTools = {
    scope,
    get busybox() {
      busybox ??= busyboxSource(source, scope, mirrors);
      return busybox;
    },
  };
  const fetched = (record: PackageRecord): Derivation => fetchPackage(tools, record, mirrors);
  let xz: Derivation | undefined;
  const unpacked = memoized((record: PackageRecord): Derivation => {
    const unpacker = source.unpacker();
    if (unpacker !== undefined) xz ??= unpackXz(tools, unpacker.map(fetched));
    return unpackPackage(tools, record, fetched(record), xz);
  });
  const resolve = (roots: readonly Package[], how: ClosureOptions = {}): Resolution =>
    source.resolve(
      roots.map((root) => root.name),
      how,
    );

  const builders: Builders = {
    get staticBusybox() {
      return tools.busybox;
    },
    hostPlatform: { system: SYSTEM, debianArch: "amd64" },
    writeText: (name, text) => writeText(tools, name, text),
    writeScript: (name, text) => writeScript(tools, name, text),
    writeTree: (name, files) => writeTree(tools, name, files),
    treeSource: (name, tree) =>
      scope.source({ name, narHash: toSri(hashNar(narOfTree(tree)).hash), provide: () => Promise.resolve(tree) }),
    linkFarm: (name, entries) => linkFarm(tools, name, entries),
    runCommand: (name, how, script) => runCommand(tools, name, how, script),
    mergedTree: (name, roots, how = {}) => {
      const packages = resolve(roots, how).packages.map(({ record }) => ({ record, unpacked: unpacked(record) }));
      return mergeTree(tools, name, packages, how);
    },
    resolveClosure: (roots, how) =>
      resolve(roots, how).packages.map(({ record, reason }) => ({
        name: record.name,
        version: record.version,
        reason:
          reason.kind === "root"
            ? "asked for"
            : reason.kind === "essential"
              ? "essential"
              : `${reason.of} ${reason.field}: ${reason.relation}`,
      })),
  };

  const handle = memoized((name: string): Package => new PackageHandle(name, source, unpacked));
  return new Proxy(builders, {
    get(target, name, receiver) {
      if (typeof name === "symbol" || name in target) return Reflect.get(target, name, receiver);
      return PACKAGE_NAME.test(name) ? handle(name) : undefined;
    },
    has: (target, name) => name in target || (typeof name === "string" && PACKAGE_NAME.test(name)),
  }) as PackageSet;
}

class PackageHandle implements Package {
  readonly type = "package";
  readonly name: string;
  readonly #source: PackageSource;
  readonly #unpack: (record: PackageRecord) => Derivation;

  constructor(name: string, source: PackageSource, unpack: (record: PackageRecord) => Derivation) {
    this.name = name;
    this.#source = source;
    this.#unpack = unpack;
  }

  get version(): string {
    return this.#source.find(this.name).version;
  }

  get unpacked(): Derivation {
    return this.#unpack(this.#source.find(this.name));
  }

  get origin(): Derivation {
    return this.unpacked;
  }

  get path(): string {
    return this.unpacked.path;
  }

  toString(): string {
    return this.path;
  }
}

function busyboxSource(source: PackageSource, scope: StoreScope, mirrors: Mirrors): Source {
  const record = source.find(BUSYBOX);
  const pinned = source.requireBusybox();
  return scope.source({
    name: BUSYBOX,
    narHash: pinned.narHash,
    provide: (signal) => busyboxTree(record, mirrors, signal),
  });
}

function memoized<K, V>(make: (key: K) => V): (key: K) => V {
  const made = new Map<K, V>();
  return (key) => {
    let value = made.get(key);
    if (value === undefined) {
      value = make(key);
      made.set(key, value);
    }
    return value;
  };
}
