import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type AnyModule,
  declareOptions,
  define,
  defineModule,
  evalModules,
  explain,
  type Group,
  type ModuleSpec,
  mkAfter,
  mkAliasOptionModule,
  mkBefore,
  mkDefault,
  mkEach,
  mkForce,
  mkIf,
  mkMerge,
  mkOption,
  mkOverride,
  mkRemove,
  mkTransform,
  mkUnset,
  renderExplanation,
  t,
  using,
} from "../../src/lib/index.ts";

const user = t.submodule({
  uid: mkOption({ type: t.int, default: 1 }),
  groups: mkOption({ type: t.listOf(t.str), default: ["users"] }),
});
const options = declareOptions({
  n: mkOption({ type: t.int, default: 0 }),
  bare: mkOption({ type: t.int }),
  list: mkOption({ type: t.listOf(t.int), default: [1, 2] }),
  paths: mkOption({ type: t.listOf(t.path), default: [] }),
  set: mkOption({ type: t.attrsOf(t.int), default: {} }),
  users: mkOption({ type: t.attrsOf(user), default: {} }),
  maybe: mkOption({ type: t.nullOr(t.int), default: 5 }),
  any: mkOption({ type: t.json, default: {} }),
  upper: mkOption({ type: t.str, default: "a", apply: (s) => s.toUpperCase() }),
});
type Options = typeof options;
type Config = ModuleSpec<Options>["config"] & {};
const base = using().declare(options).defineModule({});
const evaluate = (...modules: readonly AnyModule[]) => evalModules({ modules: [base, ...modules] });
const moduleOf = (config: Config) => defineModule<Options>({ config });
/** Evaluate definitions; the last one comes first in lists. */
const run = (...configs: readonly Config[]) => evaluate(...configs.map(moduleOf)).config;
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
const ints = fc.array(fc.integer({ min: -3, max: 3 }), { maxLength: 6 });
const level = fc.constantFrom(50, 100, 1000, 1500);

describe("mkUnset", () => {
  it("leaves the value that an option without definitions has", () => {
    expect(run({ list: mkUnset() }).list).toEqual([]);
    expect(run({ maybe: mkUnset() }).maybe).toBeNull();
    expect(run({ set: { a: 1 } }, { set: mkForce(mkUnset()) }).set).toEqual({});
    expect(() => run({ n: mkUnset() }).n).toThrow(/n is read, but has no value/);
  });

  it("takes a name out of a set, and an element out of a list", () => {
    expect(run({ set: { a: 1, b: 2 } }, { set: { a: mkForce(mkUnset()) } }).set).toEqual({ b: 2 });
    expect(Object.keys(run({ users: { bob: {} } }, { users: { bob: mkForce(mkUnset()) } }).users)).toEqual([]);
    expect(Object.keys(run({ users: { a: {}, b: {} } }, { users: mkEach(mkForce(mkUnset())) }).users)).toEqual([]);
    expect(run({ list: [1, mkUnset(), 3] }).list).toEqual([1, 3]);
    expect(run({ any: { a: { b: 1, c: 2 } } }, { any: { a: { b: mkForce(mkUnset()) } } }).any).toEqual({ a: { c: 2 } });
  });

  it("gives way to stronger definitions, and says nothing when its condition does not hold", () => {
    expect(run({ n: mkDefault(mkUnset()) }, { n: 5 }).n).toBe(5);
    expect(run({ n: mkIf(() => false, mkForce(mkUnset())) }, { n: 5 }).n).toBe(5);
    expect(run({ n: () => mkIf(() => true, mkUnset()) }, { bare: 1 }).bare).toBe(1);
    expect(() => run({ n: () => mkUnset() }).n).toThrow(/no value/);
  });

  it("is not a definition for who asks whether there is one", () => {
    const { options: views } = evaluate(moduleOf({ n: mkForce(mkUnset()), list: mkRemove([1]) }));
    expect(views.n.isDefined).toBe(false);
    expect(views.n.highestPrio).toBe(50);
    expect(views.list.isDefined).toBe(false);
    expect(evaluate(moduleOf({ list: [] })).options.list.isDefined).toBe(true);
  });

  it("is as if nobody had said anything: a law", () => {
    fc.assert(
      fc.property(ints, level, (list, other) => {
        const { list: merged } = run({ list: mkOverride(other, list) }, { list: mkOverride(40, mkUnset()) });
        expect(merged).toEqual([]);
      }),
    );
  });
});

