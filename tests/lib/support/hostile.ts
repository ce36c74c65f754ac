/**
 * Any JavaScript value at any place: the values that nobody means, the places where they may turn up, and what must come of
 * it. A case is three numbers and more, so that a random one can be written down and run again.
 */
import {
  dataModule,
  declareOptions,
  define,
  defineModule,
  diff,
  documentOptions,
  evalModules,
  explain,
  literal,
  mkAfter,
  mkEach,
  mkForce,
  mkIf,
  mkMerge,
  mkOption,
  mkOrder,
  mkOverride,
  mkRemove,
  mkTransform,
  type OptionType,
  profile,
  raw,
  renderDiff,
  renderExplanation,
  renderProfile,
  t,
  toJsonSchema,
} from "../../../src/lib/index.ts";
import { ProblemError, renderProblems } from "../../../src/problems/index.ts";

/** What hostile values throw. */
export class Trap extends Error {}
const spring = (): never => {
  throw new Trap("trap");
};
class Custom {
  readonly a = 1;
  get thrower(): never {
    return spring();
  }
}
const inTrap = (target: object, ...traps: readonly (keyof ProxyHandler<object>)[]): object =>
  new Proxy(target, Object.fromEntries(traps.map((name) => [name, spring])));
const allTraps = [
  "get",
  "has",
  "ownKeys",
  "getOwnPropertyDescriptor",
  "getPrototypeOf",
  "set",
  "defineProperty",
  "isExtensible",
] as const;
const revoked = (target: object): object => {
  const { proxy, revoke } = Proxy.revocable(target, {});
  revoke();
  return proxy;
};
/** Every member is another of its kind. */
const endless = (): object =>
  new Proxy(
    {},
    {
      ownKeys: () => ["a"],
      getOwnPropertyDescriptor: () => ({ value: endless(), enumerable: true, configurable: true }),
      get: endless,
    },
  );
const cyclic = (): object => {
  const object: Record<string, unknown> = { a: 1, list: [] };
  object["self"] = object;
  (object["list"] as unknown[]).push(object["list"]);
  return object;
};
const cyclicWrapper = (): unknown => {
  const items: unknown[] = [];
  const merge = mkMerge(items);
  items.push(merge);
  return merge;
};
const cyclicThunk = (): unknown => {
  const self = (): unknown => self;
  return self;
};
const nested = (depth: number, wrap: (value: unknown) => unknown): unknown => {
  let value: unknown = 1;
  for (let i = 0; i < depth; i++) value = wrap(value);
  return value;
};

