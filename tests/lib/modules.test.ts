import { describe, expect, it } from "vitest";
import {
  type AnyModule,
  ConfigError,
  dataModule,
  declareOptions,
  define,
  defineModule,
  documentOptions,
  evalModules,
  explain,
  literal,
  type ModuleSpec,
  mapAttrs,
  mkAliasOptionModule,
  mkChangedOptionModule,
  mkDefault,
  mkEach,
  mkForce,
  mkIf,
  mkMerge,
  mkOption,
  mkOptionDefault,
  mkRemovedOptionModule,
  mkRenamedOptionModule,
  mkVMOverride,
  readDataModule,
  renderExplanation,
  t,
  using,
} from "../../src/lib/index.ts";

const item = t
  .submodule({
    a: mkOption({ type: t.int, default: 1 }),
    b: mkOption({ type: t.int, description: "One more than a." }),
    s: mkOption({ type: t.str, default: "s" }),
  })
  .config(({ name, config }) => define({ b: mkOptionDefault(() => config.a + 1), s: mkDefault(() => name) }));

const options = declareOptions({
  on: mkOption({ type: t.bool, default: false }),
  number: mkOption({ type: t.int, default: 0 }),
  other: mkOption({ type: t.int, default: 0 }),
  list: mkOption({ type: t.listOf(t.str), default: [] }),
  one: mkOption({ type: item, default: {} }),
  many: mkOption({ type: t.attrsOf(item), default: {} }),
  copy: mkOption({ type: t.attrsOf(item), default: {} }),
  maybe: mkOption({ type: t.nullOr(item), default: null }),
  free: mkOption({ type: t.freeform({ known: mkOption({ type: t.int, default: 7 }) }, t.json), default: {} }),
  callback: mkOption({ type: t.opaque<(x: number) => number>("function") }),
  join: mkOption({ type: t.functionTo(t.lines) }),
  upper: mkOption({ type: t.str, default: "a", apply: (s) => s.toUpperCase() }),
  path: mkOption({ type: t.path, default: "/" }),
  extra: mkOption({ type: t.deferredModule, default: [] }),
  warnings: mkOption({ type: t.listOf(t.str), default: [] }),
  assertions: mkOption({ type: t.listOf(t.json), default: [] }),
  group: { x: mkOption({ type: t.int, default: 1 }), y: mkOption({ type: t.int, default: 2 }) },
});
type Options = typeof options;
const base = using().declare(options).defineModule({});
const evaluate = (...modules: readonly AnyModule[]) => evalModules({ modules: [base, ...modules] });
const run = (...configs: readonly (ModuleSpec<Options>["config"] & {})[]) =>
  evaluate(...configs.map((config) => defineModule<Options>({ config }))).config;
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

describe("a module", () => {
  it("may read the very group that its condition guards", () => {
    const config = run(({ config }) => mkIf(() => config.on, { number: 5, group: { x: () => config.number + 1 } }), {
      on: true,
    });
    expect(config.group.x).toBe(6);
  });

  it("may take groups apart before anything is known", () => {
    const config = run(({ config: { group } }) => define({ number: () => group.x + group.y }));
    expect(config.number).toBe(3);
  });

  it("gives computed defaults with `defaults`, weaker than mkDefault and stronger than a static default", () => {
    const computed = defineModule<Options>({
      defaults: ({ config }) => define({ group: { y: () => config.group.x * 10 } }),
    });
    expect(evaluate(computed).config.group.y).toBe(10);
    expect(evaluate(computed, defineModule<Options>({ config: { group: { y: mkDefault(3) } } })).config.group.y).toBe(
      3,
    );
  });

  it("sees whether an option is defined by anyone", () => {
    const module = defineModule<Options>({
      config: ({ options: seen }) => define({ list: () => [`${seen.number.isDefined}`, `${seen.other.isDefined}`] }),
    });
    expect(evaluate(module, defineModule<Options>({ config: { number: 0 } })).config.list).toEqual(["true", "false"]);
  });

  it("gets special arguments", () => {
    const module = defineModule<Options>({
      config: (args) => define({ number: () => (args as { answer?: number }).answer ?? 0 }),
    });
    expect(evalModules({ modules: [base, module], specialArgs: { answer: 42 } as never }).config.number).toBe(42);
  });

  it("can evaluate the configuration again, with more modules", () => {
    const config = run(({ config: own, extendModules }) =>
      define({
        number: mkDefault(1),
        extra: defineModule<Options>({ config: { number: 2 } }),
        other: () => (own.number === 1 ? extendModules({ modules: own.extra }).config.number : 0),
      }),
    );
    expect(config.other).toBe(2);
  });
});

