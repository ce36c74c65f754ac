/**
 * Data files as modules: JSON or YAML that defines options.
 *
 * Nothing of a data file is known to the compiler, so everything is checked when it is evaluated, with the file and, for
 * text read here, the line of each value. Objects with one key that starts with a dollar sign stand for what plain data
 * cannot say:
 *
 *     { "$ref": "services.sshd.enable" }          the value of another option
 *     { "$if": "services.acme.enable", "then": … }  a definition under a condition
 *     { "$force": … } { "$default": … } { "$vm": … }  a priority
 *     { "$before": … } { "$after": … }             an order
 *     { "$merge": [ …, … ] }                       several definitions
 *     { "$literal": … }                            data that happens to look like one of these
 */

import { problem } from "../problems/index.ts";
import { configError } from "./config-error.ts";
import { expecting, fileOrigin } from "./core/calls.ts";
import { isList } from "./core/careful.ts";
import { setMember } from "./core/definition.ts";
import { ModuleRecord } from "./core/module.ts";
import { Origin } from "./core/origin.ts";
import { order, Property, priority } from "./core/property.ts";
import { nearest } from "./core/suggest.ts";
import type { Module } from "./typed/modules.ts";

/** A position in the text, for values whose position is known. */
type Locate = (path: readonly (string | number)[]) => Origin | undefined;

/**
 * Make a module of parsed data. Problems name the file; for lines, give the text to `readDataModule`.
 *
 * @example
 * import { dataModule, declareOptions, defineModule, evalModules, mkOption, t } from "osmod/lib";
 *
 * const options = declareOptions({ host: mkOption({ type: t.str }), greeting: mkOption({ type: t.str }) });
 * const base = defineModule<typeof options>({ options, config: { host: "web" } });
 * const data = dataModule("greeting.json", { greeting: { $ref: "host" } });
 *
 * evalModules({ modules: [base, data] }).config.greeting; // "web"
 */
export function dataModule(file: string, data: unknown): Module<unknown> {
  return makeModule(data, fileOrigin("dataModule", file), () => undefined);
}

/**
 * Make a module of the text of a JSON or YAML file; problems name file and line. Text that is neither: `data-syntax`.
 *
 * @example
 * import { readDataModule } from "osmod/lib";
 *
 * export const module = await readDataModule("machine.yaml", "networking: { hostName: web }");
 */
export async function readDataModule(file: string, text: string): Promise<Module<unknown>> {
  const origin = fileOrigin("readDataModule", file);
  expecting(typeof text === "string", "readDataModule", "the text of a file", text);
  // Loaded when needed: most configurations have no data files.
  const { LineCounter, parseDocument } = await import("yaml");
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const place = (offset: number): Origin => {
    const { line, col } = lines.linePos(offset);
    return new Origin(file, line, col);
  };
  const [error] = document.errors;
  if (error !== undefined) {
    throw configError(
      problem({
        code: "data-syntax",
        message: `${file} is neither JSON nor YAML: ${error.message}`,
        sites: [place(error.pos[0]).site()],
        fix: "correct the text at this place.",
      }),
    );
  }
  const locate: Locate = (path) => {
    const node = path.length === 0 ? document.contents : document.getIn(path, true);
    const range = (node as { range?: readonly number[] | null } | null | undefined)?.range;
    return range?.[0] === undefined ? undefined : place(range[0]);
  };
  return makeModule(document.toJS(), origin, locate);
}

function makeModule(data: unknown, origin: Origin, locate: Locate): Module<unknown> {
  const config = (args: { readonly config: object }): unknown =>
    convert(data, [], { config: () => args.config, locate, origin });
  return new ModuleRecord({ config }, origin, true) as unknown as Module<unknown>;
}

interface Reader {
  readonly config: () => object;
  readonly locate: Locate;
  readonly origin: Origin;
}

/** Data is nested less deep than this. */
const maxNesting = 1000;

