import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type AnyModule,
  ConfigError,
  dataModule,
  declareOptions,
  define,
  defineModule,
  deprecationWarnings,
  documentOptions,
  evalModules,
  literal,
  type Module,
  mergeDefaultOption,
  mergeEqualOption,
  mergeOneOption,
  mergeTypes,
  mergeUniqueOption,
  mkAfter,
  mkBefore,
  mkDefault,
  mkEach,
  mkForce,
  mkIf,
  mkMerge,
  mkOption,
  mkOptionType,
  mkRemove,
  mkTransform,
  mkUnset,
  type OptionType,
  raw,
  t,
  types,
  using,
} from "../../src/lib/index.ts";

/** Evaluate one option of a type, defined by these modules' values, the first module first. */
function valueOf(type: OptionType, ...values: readonly unknown[]): unknown {
  const options = { value: mkOption({ type: type as typeof t.anything }) };
  const modules = values.map((value) => defineModule<typeof options>({ config: { value: value as never } }));
  return evalModules({ modules: [defineModule({ options }), ...modules] }).config["value" as never];
}
const deep = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
const codeOf = (read: () => unknown): string | undefined => {
  try {
    deep(read());
    return undefined;
  } catch (error) {
    return error instanceof ConfigError ? error.problems[0].code : `${error}`;
  }
};
/** The type of an option that modules declare with these types. */
function declaredWith(...declared: readonly OptionType[]): string {
  const modules = declared.map((type) => defineModule({ options: { value: mkOption({ type }) } }));
  const { options } = evalModules({ modules: modules as readonly AnyModule[] });
  return (options as unknown as { value: { type: { description: string } } }).value.type.description;
}

describe("an attribute list", () => {
  const type = t.attrListOf(t.int);

  it("keeps its entries in order, also several of one name", () => {
    expect(deep(valueOf(type, [{ a: 1 }, { b: 2 }, { a: 3 }]))).toEqual([{ a: 1 }, { b: 2 }, { a: 3 }]);
  });

  it("takes sets as well, an entry for each name", () => {
    expect(deep(valueOf(type, [{ c: 3 }], { a: 1, b: 2 }))).toEqual([{ a: 1 }, { b: 2 }, { c: 3 }]);
  });

  it("is sorted by the orders of its entries and of their values", () => {
    const list = [{ a: 1 }, mkBefore({ b: 2 }), { c: mkAfter(3) }, { d: 4 }];
    expect(deep(valueOf(type, list, { e: mkBefore(5) }))).toEqual([{ e: 5 }, { b: 2 }, { a: 1 }, { d: 4 }, { c: 3 }]);
  });

  it("compares priorities by name", () => {
    expect(
      deep(valueOf(type, [{ a: mkDefault(1) }, { b: mkDefault(2) }], [{ a: 3 }, mkForce({ c: 4 })], [{ c: 5 }])),
    ).toEqual([{ a: 3 }, { c: 4 }, { b: 2 }]);
  });

  it("leaves out what is conditional", () => {
    const list = [mkIf(() => false, { a: 1 }), { b: mkIf(() => false, 2) }, { c: mkMerge([3, 4]) }];
    expect(deep(valueOf(type, list))).toEqual([{ c: 3 }, { c: 4 }]);
  });

  it("is empty when nothing is said", () => {
    expect(valueOf(type)).toEqual([]);
    expect(valueOf(t.attrListWith({ elemType: t.int, asAttrs: true }))).toEqual({});
  });

  it("checks its values, and that an entry has one name", () => {
    expect(codeOf(() => valueOf(type, [{ a: "1" }]))).toBe("definition-type");
    expect(codeOf(() => valueOf(type, [{}]))).toBe("definition-type");
    expect(codeOf(() => valueOf(type, [5]))).toBe("definition-type");
    expect(codeOf(() => valueOf(type, 5))).toBe("definition-type");
  });

  it("may be read as a set of lists, or of what these come to", () => {
    const list = [{ a: 1 }, { b: 2 }, { a: 3 }];
    expect(deep(valueOf(t.attrListWith({ elemType: t.int, asAttrs: true }), list))).toEqual({ a: [1, 3], b: [2] });
    const sum = t.attrListWith({
      elemType: t.int,
      asAttrs: true,
      mergeAttrValues: (_, values) => values.reduce((x, y) => x + y, 0),
    });
    expect(deep(valueOf(sum, list))).toEqual({ a: 4, b: 2 });
  });

  it("never combines with another", () => {
    expect(mergeTypes(type, type)).toBe(undefined);
  });

  it("of a list and of the lists it is cut into are the same: a law", () => {
    const entries = fc.array(fc.record({ name: fc.constantFrom("a", "b", "__proto__"), value: fc.integer() }), {
      maxLength: 6,
    });
    const entry = ({ name, value }: { name: string; value: number }) => Object.fromEntries([[name, value]]);
    fc.assert(
      fc.property(entries, entries, (one, other) => {
        const whole = valueOf(type, [...other, ...one].map(entry));
        expect(deep(valueOf(type, one.map(entry), other.map(entry)))).toEqual(deep(whole));
      }),
    );
  });
});

