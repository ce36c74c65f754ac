/**
 * Evaluates machines without packages or a store: builders only remember what they were given, so that tests can read
 * the texts that a machine would have been built from.
 */
import { createHash } from "node:crypto";
import { type AnyModule, defineModule, evalModules, type Group } from "../../../src/lib/index.ts";
import { type Std, standardModules } from "../../../src/modules/index.ts";
import type { PackageSet } from "../../../src/packages/index.ts";
import { type Problem, ProblemError } from "../../../src/problems/index.ts";

type Written = { readonly text: string } | { readonly symlink: string } | { readonly source: unknown };

/** A package set whose packages are names only; `files` is what builders wrote, by store path. */
export function stubPackages(): { readonly pkgs: PackageSet; readonly files: Map<string, Written> } {
  const files = new Map<string, Written>();
  const object = (name: string, content: unknown, extra: object = {}) => {
    const hash = createHash("sha256")
      .update(`${name}\n${JSON.stringify(content)}`)
      .digest("hex")
      .slice(0, 32);
    const path = `/nix/store/${hash}-${name}`;
    return {
      type: "derivation",
      name,
      path,
      drvPath: `${path}.drv`,
      outPath: path,
      outputs: { out: path },
      toString: () => path,
      ...extra,
    };
  };
  const write = (name: string, text: string) => {
    const made = object(name, text);
    files.set(made.path, { text });
    return made;
  };
  const builders: Record<string, unknown> = {
    hostPlatform: { system: "x86_64-linux", debianArch: "amd64" },
    staticBusybox: object("busybox", ""),
    writeText: write,
    writeScript: write,
    writeTree: (name: string, tree: Record<string, Written>) => {
      const made = object(name, tree);
      for (const [path, file] of Object.entries(tree)) files.set(`${made.path}/${path}`, file);
      return made;
    },
    runCommand: (name: string, options: unknown, script: string) =>
      object(name, [Object.keys(options as object), script]),
    linkFarm: (name: string, entries: unknown) => object(name, entries),
    mergedTree: (name: string, roots: readonly unknown[]) => object(name, roots.map(String)),
    resolveClosure: () => [{ name: "linux-image-6.12.1+deb13-cloud-amd64", version: "6.12.1-1", reason: "asked for" }],
  };
  const pkgs = new Proxy(builders, {
    get: (known, name) => {
      if (typeof name !== "string") return undefined;
      known[name] ??= object(name, "package", {
        type: "package",
        version: "1",
        unpacked: object(`${name}-unpacked`, ""),
      });
      return known[name];
    },
  });
  return { pkgs: pkgs as unknown as PackageSet, files };
}

/** What a test defines of a machine. */
export type Definitions = Group<Std>;

/** A machine of the standard modules and the given definitions. */
export function machine(...definitions: readonly (Definitions | AnyModule)[]) {
  const { pkgs, files } = stubPackages();
  const modules = definitions.map((one) =>
    "spec" in one ? (one as AnyModule) : defineModule<Std>({ config: one as Definitions }),
  );
  const { config, options } = evalModules({ modules: [standardModules, ...modules], specialArgs: { pkgs } });
  const etc = (path: string): string => {
    const entry = Object.values(config.environment.etc).find((one) => one.target === path && one.enable);
    if (entry === undefined) throw new Error(`there is no /etc/${path}`);
    return entry.text ?? `${entry.source}`;
  };
  /** The files of /etc/systemd/system: a text, or `→ target` for a link. */
  const unitFiles = (): { readonly [path: string]: string } => {
    const tree = etc("systemd/system");
    return Object.fromEntries(
      [...files]
        .filter(([path]) => path.startsWith(`${tree}/`))
        .map(([path, file]) => [
          path.slice(tree.length + 1),
          "text" in file ? file.text : "symlink" in file ? `→ ${file.symlink}` : "",
        ]),
    );
  };
  return {
    config,
    options,
    etc,
    hasEtc: (path: string) => Object.values(config.environment.etc).some((one) => one.target === path && one.enable),
    unitFiles,
    /** What a store path was written with. */
    written: (path: string): string => {
      const file = files.get(path);
      if (file === undefined || !("text" in file)) throw new Error(`nothing was written to ${path}`);
      return file.text;
    },
    failedAssertions: () => config.assertions.filter((one) => !one.assertion).map((one) => one.message),
  };
}

/** The problem that a call fails with, also when the module system has put it into an error of its own. */
export function problemOf(call: () => unknown): Problem {
  try {
    call();
  } catch (error) {
    for (let at: unknown = error; at instanceof Error; at = at.cause) {
      if (at instanceof ProblemError) return at.problems[0];
    }
    throw error;
  }
  throw new Error("the call did not fail");
}
