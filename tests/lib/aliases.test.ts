import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type AnyModule,
  ConfigError,
  type Def,
  dataModule,
  declareOptions,
  define,
  defineModule,
  doRename,
  evalModules,
  explain,
  type Lazy,
  literal,
  type ModuleSpec,
  mapDefinitionValue,
  mergeAttrDefinitionsWithPrio,
  mkAfter,
  mkAliasAndWrapDefinitions,
  mkAliasAndWrapDefsWithPriority,
  mkAliasDefinitions,
  mkAssert,
  mkBefore,
  mkDefault,
  mkDefinition,
  mkDerivedConfig,
  mkEach,
  mkForce,
  mkIf,
  mkImageMediaOverride,
  mkMerge,
  mkMergedOptionModule,
  mkOption,
  mkOptionDefault,
  mkRemove,
  mkRemovedOptionModule,
  mkRenamedOptionModuleWith,
  mkTransform,
  showOptionWithDefLocs,
  t,
  using,
} from "../../src/lib/index.ts";

const options = declareOptions({
  on: mkOption({ type: t.bool, default: false }),
  text: mkOption({ type: t.str }),
  copy: mkOption({ type: t.str }),
  list: mkOption({ type: t.listOf(t.str), default: [] }),
  copies: mkOption({ type: t.listOf(t.str), default: [] }),
  size: mkOption({ type: t.int }),
  limits: mkOption({ type: t.attrsOf(t.int) }),
  lazy: mkOption({ type: t.lazyAttrsOf(t.int), default: {} }),
  hook: mkOption({ type: t.opaque<(n: number) => number>("function") }),
  hookCopy: mkOption({ type: t.opaque<(n: number) => number>("function") }),
  warnings: mkOption({ type: t.listOf(t.str), default: [] }),
  assertions: mkOption({ type: t.listOf(t.json), default: [] }),
});
type Options = typeof options;
const base = using().declare(options).defineModule({});
const evaluate = (...modules: readonly AnyModule[]) => evalModules({ modules: [base, ...modules] });
type Config = ModuleSpec<Options>["config"] & {};
const run = (...configs: readonly Config[]) => evaluate(...configs.map((config) => defineModule<Options>({ config })));
const codeOf = (read: () => unknown): string | undefined => {
  try {
    read();
    return undefined;
  } catch (error) {
    return error instanceof ConfigError ? error.problems[0].code : `${error}`;
  }
};

describe("definitions of another option's definitions", () => {
  it("are none if it has none", () => {
    const { options: view } = run(({ options: all }) => define({ copy: mkAliasDefinitions(all.text) }));
    expect(view.copy.isDefined).toBe(false);
  });

  it("are plain ones, whatever priority they have had", () => {
    const { config, options: view } = run(({ options: all }) =>
      define({ text: mkForce("forced"), copy: mkAliasDefinitions(all.text) }),
    );
    expect([config.copy, view.copy.highestPrio]).toEqual(["forced", 100]);
  });

  it("keep the order they have come to, and their places", () => {
    const evaluation = run(({ options: all }) => define({ copies: mkAliasDefinitions(all.list) }), {
      list: mkMerge([["b"], mkBefore(["a"]), mkAfter(["c"])]),
    });
    expect(evaluation.config.copies).toEqual(["a", "b", "c"]);
    const [from] = evaluation.options.copies.definitions;
    expect(from?.at).toMatch(/aliases\.test\.ts:\d+$/);
  });

  it("may be wrapped", () => {
    const { options: view } = run(({ options: all }) =>
      define({ text: "x", copy: mkAliasAndWrapDefinitions((defs) => mkIf(() => true, defs), all.text) }),
    );
    expect(view.copy.value).toBe("x");
  });

  it("keep their priority if they are asked to", () => {
    const { config, options: view } = run(
      ({ options: all }) =>
        define({ text: mkDefault("weak"), copy: mkAliasAndWrapDefsWithPriority((defs) => defs, all.text) }),
      {},
    );
    expect([config.copy, view.copy.highestPrio]).toEqual(["weak", 1000]);
  });

  it("are changed as they were", () => {
    const evaluation = run(({ options: all }) => define({ copies: mkAliasDefinitions(all.list) }), {
      list: mkMerge([["a", "b"], mkForce(mkRemove(["a"])), mkTransform((list) => [...list, "c"])]),
    });
    expect([evaluation.config.list, evaluation.config.copies]).toEqual([
      ["b", "c"],
      ["b", "c"],
    ]);
  });

  it("may be functions", () => {
    const { config } = run(({ options: all }) =>
      define({ hook: literal((n: number) => n + 1), hookCopy: mkAliasDefinitions(all.hook) }),
    );
    expect(config.hookCopy(1)).toBe(2);
  });
});

describe("a derived definition", () => {
  it.each([
    ["mkForce", mkForce, 50],
    ["mkDefault", mkDefault, 1000],
    ["mkOptionDefault", mkOptionDefault, 1500],
    ["mkImageMediaOverride", mkImageMediaOverride, 60],
  ] as const)("has the priority of what it is derived from: %s", (_, wrap, priority) => {
    const { options: view } = run(({ options: all }) =>
      define({ text: wrap("four"), size: mkDerivedConfig(all.text, (text) => text.length) }),
    );
    expect([view.size.value, view.size.highestPrio]).toEqual([4, priority]);
  });
});

