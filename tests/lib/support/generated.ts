/**
 * Random module sets: option trees of random types, and definitions of them with wrappers at every place where one may stand.
 *
 * Definitions are generated as descriptions (`Say`) and made into real ones by `built`, so that a law can change them in
 * between: wrap a part in `mkIf(() => true, …)`, flatten a `mkMerge`. Modules may contradict each other or give values of the
 * wrong type; that is an outcome too, and `outcomeOf` has one for each option.
 */
import fc from "fast-check";
import {
  type AnyModule,
  ConfigError,
  define,
  evalModules,
  mkIf,
  mkMerge,
  mkOption,
  mkOrder,
  mkOverride,
  type OptionType,
  raw,
  t,
} from "../../../src/lib/index.ts";

/** An option: its type, what may be said about it, and whether the order of definitions can be seen in its value. */
export interface Kind {
  readonly name: string;
  readonly type: OptionType;
  readonly values: fc.Arbitrary<Say>;
  readonly isOrderFree: boolean;
  readonly [fc.toStringMethod]: () => string;
}
/** Options, grouped. */
export type Shape = ReadonlyMap<string, Shape | Kind>;

/** A definition, described. */
export type Say =
  | { readonly say: "value"; readonly value: unknown }
  | { readonly say: "list"; readonly items: readonly Say[] }
  | { readonly say: "set"; readonly members: readonly (readonly [string, Say])[] }
  | { readonly say: "thunk" | "define"; readonly of: Say }
  | { readonly say: "if"; readonly holds: boolean; readonly of: Say }
  | { readonly say: "merge"; readonly items: readonly Say[] }
  | { readonly say: "override" | "order"; readonly by: number; readonly of: Say };

/** Options and modules that define them. */
export interface ModuleSet {
  readonly shape: Shape;
  readonly modules: readonly Say[];
}

// ------------------------------------------------------------------ kinds

const value = (of: unknown): Say => ({ say: "value", value: of });
const oneOf = (...of: readonly unknown[]) => fc.constantFrom(...of).map(value);
const kind = (name: string, type: OptionType, values: fc.Arbitrary<Say>, isOrderFree: boolean): Kind => ({
  name,
  type,
  values,
  isOrderFree,
  // A counterexample shows the name of the type and not all that it consists of.
  [fc.toStringMethod]: () => name,
});
/** Now and then a value of another type. */
const mostly = (values: fc.Arbitrary<Say>): fc.Arbitrary<Say> =>
  fc.oneof({ arbitrary: values, weight: 20 }, { arbitrary: oneOf(null, 0.5, "?", [[]]), weight: 1 });

const scalars = fc.constantFrom(
  kind("bool", t.bool, oneOf(true, false), true),
  kind("boolByOr", t.boolByOr, oneOf(true, false), true),
  kind("int", t.int, oneOf(1, 2), true),
  kind("port", t.port, oneOf(80, 443), true),
  kind("str", t.str, oneOf("a", "b"), true),
  kind("enum", t.enum(["a", "b"]), oneOf("a", "b"), true),
  kind("lines", t.lines, oneOf("a", "b", "c"), false),
  kind("json", t.json, oneOf(1, "a", { a: 1 }, { b: 2 }, [1]), false),
  kind("sorted", t.sortedListOf(t.int), fc.subarray([1, 2, 3]).map(value), true),
);
/** What may stand at an element of a list or of a set. */
const element = (of: fc.Arbitrary<Say>): fc.Arbitrary<Say> =>
  fc.oneof(
    { arbitrary: of, weight: 6 },
    { arbitrary: of.map((inner): Say => ({ say: "thunk", of: inner })), weight: 1 },
    {
      arbitrary: fc.tuple(fc.boolean(), of).map(([holds, inner]): Say => ({ say: "if", holds, of: inner })),
      weight: 1,
    },
  );
const setOf = (of: fc.Arbitrary<Say>): fc.Arbitrary<Say> =>
  fc
    .uniqueArray(fc.tuple(names, element(of)), { maxLength: 3, selector: ([name]) => name })
    .map((members): Say => ({ say: "set", members }));
const listOf = (of: fc.Arbitrary<Say>): fc.Arbitrary<Say> =>
  fc.array(element(of), { maxLength: 3 }).map((items): Say => ({ say: "list", items }));

function submoduleOf(a: Kind, b: Kind): Kind {
  const options = { a: mkOption({ type: a.type }), b: mkOption({ type: t.nullOr(b.type), default: null as never }) };
  const values = fc
    .record({ a: element(a.values), b: element(b.values) }, { requiredKeys: [] })
    .map((members): Say => ({ say: "set", members: Object.entries(members) }));
  const isOrderFree = a.isOrderFree && b.isOrderFree;
  return kind(`submodule ${a.name} ${b.name}`, t.submodule(options), values, isOrderFree);
}
const listKind = (of: Kind): Kind => kind(`listOf ${of.name}`, t.listOf(of.type), listOf(of.values), false);
const setKind = (of: Kind): Kind => kind(`attrsOf ${of.name}`, t.attrsOf(of.type), setOf(of.values), of.isOrderFree);

