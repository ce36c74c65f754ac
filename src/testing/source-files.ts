/**
 * Which files a test is made of: what it imports, what that imports, and so on.
 *
 * Read from the text, so nothing is run and a file counts whether or not a condition lets it be loaded:
 *
 *     import web from "./web.ts"          a file of the project
 *     await import("../shared/lan.ts")    the same
 *     new URL("page.html", import.meta.url)   a file that is read; a directory with all that is in it
 *     import { z } from "zod"             a package
 *
 * A text that only looks like one of these brings a file too many, which does no harm. What a program computes the name of, or a
 * configuration maps (`#name`), is not found; such files are named to {@link filesOf} as well.
 */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { isBuiltin } from "node:module";
import { basename, dirname, isAbsolute, join, resolve } from "node:path";

/** The files, and the packages that they import, by name, with a directory from which each was imported. */
export interface SourceFiles {
  readonly files: readonly string[];
  readonly packages: ReadonlyMap<string, string>;
}

const IMPORT = /\b(?:from|import)\s*\(?\s*(["'`])([^"'`\n$]+)\1/g;
const FILE = /\bnew\s+URL\s*\(\s*(["'`])([^"'`\n$]+)\1\s*,\s*import\.meta\.url/g;
const SOURCE = /\.[cm]?[jt]sx?$/;
const EXTENSIONS = [".ts", ".mts", ".cts", ".tsx", ".js", ".mjs", ".cjs", ".jsx", ".json"];

/** All files that are reached from some files or directories, which are absolute paths; sorted. */
export function filesOf(entries: readonly string[]): SourceFiles {
  const files = new Set<string>();
  const packages = new Map<string, string>();
  const waiting = [...entries];
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    if (files.has(file)) continue;
    if (statSync(file).isDirectory()) {
      waiting.push(...contentOf(file));
      continue;
    }
    files.add(file);
    if (!SOURCE.test(file)) continue;
    const snapshot = join(dirname(file), "__snapshots__", `${basename(file)}.snap`);
    if (existsSync(snapshot)) files.add(snapshot);
    const text = readFileSync(file, "utf8");
    for (const [, , name = ""] of text.matchAll(FILE)) {
      const named = resolve(dirname(file), name);
      if (!/^[a-z]+:/.test(name) && existsSync(named)) waiting.push(named);
    }
    for (const [, , specifier = ""] of text.matchAll(IMPORT)) {
      if (specifier.startsWith(".")) {
        const found = fileOf(resolve(dirname(file), specifier.replace(/\?.*$/, "")));
        if (found !== undefined) waiting.push(found);
      } else {
        const name = packageName(specifier);
        if (name !== undefined && !packages.has(name)) packages.set(name, dirname(file));
      }
    }
  }
  return { files: [...files].sort(), packages };
}

/** The file that an import means: as it is written, with an extension, TypeScript in place of JavaScript, or a directory's index. */
function fileOf(path: string): string | undefined {
  const typed = path.replace(/\.([cm]?)js(x?)$/, ".$1ts$2");
  const candidates = [path, typed, ...EXTENSIONS.flatMap((end) => [`${path}${end}`, join(path, `index${end}`)])];
  return candidates.find((candidate) => statSync(candidate, { throwIfNoEntry: false })?.isFile() === true);
}

/** `@scope/name/part` → `@scope/name`; nothing for what is part of Node, of the package itself, or no package's name. */
function packageName(specifier: string): string | undefined {
  if (isAbsolute(specifier) || isBuiltin(specifier)) return undefined;
  return /^(?:@[\w.-]+\/)?[\w][\w.-]*(?=\/|$)/.exec(specifier)?.[0];
}

/** What is in a directory, but for what others put there. */
function contentOf(directory: string): readonly string[] {
  return readdirSync(directory)
    .filter((name) => name !== "node_modules" && name !== ".git")
    .map((name) => join(directory, name));
}