/** Values that no option expects. */
export const values: { readonly [name: string]: () => unknown } = {
  undefined: () => undefined,
  null: () => null,
  true: () => true,
  zero: () => 0,
  "minus zero": () => -0,
  one: () => 1,
  NaN: () => Number.NaN,
  infinity: () => Number.NEGATIVE_INFINITY,
  "a float": () => 1e300,
  text: () => "a",
  "empty text": () => "",
  "huge text": () => "x".repeat(500),
  "half a character": () => "\ud800",
  bigint: () => 10n,
  symbol: () => Symbol("s"),
  "a well-known symbol": () => Symbol.iterator,
  "a set": () => ({ a: 1 }),
  "an empty set": () => ({}),
  "a list": () => [1],
  "an empty list": () => [],
  "a class": () => Custom,
  "an instance": () => new Custom(),
  "a function": () => (x: unknown) => x,
  "a thunk": () => () => 1,
  "a thunk of itself": cyclicThunk,
  "a throwing thunk": () => spring,
  "a thunk that throws no error": () => () => {
    throw undefined;
  },
  "a thunk that throws a revoked proxy": () => () => {
    throw revoked({});
  },
  "a throwing function": () => (_value: unknown) => spring(),
  "an async function": () => async () => 1,
  "a generator function": () =>
    function* generate() {
      yield 1;
    },
  "a generator": () =>
    (function* generate() {
      yield 1;
    })(),
  "a cyclic object": cyclic,
  "a cyclic merge": cyclicWrapper,
  "a date": () => new Date(0),
  "an invalid date": () => new Date(Number.NaN),
  "a map": () => new Map([["a", 1]]),
  "a javascript set": () => new Set([1]),
  "a weak map": () => new WeakMap(),
  "a regular expression": () => /a/g,
  "an error": () => new Error("an error"),
  "a promise": () => Promise.resolve(1),
  "a thenable": () => ({ then: spring }),
  "a buffer": () => new Uint8Array(4),
  "a boxed number": () => Object(1),
  "a boxed string": () => Object("ab"),
  "the Math object": () => Math,
  "a prototype": () => Object.prototype,
  "Function.prototype": () => Function.prototype,
  "a throwing getter": () => ({
    get a(): never {
      return spring();
    },
  }),
  "a throwing getter of an element": () =>
    Object.defineProperty([1], 1, { get: spring, enumerable: true, configurable: true }),
  "throwing conversions": () => ({ toString: spring, valueOf: spring, toJSON: spring, [Symbol.toPrimitive]: spring }),
  "a throwing tag": () => Object.defineProperty({}, Symbol.toStringTag, { get: spring }),
  "a throwing constructor": () => Object.defineProperty({}, "constructor", { get: spring, enumerable: true }),
  "a nameless constructor": () => ({ constructor: { name: Symbol("n") } }),
  "a revoked proxy": () => revoked({}),
  "a revoked list": () => revoked([]),
  "a revoked function": () => revoked(() => 1),
  "a revoked wrapper": () => revoked(mkForce(1) as object),
  "a proxy that throws": () => inTrap({}, ...allTraps),
  "a list that throws": () => inTrap([1], ...allTraps),
  "a function that throws": () => inTrap(() => 1, ...allTraps),
  "a proxy whose get throws": () => inTrap({ a: 1 }, "get"),
  "a proxy whose ownKeys throws": () => inTrap({ a: 1 }, "ownKeys"),
  "a proxy whose descriptors throw": () => inTrap({ a: 1 }, "getOwnPropertyDescriptor"),
  "a proxy whose prototype throws": () => inTrap({ a: 1 }, "getPrototypeOf"),
  "a list whose get throws": () => inTrap([1], "get"),
  "a wrapper whose get throws": () => inTrap(mkForce(1) as object, "get"),
  "a proxy of a wrapper": () => new Proxy(mkForce(1) as object, {}),
  "an option in a proxy": () => inTrap(mkOption({ type: t.int }), "get"),
  "a list that lies about its length": () => new Proxy([1], { get: (_, key) => (key === "length" ? Number.NaN : 1) }),
  "a set without end": endless,
  "an object without prototype": () => Object.assign(Object.create(null), { a: 1 }),
  "an heir of a set": () => Object.create({ a: 1 }),
  "an heir of a wrapper": () => Object.create(mkForce(1) as object),
  "an heir of a list": () => Object.create([1]),
  "names of the prototype": () =>
    JSON.parse(
      '{"__proto__": {"polluted": 1}, "constructor": {"prototype": {"polluted": 1}}, "prototype": {"polluted": 1}}',
    ),
  "a sparse list": () => new Array(3),
  "a long sparse list": () => new Array(1000),
  "a list of nothing but holes": () => new Array(2 ** 32 - 1),
  "a list with names": () => Object.assign([1], { a: 1 }),
  "a list without prototype": () => Object.setPrototypeOf([1], null),
  "a list-like": () => ({ length: 2, 0: 1, 1: 2 }),
  "a huge list-like": () => ({ length: 2 ** 32 }),
  arguments: () =>
    (function args(..._values: unknown[]) {
      // biome-ignore lint/complexity/noArguments: they are the value.
      return arguments;
    })(1, 2),
  "symbols as names": () => ({ [Symbol("a")]: 1, [Symbol.iterator]: spring }),
  "a frozen set": () => Object.freeze({ a: Object.freeze([1]) }),
  "a hidden member": () => Object.defineProperty({}, "a", { value: 1 }),
  "odd names": () => ({ "": 1, "a.b": 2, "\n": 3, "0": 4, hasOwnProperty: 5, toString: 6, length: 7 }),
  "a module": () => defineModule({ config: {} }),
  "a module of another shape": () => ({ options: {}, config: {} }),
  "an option": () => mkOption({ type: t.int, default: 1 }),
  "a type": () => t.int,
  "an evaluation": () => evalModules({ modules: [] }),
  "a configuration": () => evalModules({ modules: [] }).config,
  "a literal": () => literal(spring),
  "a transform": () => mkTransform(spring),
  "a removal": () => mkRemove(["a"] as never),
  "a condition that throws": () => mkIf(spring, 1),
  "deep sets": () => nested(800, (a) => ({ a })),
  "deep lists": () => nested(800, (a) => [a]),
  "deep conditions": () => nested(800, (a) => mkIf(() => true, a)),
  "deep merges": () => nested(800, (a) => mkMerge([a])),
  "deep thunks": () => nested(800, (a) => () => a),
};

