import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type AnyModule,
  type Args,
  ConfigError,
  dataModule,
  declareOptions,
  define,
  defineModule,
  documentOptions,
  evalModules,
  explain,
  mkDefault,
  mkForce,
  mkIf,
  mkOption,
  type Others,
  raw,
  renderExplanation,
  type Str,
  setDefaultModuleLocation,
  t,
  using,
} from "../../src/lib/index.ts";

const options = declareOptions({
  on: mkOption({ type: t.bool, default: false }),
  text: mkOption({ type: t.str, default: "" }),
  list: mkOption({ type: t.listOf(t.str), default: [] }),
  one: mkOption({
    type: t.attrsOf(
      t
        .submodule({ text: mkOption({ type: t.str }), seen: mkOption({ type: t.str, default: "" }) })
        .config((args) =>
          define({ _module: { args: { inner: `${args.name}!` } }, seen: () => given(args)["inner"] ?? "" }),
        ),
    ),
    default: {},
  }),
});
type Options = typeof options;
const base = using().declare(options).defineModule({});
const evaluate = (...modules: readonly AnyModule[]) => evalModules({ modules: [base, ...modules] });
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
/** Arguments, with those that modules may give. */
const given = (args: object) => args as { readonly [name: string]: string };
const codeOf = (run: () => unknown): string | undefined => {
  try {
    run();
    return undefined;
  } catch (error) {
    return error instanceof ConfigError ? error.problems[0].code : `${error}`;
  }
};

describe("module arguments", () => {
  const reader = defineModule<Options>({ config: (args) => define({ text: () => given(args)["theme"] ?? "" }) });
  const giving = (theme: string) => defineModule<Options>({ config: { _module: { args: { theme } } } });

  it("are what any module defines as _module.args, in whichever order the modules come", () => {
    expect(evaluate(reader, giving("dark")).config.text).toBe("dark");
    expect(evaluate(giving("dark"), reader).config.text).toBe("dark");
  });

  it("are options: they have priorities and conditions, and may depend on the configuration", () => {
    const module = defineModule<Options>({
      config: ({ config }) =>
        define({
          on: true,
          _module: { args: { theme: mkForce(mkDefaultTheme(() => config.on)), other: mkIf(() => config.on, "o") } },
        }),
    });
    expect(evaluate(reader, giving("light"), module).config.text).toBe("true");
  });
  const mkDefaultTheme = (on: () => boolean) => () => `${on()}`;

  it("conflict when two modules give different ones", () => {
    expect(codeOf(() => evaluate(reader, giving("a"), giving("b")).config.text)).toBe("definition-not-unique");
  });

  it("never hide those of specialArgs", () => {
    const specialArgs = { theme: "special" } as never;
    expect(evalModules({ modules: [base, reader, giving("dark")], specialArgs }).config.text).toBe("special");
  });

  it("given as specialArgs win over those that every function gets", () => {
    const specialArgs = Object.freeze({
      get config() {
        return { text: "replaced" };
      },
      name: "outer",
    });
    const module = defineModule<Options>({ config: ({ config }) => define({ text: () => config.text }) });
    const inner = defineModule<Options>({ config: { one: { a: ({ name }) => define({ text: name }) } } });
    const { config } = evalModules({ modules: [base, module, inner], specialArgs: specialArgs as never });
    expect([config.text, config.one["a"]?.text]).toEqual(["replaced", "a"]);
  });

  it("cannot be read while definitions are collected, not even by a default of the parameter", () => {
    const early = defineModule<Options>({
      config: (args) => {
        const { theme = "default" } = given(args);
        return define({ text: theme });
      },
    });
    expect(codeOf(() => evaluate(early, giving("dark")).config)).toBe("argument-too-early");
  });

  it("cannot decide which modules there are", () => {
    const chosen = (args: object) => new raw.ModuleRecord({ imports: given(args)["theme"] === "dark" ? [] : [] });
    expect(codeOf(() => raw.evaluate({ modules: [chosen] }).config)).toBe("argument-too-early");
  });

  it("are a circle when they need what they help to define", () => {
    const circle = defineModule<Options>({
      config: ({ config }) => define({ _module: { args: { theme: () => config.text } } }),
    });
    expect(codeOf(() => evaluate(reader, circle).config.text)).toBe("infinite-recursion");
  });

  it("of a submodule are its own", () => {
    expect(evaluate(defineModule<Options>({ config: { one: { a: { text: "x" } } } })).config.one["a"]?.seen).toBe("a!");
  });

  it("tell the class, the prefix and the special arguments", () => {
    const seen: unknown[] = [];
    const module = defineModule<Options>({
      config: ({ _class, _prefix, specialArgs }) => {
        seen.push(_class, _prefix, specialArgs);
        return define({});
      },
    });
    const specialArgs = { answer: 42 } as never;
    const { config } = evalModules({ modules: [base, module], class: "nixos", prefix: ["a"], specialArgs });
    expect(config.text).toBe("");
    expect(seen).toEqual(["nixos", ["a"], specialArgs]);
  });

  it("can be printed and copied like any object", () => {
    let args: Args<Options> | undefined;
    const module = defineModule<Options>({
      config: (own) => {
        args = own;
        return define({});
      },
    });
    expect(evaluate(module).config.text).toBe("");
    expect(String(args)).toBe("[object Object]");
    expect(Object.keys({ ...args })).toContain("config");
    expect("theme" in (args as object)).toBe(false);
  });
});