const names = fc.constantFrom("a", "b", "c", "__proto__", "constructor", "toString");
/** Options of any type. */
export const { kinds } = fc.letrec<{ kinds: Kind }>((tie) => ({
  kinds: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    scalars,
    tie("kinds").map(listKind),
    tie("kinds").map(setKind),
    tie("kinds").map((of) => kind(`lazyAttrsOf ${of.name}`, t.lazyAttrsOf(of.type), setOf(of.values), of.isOrderFree)),
    tie("kinds").map((of) =>
      kind(`nullOr ${of.name}`, t.nullOr(of.type), fc.oneof(of.values, oneOf(null)), of.isOrderFree),
    ),
    fc.tuple(tie("kinds"), scalars).map(([a, b]) => submoduleOf(a, b)),
  ),
}));

/** Lists whose elements are merged with nothing. */
export const flatLists = scalars.filter(({ name }) => /^(bool|int|port|str|enum)$/.test(name)).map(listKind);
/** Submodules, and sets of them. */
export const submodules = fc
  .tuple(kinds, scalars, fc.boolean())
  .map(([a, b, isSet]) => (isSet ? setKind(submoduleOf(a, b)) : submoduleOf(a, b)));

// ------------------------------------------------------------------ options

const shapes = (leaf: fc.Arbitrary<Kind>): fc.Arbitrary<Shape> =>
  fc.letrec<{ shape: Shape }>((tie) => ({
    shape: fc
      .uniqueArray(fc.tuple(names, fc.oneof({ maxDepth: 2 }, leaf, leaf, tie("shape"))), {
        minLength: 1,
        maxLength: 4,
        selector: ([name]) => name,
      })
      .map((entries): Shape => new Map(entries)),
  })).shape;

/** Every option of a shape, with its path. */
export function optionsOf(shape: Shape, path: readonly string[] = []): readonly (readonly [readonly string[], Kind])[] {
  return [...shape].flatMap(([name, of]) =>
    of instanceof Map ? optionsOf(of, [...path, name]) : [[[...path, name], of as Kind] as const],
  );
}

// ------------------------------------------------------------------ definitions

/** Wrappers in the one order in which they may nest: conditions and merges, a priority, an order, a thunk. */
function wrapped(of: fc.Arbitrary<Say>, isForced: boolean): fc.Arbitrary<Say> {
  const inner = fc
    .tuple(of, fc.option(fc.constantFrom(0, 500, 1000, 1500)), fc.option(fc.constantFrom(0, 50, 100, 1000)), fc.nat(3))
    .map(([said, order, priority, thunk]): Say => {
      let out: Say = thunk === 0 ? { say: "thunk", of: said } : said;
      if (order !== null && thunk === 1) out = { say: "order", by: order, of: out };
      if (priority !== null && !isForced) out = { say: "override", by: priority, of: out };
      return out;
    });
  // Inside a priority neither conditions nor merges may stand.
  return isForced ? inner.map((said) => (said.say === "override" ? said.of : said)) : conditional(inner);
}

function conditional(of: fc.Arbitrary<Say>): fc.Arbitrary<Say> {
  return fc.letrec<{ said: Say }>((tie) => ({
    said: fc.oneof(
      { maxDepth: 2, depthSize: "small" },
      { arbitrary: of, weight: 6 },
      {
        arbitrary: fc.tuple(fc.boolean(), tie("said")).map(([holds, inner]): Say => ({ say: "if", holds, of: inner })),
        weight: 1,
      },
      { arbitrary: fc.array(tie("said"), { maxLength: 3 }).map((items): Say => ({ say: "merge", items })), weight: 1 },
      { arbitrary: tie("said").map((inner): Say => ({ say: "define", of: inner })), weight: 1 },
    ),
  })).said;
}

/** What a module may say about a group of options. */
export function definitionsOf(shape: Shape, isForced = false): fc.Arbitrary<Say> {
  const some = (forced: boolean): fc.Arbitrary<Say> =>
    fc
      .tuple(...[...shape].map(([name, of]) => fc.option(memberOf(of, forced)).map((said) => [name, said] as const)))
      .map(
        (members): Say => ({
          say: "set",
          members: members.filter((member): member is [string, Say] => member[1] !== null),
        }),
      );
  if (isForced) return some(true);
  const forced = fc
    .tuple(fc.constantFrom(0, 50, 1000), some(true))
    .map(([by, of]): Say => ({ say: "override", by, of }));
  return conditional(fc.oneof({ arbitrary: some(false), weight: 5 }, { arbitrary: forced, weight: 1 }));
}