/** What a value may stand in before it stands at its place. */
export const settings: { readonly [name: string]: (value: unknown) => unknown } = {
  nothing: (value) => value,
  "a list": (value) => [value],
  "a set": (value) => ({ a: value }),
  "the name __proto__": (value) =>
    Object.defineProperty({}, "__proto__", { value, enumerable: true, configurable: true }),
  "the name constructor": (value) => ({ constructor: value }),
  "a getter": (value) => ({
    get a() {
      return value;
    },
  }),
  "a thunk": (value) => () => value,
  mkForce: (value) => mkForce(value),
  mkIf: (value) => mkIf(() => true, value),
  mkMerge: (value) => mkMerge([value, value]),
  mkAfter: (value) => mkAfter(value),
  define: (value) => define(value),
  mkEach: (value) => mkEach(value),
  literal: (value) => literal(value),
  "a submodule function": (value) => (_value: unknown) => value,
};

/** Types of the option where the value stands. */
export const types: { readonly [name: string]: OptionType } = {
  bool: t.bool,
  str: t.str,
  int: t.int,
  path: t.path,
  lines: t.lines,
  json: t.json,
  jsonSchema: t.jsonSchema({ type: "object" }),
  anything: t.anything,
  raw: t.raw,
  attrs: t.attrs,
  unspecified: t.unspecified,
  enum: t.enum(["a", 1]),
  listOf: t.listOf(t.str),
  sortedListOf: t.sortedListOf(t.int),
  uniqueListOf: t.uniqueListOf(t.json),
  namedListOf: t.namedListOf(t.int),
  keyedListOf: t.keyedListOf("a", t.submodule({ a: mkOption({ type: t.str }) })),
  attrsOf: t.attrsOf(t.listOf(t.int)),
  lazyAttrsOf: t.lazyAttrsOf(t.int),
  nullOr: t.nullOr(t.int),
  either: t.either(t.int, t.listOf(t.str)),
  submodule: t.submodule({ a: mkOption({ type: t.int, default: 1 }) }),
  freeform: t.freeform({ a: mkOption({ type: t.int, default: 1 }) }, t.json),
  attrTag: t.attrTag({ a: mkOption({ type: t.int }) }),
  coercedTo: t.coercedTo(t.int, String, t.str),
  functionTo: t.functionTo(t.int),
  deferredModule: t.deferredModule,
  unique: t.uniq(t.listOf(t.int)),
  addCheck: t.addCheck(t.json, (value) => value === 1),
  opaque: t.opaque("thing"),
  anythings: t.attrsOf(t.anything),
};
/** Types that hand over what they are given, or what is inside; reading on is then up to the reader. */
const handsOver = new Set([
  "raw",
  "attrs",
  "unspecified",
  "anything",
  "anythings",
  "opaque",
  "deferredModule",
  "functionTo",
]);

/** Places whose values nobody looks into either. */
const givenOn: ReadonlySet<string> = new Set(["literal", "apply", "what apply returns", "result of a function"]);

type Evaluated = {
  readonly config: unknown;
  readonly options: unknown;
  readonly graph: unknown;
  readonly extendModules: (more: never) => unknown;
};
const evaluate = (...modules: readonly unknown[]): Evaluated => evalModules({ modules: modules as never });
const inModule = (fields: object): unknown => defineModule(fields as never);
const optionOf = (type: OptionType, more: object = {}) => mkOption({ type, ...more } as never);
const declaring = (type: OptionType, more: object = {}): unknown =>
  inModule({
    options: declareOptions({
      g: { x: optionOf(type, more) },
      list: optionOf(t.listOf(t.int), { default: [] }),
    } as never),
  });
