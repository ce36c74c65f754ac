import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type AnyModule,
  type Def,
  declareOptions,
  define,
  defineModule,
  evalModules,
  explain,
  type Group,
  type Lazy,
  mkAfter,
  mkBefore,
  mkDefault,
  mkForce,
  mkIf,
  mkMerge,
  mkOption,
  mkOrder,
  mkOverride,
  t,
  using,
  type Wrapped,
} from "../../src/lib/index.ts";

const options = declareOptions({
  list: mkOption({ type: t.listOf(t.int), default: [] }),
  text: mkOption({ type: t.lines, default: "" }),
  set: mkOption({ type: t.attrsOf(t.int), default: {} }),
  number: mkOption({ type: t.int, default: 0 }),
  group: { inner: mkOption({ type: t.listOf(t.int), default: [] }) },
});
type Options = typeof options;
const base = using().declare(options).defineModule({});
const moduleOf = (config: Group<Options> | (() => Wrapped<Group<Options>>)) => defineModule<Options>({ config });
const evaluate = (...modules: readonly AnyModule[]) => evalModules({ modules: [base, ...modules] });
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
/** The whole configuration, of definitions given one module each. */
const configOf = (...configs: readonly Group<Options>[]): unknown => plain(evaluate(...configs.map(moduleOf)).config);

type Ints = Def<Lazy<readonly number[]>>;
const ints = fc.array(fc.integer({ min: -5, max: 5 }), { maxLength: 4 });
const group: fc.Arbitrary<Group<Options>> = fc.record(
  {
    list: ints,
    text: fc.string({ maxLength: 3 }),
    set: fc.dictionary(fc.constantFrom("a", "b", "__proto__", "constructor"), fc.constant(7)),
    group: fc.record({ inner: ints }, { requiredKeys: [] }),
  },
  { requiredKeys: [] },
) as fc.Arbitrary<Group<Options>>;
const groups = fc.array(group, { maxLength: 4 });
/** Priorities and orders: any finite number is one. */
const numbersBelow = (max: number) =>
  fc.oneof(fc.constantFrom(0, -1), fc.integer({ min: -max, max: max - 1 }), fc.integer({ max: 0 }));

describe("the laws of definitions", () => {
  it("mkIf of what holds changes nothing, in a group or at an option", () => {
    fc.assert(
      fc.property(group, ints, (config, list) => {
        expect(configOf(mkIf(() => true, config))).toEqual(configOf(config));
        expect(configOf({ list: mkIf(() => true, list) })).toEqual(configOf({ list }));
      }),
    );
  });

  it("mkIf of what does not hold is as if nothing had been said", () => {
    fc.assert(
      fc.property(group, group, (one, other) => {
        expect(
          configOf(
            one,
            mkIf(() => false, other),
          ),
        ).toEqual(configOf(one));
      }),
    );
  });

  it("mkMerge of one is that one, and nested mkMerge is flat", () => {
    fc.assert(
      fc.property(groups, groups, (ones, others) => {
        expect(configOf(mkMerge([mkMerge(ones), mkMerge(others)]))).toEqual(configOf(mkMerge([...ones, ...others])));
        for (const one of ones) expect(configOf(mkMerge([one]))).toEqual(configOf(one));
      }),
    );
  });

  it("define changes nothing", () => {
    fc.assert(
      fc.property(group, (config) => {
        expect(configOf(define(define(config)))).toEqual(configOf(config));
      }),
    );
  });

  it("a thunk is its value", () => {
    fc.assert(
      fc.property(ints, (list) => {
        expect(configOf({ list: () => list })).toEqual(configOf({ list }));
        expect(configOf({ list: list.map((n) => () => n) })).toEqual(configOf({ list }));
      }),
    );
  });

  it("the lowest priority number wins, and losers are never run", () => {
    const numbers = fc.uniqueArray(numbersBelow(1500), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(numbers, (priorities) => {
        const lowest = Math.min(...priorities);
        const configs = priorities.map((priority) => ({
          number: mkOverride(priority, () => {
            if (priority !== lowest) throw new Error("a loser was run");
            return priority;
          }),
        }));
        expect(evaluate(...configs.map((config) => moduleOf(config as Group<Options>))).config.number).toBe(lowest);
      }),
    );
  });

  it("order sorts, and what has equal order stays as it was", () => {
    const orders = fc.oneof(fc.constantFrom(500, 1000, 1500), numbersBelow(2000));
    const items = fc.array(fc.tuple(orders, fc.nat(99)), { maxLength: 8 });
    fc.assert(
      fc.property(items, (parts) => {
        const merged = evaluate(
          moduleOf({ list: mkMerge(parts.map(([order, n]): Ints => mkOrder(order, [n]))) }),
        ).config;
        const sorted = parts.toSorted(([a], [b]) => a - b).map(([, n]) => n);
        expect(merged.list).toEqual(sorted);
      }),
    );
  });

  it("0 and what is below it are priorities and orders like others, wherever they stand", () => {
    const small = fc.constantFrom(0, -0, -1, -0.5, -(2 ** 31), Number.MIN_SAFE_INTEGER, Number.MIN_VALUE);
    fc.assert(
      fc.property(small, (number) => {
        const weaker = moduleOf(mkForce({ number: 1, set: { a: 1 }, group: { inner: [1] } }));
        for (const stronger of [
          moduleOf({
            number: mkOverride(number, 2),
            set: mkOverride(number, { a: 2 }),
            group: { inner: mkOverride(number, () => [2]) },
          }),
          moduleOf(mkOverride(number, { number: 2, set: { a: 2 }, group: { inner: [2] } })),
        ]) {
          const { config } = evaluate(stronger, weaker);
          expect([config.number, plain(config.set), config.group.inner]).toEqual([2, { a: 2 }, [2]]);
        }
        expect(configOf({ set: { a: mkOverride(number, 2) } }, { set: { a: mkForce(1) } })).toMatchObject({
          set: { a: 2 },
        });
        const ordered = evaluate(moduleOf({ list: [2] }), moduleOf({ list: mkOrder(number, () => [1]) }));
        expect(ordered.config.list).toEqual([1, 2]);
        expect(explain(ordered, "list").definitions.map((definition) => definition.order)).toContain(number);
      }),
    );
  });

  it("a priority of 0 is one, so that a second one is one too many", () => {
    const twice = (outer: number): unknown =>
      evaluate(moduleOf({ number: mkOverride(outer, mkForce(1)) })).config.number;
    expect(() => twice(0)).toThrow("mkForce stands inside a wrapper that it has to stand around");
    expect(() => twice(10)).toThrow("mkForce stands inside a wrapper that it has to stand around");
  });

  it("mkBefore, nothing and mkAfter are orders 500, 1000 and 1500", () => {
    const list = mkMerge<Ints>([mkAfter([3]), [2], mkBefore([1])]);
    expect(evaluate(moduleOf({ list })).config.list).toEqual([1, 2, 3]);
  });

  it("priorities around a group are priorities around its options", () => {
    fc.assert(
      fc.property(ints, ints, (inner, other) => {
        expect(configOf(mkForce({ group: { inner } }), { group: { inner: other } })).toEqual(
          configOf({ group: { inner } }),
        );
        expect(configOf(mkDefault({ group: { inner } }), { group: { inner: other } })).toEqual(
          configOf({ group: { inner: other } }),
        );
      }),
    );
  });
});