describe("a submodule", () => {
  it("knows its name and its own options", () => {
    const config = run(({ config: outer }) =>
      define({
        many: {
          p: { a: 5 },
          q: ({ name, config }) => define({ a: () => config.s.length, s: mkForce(`${name}!`) }),
          r: mkIf(() => outer.on, { a: 9 }),
        },
      }),
    );
    expect(plain(config.many)).toEqual({ p: { a: 5, b: 6, s: "p" }, q: { a: 2, b: 3, s: "q!" } });
  });

  it("can be defined for every element that others create", () => {
    const config = run({ many: { x: {}, y: { a: 2 } } }, { many: mkEach(define({ a: mkDefault(40) })) });
    expect([config.many["x"]?.a, config.many["y"]?.a]).toEqual([40, 2]);
  });

  it("can be copied from one option to another without being read", () => {
    const config = run(({ config: own }) =>
      define({ many: { p: { a: 5 } }, copy: () => own.many, maybe: () => own.one }),
    );
    expect(plain(config.copy)).toEqual({ p: { a: 5, b: 6, s: "p" } });
    expect(config.maybe?.b).toBe(2);
  });

  it("may refer to its siblings", () => {
    const config = run(({ config: own }) =>
      define({ many: { x: { a: () => (own.many["y"]?.a ?? 0) + 1 }, y: { a: 10 } } }),
    );
    expect(config.many["x"]?.a).toBe(11);
  });

  it("is replaced as a whole by a stronger definition of the set around it", () => {
    const config = run({ many: { a: {}, b: {} } }, { many: mkVMOverride({ c: {} }) });
    expect(Object.keys(config.many)).toEqual(["c"]);
  });

  it("can be extended by options that another module declares", () => {
    const more = using(base)
      .declare({
        many: mkOption({ type: t.attrsOf(t.submodule({ extra: mkOption({ type: t.str, default: "new" }) })) }),
      })
      .defineModule({ config: { many: { x: { a: 3 } } } });
    const { many } = evaluate(more).config as unknown as { many: { x: unknown } };
    expect(plain(many.x)).toEqual({ a: 3, b: 4, s: "x", extra: "new" });
  });

  it("takes other names if it is free-form, and merges them", () => {
    const { free } = run(
      ({ config }) => define({ number: 3, free: { known: 8, extra: { deep: [1, () => config.number, { k: null }] } } }),
      { free: { extra: { more: true } } },
    );
    expect(free.known).toBe(8);
    expect(plain(free["extra"])).toEqual({ deep: [1, 3, { k: null }], more: true });
  });
});

describe("values", () => {
  it("are frozen", () => {
    const config = run({ list: ["a"], many: { x: {} } });
    for (const value of [config, config.group, config.list, config.many, config.many["x"]])
      expect(Object.isFrozen(value)).toBe(true);
  });

  it("that are functions are given as literals", () => {
    expect(run({ callback: literal((x: number) => x * 2) }).callback(21)).toBe(42);
  });

  it("of functionTo are what all the functions return, merged", () => {
    const config = run(
      { join: literal((x: unknown) => `a ${x}`) },
      { join: literal((x: unknown) => mkIf(() => x === 1, `b ${x}`)) },
    );
    expect(config.join(1)).toBe("b 1\na 1");
    expect(config.join(2)).toBe("a 2");
  });

  it("pass through apply", () => {
    expect(run({ upper: "b" }).upper).toBe("B");
  });

  it("of a path may be things that have one", () => {
    const thing = { path: "/nix/store/x", toString: () => "/nix/store/x" };
    expect(run({ path: thing }, { path: "/nix/store/x" }).path).toBe("/nix/store/x");
  });

  it("that fail do not spoil others, nor later reads", () => {
    const config = run(({ config: own }) =>
      define({ number: () => own.other, other: () => own.number, group: { x: 3 } }),
    );
    expect(() => config.number).toThrow(ConfigError);
    expect(() => config.number).toThrow(ConfigError);
    expect(config.group.x).toBe(3);
  });

  it("of lists may each be conditional", () => {
    const config = run(({ config: own }) =>
      define({ number: 4, list: ["a", mkIf(() => own.on, "no"), mkIf(() => !own.on, "yes"), () => `n${own.number}`] }),
    );
    expect(config.list).toEqual(["a", "yes", "n4"]);
  });
});