const defining = (x: unknown): unknown => inModule({ config: { g: { x } } });
const withConfig = (type: OptionType, config: unknown): Evaluated => evaluate(declaring(type), inModule({ config }));

/** Where a value may turn up. */
export const places: { readonly [name: string]: (value: unknown, type: OptionType) => Evaluated | undefined } = {
  option: (v, type) => evaluate(declaring(type), defining(v)),
  "option, twice": (v, type) => evaluate(declaring(type), defining(v), defining(v)),
  "option, beside a plain one": (v, type) => evaluate(declaring(type), defining(v), defining("a")),
  "option, beside a list": (v, type) => evaluate(declaring(type), defining(v), defining(["a"])),
  "option, beside a set": (v, type) => evaluate(declaring(type), defining({ a: 1 }), defining(v)),
  "list element": (v, type) => evaluate(declaring(t.listOf(type)), defining([v, v])),
  "attribute value": (v, type) => evaluate(declaring(t.attrsOf(type)), defining({ a: v })),
  "option of a submodule": (v, type) =>
    evaluate(declaring(t.submodule({ a: optionOf(type) } as never)), defining({ a: v })),
  "what a submodule function returns": (v, type) =>
    evaluate(
      declaring(t.submodule({ a: optionOf(type) } as never)),
      defining((_value: unknown) => v),
    ),
  "free name": (v, type) => evaluate(declaring(t.freeform({}, type)), defining({ a: v })),
  group: (v, type) => withConfig(type, { g: v }),
  configuration: (v, type) => withConfig(type, v),
  "what a config function returns": (v, type) => withConfig(type, () => v),
  defaults: (v, type) => evaluate(declaring(type), inModule({ defaults: v })),
  "what a defaults function returns": (v, type) => evaluate(declaring(type), inModule({ defaults: () => v })),
  "unknown option": (v, type) => withConfig(type, { unknown: v }),
  "raw configuration": (v, type) => evaluate(declaring(type), new raw.ModuleRecord({ config: v })),
  condition: (v, type) => evaluate(declaring(type), defining(mkIf(v as never, 1))),
  "what a condition returns": (v, type) => evaluate(declaring(type), defining(mkIf(() => v as never, 1))),
  "condition of a group": (v, type) =>
    withConfig(
      type,
      mkIf(() => v as never, { g: { x: 1 } }),
    ),
  default: (v, type) => evaluate(declaring(type, { default: v })),
  "what a default returns": (v, type) => evaluate(declaring(type, { default: () => v })),
  merge: (v, type) => evaluate(declaring(type), defining(mkMerge(v as never))),
  "merge of a group": (v, type) => withConfig(type, { g: mkMerge(v as never) }),
  "member of a merge of a group": (v, type) => withConfig(type, mkMerge([v, { g: { x: 1 } }])),
  priority: (v, type) => evaluate(declaring(type), defining(mkOverride(v as never, 1)), defining(1)),
  "priority of a group": (v, type) => withConfig(type, mkOverride(v as never, { g: { x: 1 } })),
  order: (v, type) => evaluate(declaring(t.listOf(type)), defining(mkOrder(v as never, [1])), defining([1])),
  removal: (v, type) => evaluate(declaring(type), defining(["a"]), defining(mkRemove(v as never))),
  "removal from a set": (v) =>
    evaluate(declaring(t.attrsOf(t.int)), defining({ a: 1 }), defining(mkRemove(v as never))),
  transform: (v, type) => evaluate(declaring(type), defining(1), defining(mkTransform(v as never))),
  "what a transform returns": (v, type) =>
    evaluate(declaring(type), defining(1), defining(mkTransform(() => v as never))),
  "each element": (v, type) => evaluate(declaring(t.attrsOf(type)), defining({ a: 1 }), defining(mkEach(v))),
  literal: (v, type) => evaluate(declaring(type), defining(literal(v))),
  "result of a function": (v, type) => evaluate(declaring(t.functionTo(type)), defining(literal(() => v))),
  apply: (v, type) => evaluate(declaring(type, { apply: v }), defining(1)),
  "what apply returns": (v) => evaluate(declaring(t.int, { apply: () => v }), defining(1)),
  "what a check returns": (v) => evaluate(declaring(t.addCheck(t.int, () => v as never)), defining(1)),
  "what a conversion returns": (v, type) =>
    evaluate(declaring(t.coercedTo(t.int, () => v as never, type)), defining(1)),
  "what sorts a list": (v) => evaluate(declaring(t.sortedListOf(t.int, () => v as never)), defining([1, 2])),
  modules: (v) => evalModules({ modules: v as never }),
  "a module": (v, type) => evaluate(declaring(type), v, defining(1)),
  "raw modules": (v) => raw.evaluate({ modules: v as never }),
  "what a module function returns": (v) => raw.evaluate({ modules: [() => v as never] }),
  "what is evaluated": (v) => evalModules(v as never),
  "what defines a module": (v) => evaluate(inModule(v as never)),
  imports: (v, type) => evaluate(declaring(type), inModule({ imports: v })),
  import: (v, type) => evaluate(declaring(type), inModule({ imports: [v] })),
  "disabled modules": (v, type) => evaluate(declaring(type), inModule({ disabledModules: v })),
  "disabled module": (v, type) => evaluate(declaring(type), inModule({ disabledModules: [v] })),
  key: (v, type) => evaluate(declaring(type), inModule({ key: v, config: { g: { x: 1 } } })),
  file: (v, type) => evaluate(declaring(type), inModule({ file: v, config: { g: { x: "?" } } })),
  class: (v, type) => evalModules({ modules: [declaring(type), inModule({ class: v })] as never, class: "c" } as never),
  "special arguments": (v) =>
    evalModules({ modules: [inModule({ config: () => define({}) })] as never, specialArgs: v } as never),
  options: (v) => evaluate(inModule({ options: v })),
  "declared options": (v) => evaluate(inModule({ options: declareOptions(v as never) })),
  "raw options": (v) => evaluate(new raw.ModuleRecord({ options: v as never })),
  "an option's declaration": (v) => evaluate(inModule({ options: { g: { x: v } } }), defining(1)),
  "what describes an option": (v) => evaluate(inModule({ options: { g: { x: mkOption(v as never) } } }), defining(1)),
  type: (v) => evaluate(inModule({ options: { g: { x: mkOption({ type: v as never }) } } }), defining(1)),
  "inner type": (v) => evaluate(declaring(t.listOf(v as never)), defining([1])),
  "freeform type": (v) => evaluate(new raw.ModuleRecord({ freeformType: v as never, config: { a: 1 } })),
  "options of a submodule": (v) => evaluate(declaring(t.submodule(v as never)), defining({ a: 1 })),
  "members of an enumeration": (v) => evaluate(declaring(t.enum(v as never)), defining("a")),
  "a member of an enumeration": (v) => evaluate(declaring(t.enum([v] as never)), defining(v)),
  tags: (v) => evaluate(declaring(t.attrTag(v as never)), defining({ a: 1 })),
  pattern: (v) => evaluate(declaring(t.strMatching(v as never)), defining("a")),
  bounds: (v) => evaluate(declaring(t.ints.between(v as never, v as never)), defining(1)),
  schema: (v) => evaluate(declaring(t.jsonSchema(v as never)), defining(1)),
  description: (v, type) => evaluate(declaring(type, { description: v }), defining(1)),
  example: (v, type) => evaluate(declaring(type, { example: v, defaultText: v }), defining(1)),
  "read only": (v, type) => evaluate(declaring(type, { readOnly: v, internal: v, visible: v }), defining(1)),
  data: (v, type) => evaluate(declaring(type), dataModule("data.json", v)),
  "data for an option": (v, type) => evaluate(declaring(type), dataModule("data.json", { g: { x: v } })),
  "data operator": (v, type) => evaluate(declaring(type), dataModule("data.json", { g: { x: { $if: v, then: v } } })),
  "data reference": (v, type) => evaluate(declaring(type), dataModule("data.json", { g: { x: { $ref: v } } })),
  "file of data": (v, type) => evaluate(declaring(type), dataModule(v as never, { g: { x: "?" } })),
  "more modules": (v, type) => evaluate(declaring(type)).extendModules({ modules: v } as never) as Evaluated,
  "what is to be explained": (v, type) => void explain(evaluate(declaring(type)) as never, v as never),
};