describe("attrsWith", () => {
  const people = t.attrsWith({ elemType: t.submodule({ uid: mkOption({ type: t.int }) }), placeholder: "user" });

  it("is attrsOf or lazyAttrsOf", () => {
    expect(deep(valueOf(t.attrsWith({ elemType: t.int }), { a: mkIf(() => false, 1), b: 2 }))).toEqual({ b: 2 });
    const lazy = valueOf(t.attrsWith({ elemType: t.int, lazy: true }), { a: mkIf(() => false, 1) });
    expect(Object.keys(lazy as object)).toEqual(["a"]);
    expect(deep(valueOf(people, { a: { uid: 1 } }))).toEqual({ a: { uid: 1 } });
  });

  it("names its members in documentation", () => {
    const options = { people: mkOption({ type: people }) };
    const docs = documentOptions(evalModules({ modules: [defineModule({ options })] }));
    expect(docs.map(({ name }) => name)).toEqual(["people", "people.<user>.uid"]);
  });

  it("keeps its word for the names beside a type that has none, and combines with no other word", () => {
    const path = (type: OptionType | undefined) =>
      (type as unknown as { subOptions(path: readonly string[]): readonly { path: readonly string[] }[] } | undefined)
        ?.subOptions([])
        .map(({ path: names }) => names.join("."));
    const plain = t.attrsOf(t.submodule({ uid: mkOption({ type: t.int }) }));
    const other = t.attrsWith({ elemType: t.submodule({}), placeholder: "name-of-user" });
    expect(path(mergeTypes(people, plain))).toContain("<user>.uid");
    expect(path(mergeTypes(plain, people))).toContain("<user>.uid");
    expect(path(mergeTypes(people, other))).toBe(undefined);
    expect(mergeTypes(t.attrsOf(t.int), t.lazyAttrsOf(t.int))).toBe(undefined);
  });
});

describe("paths", () => {
  const store = { path: "/nix/store/0-x", toString: () => "/nix/store/0-x" };
  const cases: readonly (readonly [string, OptionType, readonly unknown[], readonly unknown[]])[] = [
    ["absolute path", t.path, ["/a", store], ["a", 5]],
    [
      "path in the Nix store",
      t.pathInStore,
      ["/nix/store/0-x", "/nix/store/0-x/bin", store],
      ["/a", "/nix/store/", "/nix/store/.links"],
    ],
    ["absolute path not in the Nix store", t.externalPath, ["/a", "/nix/store"], ["/nix/store/0-x", store, "a"]],
    ["relative path", t.pathWith({ absolute: false }), ["a", "./a"], ["/a", store]],
    ["path", t.pathWith({}), ["a", "/a", store], [5]],
    ["path not in the Nix store", t.pathWith({ inStore: false }), ["a", "/a"], [store, "/nix/store/0-x"]],
  ];
  it.each(cases)("are described and checked: %s", (description, type, good, bad) => {
    expect(declaredWith(type)).toBe(description);
    for (const value of good) expect(valueOf(type, value)).toBe(String(value));
    for (const value of bad) expect(codeOf(() => valueOf(type, value))).toBe("definition-type");
  });

  it("have to be equal, and combine with the same kind only", () => {
    expect(codeOf(() => valueOf(t.path, "/a", "/b"))).toBe("definition-conflict");
    expect(declaredWith(t.pathInStore, t.pathWith({ inStore: true }))).toBe("path in the Nix store");
    expect(mergeTypes(t.path, t.externalPath)).toBe(undefined);
  });
});

describe("values of a format", () => {
  const toml = t.serializableValueWith({ typeName: "TOML", nullable: false });

  it("are merged deeply, and may not be null if the format has none", () => {
    expect(deep(valueOf(toml, { a: { b: [1] } }, { a: { b: [2], c: true } }))).toEqual({ a: { b: [2, 1], c: true } });
    expect(codeOf(() => valueOf(toml, null))).toBe("definition-type");
    expect(codeOf(() => valueOf(toml, { a: [null] }))).toBe("definition-type");
    expect(codeOf(() => valueOf(toml))).toBe("option-undefined");
    expect(valueOf(t.serializableValueWith({ typeName: "YAML" }))).toBe(null);
    expect(declaredWith(toml)).toBe("TOML value");
  });
});

