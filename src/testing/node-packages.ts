/**
 * npm's packages as one tree for the store: those that are asked for, with all that they depend on.
 *
 * Each package lies in a folder of its own beside links to its dependencies, as pnpm lays them out, so the tree says what the packages
 * are and not how the project's package manager had put them; two projects with the same versions have the same tree.
 *
 *     node_modules/vitest                             → ../.packages/vitest@4.1.12/node_modules/vitest
 *     .packages/vitest@4.1.12/node_modules/vitest     the package
 *     .packages/vitest@4.1.12/node_modules/vite       → ../../vite@8.3.8/node_modules/vite
 *
 * Left out are types and source maps, which nothing loads, and optional peers that nothing else needs: whether those are installed is chance.
 * `osmod` is always the copy that runs this.
 */
import { lstatSync, readdirSync, readFileSync, readlinkSync, realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { fail } from "../problems/index.ts";
import type { Tree } from "../store/index.ts";
import { TreeBuilder } from "./tree-builder.ts";

/** What is read of a package's manifest. */
interface Manifest {
  readonly name?: string;
  readonly version?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>;
}

/** A package that was found, and where it lies in the tree. */
interface Placed {
  readonly directory: string;
  readonly manifest: Manifest;
  readonly folder: string;
  /** The package itself, below `folder`. */
  readonly place: string;
}

/** Where this package lies. */
const OWN = fileURLToPath(new URL("../..", import.meta.url));
/** What of this package runs; the rest of it, in a working copy, is nobody's business. */
const OWN_PARTS: ReadonlySet<string> = new Set(["package.json", "dist", "keys"]);
const UNUSED = /\.d\.[cm]?ts$|\.map$/;

/** The directory of the vitest that a project has. Problem: `vitest-missing`. */
export function vitestOf(project: string): string {
  try {
    return dirname(createRequire(resolve(project, "package.json")).resolve("vitest/package.json"));
  } catch (cause) {
    return fail(
      {
        code: "vitest-missing",
        message: "this project has no vitest, which runs the tests",
        fix: "npm install --save-dev vitest",
      },
      cause,
    );
  }
}

/** The tree of some packages, given by name with the directory from which each is imported; those that are not installed are left out. */
export function packageTree(roots: ReadonlyMap<string, string>): Tree {
  const tree = new TreeBuilder();
  const placed = new Map<string, Placed>();
  const folders = new Map<string, number>();

  const place = (directory: string): Placed => {
    const known = placed.get(directory);
    if (known !== undefined) return known;
    const manifest = manifestOf(directory);
    const id = `${(manifest.name ?? "package").replace("/", "+")}@${manifest.version ?? "0"}`;
    const copies = folders.get(id) ?? 0;
    folders.set(id, copies + 1);
    const folder = `.packages/${id}${copies === 0 ? "" : `-${copies + 1}`}`;
    // A package of the same workspace may be TypeScript, which is compiled unless it lies in node_modules.
    const installed = directory === trimmed(OWN) || directory.includes("/node_modules/");
    const found = {
      directory,
      manifest,
      folder,
      place: `${folder}/${installed ? `node_modules/${manifest.name}` : "source"}`,
    };
    placed.set(directory, found);
    copy(directory, found.place);
    for (const name of dependenciesOf(manifest)) {
      const dependency = find(name, directory);
      if (dependency !== undefined) tree.link(`${folder}/node_modules/${name}`, place(dependency).place);
    }
    return found;
  };

  const copy = (directory: string, to: string): void => {
    const own = directory === trimmed(OWN);
    for (const name of readdirSync(directory).sort()) {
      if (name === "node_modules" || UNUSED.test(name) || (own && !OWN_PARTS.has(name))) continue;
      copyEntry(join(directory, name), `${to}/${name}`);
    }
  };

  const copyEntry = (from: string, to: string): void => {
    const status = lstatSync(from);
    if (status.isSymbolicLink()) tree.add(to, { type: "symlink", target: readlinkSync(from) });
    else if (status.isDirectory()) copy(from, to);
    else if (status.isFile()) {
      tree.add(to, { type: "regular", executable: (status.mode & 0o100) !== 0, contents: readFileSync(from) });
    }
  };

  for (const [name, from] of [...roots].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const directory = find(name, from);
    if (directory !== undefined) tree.link(`node_modules/${name}`, place(directory).place);
  }
  for (const { directory, manifest, folder } of placed.values()) {
    for (const name of optionalPeers(manifest)) {
      const peer = placed.get(find(name, directory) ?? "");
      if (peer !== undefined) tree.link(`${folder}/node_modules/${name}`, peer.place);
    }
  }
  return tree.tree;
}

/** What a package needs to run, sorted. */
function dependenciesOf(manifest: Manifest): readonly string[] {
  const { dependencies, optionalDependencies, peerDependencies } = manifest;
  const names = Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies });
  const optional = new Set(optionalPeers(manifest));
  return names.filter((name) => !name.startsWith("@types/") && !optional.has(name)).sort();
}

/** What a package uses if it is there. */
function optionalPeers({ dependencies, peerDependencies, peerDependenciesMeta }: Manifest): readonly string[] {
  return Object.keys(peerDependencies ?? {}).filter(
    (name) => peerDependenciesMeta?.[name]?.optional === true && dependencies?.[name] === undefined,
  );
}

/** The directory of a package as Node looks for it, if it is there. */
function find(name: string, from: string): string | undefined {
  if (name === "osmod") return trimmed(OWN);
  for (let at = from; ; at = dirname(at)) {
    try {
      const candidate = realpathSync(join(at, "node_modules", name));
      if (lstatSync(join(candidate, "package.json")).isFile()) return candidate;
    } catch {
      // Further up, then.
    }
    if (at === dirname(at)) return undefined;
  }
}

function manifestOf(directory: string): Manifest {
  return JSON.parse(readFileSync(join(directory, "package.json"), "utf8")) as Manifest;
}

function trimmed(directory: string): string {
  return directory.replace(/\/$/, "");
}