describe("the definitions of an attribute set", () => {
  it("are told by name, with the priority that has won", () => {
    const { options: view } = run(
      { limits: { a: mkDefault(1), b: 2, c: mkIf(() => false, 3) } },
      { limits: { a: 4, d: mkForce(5) }, lazy: { x: 1 } },
    );
    expect(mergeAttrDefinitionsWithPrio(view.limits)).toEqual({
      a: { value: 4, highestPrio: 100 },
      b: { value: 2, highestPrio: 100 },
      d: { value: 5, highestPrio: 50 },
    });
    expect(mergeAttrDefinitionsWithPrio(view.lazy)).toEqual({ x: { value: 1, highestPrio: 100 } });
  });

  it("have what is said for every name", () => {
    const { options: view } = run({ limits: { a: mkDefault(1), b: 2 } }, { limits: mkEach(mkForce(3)) });
    expect(mergeAttrDefinitionsWithPrio(view.limits)).toEqual({
      a: { value: 3, highestPrio: 50 },
      b: { value: 3, highestPrio: 50 },
    });
  });
});

describe("a definition with a file of its own", () => {
  it("may stand inside conditions and merges, with a priority inside", () => {
    const evaluation = run({
      text: mkIf(() => true, mkMerge([mkDefinition({ file: "a.csv", line: 7, value: mkForce("x") })])),
    });
    expect(explain(evaluation, "text").definitions).toMatchObject([
      { file: "a.csv", line: 7, priority: 50, won: true },
    ]);
  });

  it("cannot stand inside a priority", () => {
    const evaluation = run({ text: mkForce(mkDefinition({ file: "a.csv", value: "x" })) });
    expect(codeOf(() => evaluation.config.text)).toBe("wrapper-nesting");
  });

  it("is named with the files of the option", () => {
    const { options: view } = run({ text: mkDefinition({ file: "a.csv", value: "x" }) });
    expect(showOptionWithDefLocs(view.text)).toBe("text, with values defined in:\n  - a.csv");
  });
});

describe("mapDefinitionValue", () => {
  it("changes the value below all wrappers, thunks included", () => {
    const upper = (text: string) => text.toUpperCase();
    const { config } = run(({ config: own }) =>
      define({
        on: true,
        text: mapDefinitionValue(
          upper,
          mkIf(
            () => own.on,
            () => mkIf(() => true, "x"),
          ),
        ),
        list: mapDefinitionValue((list: readonly string[]) => list.map(upper), mkMerge([["b"], mkBefore(["a"])])),
      }),
    );
    expect([config.text, config.list]).toEqual(["X", ["A", "B"]]);
  });

  it("composes: a law", () => {
    const add = (list: readonly string[]) => [...list, "+"];
    const flip = (list: readonly string[]) => list.toReversed();
    const list = fc.array(fc.string({ maxLength: 2 }), { maxLength: 3 });
    const wrapped: fc.Arbitrary<Def<Lazy<readonly string[]>>> = list.chain((value) =>
      fc.constantFrom<Def<Lazy<readonly string[]>>>(
        value,
        () => value,
        mkForce(value),
        mkIf(() => true, mkDefault(mkBefore(value))),
        mkMerge([value, mkAfter(() => value)]),
      ),
    );
    fc.assert(
      fc.property(wrapped, (definition) => {
        const twice = mapDefinitionValue(flip, mapDefinitionValue(add, definition) as Def<Lazy<readonly string[]>>);
        const once = mapDefinitionValue((value: readonly string[]) => flip(add(value)), definition);
        expect(run({ list: twice }).config.list).toEqual(run({ list: once }).config.list);
      }),
    );
  });
});

describe("mkAssert", () => {
  it("is the value where the condition holds, and is not asked where it is not read", () => {
    const { config } = run(({ config: own }) =>
      define({ on: true, text: mkAssert(() => own.on, "on", "x"), copy: mkAssert(() => !own.on, "off", "y") }),
    );
    expect(config.text).toBe("x");
    expect(codeOf(() => config.copy)).toBe("assertion-failed");
  });
});