describe("the laws of modules", () => {
  it("a module imported twice is imported once, by identity and by key", () => {
    fc.assert(
      fc.property(group, (config) => {
        const once = moduleOf(config);
        expect(plain(evaluate(once, once, defineModule({ imports: [once] })).config)).toEqual(configOf(config));
        const keyed = (): AnyModule => defineModule<Options>({ key: "same", config });
        expect(plain(evaluate(keyed(), keyed()).config)).toEqual(configOf(config));
      }),
    );
  });

  it("extendModules is evaluating the modules together", () => {
    fc.assert(
      fc.property(groups, groups, (ones, others) => {
        const first = evaluate(...ones.map(moduleOf));
        const extended = first.extendModules({ modules: others.map(moduleOf) });
        expect(plain(extended.config)).toEqual(configOf(...ones, ...others));
        expect(plain(first.config)).toEqual(configOf(...ones));
      }),
    );
  });

  it("later modules come first, imports before their importers", () => {
    const say = (n: number, ...imports: AnyModule[]): AnyModule =>
      defineModule<Options>({ imports, config: { list: [n] } });
    const a2x = say(5);
    expect(evaluate(say(1, say(3), say(4, a2x)), say(2)).config.list).toEqual([5, 4, 3, 2, 1]);
  });

  it("a disabled module disappears with its imports", () => {
    const inner = defineModule<Options>({ config: { list: [1] } });
    const outer = defineModule<Options>({ imports: [inner], config: { list: [2] } });
    expect(evaluate(outer, defineModule({ disabledModules: [outer] })).config.list).toEqual([]);
    expect(evaluate(outer, inner, defineModule({ disabledModules: [outer] })).config.list).toEqual([1]);
  });
});

describe("explain", () => {
  it("agrees with the value: the winners' priority, and one winner at least", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(50, 100, 1000), { minLength: 1, maxLength: 5 }), (priorities) => {
        const evaluation = evaluate(...priorities.map((p, i) => moduleOf({ list: mkOverride(p, [i]) })));
        const explanation = explain(evaluation, "list");
        expect(explanation.priority).toBe(Math.min(...priorities));
        const winners = explanation.definitions.filter(({ won }) => won);
        expect(winners).toHaveLength(evaluation.config.list.length);
        expect(winners.map(({ value }) => value)).toEqual(evaluation.config.list.map((n) => `[${n}]`));
        expect(explanation.definitions).toHaveLength(priorities.length + 1);
      }),
    );
  });
});
