/**
 * What differs between two evaluations: the options whose values differ, and the definitions that made them differ.
 *
 * Options inside submodules are compared one by one, `users.users.alice.shell`, and names that only one side has are a
 * difference of their own, `users.users.bob`. Values are compared by what they are; functions by their source text, since
 * every evaluation makes its own. A value that cannot be read is compared by why. Values are compared to their end, if they
 * have one: those that do not end, or go on for hundreds of thousands of members, are told, since nobody knows.
 */

import { expecting } from "./core/calls.ts";
import { carefully, isPlainObject, messageOf, Patience } from "./core/careful.ts";
import { evaluated } from "./core/evaluate.ts";
import type { GroupNode } from "./core/group.ts";
import { names, showPath } from "./core/loc.ts";
import type { OptionNode } from "./core/node.ts";
import { print } from "./core/print.ts";
import { GroupSchema, OptionSchema } from "./core/schema.ts";
import { explore, type Scope } from "./core/scope.ts";
import { type ExplainedDefinition, explainNode } from "./explain.ts";
import type { Evaluation } from "./typed/modules.ts";

/** An option, or a name inside its value, that is not the same on both sides. */
export interface Difference {
  readonly option: string;
  /** The value, printed; absent where there is none. */
  readonly before?: string;
  readonly after?: string;
  /** Set when no difference was found, but the values go on beyond what was compared. */
  readonly isUnfinished?: true;
  /** The winning definitions that only one side has. Where neither has any, the same definitions read other values. */
  readonly removed: readonly ExplainedDefinition[];
  readonly added: readonly ExplainedDefinition[];
}

/**
 * The options whose values differ: `diff(evaluation, evaluation.extendModules({ modules: [change] }))`.
 *
 * @example
 * import { declareOptions, defineModule, diff, evalModules, mkOption, t } from "osmod/lib";
 *
 * const options = declareOptions({ port: mkOption({ type: t.port, default: 80 }) });
 * const before = evalModules({ modules: [defineModule<typeof options>({ options })] });
 * const after = before.extendModules({ modules: [defineModule<typeof options>({ config: { port: 81 } })] });
 *
 * diff(before, after).map(({ option }) => option); // ["port"]
 */
export function diff(before: Evaluation<unknown>, after: Evaluation<unknown>): Difference[] {
  const differences: Difference[] = [];
  const [a, b] = [evaluated(before, "diff"), evaluated(after, "diff")];
  // Everything is merged once more, so that the configurations inside values are noticed.
  explore((scopeOf) => new Comparison(scopeOf, differences).groups(a.scope.root, b.scope.root));
  return differences;
}

/** A value, or why there is none. */
type Reading = { readonly value: unknown } | { readonly error: string };

const nothing: Reading = { error: "" };

class Comparison {
  readonly #scopeOf: (config: object) => Scope | undefined;
  readonly #found: Difference[];

  constructor(scopeOf: (config: object) => Scope | undefined, found: Difference[]) {
    this.#scopeOf = scopeOf;
    this.#found = found;
  }

  /** Compare two groups; a name that one of them does not declare has no value there. */
  groups(a: GroupNode | undefined, b: GroupNode | undefined): void {
    const declared = new Set([...(a?.schema.children.keys() ?? []), ...(b?.schema.children.keys() ?? [])]);
    for (const name of [...declared].sort()) {
      const [own, other] = [childOf(a, name), childOf(b, name)];
      if (own === undefined && other === undefined) continue;
      if (isNode(own) || isNode(other)) this.#options(isNode(own) ? own : undefined, isNode(other) ? other : undefined);
      else this.groups(own, other);
    }
  }

  #options(a: OptionNode | undefined, b: OptionNode | undefined): void {
    const node = (a ?? b) as OptionNode;
    // Another name of an option differs if that does.
    if (node.schema.aliasOf !== undefined) return;
    this.#values(names(node.loc), readNode(a), readNode(b), a, b);
  }

  #values(
    path: readonly string[],
    before: Reading,
    after: Reading,
    a: OptionNode | undefined,
    b: OptionNode | undefined,
  ): void {
    let isUnfinished = false;
    if ("value" in before && "value" in after) {
      const [x, y] = [before.value, after.value];
      if (isObject(x) && isObject(y)) {
        const [inner, other] = [this.#scopeOf(x), this.#scopeOf(y)];
        if (inner !== undefined && other !== undefined) {
          this.groups(inner.root, other.root);
          return;
        }
        // Only sets whose values are configurations are taken apart; others are values themselves.
        if ((a ?? b)?.schema.type.subModules !== undefined && !Array.isArray(x) && !Array.isArray(y)) {
          for (const name of [...new Set([...Object.keys(x), ...Object.keys(y)])].sort())
            this.#values([...path, name], readMember(x, name), readMember(y, name), a, b);
          return;
        }
      }
      const same = isSame(x, y);
      if (same === true) return;
      isUnfinished = same === undefined;
    } else if ("error" in before && "error" in after && before.error === after.error) return;
    const [was, is] = [winners(a), winners(b)];
    this.#found.push({
      option: showPath(path),
      ...shown("before", before),
      ...shown("after", after),
      ...(isUnfinished ? { isUnfinished } : {}),
      removed: without(was, is),
      added: without(is, was),
    });
  }
}