function memberOf(of: Shape | Kind, isForced: boolean): fc.Arbitrary<Say> {
  return of instanceof Map ? definitionsOf(of as Shape, isForced) : wrapped(mostly((of as Kind).values), isForced);
}

/** Random module sets. */
export function moduleSets(of: fc.Arbitrary<Kind> = kinds): fc.Arbitrary<ModuleSet> {
  return shapes(of).chain((shape) =>
    fc.array(definitionsOf(shape), { maxLength: 5 }).map((modules) => ({ shape, modules })),
  );
}

// ------------------------------------------------------------------ from descriptions to modules

/** The definition that is described. */
export function built(said: Say): unknown {
  switch (said.say) {
    case "value":
      return said.value;
    case "list":
      return said.items.map(built);
    case "set":
      return objectOf(said.members.map(([name, of]) => [name, built(of)]));
    case "thunk": {
      const inner = built(said.of);
      return () => inner;
    }
    case "define":
      return define(built(said.of));
    case "if":
      return mkIf(() => said.holds, built(said.of));
    case "merge":
      return mkMerge(said.items.map(built));
    case "override":
      return mkOverride(said.by, built(said.of));
    case "order":
      return mkOrder(said.by, built(said.of));
  }
}

/** An object with any names, `__proto__` included. */
export function objectOf(entries: readonly (readonly [string, unknown])[]): object {
  const object = {};
  for (const [key, of] of entries)
    Object.defineProperty(object, key, { value: of, enumerable: true, writable: true, configurable: true });
  return object;
}

/** The options of a shape, as a tree. */
export function treeOf(shape: Shape): object {
  return objectOf(
    [...shape].map(([name, of]) => [name, of instanceof Map ? treeOf(of) : mkOption({ type: (of as Kind).type })]),
  );
}

/** A module that defines what is described. */
export function moduleOf(said: Say, key?: string): AnyModule {
  return new raw.ModuleRecord({ config: built(said), key }) as unknown as AnyModule;
}

/** The module that declares the options. */
export function declaring(shape: Shape): AnyModule {
  return new raw.ModuleRecord({ key: "options", options: treeOf(shape) }) as unknown as AnyModule;
}

/** Evaluate a module set, with further modules. */
export function evaluated({ shape, modules }: ModuleSet, ...more: readonly AnyModule[]) {
  return evalModules({ modules: [declaring(shape), ...modules.map((said) => moduleOf(said)), ...more] });
}

/** What comes of every option: its value, or the codes of what is wrong with it. */
export function outcomeOf(evaluation: { readonly config: unknown }, shape: Shape): unknown {
  return optionsOf(shape).map(([path]) => [path.join("."), attempt(() => plain(valueAt(evaluation.config, path)))]);
}

/** The value at a path. */
export function valueAt(config: unknown, path: readonly string[]): unknown {
  return path.reduce((at, name) => (at as { readonly [name: string]: unknown })[name], config);
}

/** What a function returns, or the codes of its problems; anything else that it throws is a bug. */
export function attempt(f: () => unknown): unknown {
  try {
    return { value: f() };
  } catch (error) {
    if (error instanceof ConfigError) return { problems: error.problems.map(({ code }) => code) };
    throw error;
  }
}

/** A deep copy, names in order; every lazy member has been read. */
export function plain(of: unknown): unknown {
  if (Array.isArray(of)) return Array.from(of, plain);
  if (typeof of !== "object" || of === null) return of;
  return Object.keys(of)
    .sort()
    .map((name) => [name, plain((of as { readonly [name: string]: unknown })[name])]);
}

/** A description with one part, the `at`-th that may be changed, replaced. */
export function changed(said: Say, at: number, change: (said: Say) => Say): Say {
  const places = countPlaces(said);
  let left = at % places;
  const visit = (of: Say, isFree: boolean): Say => {
    if (isFree && left-- === 0) return change(of);
    switch (of.say) {
      case "set":
        return { ...of, members: of.members.map(([name, inner]) => [name, visit(inner, isFree)]) };
      case "list":
        return { ...of, items: of.items.map((inner) => visit(inner, isFree)) };
      case "merge":
        return { ...of, items: of.items.map((inner) => visit(inner, isFree)) };
      case "if":
      case "define":
        return { ...of, of: visit(of.of, isFree) };
      // What stands inside a priority, an order or a thunk cannot be wrapped in everything.
      default:
        return of;
    }
  };
  return visit(said, true);
}

function countPlaces(said: Say): number {
  switch (said.say) {
    case "set":
      return 1 + said.members.reduce((sum, [, of]) => sum + countPlaces(of), 0);
    case "list":
    case "merge":
      return 1 + said.items.reduce((sum, of) => sum + countPlaces(of), 0);
    case "if":
    case "define":
      return 1 + countPlaces(said.of);
    default:
      return 1;
  }
}
