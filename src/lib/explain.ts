/**
 * Why an option has the value it has: every definition with its place, priority, order and condition, and which won.
 *
 * The path may go on into values: `users.users.alice.uid` is the option `uid` inside one element of `users.users`.
 * Nothing is recorded while evaluating; the definitions are still there, and are walked again.
 */
import { problem } from "../problems/index.ts";
import { configError } from "./config-error.ts";
import { expecting, inCall } from "./core/calls.ts";
import { carefully, isList, messageOf } from "./core/careful.ts";
import { Condition, type Def, effectiveOrder } from "./core/definition.ts";
import { evaluated } from "./core/evaluate.ts";
import { showPath } from "./core/loc.ts";
import type { OptionNode } from "./core/node.ts";
import { print } from "./core/print.ts";
import { Change, LiteralValue, order, Property, priority, UnsetValue } from "./core/property.ts";
import { GroupSchema } from "./core/schema.ts";
import { explore, type Scope } from "./core/scope.ts";
import { nearest } from "./core/suggest.ts";
import type { Evaluation } from "./typed/modules.ts";

/** One definition, and what became of it. */
export interface ExplainedDefinition {
  readonly file: string;
  readonly line?: number;
  readonly column?: number;
  /** The value as it was written, printed; thunks are not run. */
  readonly value: string;
  readonly priority: number;
  readonly order: number;
  /** Whether the conditions around it hold; absent when there are none. */
  readonly condition?: "holds" | "does not hold" | "fails";
  /** Where those conditions stand. */
  readonly conditionAt?: string;
  /** What the definition does to the value, when it gives none itself. */
  readonly effect?: "unsets" | "removes" | "transforms";
  /** True for definitions that are part of the value, or change it. */
  readonly won: boolean;
  /** True for the option's own default. */
  readonly isDefault: boolean;
}

/** Why an option has its value. */
export interface Explanation {
  readonly option: string;
  readonly type: string;
  readonly description?: string;
  /** `file:line` of each declaration. */
  readonly declarations: readonly string[];
  /** The value, printed; absent when reading it fails. */
  readonly value?: string;
  /** Why reading the value fails. */
  readonly error?: string;
  readonly priority: number;
  readonly definitions: readonly ExplainedDefinition[];
}

/**
 * Say why an option has its value: every definition of it, the losers too. Problem: `option-unknown`.
 *
 * @example
 * import { declareOptions, defineModule, evalModules, explain, mkDefault, mkOption, t } from "osmod/lib";
 *
 * const options = declareOptions({ port: mkOption({ type: t.port }) });
 * const base = defineModule<typeof options>({ options, config: { port: mkDefault(80) } });
 * const mine = defineModule<typeof options>({ config: { port: 8080 } });
 * const { definitions } = explain(evalModules({ modules: [base, mine] }), "port");
 *
 * definitions.map(({ value, priority }) => [value, priority]); // [["8080", 100], ["80", 1000]]
 */
export function explain(evaluation: Evaluation<unknown>, option: string): Explanation {
  return inCall("explain", () => {
    const { scope } = evaluated(evaluation, "explain");
    expecting(typeof option === "string", "explain", "the path of an option", option);
    return explainNode(findNode(scope, parsePath(option)));
  });
}

/**
 * Split a path as a user writes it; quoted names may contain dots.
 *
 * @example
 * import { parsePath } from "osmod/lib";
 *
 * parsePath('sites."example.org".root'); // ["sites", "example.org", "root"]
 */
export function parsePath(text: string): string[] {
  expecting(typeof text === "string", "parsePath", "the path of an option", text);
  return [...text.matchAll(/"((?:[^"\\]|\\.)*)"|[^."]+/g)].map(([bare, quoted]) =>
    quoted === undefined ? bare : (JSON.parse(`"${quoted}"`) as string),
  );
}

/** Follow a path through options, and through values that are scopes themselves; `above` is where this scope is. */
function findNode(scope: Scope, path: readonly string[], above: readonly string[] = []): OptionNode {
  for (let length = path.length; length > 0; length--) {
    const node = scope.node(path.slice(0, length));
    if (node === undefined) continue;
    if (length === path.length) return node;
    // Merged once more: the configurations inside are then noticed, and evaluation itself keeps no record of them.
    return explore((scopeOf) => findInside(node.again(), path, length, scopeOf, above));
  }
  throw unknown(path, scope, above);
}

