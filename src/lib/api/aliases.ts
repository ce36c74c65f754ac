/**
 * Definitions made of an option's own: its definitions, or its value, handed on to another option.
 *
 * All of them take the option itself, `options.a.b`, and are written where `options` is an argument. They stand at
 * options, not around groups: how many definitions there are is known only when the option that gets them is read.
 */
import { childDef, type Def, member, peel, resolve } from "../core/definition.ts";
import { Loc, showPath } from "../core/loc.ts";
import { mergeSurvivors } from "../core/merge.ts";
import { notAnOption, notAttrsOf } from "../core/module-problems.ts";
import { nodeOf, type OptionNode } from "../core/node.ts";
import { Origin } from "../core/origin.ts";
import { EachValue, LiteralValue, Property, priority } from "../core/property.ts";
import type { Type } from "../core/type.ts";
import { forwarded } from "../renames.ts";
import type { Later, Wrapped } from "../typed/descriptors.ts";
import type { OptionView } from "../typed/modules.ts";

/**
 * The definitions of an option, as a definition of another one; none if nothing defines it. Their priorities and orders
 * are dealt with: what has won is handed on as plain. NixOS: `lib.mkAliasDefinitions`.
 *
 * @example
 * import { declareOptions, define, defineModule, evalModules, mkAliasDefinitions, mkOption, t } from "osmod/lib";
 *
 * const options = declareOptions({ old: mkOption({ type: t.str }), new: mkOption({ type: t.str }) });
 * const mine = defineModule<typeof options>({
 *   options,
 *   config: ({ options }) => define({ old: "x", new: mkAliasDefinitions(options.old) }),
 * });
 *
 * evalModules({ modules: [mine] }).config.new; // "x"
 *
 * @see mkAliasAndWrapDefsWithPriority to keep their priority.
 */
export function mkAliasDefinitions<X>(option: OptionView<unknown>): Wrapped<X> {
  return aliased((definitions) => definitions as Later<X>, optionOf(option, mkAliasDefinitions));
}

/**
 * The same, with something around the definitions: the attribute set that they are a member of.
 * NixOS: `lib.mkAliasAndWrapDefinitions`.
 *
 * @example
 * import { declareOptions, defineModule, evalModules, mkAliasAndWrapDefinitions, mkMerge, mkOption, t } from "osmod/lib";
 *
 * const options = declareOptions({ a: mkOption({ type: t.int }), b: mkOption({ type: t.int, default: 1 }) });
 * const mine = defineModule<typeof options>({
 *   options,
 *   config: ({ options: all }) => mkMerge([{ a: 2 }, mkAliasAndWrapDefinitions((defs) => ({ b: defs }), all.a)]),
 * });
 *
 * evalModules({ modules: [mine] }).config.b; // 2
 */
export function mkAliasAndWrapDefinitions<X>(
  wrap: (definitions: Wrapped<never>) => Later<X>,
  option: OptionView<unknown>,
): Wrapped<X> {
  return aliased(wrap, optionOf(option, mkAliasAndWrapDefinitions));
}

/**
 * The same, but each definition keeps the priority that it has won with. NixOS: `lib.mkAliasAndWrapDefsWithPriority`.
 *
 * @example
 * import { declareOptions, define, defineModule, evalModules, mkAliasAndWrapDefsWithPriority, mkForce, mkOption, t } from "osmod/lib";
 *
 * const options = declareOptions({ old: mkOption({ type: t.str }), new: mkOption({ type: t.str }) });
 * const mine = defineModule<typeof options>({
 *   options,
 *   config: ({ options }) =>
 *     define({ old: mkForce("x"), new: mkAliasAndWrapDefsWithPriority((definitions) => definitions, options.old) }),
 * });
 * const other = defineModule<typeof options>({ config: { new: "y" } });
 *
 * evalModules({ modules: [mine, other] }).config.new; // "x"
 */
export function mkAliasAndWrapDefsWithPriority<X>(
  wrap: (definitions: Wrapped<never>) => Later<X>,
  option: OptionView<unknown>,
): Wrapped<X> {
  const node = optionOf(option, mkAliasAndWrapDefsWithPriority);
  const definitions = new Property("merge", () => [forwarded(node, (all) => all)]) as unknown as Wrapped<never>;
  return new Property("if", wrap(definitions), () => hasDefinitions(node)) as unknown as Wrapped<X>;
}

/**
 * A definition computed from the value of an option, with the priority that this value has: whoever sets the one option
 * with `mkDefault` sets the other with `mkDefault`. NixOS: `lib.mkDerivedConfig`.
 *
 * @example
 * import { declareOptions, define, defineModule, evalModules, mkDefault, mkDerivedConfig, mkOption, t } from "osmod/lib";
 *
 * const options = declareOptions({ text: mkOption({ type: t.str }), size: mkOption({ type: t.int }) });
 * const mine = defineModule<typeof options>({
 *   options,
 *   config: ({ options }) =>
 *     define({ text: mkDefault("hello"), size: mkDerivedConfig(options.text, (text) => text.length) }),
 * });
 *
 * evalModules({ modules: [mine] }).options.size.highestPrio; // 1000
 */
