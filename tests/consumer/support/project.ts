/**
 * A project of somebody who uses osmod: a folder outside of ours, with osmod and its dependencies in its `node_modules`.
 *
 * osmod is either what npm would publish, unpacked, or a link to this very project (quicker, for tests that are not
 * about the package). Both need `dist`: run `npm run build` first.
 */
import { execFileSync, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { readTar } from "../../../src/packages/tar.ts";
import { type Tree, writeTree } from "../../../src/store/index.ts";

export const projectRoot = fileURLToPath(new URL("../../..", import.meta.url));

/** Our package.json. */
export const manifest: {
  readonly version: string;
  readonly dependencies: { readonly [name: string]: string };
  readonly exports: { readonly [door: string]: string | { readonly types: string; readonly default: string } };
} = JSON.parse(readFileSync(join(projectRoot, "package.json"), "utf8"));

/** The doors as one imports them: `osmod`, `osmod/lib` and so on. */
export const doors = Object.entries(manifest.exports)
  .filter(([, target]) => typeof target === "object")
  .map(([door]) => door.replace(".", "osmod"));

/** What a finished program gave. */
export interface Finished {
  readonly status: number | null;
  readonly output: string;
}

/** A user's project; `remove` it when done. */
export class UserProject {
  readonly folder: string;

  constructor(osmod: "packed" | "linked", options: { readonly nodeTypes?: boolean; readonly vitest?: boolean } = {}) {
    if (!existsSync(join(projectRoot, "dist/index.d.ts"))) throw new Error("dist is missing: run `npm run build`");
    this.folder = realpathSync(mkdtempSync(join(tmpdir(), "osmod-user-")));
    this.write("package.json", JSON.stringify({ name: "user", private: true, type: "module" }));
    for (const name of Object.keys(manifest.dependencies)) this.#link(name);
    if (options.nodeTypes ?? true) {
      this.#link("@types/node");
      this.#link("undici-types");
    }
    if (options.vitest === true) this.#link("vitest");
    const installed = join(this.folder, "node_modules/osmod");
    if (osmod === "packed") writeTree(packedTree(), installed);
    else symlinkSync(projectRoot, installed);
  }

  /** Write a file; answers its absolute path. */
  write(path: string, text: string): string {
    const target = join(this.folder, path);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, text);
    return target;
  }

  /** Run the compiler on the project, with these options in its `tsconfig.json`. */
  compile(compilerOptions: object): Finished {
    this.write("tsconfig.json", JSON.stringify({ compilerOptions: { noEmit: true, ...compilerOptions } }));
    return this.run([join(projectRoot, "node_modules/typescript/bin/tsc"), "--pretty", "false", "-p", "."]);
  }

  /** Run Node in the project's folder. */
  run(args: readonly string[], env: Readonly<Record<string, string>> = {}): Finished {
    const { status, stdout, stderr } = spawnSync(process.execPath, [...args], {
      cwd: this.folder,
      encoding: "utf8",
      env: { PATH: process.env["PATH"], HOME: this.folder, ...env },
      timeout: 60_000,
    });
    return { status, output: `${stdout}${stderr}` };
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  #link(name: string): void {
    const target = join(this.folder, "node_modules", name);
    mkdirSync(dirname(target), { recursive: true });
    symlinkSync(join(projectRoot, "node_modules", name), target);
  }
}

let packed: Tree | undefined;

/** What `npm publish` would send, unpacked in memory; packed once a test file. */
export function packedTree(): Tree {
  packed ??= pack();
  return packed;
}

function pack(): Tree {
  const folder = mkdtempSync(join(tmpdir(), "osmod-packed-"));
  try {
    const args = ["pack", "--ignore-scripts", "--json", "--pack-destination", folder];
    const [made] = JSON.parse(execFileSync("npm", args, { cwd: projectRoot, encoding: "utf8", stdio: "pipe" }));
    const archive = readTar(gunzipSync(readFileSync(join(folder, made.filename))), made.filename);
    const content = archive.type === "directory" ? archive.entries.get("package") : undefined;
    if (content === undefined) throw new Error("npm packed no folder `package`");
    return content;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The paths of a tree's files, sorted. */
export function filesOf(tree: Tree, prefix = ""): readonly string[] {
  if (tree.type !== "directory") return [prefix];
  return [...tree.entries]
    .flatMap(([name, below]) => filesOf(below, prefix === "" ? name : `${prefix}/${name}`))
    .sort();
}