function findInside(
  value: unknown,
  path: readonly string[],
  from: number,
  scopeOf: (config: object) => Scope | undefined,
  above: readonly string[],
): OptionNode {
  const full = [...above, ...path];
  let at = value;
  for (let i = from; i < path.length; i++) {
    if (typeof at !== "object" || at === null) throw nameless(full, above.length + i - 1, []);
    const inner = scopeOf(at);
    if (inner !== undefined) return findNode(inner, path.slice(i), full.slice(0, above.length + i));
    const name = path[i] as string;
    if (!Object.hasOwn(at, name)) throw nameless(full, above.length + i, Object.keys(at));
    at = (at as { readonly [name: string]: unknown })[name];
  }
  throw nameless(full, full.length - 1, []);
}

/** No option is called that: which one could have been meant? */
function unknown(path: readonly string[], scope: Scope, above: readonly string[]): Error {
  const full = [...above, ...path];
  let group = scope.root.schema;
  for (const [i, name] of path.entries()) {
    const child = group.children.get(name);
    if (!(child instanceof GroupSchema)) return nameless(full, above.length + i, [...group.children.keys()]);
    group = child;
  }
  const inside = [...group.children.keys()].map((name) => showPath([...full, name]));
  return configError(
    problem({
      code: "option-unknown",
      option: showPath(full),
      message: `${showPath(full)} is a group of options, and only options can be explained`,
      fix: `explain one of ${inside.slice(0, 5).join(", ")}${inside.length > 5 ? ", …" : ""}.`,
    }),
  );
}

/** Nothing has the name at one place of a path; `names` are those that there are. */
function nameless(path: readonly string[], place: number, names: readonly string[]): Error {
  const [guess] = nearest(path[place] as string, names);
  return configError(
    problem({
      code: "option-unknown",
      option: showPath(path),
      message: `there is no option ${showPath(path)} to explain`,
      fix:
        guess === undefined || guess === path[place]
          ? "check the name."
          : `did you mean ${showPath([...path.slice(0, place), guess, ...path.slice(place + 1)])}?`,
    }),
  );
}

/** Say why an option of a scope has its value. @internal */
export function explainNode(node: OptionNode): Explanation {
  const { schema } = node;
  const description = schema.first("description");
  const value = attempt(() => print(node.force()));
  const strongest = attempt(() => node.highestPrio());
  const winning = "error" in strongest ? priority.none : strongest.value;
  return {
    option: node.describe(),
    type: schema.type.description,
    ...(description === undefined ? {} : { description }),
    declarations: schema.origins.map(String),
    ...value,
    priority: winning,
    definitions: carefully(() => node.raw, []).flatMap((def, i) =>
      traceDef(def, winning, schema.hasDefault && i === 0),
    ),
  };
}

function attempt<T>(f: () => T): { readonly value: T } | { readonly error: string } {
  try {
    return { value: f() };
  } catch (error) {
    return { error: messageOf(error, print) };
  }
}

interface Traced {
  readonly value: unknown;
  readonly origin: Def["origin"];
  readonly priority: number | undefined;
  readonly order: number | undefined;
  readonly conditions: readonly Condition[];
}

/** Follow the wrappers of a definition as evaluation does, but keep what evaluation drops. */
function traceDef(def: Def, winning: number, isDefault: boolean): ExplainedDefinition[] {
  const conditions: Condition[] = [];
  for (let at = def.conditions; at !== undefined; at = at.outer) conditions.unshift(at.condition);
  const whole = { value: def.value, origin: def.origin, priority: def.priority, order: def.order, conditions };
  // Where wrappers cannot be taken off (a merge that contains itself, a function that throws), they are shown.
  return carefully(() => unwrap(whole), [whole]).map((traced) => {
    const own = traced.priority ?? def.base;
    const condition = stateOf(traced.conditions);
    const { file, line, column } = traced.origin;
    const effect = effectOf(traced.value);
    const isChange = carefully(() => traced.value instanceof Change, false);
    return {
      file,
      ...(line === undefined ? {} : { line }),
      ...(column === undefined ? {} : { column }),
      value: print(carefully(() => literalOf(traced.value), traced.value)),
      priority: own,
      order: effectiveOrder(traced),
      ...(condition === undefined
        ? {}
        : { condition, conditionAt: traced.conditions.map((c) => String(c.origin ?? "")).join(", ") }),
      ...(effect === undefined ? {} : { effect }),
      won: (own === winning || (isChange && own < winning)) && (condition === undefined || condition === "holds"),
      isDefault,
    };
  });
}