function dataEndless(origin: Origin): Error {
  return configError(
    problem({
      code: "data-endless",
      message: `the data is nested more than ${maxNesting} deep, or contains itself`,
      sites: [origin.site()],
      fix: "give data that has an end.",
    }),
  );
}

function convert(data: unknown, path: readonly (string | number)[], reader: Reader): unknown {
  if (typeof data !== "object" || data === null) return located(data, path, reader);
  if (path.length > maxNesting) throw dataEndless(reader.origin);
  if (Array.isArray(data) && !isList(data)) throw dataEndless(reader.origin);
  if (Array.isArray(data))
    return located(
      data.map((item, i) => convert(item, [...path, i], reader)),
      path,
      reader,
    );
  const keys = Object.keys(data);
  const first = keys[0] ?? "";
  if (first.startsWith("$") && (keys.length === 1 || first === "$if"))
    return operation(first, data as Operands, path, reader);
  const set = {};
  for (const key of keys) setMember(set, key, convert((data as Operands)[key], [...path, key], reader));
  return located(set, path, reader);
}

interface Operands {
  readonly [key: string]: unknown;
}

const priorities: Operands = { $force: priority.force, $default: priority.default, $vm: priority.vm };
const orders: Operands = { $before: order.before, $after: order.after };
const words = ["$ref", "$if", "$force", "$default", "$vm", "$before", "$after", "$merge", "$literal"];

function operation(word: string, data: Operands, path: readonly (string | number)[], reader: Reader): unknown {
  const origin = reader.locate(path) ?? reader.origin;
  const operand = data[word];
  if (Array.isArray(operand) && !isList(operand)) throw dataEndless(origin);
  const inner = (key: string): unknown => convert(data[key], [...path, key], reader);
  if (Object.hasOwn(priorities, word)) return new Property("override", inner(word), priorities[word], origin);
  if (Object.hasOwn(orders, word)) return new Property("order", inner(word), orders[word], origin);
  switch (word) {
    case "$ref":
      return new Property("define", () => follow(operand, origin, reader), undefined, origin);
    case "$if":
      return new Property("if", inner("then"), () => follow(operand, origin, reader), origin);
    case "$merge":
      return new Property(
        "merge",
        Array.isArray(operand) ? operand.map((item, i) => convert(item, [...path, word, i], reader)) : [inner(word)],
        undefined,
        origin,
      );
    case "$literal":
      return new Property("define", operand, undefined, origin);
    default: {
      const [guess] = nearest(word, words);
      throw configError(
        problem({
          code: "data-operator",
          message: `${word} means nothing in a data file`,
          sites: [origin.site()],
          fix:
            guess === undefined
              ? `use one of ${words.join(", ")}, or wrap the data in { "$literal": … }.`
              : `did you mean ${guess}?`,
        }),
      );
    }
  }
}

/** Read the option that a reference names. */
function follow(reference: unknown, origin: Origin, reader: Reader): unknown {
  const names = Array.isArray(reference) ? reference.map(String) : String(reference).split(".");
  let value: unknown = reader.config();
  for (const [i, name] of names.entries()) {
    if (typeof value !== "object" || value === null || !(name in value)) {
      const siblings = typeof value === "object" && value !== null ? nearest(name, Object.keys(value)) : [];
      throw configError(
        problem({
          code: "reference-unknown",
          message: `there is nothing at ${names.slice(0, i + 1).join(".")}`,
          sites: [origin.site({ label: "referred to here" })],
          fix:
            siblings.length === 0
              ? "refer to an option that exists."
              : `did you mean ${[...names.slice(0, i), siblings[0]].join(".")}?`,
        }),
      );
    }
    value = (value as Operands)[name];
  }
  return value;
}

/** A value that knows its line. */
function located(value: unknown, path: readonly (string | number)[], reader: Reader): unknown {
  const origin = reader.locate(path);
  return origin === undefined ? value : new Property("define", value, undefined, origin);
}
