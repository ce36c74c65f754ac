/**
 * Conformance of documentation: the list of options that a case's modules declare. Values are compared as the Nix source
 * text that the corpus has for them.
 */
import { resolve } from "node:path";
import { documentOptions, type OptionDoc } from "../lib/index.ts";
import { difference } from "./compare.ts";
import { evaluateCase, casesOf as moduleCases } from "./modules.ts";
import type { Json, NeutralModule } from "./neutral.ts";
import { nixIdentifier, nixText } from "./nix-text.ts";
import { type Result, readJson, runCases } from "./run.ts";

/** One case: expected documentation, and the modules it is of. */
export interface DocsCase {
  readonly id: string;
  readonly docs: readonly Json[];
  readonly modules?: readonly NeutralModule[];
}

/** Check every case of a file. */
export function run(file: string): Result {
  return runCases(casesOf(readJson(file), file), check);
}

/** The cases of a file; their modules are in the file itself, or in `modules.json` beside it. */
export function casesOf(data: unknown, file: string): readonly DocsCase[] {
  const list = data as { readonly cases?: readonly DocsCase[] };
  const cases = list.cases ?? (Object.values(data as object) as DocsCase[]);
  if (cases.every((item) => item.modules !== undefined)) return cases;
  const beside = readJson(resolve(file, "..", "modules.json"));
  const modules = new Map(moduleCases(beside).map((item) => [item.id, item.modules]));
  return cases.map((item) => ({ ...item, modules: item.modules ?? modules.get(item.id) ?? [] }));
}

/** The first difference between the documentation of a case and what it should be. */
export function check({ docs, modules = [] }: DocsCase): string | undefined {
  const evaluation = evaluateCase(modules);
  const got = documentOptions(evaluation as never).map(toJson);
  const names = (list: readonly Json[]): Json => list.map((doc) => (doc as { name: string }).name);
  return difference(names(got), names(docs), "names") ?? difference(got, docs.map(withoutForeign), "docs");
}

/** Absolute paths among the declarations are files that the expectations were made with, not files of the case. */
function withoutForeign(doc: Json): Json {
  const { declarations = [], ...rest } = doc as { readonly [name: string]: Json };
  return { ...rest, declarations: (declarations as string[]).filter((file) => !file.startsWith("/")) };
}

function toJson(doc: OptionDoc): Json {
  const { loc, description, declarations, type, internal, visible, readOnly } = doc;
  const value = doc.default;
  return {
    loc: [...loc],
    name: loc.map(nixIdentifier).join("."),
    description,
    declarations: [...declarations],
    type,
    internal,
    visible,
    readOnly,
    ...(value === undefined
      ? {}
      : { default: { _type: "literalExpression", text: "text" in value ? value.text : nixText(value.value) } }),
  };
}
