/**
 * The wrappers that users write: conditions, priorities, order.
 *
 * All of them infer the type of their value from where they stand, and from nothing else, so that a misspelt option or
 * an ill-typed value is an error at its own place however deep the wrappers nest. Each remembers the line it was called
 * at.
 */

import { expecting, expectingFunction, fileOrigin, inCall } from "../core/calls.ts";
import { isList } from "../core/careful.ts";
import { assertionFailed } from "../core/module-problems.ts";
import { Origin } from "../core/origin.ts";
import {
  Change,
  EachValue,
  LiteralValue,
  order,
  Property,
  type PropertyKind,
  priority,
  UnsetValue,
} from "../core/property.ts";
import type { Def, Each, Later, Lazy, Literal, Removable, Settled, Wrapped } from "../typed/descriptors.ts";

/** The one cast of this file: at compile time a property is a `Wrapped<X>`, which says nothing about its members. */
function wrap<X>(
  kind: PropertyKind,
  content: unknown,
  argument: unknown,
  above: (...args: never[]) => unknown,
): Wrapped<X> {
  return new Property(kind, content, argument, Origin.capture(above)) as unknown as Wrapped<X>;
}

/**
 * Mark a set of definitions. Config functions return one: a bare object returned from a function would not be checked
 * for unknown options by the compiler, an argument of a call is.
 *
 * @example
 * import { define, defineMachine } from "osmod";
 *
 * export default defineMachine({
 *   config: ({ config }) => define({ networking: { domain: () => `${config.networking.hostName}.example` } }),
 * });
 */
export function define<X>(value: Later<X>): Wrapped<X> {
  return wrap("define", value, undefined, define);
}

/**
 * Define something only if a condition holds. The condition is a thunk, so that it may read any option, even of the group
 * that it guards.
 *
 * @example
 * import { defineMachine, mkIf } from "osmod";
 *
 * export default defineMachine({
 *   config: ({ config }) =>
 *     mkIf(() => config.services.nginx.enable, { networking: { firewall: { allowedTCPPorts: [80] } } }),
 * });
 */
export function mkIf<X>(condition: () => boolean, value: Later<X>): Wrapped<X> {
  return wrap("if", value, condition, mkIf);
}

/**
 * Define something, and insist on a condition: where it does not hold, reading what is defined is a problem. Problem:
 * `assertion-failed`. NixOS: `lib.mkAssert`.
 *
 * @example
 * import { declareOptions, define, defineModule, evalModules, mkAssert, mkOption, t } from "osmod/lib";
 *
 * const options = declareOptions({ port: mkOption({ type: t.port }), url: mkOption({ type: t.str }) });
 * const mine = defineModule<typeof options>({
 *   options,
 *   config: ({ config }) =>
 *     define({ port: 80, url: mkAssert(() => config.port > 0, "port must be set", () => `http://localhost:${config.port}/`) }),
 * });
 *
 * evalModules({ modules: [mine] }).config.url; // "http://localhost:80/"
 *
 * @see assertionOptions for conditions that are checked together, before anything is built.
 */
export function mkAssert<X>(condition: () => boolean, message: string, value: Later<X>): Wrapped<X> {
  const origin = Origin.capture(mkAssert);
  const insist = (): boolean => {
    if (condition()) return true;
    throw assertionFailed(origin, message);
  };
  return new Property("if", value, insist, origin) as unknown as Wrapped<X>;
}

/**
 * Say that a definition comes from another file, which problems then name. Conditions stand outside of it, a priority and
 * an order inside: `mkIf(c, mkDefinition({ file, value: mkForce(1) }))`. NixOS: `lib.mkDefinition`.
 *
 * @example
 * import { declareOptions, defineModule, evalModules, mkDefinition, mkOption, t } from "osmod/lib";
 *
 * const options = declareOptions({ host: mkOption({ type: t.str }) });
 * const mine = defineModule<typeof options>({
 *   options,
 *   config: { host: mkDefinition({ file: "hosts.csv", value: "web" }) },
 * });
 *
 * evalModules({ modules: [mine] }).options.host.files; // ["hosts.csv"]
 */