function isNode(value: OptionNode | GroupNode | undefined): value is OptionNode {
  return value !== undefined && "survivors" in value;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function childOf(group: GroupNode | undefined, name: string): OptionNode | GroupNode | undefined {
  const schema = group?.schema.children.get(name);
  if (schema instanceof OptionSchema) return group?.option(name);
  return schema instanceof GroupSchema ? group?.group(name) : undefined;
}

function readNode(node: OptionNode | undefined): Reading {
  return node === undefined
    ? nothing
    : read(() => (node.schema.type.subModules === undefined ? node.force() : node.again()));
}

function readMember(object: object, name: string): Reading {
  return Object.hasOwn(object, name) ? read(() => (object as Record<string, unknown>)[name]) : nothing;
}

function read(f: () => unknown): Reading {
  try {
    return { value: f() };
  } catch (error) {
    return { error: messageOf(error, print) };
  }
}

function shown(key: "before" | "after", reading: Reading): { readonly before?: string; readonly after?: string } {
  if (reading === nothing) return {};
  return { [key]: "value" in reading ? print(reading.value) : `(fails: ${reading.error})` };
}

function winners(node: OptionNode | undefined): readonly ExplainedDefinition[] {
  return node === undefined ? [] : explainNode(node).definitions.filter(({ won }) => won);
}

function without(
  definitions: readonly ExplainedDefinition[],
  others: readonly ExplainedDefinition[],
): readonly ExplainedDefinition[] {
  const key = ({ file, line, column, value, priority }: ExplainedDefinition): string =>
    JSON.stringify([file, line, column, value, priority]);
  const known = new Set(others.map(key));
  return definitions.filter((definition) => !known.has(key(definition)));
}

/** Two values, one of each side. */
type Pair = readonly [unknown, unknown];

/** Whether two values are the same; `undefined` if that cannot be found out. What cannot be looked at is the same as nothing. */
function isSame(x: unknown, y: unknown): boolean | undefined {
  return carefully(() => isSameInside(x, y), false);
}

/** Each member is read, the nearest first; what was compared with each other already is not compared again. */
function isSameInside(x: unknown, y: unknown): boolean | undefined {
  const [seen, patience] = [new Map<unknown, unknown>(), new Patience()];
  let isComplete = true;
  for (let level: Pair[] = [[x, y]]; level.length > 0; ) {
    const next: Pair[] = [];
    for (const [own, other] of level) {
      const same = isSameOutside(own, other);
      if (same === false) return false;
      if (same === true || seen.get(own) === other) continue;
      seen.set(own, other);
      const pairs = membersOf(own as object, other as object, patience);
      if (pairs === false) return false;
      if (pairs === undefined) isComplete = false;
      else for (const pair of pairs) next.push(pair);
    }
    level = next;
  }
  return isComplete ? true : undefined;
}

/** Whether two values are the same as far as can be told from outside; `undefined` when their members decide. */
function isSameOutside(x: unknown, y: unknown): boolean | undefined {
  if (Object.is(x, y)) return true;
  if (typeof x === "function" && typeof y === "function") return String(x) === String(y);
  if (!isObject(x) || !isObject(y) || Object.getPrototypeOf(x) !== Object.getPrototypeOf(y)) return false;
  const saysWhatItIs = !Array.isArray(x) && !isPlainObject(x) && x.toString !== Object.prototype.toString;
  return saysWhatItIs ? String(x) === String(y) : undefined;
}

/** The members that two objects have both; false where only one has a name or a value, `undefined` if they are not read. */
function membersOf(x: object, y: object, patience: Patience): readonly Pair[] | false | undefined {
  const keys = Object.keys(x);
  if (keys.length !== Object.keys(y).length || !keys.every((name) => Object.hasOwn(y, name))) return false;
  if (!patience.lastsFor(x, keys)) return undefined;
  const pairs: Pair[] = [];
  for (const name of keys) {
    const [own, other] = [readMember(x, name), readMember(y, name)];
    if ("value" in own && "value" in other) pairs.push([own.value, other.value]);
    else if (!("error" in own && "error" in other && own.error === other.error)) return false;
  }
  return pairs;
}

/**
 * Print differences:
 *
 *     networking.hostName: "a" → "b"
 *       - machine.ts:4  "a"
 *       + other.ts:9  "b"
 *
 * @example
 * import { declareOptions, defineModule, diff, evalModules, mkOption, renderDiff, t } from "osmod/lib";
 *
 * const options = declareOptions({ port: mkOption({ type: t.port, default: 80 }) });
 * const before = evalModules({ modules: [defineModule<typeof options>({ options })] });
 * const after = before.extendModules({ modules: [defineModule<typeof options>({ config: { port: 81 } })] });
 *
 * renderDiff(diff(before, after)).split("\n")[0]; // "port: 80 → 81"
 */
export function renderDiff(differences: readonly Difference[]): string {
  expecting(Array.isArray(differences), "renderDiff", "what diff returns", differences);
  return differences
    .flatMap(({ option, before, after, isUnfinished, removed, added }) => [
      `${option}: ${before ?? "(nothing)"} → ${after ?? "(nothing)"}${isUnfinished ? " (perhaps the same: it has no end that could be seen)" : ""}`,
      ...removed.map((definition) => `  - ${renderPlace(definition)}`),
      ...added.map((definition) => `  + ${renderPlace(definition)}`),
    ])
    .join("\n");
}

function renderPlace({ file, line, value }: ExplainedDefinition): string {
  return `${line === undefined ? file : `${file}:${line}`}  ${value}`;
}
