/**
 * What modules see of packages: a set of them by name, and the trivial builders beside them.
 */
import type { Derivation, Source, StoreObject, Tree } from "../store/index.ts";

/**
 * A Debian package, by name. Naming one does nothing; its version or path is looked up when it is asked for, and is
 * a problem then when there is no such package. `${pkg}` is the path of its unpacked tree.
 */
export interface Package extends StoreObject {
  readonly type: "package";
  readonly name: string;
  readonly version: string;
  /** Builds the tree of the package's files, as its archive has them. */
  readonly unpacked: Derivation;
}

/** One file of a {@link Builders.writeTree}. */
export type TreeFile =
  | { readonly text: string; readonly mode?: "0444" | "0555" }
  | { readonly source: StoreObject | string }
  | { readonly symlink: string };

/** What {@link Builders.mergedTree} and {@link Builders.resolveClosure} choose packages by. */
export interface ClosureOptions {
  /** Packages to leave out; whatever depends on them is content without. */
  readonly exclude?: readonly string[];
  /** Also take what packages recommend. Default: no. */
  readonly recommends?: boolean;
  /** Also take all `Essential` packages. Default: no. */
  readonly essential?: boolean;
}

/** How {@link Builders.mergedTree} makes its tree. */
export interface MergedTreeOptions extends ClosureOptions {
  /**
   * Paths to leave out, relative to the root; `*` and `?` as in the shell. Default: documentation, manuals and
   * translations ({@link DEFAULT_EXCLUDED_PATHS}).
   */
  readonly excludePaths?: readonly string[];
  /** POSIX shell text that runs after all files are in place; `$out` is the tree, still writable. */
  readonly finish?: string;
}

/** A package of a closure, and why it is there. */
export interface ClosureMember {
  readonly name: string;
  readonly version: string;
  /** `asked for`, or the dependency it meets: `nginx Depends: libc6 (>= 2.38)`. */
  readonly reason: string;
}

/** How {@link Builders.runCommand} runs its script. */
export interface RunCommandOptions {
  readonly env?: { readonly [name: string]: StoreObject | string };
  /** A merged tree. The script runs its programs with `run <program> <arguments>`. */
  readonly tree?: Derivation;
}

/** The trivial builders, named as in nixpkgs. All are pure: nothing is built by calling them. */
export interface Builders {
  /** `${pkgs.staticBusybox}/bin/busybox`: shell and tools of every script here. */
  readonly staticBusybox: Source;
  readonly hostPlatform: { readonly system: "x86_64-linux"; readonly debianArch: "amd64" };
  /** A file with this text. */
  writeText(name: string, text: string): Derivation;
  /** An executable file with this text, which brings its own first line. */
  writeScript(name: string, text: string): Derivation;
  /** A tree of many small files in one derivation, by path relative to its root. */
  writeTree(name: string, files: { readonly [path: string]: TreeFile }): Derivation;
  /** Run a POSIX shell script whose `$out` is the result; the applets of busybox are its commands. */
  runCommand(name: string, options: RunCommandOptions, script: string): Derivation;
  /** A file or a tree as it is, added to the store by its content; nothing is run. */
  treeSource(name: string, tree: Tree): Source;
  /** A tree of symlinks, by path relative to its root. */
  linkFarm(name: string, entries: { readonly [path: string]: StoreObject | string }): Derivation;
  /** Everything the roots need, merged to one usr-merged root tree of real files. */
  mergedTree(name: string, roots: readonly Package[], options?: MergedTreeOptions): Derivation;
  /** Everything the roots need, dependencies first. */
  resolveClosure(roots: readonly Package[], options?: ClosureOptions): readonly ClosureMember[];
}

/** Packages by Debian name, and the builders. Debian's names have no capitals, so the two never clash. */
export type PackageSet = Builders & { readonly [debianName: string]: Package };