describe("_module", () => {
  it("is read from the evaluation, and is no part of the configuration", () => {
    const evaluation = evaluate(defineModule<Options>({ config: { _module: { args: { a: 1 }, check: false } } }));
    expect(evaluation._module.args).toEqual({ a: 1 });
    expect(evaluation._module.check).toBe(false);
    expect(evaluation._module.freeformType).toBe(null);
    expect(evaluation.config).not.toHaveProperty("_module");
  });

  it("has the special arguments", () => {
    const specialArgs = { answer: 42 } as never;
    expect(evalModules({ modules: [base], specialArgs })._module.specialArgs).toBe(specialArgs);
  });

  it("may allow options that do not exist", () => {
    const unknown = dataModule("x.json", { nonsense: 1, text: "x" });
    expect(codeOf(() => evaluate(unknown).config)).toBe("option-unknown");
    const lenient = defineModule<Options>({ config: { _module: { check: false } } });
    expect(evaluate(unknown, lenient).config.text).toBe("x");
  });

  it("may say what type they have", () => {
    const open = defineModule<Options & Others<Str>>({
      freeformType: t.attrsOf(t.str),
      config: ({ config }) => define({ text: "x", other: () => `${config.text}y` }),
    });
    expect(evaluate(open).config).toMatchObject({ text: "x", other: "xy" });
    const late = defineModule<Options>({ config: { _module: { freeformType: t.attrsOf(t.int) } } });
    expect(evaluate(late, dataModule("x.json", { n: 1 })).config).toMatchObject({ n: 1 });
    expect(codeOf(() => (evaluate(late, dataModule("x.json", { n: "1" })).config as never)["n"])).toBe(
      "definition-type",
    );
  });

  it("may say it after functions were given the configuration, which has the other names nevertheless", () => {
    const reader = defineModule<Options & Others<Str>>({
      config: ({ config }) => define({ text: () => `${config["n"]} of ${Object.keys(config).includes("n")}` }),
    });
    const late = defineModule<Options>({ config: { _module: { freeformType: t.attrsOf(t.str) } } });
    const evaluation = evaluate(reader, late, dataModule("x.json", { n: "1" }));
    expect(evaluation.options.text.value).toBe("1 of true");
  });

  it("is as much of a problem as the configuration where an option does not exist", () => {
    const evaluation = evaluate(dataModule("x.json", { nonsense: 1 }));
    expect(codeOf(() => evaluation._module.check)).toBe("option-unknown");
    expect(codeOf(() => evaluation.options.text)).toBe("option-unknown");
  });

  it("may say it for a scope whose names are inferred", () => {
    const open = using(base)
      .freeform(t.int)
      .defineModule({ config: ({ config }) => define({ extra: () => config.list.length }) });
    expect(evalModules({ modules: [open] }).config["extra"]).toBe(0);
  });
});