export function mkDefinition<X>(definition: {
  readonly file: string;
  readonly line?: number;
  readonly value: Later<X>;
}): Wrapped<X> {
  return inCall("mkDefinition", () => {
    const isSet = typeof definition === "object" && definition !== null;
    expecting(isSet, "mkDefinition", "a definition and its place, { file, value }", definition);
    const { file, line, value } = definition;
    const origin = fileOrigin("file of mkDefinition", file, line);
    return new Property("definition", placed(value, origin), origin, origin) as unknown as Wrapped<X>;
  });
}

/** Wrappers inside say where they were called; the definition's own file is what counts. */
function placed(value: unknown, origin: Origin): unknown {
  if (!(value instanceof Property)) return value;
  return new Property(value.kind, placed(value.content, origin), value.argument, origin);
}

/**
 * Apply a function to the value below all wrappers: conditions, priorities and orders stay as they are, and of several
 * definitions each is changed. Thunks stay thunks. NixOS: `lib.mapDefinitionValue`.
 *
 * @example
 * import { declareOptions, defineModule, evalModules, mapDefinitionValue, mkForce, mkOption, t } from "osmod/lib";
 *
 * const options = declareOptions({ port: mkOption({ type: t.port }) });
 * const next = mapDefinitionValue((port: number) => port + 1, mkForce(80));
 * const mine = defineModule<typeof options>({ options, config: { port: next } });
 *
 * evalModules({ modules: [mine] }).config.port; // 81
 */
export function mapDefinitionValue<A, B>(f: (value: A) => B, definition: Def<Lazy<A>>): Wrapped<B> {
  expectingFunction("mapDefinitionValue", f);
  const map = (value: unknown): unknown => {
    if (value instanceof Property) {
      const { kind, content, argument, origin } = value;
      if (kind !== "merge") return new Property(kind, map(content), argument, origin);
      const list = typeof content === "function" ? (): unknown => content() : content;
      const mapped = isList(list) ? list.map(map) : () => ((list as () => unknown[])() ?? []).map(map);
      return new Property(kind, mapped, argument, origin);
    }
    if (value instanceof LiteralValue) return f(value.literal as A);
    return typeof value === "function" ? () => map((value as () => unknown)()) : f(value as A);
  };
  return new Property(
    "define",
    map(definition),
    undefined,
    Origin.capture(mapDefinitionValue),
  ) as unknown as Wrapped<B>;
}

/**
 * Say several things at once, as if several modules had said them.
 *
 * @example
 * import { defineMachine, mkIf, mkMerge } from "osmod";
 *
 * export default defineMachine({
 *   config: ({ config }) =>
 *     mkMerge([
 *       { networking: { hostName: "web" } },
 *       mkIf(() => config.services.openssh.enable, { users: { mutableUsers: false } }),
 *     ]),
 * });
 */
export function mkMerge<X>(values: readonly Later<X>[]): Wrapped<X> {
  return wrap("merge", values, undefined, mkMerge);
}

/**
 * Give a definition a priority; the lowest number wins. A plain definition has 100.
 *
 * @example
 * import { declareOptions, defineModule, evalModules, mkOption, mkOverride, t } from "osmod/lib";
 *
 * const options = declareOptions({ port: mkOption({ type: t.port, default: 80 }) });
 * const one = defineModule<typeof options>({ options, config: { port: mkOverride(90, 8080) } });
 * const other = defineModule<typeof options>({ config: { port: 81 } });
 *
 * evalModules({ modules: [one, other] }).config.port; // 8080
 */
export function mkOverride<X>(number: number, value: Later<X>): Wrapped<X> {
  return wrap("override", value, number, mkOverride);
}

/**
 * Win over plain definitions (priority 50).
 *
 * @example
 * import { declareOptions, defineModule, evalModules, mkForce, mkOption, t } from "osmod/lib";
 *
 * const options = declareOptions({ port: mkOption({ type: t.port, default: 80 }) });
 * const one = defineModule<typeof options>({ options, config: { port: mkForce(8080) } });
 * const other = defineModule<typeof options>({ config: { port: 81 } });
 *
 * evalModules({ modules: [one, other] }).config.port; // 8080
 */
export function mkForce<X>(value: Later<X>): Wrapped<X> {
  return wrap("override", value, priority.force, mkForce);
}