describe("an option that moved", () => {
  it("is an alias: it reads as the new one and defines it", () => {
    const { config } = evaluate(mkAliasOptionModule(["old"], ["number"]), dataModule("x.json", { old: 5 }));
    expect([config.number, (config as unknown as { old: number }).old]).toEqual([5, 5]);
  });

  it("keeps the priority of its definitions", () => {
    const { config } = evaluate(
      mkAliasOptionModule(["old"], ["number"]),
      dataModule("x.json", { old: { $default: 5 }, number: 6 }),
    );
    expect(config.number).toBe(6);
  });

  it("warns if it was renamed", () => {
    const rename = mkRenamedOptionModule(["old"], ["group", "x"]);
    expect(evaluate(rename).config.warnings).toEqual([]);
    const { config } = evaluate(rename, dataModule("x.json", { old: 5 }));
    expect(config.group.x).toBe(5);
    expect(config.warnings).toEqual(["The option `old' defined in `x.json' has been renamed to `group.x'."]);
  });

  it("is a failed assertion if it was removed and is still defined", () => {
    const { config } = evaluate(mkRemovedOptionModule(["old"], "Use number."), dataModule("x.json", { old: 5 }));
    expect(config.assertions).toMatchObject([{ assertion: false }]);
    expect(plain(config.assertions)).toMatchObject([{ message: expect.stringContaining("Use number.") }]);
  });

  it("can be converted into another one", () => {
    const changed = mkChangedOptionModule<{ old: Options["list"] }>(["old"], ["number"], (config) => config.old.length);
    expect(evaluate(changed, dataModule("x.json", { old: ["a", "b"] })).config.number).toBe(2);
    expect(evaluate(changed).config.number).toBe(0);
  });
});

describe("a data file", () => {
  it("may refer to options, have conditions, priorities and orders", () => {
    const data = {
      on: true,
      number: { $ref: "group.x" },
      group: { y: { $force: 5 } },
      list: { $merge: [["b"], { $before: ["a"] }, { $if: "on", then: ["c"] }] },
    };
    const { config } = evaluate(dataModule("x.json", data), defineModule<Options>({ config: { group: { y: 6 } } }));
    expect([config.number, config.group.y, config.list]).toEqual([1, 5, ["a", "b", "c"]]);
  });

  it("knows the line of each value", async () => {
    const module = await readDataModule("x.yaml", "number: 1\ngroup:\n  x: 2\n");
    expect(explain(evaluate(module), "group.x").definitions.at(-1)).toMatchObject({
      file: "x.yaml",
      line: 3,
      value: "2",
      won: true,
    });
  });
});

describe("explain", () => {
  const evaluation = evaluate(
    dataModule("one.json", { number: { $force: 1 }, many: { x: { a: 2 } } }),
    dataModule("two.json", { number: { $if: "on", then: 5 } }),
    dataModule("three.json", { number: 3 }),
  );

  it("tells every definition, its priority and condition, and which one won", () => {
    expect(
      renderExplanation(explain(evaluation, "number")).replace(/\S+\/(\w+\.test\.ts):\d+/g, "$1"),
    ).toMatchInlineSnapshot(`
      "number = 1
        signed integer
        declared at modules.test.ts
        ✗ modules.test.ts  0   (the option's default, priority 1500: 50 is stronger)
        ✗ three.json  3   (priority 100: 50 is stronger)
        ✗ two.json  5   (priority 100, its condition does not hold (two.json))
        ✓ one.json  1   (priority 50)"
    `);
  });

  it("goes into submodules", () => {
    expect(explain(evaluation, "many.x.a")).toMatchObject({ option: "many.x.a", value: "2", priority: 100 });
    expect(explain(evaluation, "many.x.b").description).toBe("One more than a.");
  });

  it("says so when there is no such option", () => {
    expect(() => explain(evaluation, "numbr")).toThrow(ConfigError);
    expect(() => explain(evaluation, "many.x.c")).toThrow(ConfigError);
  });
});

describe("documentation", () => {
  it("lists all options, those of submodules below placeholders", () => {
    const docs = documentOptions(evaluate());
    expect(docs.map(({ name }) => name).filter((name) => name.startsWith("many"))).toEqual([
      "many",
      "many.<name>.a",
      "many.<name>.b",
      "many.<name>.s",
    ]);
    expect(docs.find(({ name }) => name === "many.<name>.a")).toMatchObject({
      default: { value: 1 },
      type: "signed integer",
    });
  });
});

describe("mapping attribute sets", () => {
  it("makes definitions of values", () => {
    const config = run(({ config: own }) =>
      define({
        many: { x: { a: 2 } },
        copy: () => mapAttrs(own.many, (name, value) => define({ a: value.b, s: mkForce(`${name}2`) })),
      }),
    );
    expect(plain(config.copy)).toEqual({ x: { a: 3, b: 4, s: "x2" } });
  });

  it("keeps mkMerge members apart", () => {
    expect(run({ list: mkMerge([["a"], ["b"]]) }).list).toEqual(["a", "b"]);
  });
});