describe("an evaluation with a prefix", () => {
  const inner = evalModules({ modules: [base, dataModule("x.json", { text: 5 })], prefix: ["containers", "web"] });

  it("names its options below it, in problems, options and documentation", () => {
    expect(() => inner.config.text).toThrow("containers.web.text takes a string");
    expect(inner.options.list.path).toEqual(["containers", "web", "list"]);
    expect(documentOptions(inner).map(({ name }) => name)).toContain("containers.web.one.<name>.text");
    expect(explain(inner, "list").option).toBe("containers.web.list");
  });

  it("keeps it when it is extended, unless it is given another", () => {
    expect(inner.extendModules({}).options.list.path).toEqual(["containers", "web", "list"]);
    expect(inner.extendModules({ prefix: ["vm"] }).options.list.path).toEqual(["vm", "list"]);
  });
});

describe("explaining what is no option", () => {
  const options = declareOptions({
    web: { port: mkOption({ type: t.port }), name: mkOption({ type: t.str }) },
    users: mkOption({ type: t.attrsOf(t.submodule({ uid: mkOption({ type: t.int }) })) }),
  });
  const evaluation = evalModules({
    modules: [defineModule<typeof options>({ options, config: { users: { alice: { uid: 1 } } } })],
  });
  const fixOf = (path: string): unknown => {
    try {
      return explain(evaluation, path);
    } catch (error) {
      return (error as ConfigError).problems[0].fix;
    }
  };

  it("names the options of a group, and what a name at any depth was meant to be", () => {
    expect(fixOf("web")).toBe("explain one of web.port, web.name.");
    expect(fixOf("wbe.port")).toBe("did you mean web.port?");
    expect(fixOf("web.prot")).toBe("did you mean web.port?");
    expect(fixOf("users.alcie.uid")).toBe("did you mean users.alice.uid?");
    expect(fixOf("users.alice.udi")).toBe("did you mean users.alice.uid?");
    expect(fixOf("web.toString")).toBe("check the name.");
    expect(fixOf("")).toBe("explain one of web, users.");
  });

  it("does not compare with the priority of no definition at all", () => {
    const thrower = defineModule<typeof options>({
      config: {
        web: {
          port: mkIf(() => {
            throw new Error("no");
          }, 80),
        },
      },
    });
    const text = renderExplanation(explain(evaluation.extendModules({ modules: [thrower] }), "web.port"));
    expect(text).toMatch(/priority 100, its condition fails/);
    expect(text).toMatch(/= \(fails: the condition of a mkIf: no\)/);
  });
});