describe("options whose values are options or types", () => {
  it("take declarations, one definition only", () => {
    const option = mkOption({ type: t.str });
    expect(valueOf(t.optionDeclaration, option)).toBe(option);
    expect(codeOf(() => valueOf(t.optionDeclaration, "x"))).toBe("definition-type");
    expect(codeOf(() => valueOf(t.optionDeclaration, option, mkOption({ type: t.str })))).toBe("definition-not-unique");
  });

  it("take types, which are combined", () => {
    const combined = valueOf(t.optionType, t.enum(["a"]), t.enum(["b"])) as { description: string };
    expect(combined.description).toBe('one of "b", "a"');
    expect(codeOf(() => valueOf(t.optionType, t.int, t.str))).toBe("option-declared-twice");
  });
});

describe("deferred modules", () => {
  const inner = declareOptions({ text: mkOption({ type: t.str }) });
  const always = defineModule<typeof inner>({ options: inner, config: { text: mkDefault("static") } });
  const type = t.deferredModuleWith({ staticModules: [always] });
  const texts = (...values: readonly unknown[]) =>
    evalModules({ modules: valueOf(type, ...values) as readonly AnyModule[] });

  it("have the static ones among them", () => {
    expect((texts([]).config as { text?: string }).text).toBe("static");
    const own = defineModule<typeof inner>({ config: { text: "own" } });
    expect((texts(own).config as { text?: string }).text).toBe("own");
  });

  it("have no value if nobody defines them", () => {
    expect(codeOf(() => texts())).toBe("option-undefined");
  });

  it("say where they come from: the definition, and the option", () => {
    const anonymous = new raw.ModuleRecord({ config: { text: 5 } });
    expect(() => (texts(anonymous).config as { text?: string }).text).toThrow(ConfigError);
    const [, wrapper] = valueOf(type, anonymous) as readonly raw.ModuleRecord[];
    expect(wrapper?.origin?.file).toMatch(/more-types\.test\.ts:\d+, via option value$/);
  });

  it("document the options of the static ones", () => {
    const docs = documentOptions(evalModules({ modules: [defineModule({ options: { vm: mkOption({ type }) } })] }));
    expect(docs.map(({ name }) => name)).toEqual(["vm", "vm.text"]);
  });

  it("are all there when two modules declare the option", () => {
    const more = declareOptions({ more: mkOption({ type: t.int, default: 1 }) });
    const other = t.deferredModuleWith({ staticModules: [defineModule({ options: more })] });
    const modules = [type, other].map((each) => defineModule({ options: { vm: mkOption({ type: each }) } }));
    modules.push(defineModule({ config: { vm: [] } as never }));
    const { config } = evalModules({ modules });
    const { vm } = config as unknown as { readonly vm: readonly AnyModule[] };
    expect(evalModules({ modules: vm }).config).toMatchObject({ text: "static", more: 1 });
  });
});

