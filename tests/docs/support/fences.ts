/**
 * The examples of the documents and of docstrings: where they stand, and what they say.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { projectRoot } from "../../consumer/support/project.ts";

/** One example. */
export interface Example {
  /** The document or source, relative to the project. */
  readonly file: string;
  /** The line before its first one, counted from 1: line `n` of the text is line `line + n` of the file. */
  readonly line: number;
  readonly text: string;
}

/** The documents that users read. */
export const documents: readonly string[] = [
  "README.md",
  ...readdirSync(join(projectRoot, "docs"))
    .filter((name) => name.endsWith(".md"))
    .sort()
    .map((name) => `docs/${name}`),
];

/** The fences of a document that are in a language. */
export function fencesOf(file: string, language: string): readonly Example[] {
  const lines = readFileSync(join(projectRoot, file), "utf8").split("\n");
  return lines.flatMap((line, index) => {
    if (line !== `\`\`\`${language}`) return [];
    const end = lines.indexOf("```", index + 1);
    return [{ file, line: index + 1, text: lines.slice(index + 1, end).join("\n") }];
  });
}

/** The `@example`s of every docstring; each reaches to the next tag or to the docstring's end. */
export function docstringExamples(): readonly Example[] {
  return sourceFiles().flatMap((file) => {
    const lines = readFileSync(join(projectRoot, file), "utf8").split("\n");
    return lines.flatMap((line, index) => {
      if (!/^\s*\* @example\b/.test(line)) return [];
      const end = lines.findIndex((other, at) => at > index && /^\s*\*(\/| @)/.test(other));
      const text = lines.slice(index + 1, end).map((inner) => inner.replace(/^\s*\* ?/, ""));
      return [{ file, line: index + 1, text: text.join("\n") }];
    });
  });
}

/** Every source, relative to the project. */
export function sourceFiles(): readonly string[] {
  return readdirSync(join(projectRoot, "src"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => `src/${name}`)
    .sort();
}
