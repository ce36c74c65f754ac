/**
 * The list of all options, for manuals, search and editors.
 *
 * Depth-first, names sorted, each option before those of its submodules. Nothing is evaluated: an option that cannot be
 * read can still be documented. Options of submodules appear below placeholders, `users.users.<name>.uid`.
 */

import { inCall } from "./core/calls.ts";
import { carefully, containsItself } from "./core/careful.ts";
import { DocText } from "./core/doc-text.ts";
import { evaluated } from "./core/evaluate.ts";
import { names, showPath } from "./core/loc.ts";
import { print } from "./core/print.ts";
import { GroupSchema, OptionSchema } from "./core/schema.ts";
import type { DocumentedOption } from "./core/type.ts";
import type { Evaluation } from "./typed/modules.ts";
import { documentedOption } from "./types/submodule.ts";

/** A value as documentation has it: data to be printed, or words in its place. */
export type DocumentedValue =
  | { readonly value: unknown }
  | { readonly text: string; readonly format: "expression" | "markdown" };

/** One option. */
export interface OptionDoc {
  readonly loc: readonly string[];
  readonly name: string;
  readonly description: string | null;
  /** The files that declare it. */
  readonly declarations: readonly string[];
  /** The description of its type. */
  readonly type: string;
  readonly internal: boolean;
  readonly visible: boolean;
  readonly readOnly: boolean;
  readonly default?: DocumentedValue;
  readonly example?: DocumentedValue;
  /** Names of packages that have to do with it. */
  readonly relatedPackages?: readonly string[] | string;
}

/**
 * List all options of an evaluation.
 *
 * @example
 * import { declareOptions, defineModule, documentOptions, evalModules, mkOption, t } from "osmod/lib";
 *
 * const options = declareOptions({ port: mkOption({ type: t.port, default: 80 }) });
 * const evaluation = evalModules({ modules: [defineModule<typeof options>({ options })] });
 *
 * documentOptions(evaluation).map(({ name }) => name); // ["port"]
 */
export function documentOptions(evaluation: Evaluation<unknown>): OptionDoc[] {
  return inCall("documentOptions", () => {
    const { root } = evaluated(evaluation, "documentOptions").scope;
    return listGroup(root.schema, names(root.loc));
  });
}

function listGroup(schema: GroupSchema, prefix: readonly string[]): OptionDoc[] {
  const found: DocumentedOption[] = [];
  const visit = (group: GroupSchema, path: readonly string[]): void => {
    for (const [name, child] of group.children) {
      if (child instanceof GroupSchema) visit(child, [...path, name]);
      else if (child instanceof OptionSchema) found.push({ path: [...path, name], option: documentedOption(child) });
    }
  };
  visit(schema, prefix);
  return sorted(found).flatMap(describe);
}

/** By name, level by level. */
function sorted(options: readonly DocumentedOption[]): readonly DocumentedOption[] {
  return options.toSorted((a, b) => comparePaths(a.path, b.path));
}

function comparePaths(a: readonly string[], b: readonly string[]): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const [x, y] = [a[i] as string, b[i] as string];
    if (x !== y) return x < y ? -1 : 1;
  }
  return a.length - b.length;
}

function describe({ path, option }: DocumentedOption): OptionDoc[] {
  const visible = option.visible ?? true;
  const { type, defaultText, hasDefault } = option;
  const plain = hasDefault ? settle(option.default) : type.subModules === undefined ? type.emptyText : undefined;
  const doc: OptionDoc = {
    loc: path,
    name: showPath(path),
    description: option.description ?? null,
    declarations: option.files.filter((file) => file !== "<unknown-file>"),
    type: type.description,
    internal: option.internal ?? false,
    visible: typeof visible === "boolean" ? visible : visible === "shallow",
    readOnly: option.readOnly ?? false,
    ...(defaultText !== undefined
      ? { default: documented(typeof defaultText === "string" ? new DocText("expression", defaultText) : defaultText) }
      : plain !== undefined
        ? { default: documented(plain) }
        : {}),
    ...(option.example === undefined ? {} : { example: documented(option.example) }),
    ...(option.relatedPackages === undefined ? {} : { relatedPackages: option.relatedPackages }),
  };
  const below = typeof visible === "boolean" ? visible : visible === "transparent";
  return below ? [doc, ...sorted(type.subOptions(path)).flatMap(describe)] : [doc];
}

/** A default that is a thunk is run: static defaults depend on nothing. One that fails is left as it is. */
function settle(value: unknown): unknown {
  if (typeof value !== "function" || value.length > 0) return value;
  try {
    return (value as () => unknown)();
  } catch {
    return value;
  }
}

function documented(value: unknown): DocumentedValue {
  const asText = (): DocumentedValue => ({ text: print(value), format: "expression" });
  // Documentation is written as JSON, which has no words for these.
  if (typeof value === "bigint" || typeof value === "symbol" || containsItself(value)) return asText();
  const isText = carefully(() => value instanceof DocText, undefined);
  if (isText === undefined) return asText();
  return isText ? { text: (value as DocText).text, format: (value as DocText).format } : { value };
}