describe("an extended evaluation", () => {
  it("has more special arguments, which win", () => {
    const module = defineModule<Options>({
      config: (args) => define({ list: () => [given(args)["a"] ?? "", given(args)["b"] ?? ""] }),
    });
    const first = evalModules({ modules: [base, module], specialArgs: { a: "1", b: "2" } as never });
    expect(first.extendModules({ specialArgs: { b: "3" } as never }).config.list).toEqual(["1", "3"]);
    expect(first.config.list).toEqual(["1", "2"]);
  });

  it("of nothing is the same configuration, and extending twice is extending once: a law", () => {
    const texts = fc.array(fc.string(), { maxLength: 3 });
    const saying = (list: readonly string[]) => defineModule<Options>({ config: { list } });
    fc.assert(
      fc.property(texts, texts, (one, other) => {
        const first = evaluate(saying(one));
        expect(plain(first.extendModules({}).config)).toEqual(plain(first.config));
        const step = first.extendModules({ modules: [saying(other)] }).extendModules({ modules: [saying(["x"])] });
        const once = first.extendModules({ modules: [saying(other), saying(["x"])] });
        expect(plain(step.config)).toEqual(plain(once.config));
      }),
    );
  });

  it("can be made inside a submodule", () => {
    const nested = declareOptions({
      outer: mkOption({
        type: t
          .submodule({ n: mkOption({ type: t.int, default: 1 }), more: mkOption({ type: t.raw, default: 0 }) })
          .config(({ extendModules }) =>
            define({
              more: mkDefault(
                () =>
                  extendModules({
                    modules: [defineModule<{ n: never; more: never }>({ config: { n: 7, more: mkForce(0) } as never })],
                    prefix: ["again"],
                  }).config.n,
              ),
            }),
          ),
        default: {},
      }),
    });
    const { config } = evalModules({ modules: [defineModule<typeof nested>({ options: nested })] });
    expect(config.outer.more).toBe(7);
  });
});

describe("the type of an evaluation", () => {
  it("makes its modules the type of an option", () => {
    const whole = evaluate(defineModule<Options>({ config: { text: mkDefault("inner") } }));
    const outer = declareOptions({ machines: mkOption({ type: t.attrsOf(whole.type) }) });
    const { config } = evalModules({
      modules: [defineModule<typeof outer>({ options: outer, config: { machines: { a: {}, b: { text: "own" } } } })],
    });
    expect([config.machines["a"]?.text, config.machines["b"]?.text]).toEqual(["inner", "own"]);
  });

  it("has the class and special arguments of the evaluation", () => {
    const { type } = evalModules({ modules: [base], class: "home" });
    const outer = declareOptions({ home: mkOption({ type }) });
    const wrongClass = defineModule({ class: "system", config: {} });
    const run = () =>
      evalModules({
        modules: [defineModule<typeof outer>({ options: outer, config: { home: wrongClass as never } })],
      }).config.home.text;
    expect(codeOf(run)).toBe("module-class");
  });

  it("cannot be combined with that of another class", () => {
    const [one, other] = ["one", "other"].map((name) => evalModules({ modules: [base], class: name }).type);
    const module = (type: unknown) => defineModule({ options: { home: mkOption({ type: type as typeof t.str }) } });
    const { config } = evalModules({ modules: [module(one), module(other)] });
    expect(() => (config as { home?: unknown }).home).toThrow("conflicting class values");
  });
});

describe("the graph of an evaluation", () => {
  const leaf = defineModule({ key: "leaf", file: "leaf.ts" });
  const middle = defineModule({ key: "middle", file: "middle.ts", imports: [leaf] });

  it("has every module at each place where it is imported", () => {
    const top = defineModule({ file: "top.ts", imports: [middle, leaf], disabledModules: ["leaf"] });
    const at = { key: "leaf", file: "leaf.ts", disabled: true, imports: [] };
    expect(evalModules({ modules: [top] }).graph).toEqual([
      {
        key: ":anon-1",
        file: "top.ts",
        disabled: false,
        imports: [{ key: "middle", file: "middle.ts", disabled: false, imports: [at] }, at],
      },
    ]);
  });

  it("knows the class", () => {
    expect(evalModules({ modules: [leaf], class: "x" }).class).toBe("x");
    expect(evalModules({ modules: [leaf] }).class).toBe(null);
  });
});

describe("a module with a location given to it", () => {
  it("has that file, unless it has one of its own", () => {
    const anonymous = new raw.ModuleRecord({ config: { text: "x" } }) as unknown as AnyModule;
    const at = (module: AnyModule) =>
      evaluate(setDefaultModuleLocation("hosts.csv", module as never)).options.text.files;
    expect(at(anonymous)).toEqual(["hosts.csv"]);
    expect(at(dataModule("own.json", { text: "x" }))).toEqual(["own.json"]);
  });
});