describe("a type of one's own", () => {
  const name = "mine";

  it("is checked, merged, empty and described as it says", () => {
    const total = mkOptionType<number, number>({
      name: "total",
      description: "number that is added up",
      check: (value) => typeof value === "number",
      merge: (_, defs) => defs.reduce((sum, { value }) => sum + value, 0),
      emptyValue: { value: 0 },
    });
    expect([valueOf(total), valueOf(total, 1, 2, mkMerge([3, () => 4]))]).toEqual([0, 10]);
    expect(codeOf(() => valueOf(total, "x"))).toBe("definition-type");
    expect(codeOf(() => valueOf(total, mkForce(mkIf(() => true, 1))))).toBe("wrapper-nesting");
    expect(declaredWith(t.listOf(total))).toBe("list of (number that is added up)");
  });

  it("merges by default as what its definitions are", () => {
    const type = mkOptionType<unknown>({ name });
    expect(valueOf(type, ["b"], ["a"])).toEqual(["a", "b"]);
    expect(valueOf(type, "b", "a")).toBe("ab");
    expect(valueOf(type, { a: 1 }, { b: 2 })).toEqual({ a: 1, b: 2 });
    expect(valueOf(type, true, false)).toBe(true);
    expect(codeOf(() => valueOf(type, 1, 2))).toBe("definition-conflict");
  });

  it.each([
    ["mergeEqualOption", mergeEqualOption, "definition-conflict"],
    ["mergeOneOption", mergeOneOption, "definition-not-unique"],
    ["mergeUniqueOption", mergeUniqueOption({ message: "There is one." }), "definition-not-unique"],
    ["mergeDefaultOption", mergeDefaultOption, "definition-conflict"],
  ] as const)("may merge with %s, which names every definition", (_, merge, code) => {
    const type = mkOptionType<unknown>({ name, merge: merge as never });
    expect(valueOf(type, 1)).toBe(1);
    expect(codeOf(() => valueOf(type, 1, 2))).toBe(code);
    try {
      valueOf(type, 1, 2);
    } catch (error) {
      const [problem] = (error as ConfigError).problems;
      expect(problem.option).toBe("value");
      expect(problem.sites).toHaveLength(2);
      expect(problem.sites[0]?.file).toMatch(/more-types\.test\.ts$/);
    }
  });

  it("combines with types of its name, or as its functor says", () => {
    expect(mergeTypes(mkOptionType({ name }), mkOptionType({ name }))).not.toBe(undefined);
    expect(mergeTypes(mkOptionType({ name }), mkOptionType({ name: "other" }))).toBe(undefined);
    const atMost = (limit: number): OptionType =>
      mkOptionType<number, number, number>({
        name: "atMost",
        description: `at most ${limit}`,
        functor: { payload: limit, binOp: (a, b) => (a + b > 100 ? undefined : Math.min(a, b)), type: atMost },
      });
    expect(declaredWith(atMost(5), atMost(3))).toBe("at most 3");
    expect(mergeTypes(atMost(60), atMost(50))).toBe(undefined);
  });

  it("tells those who declare it when it is deprecated, and nobody else", () => {
    const old = mkOptionType<string>({ name: "old", deprecationMessage: "Use t.str." });
    const options = declareOptions({ a: { b: mkOption({ type: old }) }, c: mkOption({ type: t.str }) });
    const evaluation = evalModules({ modules: [defineModule({ options, file: "old.ts" })], prefix: ["p"] });
    expect(deprecationWarnings(evaluation)).toEqual([
      expect.stringMatching(/^The type `types\.old' of option `p\.a\.b' defined in `.*' is deprecated\. Use t\.str\.$/),
    ]);
  });
});

describe("one option by itself", () => {
  it("merges definitions in the order they are given", () => {
    const merged = raw.mergeDefinitions(["a", "b"], raw.listOf(raw.str), [
      { file: "1.ts", value: ["x"] },
      { file: "2.ts", value: new raw.Property("order", ["y"], 500) },
      { file: "3.ts", value: mkIf(() => false, ["z"]) },
    ]);
    expect([merged.value, merged.files, merged.highestPrio, merged.isDefined]).toEqual([
      ["y", "x"],
      ["2.ts", "1.ts"],
      100,
      true,
    ]);
  });

  it("has defaults, and says where it is when something is wrong", () => {
    const option = new raw.OptionDecl({ type: raw.int, default: 1, apply: (n) => (n as number) + 1 });
    expect(raw.evalOptionValue(["a", "b"], option, []).value).toBe(2);
    expect(() => raw.evalOptionValue(["a", "b"], option, [{ file: "1.ts", value: "x" }]).value).toThrow(
      "a.b takes a signed integer",
    );
  });
});

describe("types", () => {
  it("are the same under NixOS's name", () => {
    expect(types).toBe(t);
  });

  it("of choices must be options", () => {
    expect(codeOf(() => t.attrTag({ a: t.int as never }))).toBe("declaration-shape");
  });

  it("of choices are united: what two modules say about one choice is put together", () => {
    const one = t.attrTag({ a: mkOption({ type: t.int, apply: (n) => n + 1 }), b: mkOption({ type: t.str }) });
    const other = t.attrTag({ a: mkOption({ type: t.int, description: "A." }), c: mkOption({ type: t.bool }) });
    for (const both of [mergeTypes(one, other), mergeTypes(other, one)] as readonly (OptionType | undefined)[]) {
      expect(deep(valueOf(both as OptionType, { a: 1 }))).toEqual({ a: 2 });
      expect(deep(valueOf(both as OptionType, { c: true }))).toEqual({ c: true });
    }
    expect(mergeTypes(one, t.attrTag({ b: mkOption({ type: t.int }) }))).toBe(undefined);
    expect(mergeTypes(one, one)).toBe(undefined);
  });

  it("of options that are not there take definitions of whole groups", () => {
    const base = using().declare({ n: mkOption({ type: t.nonEmptyListOf(t.int), default: [1] }) });
    const { config } = evalModules({
      modules: [base.defineModule({}), dataModule("x.json", { n: { $merge: [[1], []] } })],
    });
    expect(codeOf(() => config.n)).toBe("definition-type");
  });
});