export function mkDerivedConfig<V, X>(option: OptionView<V>, f: (value: V) => Later<X>): Wrapped<X> {
  const node = optionOf(option, mkDerivedConfig);
  const origin = Origin.capture(mkDerivedConfig);
  const definition = (): Property[] => {
    const highest = node.highestPrio();
    const level = highest === priority.none ? priority.plain : highest;
    return [new Property("override", () => f(node.force() as V), level, origin)];
  };
  return new Property("merge", definition, undefined, origin) as unknown as Wrapped<X>;
}

/**
 * The names that define an option of type `attrsOf`, each with its merged value and the priority this value has. Problems:
 * `option-kind` for an option of another type, and those of its values. NixOS: `lib.modules.mergeAttrDefinitionsWithPrio`.
 *
 * @example
 * import { declareOptions, defineModule, evalModules, mergeAttrDefinitionsWithPrio, mkDefault, mkOption, t } from "osmod/lib";
 *
 * const options = declareOptions({ limits: mkOption({ type: t.attrsOf(t.int) }) });
 * const mine = defineModule<typeof options>({ options, config: { limits: { files: mkDefault(10), tasks: 5 } } });
 * const { options: view } = evalModules({ modules: [mine] });
 *
 * mergeAttrDefinitionsWithPrio(view.limits)["files"]; // { value: 10, highestPrio: 1000 }
 */
export function mergeAttrDefinitionsWithPrio<E>(option: OptionView<{ readonly [name: string]: E }>): {
  readonly [name: string]: { readonly value: E; readonly highestPrio: number };
} {
  const node = optionOf(option, mergeAttrDefinitionsWithPrio);
  const { functor } = node.schema.type;
  if (functor.name !== "attrsOf")
    throw notAttrsOf(node.loc, node.schema.type.description, Origin.capture(mergeAttrDefinitionsWithPrio));
  const { element } = functor.payload as { readonly element: Type };
  const byName = new Map<string, Def[]>();
  const forAll: Def[] = [];
  for (const def of node.survivors().defs) {
    if (def.value instanceof EachValue) {
      forAll.push(childDef(def, def.value.each));
      continue;
    }
    for (const name of Object.keys(def.value as object)) {
      const own = childDef(def, member(def.value as object, name));
      byName.set(name, [...(byName.get(name) ?? []), own]);
    }
  }
  const merged: { [name: string]: { readonly value: E; readonly highestPrio: number } } = {};
  for (const [name, defs] of byName) {
    const at = { loc: new Loc(node.loc, name), context: node.scope.context };
    const own = peel(defs);
    if (own.length === 0) continue;
    const survivors = resolve(at.loc, [...own, ...peel(forAll)], element);
    if (survivors.defs.length === 0) continue;
    const value = mergeSurvivors(at, element, survivors, { raw: defs }) as E;
    Object.defineProperty(merged, name, { value: { value, highestPrio: survivors.priority }, enumerable: true });
  }
  return merged;
}

/**
 * Name an option and the files that define it, for messages of one's own. NixOS: `lib.showOptionWithDefLocs`.
 *
 * @example
 * import { dataModule, declareOptions, defineModule, evalModules, mkOption, showOptionWithDefLocs, t } from "osmod/lib";
 *
 * const options = declareOptions({ web: { host: mkOption({ type: t.str }) } });
 * const base = defineModule<typeof options>({ options });
 * const { options: view } = evalModules({ modules: [base, dataModule("host.json", { web: { host: "a" } })] });
 *
 * showOptionWithDefLocs(view.web.host); // "web.host, with values defined in:\n  - host.json"
 */
export function showOptionWithDefLocs(option: OptionView<unknown>): string {
  optionOf(option, showOptionWithDefLocs);
  return [`${showPath(option.path)}, with values defined in:`, ...option.files.map((file) => `  - ${file}`)].join("\n");
}

function aliased<X>(wrap: (definitions: Wrapped<never>) => Later<X>, node: OptionNode): Wrapped<X> {
  const list = (): Property[] => {
    const { defs, changes } = node.survivors();
    return [...defs, ...changes].map(asProperty);
  };
  const definitions = new Property("merge", list) as unknown as Wrapped<never>;
  return new Property("if", wrap(definitions), () => hasDefinitions(node)) as unknown as Wrapped<X>;
}

/** What is left of a definition once it has won: its value, from the same place. */
function asProperty(def: Def): Property {
  // A function that is left is a value: the thunks have been run.
  const value = typeof def.value === "function" ? new LiteralValue(def.value) : def.value;
  return new Property("define", value, undefined, def.origin);
}

function hasDefinitions(node: OptionNode): boolean {
  return node.survivors().defs.length > 0;
}

function optionOf(option: OptionView<unknown>, above: (...args: never[]) => unknown): OptionNode {
  const node = typeof option === "object" && option !== null ? nodeOf(option) : undefined;
  if (node === undefined) throw notAnOption(option, Origin.capture(above));
  return node;
}