/**
 * Win over everything, for what a virtual machine changes (priority 10).
 *
 * @example
 * import { declareOptions, defineModule, evalModules, mkOption, mkVMOverride, t } from "osmod/lib";
 *
 * const options = declareOptions({ port: mkOption({ type: t.port, default: 80 }) });
 * const one = defineModule<typeof options>({ options, config: { port: mkVMOverride(8080) } });
 * const other = defineModule<typeof options>({ config: { port: 81 } });
 *
 * evalModules({ modules: [one, other] }).config.port; // 8080
 */
export function mkVMOverride<X>(value: Later<X>): Wrapped<X> {
  return wrap("override", value, priority.vm, mkVMOverride);
}

/**
 * Win over plain definitions, but not over `mkForce`: for what an installation medium changes (priority 60).
 *
 * @example
 * import { declareOptions, defineModule, evalModules, mkImageMediaOverride, mkOption, t } from "osmod/lib";
 *
 * const options = declareOptions({ port: mkOption({ type: t.port, default: 80 }) });
 * const one = defineModule<typeof options>({ options, config: { port: mkImageMediaOverride(8080) } });
 * const other = defineModule<typeof options>({ config: { port: 81 } });
 *
 * evalModules({ modules: [one, other] }).config.port; // 8080
 */
export function mkImageMediaOverride<X>(value: Later<X>): Wrapped<X> {
  return wrap("override", value, priority.imageMedia, mkImageMediaOverride);
}

/**
 * Give way to plain definitions (priority 1000).
 *
 * @example
 * import { declareOptions, defineModule, evalModules, mkDefault, mkOption, t } from "osmod/lib";
 *
 * const options = declareOptions({ port: mkOption({ type: t.port, default: 80 }) });
 * const one = defineModule<typeof options>({ options, config: { port: mkDefault(8080) } });
 * const other = defineModule<typeof options>({ config: { port: 81 } });
 *
 * evalModules({ modules: [one, other] }).config.port; // 81
 */
export function mkDefault<X>(value: Later<X>): Wrapped<X> {
  return wrap("override", value, priority.default, mkDefault);
}

/**
 * Give way to everything but be used like an option's own default (priority 1500).
 *
 * @example
 * import { declareOptions, defineModule, evalModules, mkOption, mkOptionDefault, t } from "osmod/lib";
 *
 * const options = declareOptions({ port: mkOption({ type: t.port, default: 80 }) });
 * const one = defineModule<typeof options>({ options, config: { port: mkOptionDefault(8080) } });
 * const other = defineModule<typeof options>({ config: { port: 81 } });
 *
 * evalModules({ modules: [one, other] }).config.port; // 81
 */
export function mkOptionDefault<X>(value: Later<X>): Wrapped<X> {
  return wrap("override", value, priority.optionDefault, mkOptionDefault);
}

/**
 * Place a definition among the others of a list or text; ascending, 1000 is where plain ones are.
 *
 * @example
 * import { declareOptions, defineModule, evalModules, mkOption, mkOrder, t } from "osmod/lib";
 *
 * const options = declareOptions({ names: mkOption({ type: t.listOf(t.str) }) });
 * const one = defineModule<typeof options>({ options, config: { names: mkOrder(400, ["a"]) } });
 * const other = defineModule<typeof options>({ config: { names: ["b"] } });
 *
 * evalModules({ modules: [one, other] }).config.names; // ["a", "b"]
 */
export function mkOrder<X>(number: number, value: Later<X>): Wrapped<X> {
  return wrap("order", value, number, mkOrder);
}

/**
 * Place a definition before the plain ones (order 500).
 *
 * @example
 * import { declareOptions, defineModule, evalModules, mkBefore, mkOption, t } from "osmod/lib";
 *
 * const options = declareOptions({ names: mkOption({ type: t.listOf(t.str) }) });
 * const one = defineModule<typeof options>({ options, config: { names: mkBefore(["a"]) } });
 * const other = defineModule<typeof options>({ config: { names: ["b"] } });
 *
 * evalModules({ modules: [one, other] }).config.names; // ["a", "b"]
 */
export function mkBefore<X>(value: Later<X>): Wrapped<X> {
  return wrap("order", value, order.before, mkBefore);
}