/** Choose by number. */
const choose = <T>(from: { readonly [name: string]: T }, at: number): readonly [string, T] => {
  const entries = Object.entries(from);
  return entries[at % entries.length] as [string, T];
};

/** One case: which value stands in what, at which place of an option of which type. */
export interface Case {
  readonly value: number;
  readonly settings: readonly number[];
  readonly place: number;
  readonly type: number;
}

/** A case in words. */
export function described({ value, settings: within, place, type }: Case): string {
  const inside = within.map((at) => choose(settings, at)[0]).filter((name) => name !== "nothing");
  return `${choose(values, value)[0]}${inside.map((name) => ` in ${name}`).join("")} as ${choose(places, place)[0]} (${choose(types, type)[0]})`;
}

const prototypes = [Object.prototype, Array.prototype, Function.prototype, String.prototype, Map.prototype];
const fingerprint = (): string => prototypes.map((of) => Reflect.ownKeys(of).length).join();
const clean = fingerprint();

/** How many there are to choose from. */
export const counts = {
  values: Object.keys(values).length,
  settings: Object.keys(settings).length,
  places: Object.keys(places).length,
  types: Object.keys(types).length,
} as const;

/** Run a case. Returns what is wrong with what came of it; `undefined` when it is a value or a problem. */
export function trouble({ value, settings: within, place, type }: Case): string | undefined {
  const [typeName, optionType] = choose(types, type);
  const [, build] = choose(places, place);
  const hostile = within.reduce((inner, at) => choose(settings, at)[1](inner), choose(values, value)[1]());
  const wrong = attempt(() => {
    const evaluation = build(hostile, optionType);
    const isGiven = within.some((at) => choose(settings, at)[0] === "literal") || givenOn.has(choose(places, place)[0]);
    if (evaluation !== undefined) inspect(evaluation, isGiven || handsOver.has(typeName));
  });
  if (fingerprint() !== clean || ({} as { polluted?: unknown }).polluted !== undefined)
    return "a prototype was polluted";
  return wrong;
}