describe("mkRemove", () => {
  it("takes elements out of what others define, the default included", () => {
    expect(run({ list: mkRemove([1]) }).list).toEqual([2]);
    expect(run({ list: [1, 2, 1, 3] }, { list: mkRemove([1]) }, { list: [1, 4] }).list).toEqual([4, 2, 3]);
    expect(run({ list: mkRemove(() => [1]) }).list).toEqual([2]);
    expect(run({ list: () => mkRemove([1]) }).list).toEqual([2]);
  });

  it("takes names out of sets, and reads none of the values", () => {
    const boom = () => {
      throw new Error("read");
    };
    const { set, users } = run(
      { set: { a: boom, b: 2, c: boom }, users: { guest: {}, root: { uid: boom } } },
      { set: mkRemove(["a"]), users: mkRemove(["guest", "nobody"]) },
    );
    expect(set["b"]).toBe(2);
    expect(Object.keys(set)).toEqual(["b", "c"]);
    expect(Object.keys(users)).toEqual(["root"]);
    expect(Object.isFrozen(set) && Object.isFrozen(users)).toBe(true);
  });

  it("knows elements by what the type makes of them", () => {
    const store = { path: "/nix/store/x", toString: () => "/nix/store/x" };
    expect(run({ paths: [store, "/b"] }, { paths: mkRemove([store]) }).paths).toEqual(["/b"]);
    expect(run({ paths: [store, "/b"] }, { paths: mkRemove(["/nix/store/x"]) }).paths).toEqual(["/b"]);
  });

  it("works inside elements of sets, and in aliases", () => {
    const { users } = run({ users: { a: {} } }, { users: { a: { groups: mkRemove(["users"]) } } });
    expect(users["a"]?.groups).toEqual([]);
    expect(Object.keys(run({ users: { ghost: mkRemove<{ [name: string]: number }>(["x"]) as never } }).users)).toEqual(
      [],
    );
    const alias = mkAliasOptionModule(["old"], ["list"]);
    const through = defineModule<{ old: (typeof options)["list"] }>({ config: { old: mkForce(mkRemove([1])) } });
    expect(evaluate(alias, through, moduleOf({ list: [1, 7] })).config.list).toEqual([7]);
  });

  it("does not touch what is stronger than it", () => {
    expect(run({ list: mkForce([1, 2]) }, { list: mkRemove([1]) }).list).toEqual([1, 2]);
    expect(run({ list: mkForce([1, 2]) }, { list: mkForce(mkRemove([1])) }).list).toEqual([2]);
    expect(run({ list: [1, 2] }, { list: mkDefault(mkRemove([1])) }).list).toEqual([1, 2]);
  });

  it("is a filter: a law, whatever the priorities", () => {
    fc.assert(
      fc.property(ints, ints, level, level, (list, gone, own, removing) => {
        const merged = run({ list: mkOverride(own, list) }, { list: mkOverride(removing, mkRemove(gone)) }).list;
        const whole = own === 1500 ? [1, 2, ...list] : list;
        expect(merged).toEqual(removing <= own ? whole.filter((n) => !gone.includes(n)) : whole);
      }),
    );
  });

  it("does the same done twice, and two do what one of both does: a law", () => {
    fc.assert(
      fc.property(ints, ints, ints, (list, a, b) => {
        const one = run({ list: mkMerge<Group<Options>["list"] & {}>([list, mkRemove([...a, ...b])]) }).list;
        expect(run({ list }, { list: mkRemove(a) }, { list: mkRemove(b) }, { list: mkRemove(a) }).list).toEqual(one);
      }),
    );
  });
});