/**
 * Place a definition after the plain ones (order 1500).
 *
 * @example
 * import { declareOptions, defineModule, evalModules, mkAfter, mkOption, t } from "osmod/lib";
 *
 * const options = declareOptions({ names: mkOption({ type: t.listOf(t.str) }) });
 * const one = defineModule<typeof options>({ options, config: { names: mkAfter(["c"]) } });
 * const other = defineModule<typeof options>({ config: { names: ["b"] } });
 *
 * evalModules({ modules: [one, other] }).config.names; // ["b", "c"]
 */
export function mkAfter<X>(value: Later<X>): Wrapped<X> {
  return wrap("order", value, order.after, mkAfter);
}

/**
 * Define that there is no value: no weaker definition counts, the option's default included. The option then is as if
 * nothing defined it; a name of an attribute set or an element of a list is not there.
 *
 * @example
 * import { defineMachine, mkForce, mkUnset } from "osmod";
 *
 * export default defineMachine({ config: { fileSystems: { "/scratch": mkForce(mkUnset()) } } });
 *
 * @see mkIf for a definition that may say nothing and leaves the word to others.
 */
export function mkUnset<X>(): Wrapped<X> {
  return wrap("define", new UnsetValue(), undefined, mkUnset);
}

/**
 * Take elements out of a list, or names out of an attribute set, whoever defines them. Definitions of the same priority
 * and weaker ones are meant, the option's default among them.
 *
 * @example
 * import { define, defineMachine, mkRemove } from "osmod";
 *
 * export default defineMachine({
 *   config: ({ pkgs }) =>
 *     define({
 *       environment: { systemPackages: mkRemove(() => [pkgs.nano]) },
 *       users: { users: mkRemove(["guest"]) },
 *     }),
 * });
 */
export function mkRemove<X>(what: Removable<Later<X>>): Wrapped<X> {
  return wrap("define", new Change("remove", what), undefined, mkRemove);
}

/**
 * Change the value that all definitions of the same priority and weaker ones make. Changes run in their order
 * (`mkBefore`, plain, `mkAfter`), before the option's `apply`.
 *
 * @example
 * import { declareOptions, defineModule, evalModules, mkOption, mkTransform, t } from "osmod/lib";
 *
 * const options = declareOptions({ workers: mkOption({ type: t.int, default: 1 }) });
 * const mine = defineModule<typeof options>({ options, config: { workers: 4 } });
 * const more = defineModule<typeof options>({ config: { workers: mkTransform((n) => n * 2) } });
 *
 * evalModules({ modules: [mine, more] }).config.workers; // 8
 */
export function mkTransform<X>(change: (value: Settled<Later<X>>) => Settled<Later<X>>): Wrapped<X> {
  return wrap("define", new Change("transform", change), undefined, mkTransform);
}

/**
 * Define something for every element of an attribute set that other definitions create.
 *
 * @example
 * import { declareOptions, defineModule, evalModules, mkEach, mkOption, t } from "osmod/lib";
 *
 * const site = t.submodule({ port: mkOption({ type: t.port }), tls: mkOption({ type: t.bool, default: false }) });
 * const options = declareOptions({ sites: mkOption({ type: t.attrsOf(site), default: {} }) });
 * const mine = defineModule<typeof options>({ options, config: { sites: { blog: { port: 80 } } } });
 * const secure = defineModule<typeof options>({ config: { sites: mkEach({ tls: true }) } });
 *
 * evalModules({ modules: [mine, secure] }).config.sites; // { blog: { port: 80, tls: true } }
 */
export function mkEach<W>(value: Later<W>): Each<W> {
  return new EachValue(value) as unknown as Each<W>;
}

/**
 * Use a function as a value; functions otherwise are thunks.
 *
 * @example
 * import { declareOptions, defineModule, evalModules, literal, mkOption, t } from "osmod/lib";
 *
 * const options = declareOptions({ double: mkOption({ type: t.functionTo<typeof t.int, number>(t.int) }) });
 * const mine = defineModule<typeof options>({ options, config: { double: literal((n: number) => 2 * n) } });
 *
 * evalModules({ modules: [mine] }).config.double(4); // 8
 */
export function literal<V>(value: V): Literal<V> {
  return new LiteralValue(value) as Literal<V>;
}