/** Everything that can be asked of an evaluation. */
function inspect(evaluation: Evaluated, isHandedOver: boolean): void {
  const all = evaluation as never;
  const steps: readonly (() => unknown)[] = [
    () => {
      const { g } = evaluation.config as { readonly g?: { readonly x?: unknown } };
      const x = g?.x;
      if (!isHandedOver) readAll(x, 0);
    },
    () => renderExplanation(explain(all, "g.x")),
    () => documentOptions(all),
    () => toJsonSchema(all),
    () => renderDiff(diff(all, evaluation.extendModules({ modules: [] } as never) as never)),
    () => renderProfile(profile(all)),
    () => evaluation.graph,
    () => evaluation.options,
  ];
  const wrong = steps.map(attempt).find((found) => found !== undefined);
  if (wrong !== undefined) throw new Failure(wrong);
}

class Failure extends Error {}

function attempt(f: () => unknown): string | undefined {
  try {
    f();
    return undefined;
  } catch (error) {
    if (error instanceof Failure) return error.message;
    return verdict(error);
  }
}

function verdict(error: unknown): string | undefined {
  try {
    if (error instanceof ProblemError) {
      renderProblems(error.problems);
      return undefined;
    }
    if (error instanceof Error)
      return `${error.name}: ${error.message}\n${(error.stack ?? "")
        .split("\n")
        .filter((line) => line.includes("src/lib"))
        .slice(0, 4)
        .join("\n")}`;
    return `threw ${typeof error}`;
  } catch (inner) {
    return `its error cannot be shown: ${String(inner)}`;
  }
}

/** Read what the module system made; what it was given is somebody else's. */
function readAll(value: unknown, depth: number): void {
  if (typeof value !== "object" || value === null || depth > 8) return;
  for (const key of Object.keys(value).slice(0, 100)) readAll((value as Record<string, unknown>)[key], depth + 1);
}