describe("mkTransform", () => {
  it("changes the merged value, the default included, before apply", () => {
    expect(run({ n: mkTransform((n) => n + 1) }).n).toBe(1);
    expect(run({ n: 4 }, { n: mkTransform((n) => n * 2) }).n).toBe(8);
    expect(run({ upper: mkTransform((s) => `${s}b`) }).upper).toBe("AB");
    expect(run({ maybe: mkTransform(() => null) }).maybe).toBeNull();
    expect(run({ list: mkTransform((list) => list.toReversed()) }).list).toEqual([2, 1]);
  });

  it("may read other options", () => {
    const config = run(({ config: c }) => define({ n: mkTransform((n) => n + c.list.length) }), { n: 5 });
    expect(config.n).toBe(7);
  });

  it("is given finished configurations where there are submodules", () => {
    const { users } = run(
      { users: { b: { uid: 2 }, a: {} } },
      { users: mkTransform((all) => Object.fromEntries(Object.entries(all).filter(([, { uid }]) => uid > 1))) },
    );
    expect(plain(users)).toEqual({ b: { uid: 2, groups: ["users"] } });
  });

  it("runs in order, and only on what is not stronger", () => {
    const config = run(
      { n: mkAfter(mkTransform((n) => n * 10)) },
      { n: mkBefore(mkTransform((n) => n + 1)) },
      { n: mkTransform((n) => n + 2) },
      { n: 1 },
    );
    expect(config.n).toBe(40);
    expect(run({ n: mkForce(1) }, { n: mkTransform((n) => n + 1) }).n).toBe(1);
    expect(run({ n: 1 }, { n: mkForce(mkTransform((n) => n + 1)) }, { n: mkTransform((n) => n * 10) }).n).toBe(11);
  });

  it("of the identity changes nothing, and two are their composition: a law", () => {
    fc.assert(
      fc.property(ints, fc.integer(), fc.integer(), (list, a, b) => {
        expect(run({ list }, { list: mkTransform((value) => value) }).list).toEqual(list);
        const both = run({ n: mkBefore(mkTransform((n) => n - a)) }, { n: mkAfter(mkTransform((n) => n * (b % 9))) }).n;
        expect(both).toEqual(run({ n: mkTransform((n) => (n - a) * (b % 9)) }).n);
      }),
    );
  });
});

describe("an explanation of changes", () => {
  it("says what each does, and whether it does it", () => {
    const evaluation = evaluate(
      moduleOf({ list: mkForce([1, 2, 3]) }),
      moduleOf({ list: mkForce(mkRemove([1])) }),
      moduleOf({ list: mkTransform((list) => list) }),
      moduleOf({ n: mkForce(mkUnset()) }),
    );
    const { definitions } = explain(evaluation, "list");
    expect(definitions.map(({ effect, won, value }) => ({ effect, won, value }))).toEqual([
      { effect: undefined, won: false, value: "[1, 2]" },
      { effect: "transforms", won: false, value: "mkTransform(() => …)" },
      { effect: "removes", won: true, value: "mkRemove([1])" },
      { effect: undefined, won: true, value: "[1, 2, 3]" },
    ]);
    expect(renderExplanation(explain(evaluation, "list"))).toMatch(
      /mkRemove\(\[1\]\) {3}\(priority 50, removes what the others define\)/,
    );
    const unset = renderExplanation(explain(evaluation, "n"));
    expect(unset).toMatch(/n = \(fails: .*no value\)/);
    expect(unset).toMatch(/✓ .*mkUnset\(\) {3}\(priority 50, unsets what the others define\)/);
  });
});