describe("a type with a further condition", () => {
  const range = t.addCheck(
    t.submodule({ from: mkOption({ type: t.int }), to: mkOption({ type: t.int, default: 9 }) }),
    ({ from, to }) => from <= to,
  );

  it("asks each definition of a single value", () => {
    const even = t.addCheck(t.int, (n) => n % 2 === 0);
    expect(valueOf(even, 2)).toBe(2);
    expect(codeOf(() => valueOf(even, 3))).toBe("definition-type");
    expect(codeOf(() => valueOf(t.nullOr(even), 3))).toBe("definition-type");
  });

  it("asks the value where there are options inside, as a definition is only a part of it", () => {
    expect(valueOf(range, { from: 1 }, { to: 2 })).toEqual({ from: 1, to: 2 });
    expect(codeOf(() => valueOf(range, { from: 3 }, { to: 2 }))).toBe("definition-type");
    expect(codeOf(() => valueOf(t.attrsOf(range), { x: { from: 10 } }))).toBe("definition-type");
    expect(
      codeOf(() =>
        valueOf(
          t.addCheck(t.listOf(range), (all) => all.length > 1),
          [{ from: 1 }],
        ),
      ),
    ).toBe("definition-type");
  });
});

describe("a value that no type looks into", () => {
  const options = declareOptions({
    port: mkOption({ type: t.port, default: 80 }),
    loose: mkOption({ type: t.unspecified }),
    set: mkOption({ type: t.attrs, default: {} }),
  });
  const of = (module: AnyModule) =>
    evalModules({ modules: [defineModule<typeof options>({ options }), module as Module<typeof options>] }).config;

  it("has its thunks run and its literals unwrapped, however deep they lie", () => {
    const config = of(
      defineModule<typeof options>({
        config: ({ config: own }) =>
          define({
            loose: [[() => own.port], { f: literal((x: number) => x + own.port) }],
            set: { a: { b: () => own.port } },
          }),
      }),
    );
    const [[port], { f }] = config.loose as [[number], { f: (x: number) => number }];
    expect([port, f(1), config.set]).toEqual([80, 81, { a: { b: 80 } }]);
  });

  it("has the first module's value for a name, whether that or the other is a thunk", () => {
    const first = defineModule<typeof options>({ config: { set: { a: 1, b: () => 1 } } });
    const second = defineModule<typeof options>({ config: { set: { a: () => 2, b: 2 } } });
    const { config } = evalModules({ modules: [defineModule<typeof options>({ options }), first, second] });
    expect(deep(config.set)).toEqual({ a: 1, b: 1 });
  });

  it("is the same object when there is nothing to do", () => {
    const list = [{ a: 1 }, ["b"]];
    expect(of(defineModule<typeof options>({ config: { loose: list } })).loose).toBe(list);
  });

  it("has a problem where a wrapper is in it, and only there", () => {
    const config = of(defineModule<typeof options>({ config: { set: { a: mkBefore(1), b: 2 } } }));
    expect(config.set["b"]).toBe(2);
    expect(codeOf(() => config.set["a"])).toBe("wrapper-nesting");
    for (const wrapper of [mkUnset(), mkRemove(["a"] as never), mkTransform((x) => x), mkEach({})]) {
      const inside = of(defineModule<typeof options>({ config: { loose: { list: [wrapper as never] } } }));
      expect(codeOf(() => deep(inside.loose))).toBe("wrapper-nesting");
    }
  });

  it("has members that may read each other, once each, and are told of when they read themselves or throw", () => {
    let runs = 0;
    for (const name of ["set", "loose"] as const) {
      const config = of(
        defineModule<typeof options>({
          config: ({ config: own }) => {
            const set = () => own[name] as { a: { c: number }; n: number; self: unknown };
            const value = {
              a: { b: () => set().a.c + 1, c: 1 },
              n: () => ++runs,
              m: () => set().n,
              self: () => set().self,
              thrower: () => {
                throw new Error("no");
              },
            };
            return define({ [name]: value });
          },
        }),
      )[name] as Record<string, unknown>;
      expect(deep(config["a"])).toEqual({ b: 2, c: 1 });
      expect([config["n"], config["m"], config["n"]]).toEqual([runs, runs, runs]);
      expect(codeOf(() => config["self"])).toBe("infinite-recursion");
      expect(codeOf(() => config["thrower"])).toBe("evaluation-threw");
    }
    expect(runs).toBe(2);
  });
});