function literalOf(value: unknown): unknown {
  return value instanceof LiteralValue ? value.literal : value;
}

function effectOf(value: unknown): ExplainedDefinition["effect"] {
  return carefully<ExplainedDefinition["effect"]>(
    () => (value instanceof UnsetValue ? "unsets" : value instanceof Change ? `${value.kind}s` : undefined),
    undefined,
  );
}

function unwrap(traced: Traced): Traced[] {
  const { value } = traced;
  if (!(value instanceof Property)) return [traced];
  const inner = { ...traced, value: value.content, origin: value.origin ?? traced.origin };
  switch (value.kind) {
    case "define":
    case "definition":
      return unwrap(inner);
    case "if":
      return traced.priority === undefined
        ? unwrap({ ...inner, conditions: [...traced.conditions, Condition.of(value)] })
        : [traced];
    case "merge": {
      const content: unknown = typeof value.content === "function" ? value.content() : value.content;
      return traced.priority === undefined && isList(content)
        ? content.flatMap((item) => unwrap({ ...inner, value: item as unknown }))
        : [traced];
    }
    case "override":
      return traced.priority === undefined && Number.isFinite(value.argument)
        ? unwrap({ ...inner, priority: value.argument as number })
        : [traced];
    case "order":
      return traced.order === undefined && Number.isFinite(value.argument)
        ? unwrap({ ...inner, order: value.argument as number })
        : [traced];
  }
}

function stateOf(conditions: readonly Condition[]): ExplainedDefinition["condition"] {
  if (conditions.length === 0) return undefined;
  const state = attempt(() => conditions.every((condition) => condition.holds()));
  return "error" in state ? "fails" : state.value ? "holds" : "does not hold";
}

/**
 * Print an explanation:
 *
 *     services.nginx.enable = true
 *       boolean. Whether to enable nginx.
 *       declared at src/modules/nginx.ts:12
 *       ✓ machine.ts:4  true   (priority 100)
 *       ✗ base.ts:9  mkDefault(false)   (priority 1000: 100 is stronger)
 *
 * @example
 * import { declareOptions, defineModule, evalModules, explain, mkOption, renderExplanation, t } from "osmod/lib";
 *
 * const options = declareOptions({ port: mkOption({ type: t.port, default: 80 }) });
 * const evaluation = evalModules({ modules: [defineModule<typeof options>({ options })] });
 *
 * renderExplanation(explain(evaluation, "port")).split("\n")[0]; // "port = 80"
 */
export function renderExplanation(explanation: Explanation): string {
  const { option, type, description, declarations, value, error, definitions } = explanation;
  const lines = [
    `${option} = ${value ?? `(fails: ${error ?? "unknown"})`}`,
    `  ${[type, description].filter(Boolean).join(". ")}`,
  ];
  for (const place of declarations) lines.push(`  declared at ${place}`);
  if (definitions.length === 0) lines.push("  nothing defines it");
  for (const definition of definitions) lines.push(...renderDefinition(definition, explanation.priority));
  return lines.join("\n");
}

function renderDefinition(definition: ExplainedDefinition, winning: number): string[] {
  const { file, line, value, priority: own, order: rank, condition, conditionAt, won, isDefault, effect } = definition;
  const facts = [
    isDefault ? "the option's default" : undefined,
    own === winning || won || condition === "does not hold" || winning === priority.none
      ? `priority ${own}`
      : `priority ${own}: ${winning} is stronger`,
    effect === undefined ? undefined : `${effect} what the others define`,
    rank === order.plain ? undefined : `order ${rank}`,
    condition === undefined ? undefined : `its condition ${condition}${conditionAt === "" ? "" : ` (${conditionAt})`}`,
  ];
  const head = `  ${won ? "✓" : "✗"} ${line === undefined ? file : `${file}:${line}`}`;
  const tail = `   (${facts.filter(Boolean).join(", ")})`;
  const [first = "", ...rest] = value.split("\n");
  return rest.length === 0
    ? [`${head}  ${first}${tail}`]
    : [head + tail, `      ${first}`, ...rest.map((text) => `      ${text}`)];
}