describe("doRename", () => {
  const old = dataModule("x.json", { old: { $default: "x" } });
  const rename = (more: Partial<Parameters<typeof doRename>[0]>) =>
    doRename({ from: ["old"], to: ["text"], visible: false, warn: true, ...more });

  it("hands priorities over, or not", () => {
    const other = defineModule<Options>({ config: { text: "y" } });
    expect(evaluate(rename({}), old, other).config.text).toBe("y");
    expect(codeOf(() => evaluate(rename({ withPriority: false }), old, other).config.text)).toBe("definition-conflict");
  });

  it("hands over changes, with priorities or without", () => {
    const changed = declareOptions({ was: mkOption({ type: t.listOf(t.str) }) });
    for (const withPriority of [true, false]) {
      const moved = doRename({ from: ["was"], to: ["list"], visible: true, warn: false, withPriority });
      const module = defineModule<Pick<typeof changed, "was">>({
        config: { was: mkMerge([["a", "b"], mkForce(mkRemove(["a"]))]) },
      });
      expect(evaluate(moved, module).config.list).toEqual(["b"]);
    }
  });

  it("does nothing unless its condition holds", () => {
    const other = defineModule<Options>({ config: { text: mkOptionDefault("own") } });
    for (const condition of [false, () => false]) {
      const { config } = evaluate(rename({ condition }), old, other);
      expect([config.text, config.warnings]).toEqual(["own", []]);
    }
  });

  it("changes what is read by the old name", () => {
    const used: unknown[] = [];
    const use = (value: unknown): unknown => {
      used.push(value);
      return `${value as string}!`;
    };
    const { config } = evaluate(rename({ use }), old);
    expect((config as unknown as { old: string }).old).toBe("x!");
    expect(used).toEqual(["x"]);
  });

  it("may lead into a value of another option", () => {
    const into = doRename({ from: ["old"], to: ["limits", "files"], visible: true, warn: false });
    const { config } = evaluate(into, dataModule("x.json", { old: 5 }));
    expect([config.limits, (config as unknown as { old: number }).old]).toEqual([{ files: 5 }, 5]);
  });

  it("warns of old names once no supported release needs them", () => {
    const since = (oldestSupportedRelease: number) =>
      evaluate(
        mkRenamedOptionModuleWith({ from: ["old"], to: ["text"], sinceRelease: 13, oldestSupportedRelease }),
        old,
      ).config.warnings;
    expect(since(12)).toEqual([]);
    expect(since(13)).toEqual(["The option `old' defined in `x.json' has been renamed to `text'."]);
  });
});

describe("options that are gone or have changed", () => {
  it("are told in NixOS's words", () => {
    const removed = evaluate(mkRemovedOptionModule(["old"], "Use text."), dataModule("x.json", { old: 1 }));
    expect(JSON.parse(JSON.stringify(removed.config.assertions))).toEqual([
      {
        assertion: false,
        message: "The option definition `old' in `x.json' no longer has any effect; please remove it.\nUse text.",
      },
    ]);
    const merged = mkMergedOptionModule<{ a: Options["size"]; b: Options["size"] }>(
      [["a"], ["b"]],
      ["size"],
      (config) => config.a + config.b,
    );
    const { config } = evaluate(merged, dataModule("x.json", { a: 1, b: 2 }));
    expect(config.size).toBe(3);
    expect(config.warnings).toEqual([
      "The option `a' defined in `x.json' has been changed to `size' that has a different type. Please read `size' documentation and update your configuration accordingly.",
      "The option `b' defined in `x.json' has been changed to `size' that has a different type. Please read `size' documentation and update your configuration accordingly.",
    ]);
  });

  it("cannot be read once it is removed, whatever is said of it", () => {
    const removed = mkRemovedOptionModule(["old"], "Use text.");
    const conflicting = [dataModule("x.json", { old: 1 }), dataModule("y.json", { old: "2" })];
    const throwing = defineModule({ config: { old: () => JSON.parse("{") as unknown } as never });
    for (const modules of [[], conflicting, [throwing]])
      expect(codeOf(() => evaluate(removed, ...modules).config["old" as never])).toBe("option-removed");
  });

  it("are merged by what they are, and a mark as long as nobody defines them", () => {
    const merged = mkMergedOptionModule<{ a: Options["list"]; b: Options["list"] }>(
      [["a"], ["b"]],
      ["list"],
      (config) => mkForce([...config.a, ...(typeof config.b === "string" ? [config.b] : config.b)]),
    );
    const [x, y] = [dataModule("x.json", { a: ["1"] }), dataModule("y.json", { a: ["2"], list: ["3"] })];
    const { config, options: view } = evaluate(merged, x, y);
    expect(config.list).toEqual(["2", "1", "_mkMergedOptionModule"]);
    expect(view.list.highestPrio).toBe(50);
    expect(evaluate(merged).config).toMatchObject({ a: "_mkMergedOptionModule", list: [], warnings: [] });
  });

  it("hand over definitions as their own, with their priority or without", () => {
    const old = dataModule("x.json", { old: "text" });
    for (const withPriority of [true, false]) {
      const renamed = doRename({ from: ["old"], to: ["text"], visible: false, warn: false, withPriority });
      expect(evaluate(renamed, old).options.text.files).toEqual([import.meta.filename]);
    }
  });

  it("name the files whose definitions count when they warn", () => {
    const renamed = mkRenamedOptionModuleWith({
      from: ["old"],
      to: ["size"],
      sinceRelease: 1,
      oldestSupportedRelease: 1,
    });
    const weak = defineModule({ config: { old: mkDefault(2) } as never });
    expect(evaluate(renamed, weak, dataModule("x.json", { old: 1 })).config.warnings).toEqual([
      "The option `old' defined in `x.json' has been renamed to `size'.",
    ]);
  });
});
