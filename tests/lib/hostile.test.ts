import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  checkAssertions,
  dataModule,
  declareOptions,
  define,
  defineModule,
  diff,
  documentOptions,
  evalModules,
  explain,
  mkForce,
  mkIf,
  mkMerge,
  mkOption,
  mkOverride,
  mkRemove,
  type Problem,
  profile,
  raw,
  renderDiff,
  renderExplanation,
  renderProfile,
  t,
  toJsonSchema,
  using,
} from "../../src/lib/index.ts";
import { ProblemError, renderProblems } from "../../src/problems/index.ts";
import { counts, described, trouble } from "./support/hostile.ts";

const types = {
  bool: t.bool,
  str: t.str,
  int: t.int,
  number: t.number,
  path: t.path,
  lines: t.lines,
  json: t.json,
  anything: t.anything,
  raw: t.raw,
  attrs: t.attrs,
  unspecified: t.unspecified,
  enum: t.enum(["a", 1]),
  listOf: t.listOf(t.str),
  attrsOf: t.attrsOf(t.str),
  lazyAttrsOf: t.lazyAttrsOf(t.int),
  nullOr: t.nullOr(t.int),
  either: t.either(t.int, t.listOf(t.str)),
  submodule: t.submodule({ a: mkOption({ type: t.int, default: 1 }) }),
  freeform: t.freeform({ a: mkOption({ type: t.int, default: 1 }) }, t.json),
  attrTag: t.attrTag({ a: mkOption({ type: t.int }) }),
  coercedTo: t.coercedTo(t.int, String, t.str),
  functionTo: t.functionTo(t.int),
  deferredModule: t.deferredModule,
} as const;

function cyclic(): object {
  const object: Record<string, unknown> = { a: 1 };
  object["self"] = object;
  return object;
}
class Custom {
  readonly a = 1;
}

const values: { readonly [name: string]: () => unknown } = {
  undefined: () => undefined,
  NaN: () => Number.NaN,
  Infinity: () => Number.POSITIVE_INFINITY,
  bigint: () => 10n,
  symbol: () => Symbol("s"),
  "a class": () => Custom,
  "an instance": () => new Custom(),
  "a function with a parameter": () => (x: unknown) => x,
  "a thunk of itself": () => {
    const self = (): unknown => self;
    return self;
  },
  "a cyclic object": cyclic,
  "a date": () => new Date(0),
  "a map": () => new Map([["a", 1]]),
  "a promise": () => Promise.resolve(1),
  "a throwing getter": () => ({
    get a(): never {
      throw new Error("boom");
    },
  }),
  "a throwing thunk": () => () => {
    throw new TypeError("boom");
  },
  "a thunk that throws no error": () => () => {
    throw "text";
  },
  "a revoked proxy": () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    return proxy;
  },
  "a proxy that throws": () =>
    new Proxy(
      {},
      {
        ownKeys: () => {
          throw new Error("trap");
        },
        get: () => {
          throw new Error("trap");
        },
      },
    ),
  "an object without prototype": () => Object.assign(Object.create(null), { a: 1 }),
  "names of the prototype": () =>
    JSON.parse('{"__proto__": {"polluted": 1}, "constructor": {"prototype": {"polluted": 1}}}'),
  "a sparse list": () => new Array(3),
  "a list with a hole in its prototype": () => Object.setPrototypeOf([1], null),
  "deep nesting": () => {
    let value: unknown = 1;
    for (let i = 0; i < 20_000; i++) value = { a: value };
    return value;
  },
};

const handedOver = new Set(["raw", "attrs", "unspecified", "anything"]);

/** Read everything there is. */
function readAll(value: unknown, seen = new Set<unknown>(), depth = 0): void {
  if (typeof value !== "object" || value === null || seen.has(value) || depth > 50) return;
  seen.add(value);
  for (const key of Object.keys(value)) readAll((value as Record<string, unknown>)[key], seen, depth + 1);
}

describe("a hostile value as a definition", () => {
  for (const [typeName, type] of Object.entries(types)) {
    it(`gives a value or a problem where the type is ${typeName}`, () => {
      for (const make of Object.values(values)) {
        const options = declareOptions({ x: mkOption({ type }) });
        const base = using().declare(options).defineModule({});
        const evaluation = evalModules({
          modules: [base, defineModule<typeof options>({ config: { x: make() as never } })],
        });
        try {
          const value: unknown = evaluation.config.x;
          // What is not looked into is handed over as it came, throwing getters and all.
          if (!handedOver.has(typeName)) readAll(value);
        } catch (error) {
          expect(error).toBeInstanceOf(ProblemError);
          expect(renderProblems((error as ProblemError).problems)).toContain("error:");
        }
        expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
      }
    });
  }

  it("gives a problem in place of a whole configuration", () => {
    for (const make of Object.values(values)) {
      const evaluation = raw.evaluate({
        modules: [new raw.ModuleRecord({ config: make() }), new raw.ModuleRecord({ options: {} })],
      });
      try {
        readAll(evaluation.config);
      } catch (error) {
        expect(error).toBeInstanceOf(Error);
      }
      expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
    }
  });

  it("cannot pollute a prototype through data files", () => {
    const data: unknown = JSON.parse('{"x": {"__proto__": "a", "constructor": "b"}, "__proto__": {"y": 1}}');
    const options = declareOptions({ x: mkOption({ type: t.attrsOf(t.str), default: {} }) });
    const base = using().declare(options).defineModule({});
    const evaluation = evalModules({ modules: [base, dataModule("x.json", data)] });
    expect(() => evaluation.config).toThrow(/__proto__ does not exist/);
    const onlyX = evalModules({ modules: [base, dataModule("x.json", { x: (data as { x: object }).x })] });
    expect(Object.keys(onlyX.config.x)).toEqual(["__proto__", "constructor"]);
    expect(Object.getPrototypeOf(onlyX.config.x)).toBe(Object.prototype);
  });
});

describe("any value at any place, in anything", () => {
  const RUNS = Number(process.env["OSMOD_HOSTILE_RUNS"] ?? 800);
  const below = (count: number) => fc.nat(count - 1);
  const cases = fc.record({
    value: below(counts.values),
    settings: fc.array(below(counts.settings), { maxLength: 3 }),
    place: below(counts.places),
    type: below(counts.types),
  });

  it("gives a value or a problem that can be shown, and leaves prototypes alone", { timeout: 1_000 * RUNS }, () => {
    fc.assert(
      fc.property(cases, (of) => {
        expect(trouble(of), described(of)).toBeUndefined();
      }),
      { numRuns: RUNS },
    );
  });
});

/** A chain of options, each of which needs the one before. */
const chain = (length: number) => {
  const names = Array.from({ length }, (_, i) => `v${i}`);
  return raw.evaluate({
    modules: [
      new raw.ModuleRecord({
        options: Object.fromEntries(names.map((name) => [name, new raw.OptionDecl({ type: raw.int })])),
        config: ({ config }: { config: Record<string, number> }) =>
          Object.fromEntries(names.map((name, i) => [name, i === 0 ? 0 : () => (config[`v${i - 1}`] as number) + 1])),
      }),
    ],
  }).config as Record<string, number>;
};

function problemsOf(run: () => unknown): readonly Problem[] {
  try {
    run();
  } catch (error) {
    if (error instanceof ProblemError) return error.problems;
    throw error;
  }
  return [];
}

describe("a value that cannot be looked at", () => {
  const unreadable = (target: object): never => {
    const { proxy, revoke } = Proxy.revocable(target, {});
    revoke();
    return proxy as never;
  };
  const options = declareOptions({
    g: {
      x: mkOption({ type: t.anything, default: 0 }),
      y: mkOption({ type: t.int, default: 1 }),
      list: mkOption({ type: t.listOf(t.str), default: [] }),
    },
  });
  const given = (x: unknown) =>
    evalModules({ modules: [defineModule<typeof options>({ options, config: { g: { x: x as never } } })] });

  it("leaves evaluation as it was when it is thrown", () => {
    const evaluation = given(() => {
      throw unreadable({});
    });
    for (let i = 0; i < 500; i++) expect(() => evaluation.config.g.x).toThrow(ProblemError);
    expect(chain(4000)["v3999"]).toBe(3999);
  });

  it("is a problem of its own option only", () => {
    for (const x of [
      unreadable({}),
      unreadable([]),
      mkOverride(unreadable({}), 1),
      mkOverride(Symbol("p") as never, 1),
    ]) {
      const { g } = given(x).config;
      expect(g.y).toBe(1);
      expect(() => g.x).toThrow(ProblemError);
    }
    const { config } = evalModules({
      modules: [
        defineModule<typeof options>({ options, config: { g: { list: Object.setPrototypeOf(["a"], null) as never } } }),
      ],
    });
    expect(config.g.y).toBe(1);
  });

  it("can be explained", () => {
    const itself: never[] = [];
    itself.push(mkMerge(itself) as never);
    const spring = (): never => {
      throw new Error("boom");
    };
    for (const list of [spring, class {}, itself, Object.setPrototypeOf([1], null)]) {
      const { definitions } = explain(given(mkMerge(list as never)), "g.x");
      expect(definitions.at(-1)?.value).toMatch(/^mkMerge/);
    }
    expect(renderExplanation(explain(given(mkOverride(Symbol("p") as never, 1)), "g.x"))).toContain("mkOverride(…, 1)");
  });

  it("is shown in documentation, and left out of schemas", () => {
    for (const value of [unreadable({}), unreadable([]), 10n, cyclic()]) {
      const declared = declareOptions({
        x: mkOption({ type: t.raw, default: value, example: value }),
        y: mkOption({ type: t.int, default: 1 }),
      });
      const evaluation = evalModules({ modules: [defineModule({ options: declared })] });
      expect(documentOptions(evaluation).map(({ name }) => name)).toEqual(["x", "y"]);
      expect(toJsonSchema(evaluation)).toMatchObject({ properties: { x: {}, y: { default: 1 } } });
      expect(() => JSON.stringify(documentOptions(evaluation))).not.toThrow();
    }
  });

  it("is no tree of options", () => {
    const endless = (): object => ({
      get a() {
        return endless();
      },
    });
    for (const tree of [unreadable({}), { a: unreadable({}) }, "x".repeat(20_000), endless()])
      expect(() => evalModules({ modules: [defineModule({ options: declareOptions(tree as never) })] }).config).toThrow(
        ProblemError,
      );
    const records = ["x".repeat(20_000), [1], unreadable({})].map(
      (of) => new raw.ModuleRecord({ options: of as never }),
    );
    for (const record of records) expect(() => raw.evaluate({ modules: [record] }).config).toThrow(ProblemError);
  });

  it("is no evaluation, no place of one, and nothing to insist on", () => {
    const { proxy, revoke } = Proxy.revocable([], {});
    revoke();
    const circle: unknown[] = [];
    circle.push(circle);
    const empty = evalModules({ modules: [] });
    for (const value of [proxy, circle, [Symbol("a")], [[1]]] as never[]) {
      const calls = [
        () => diff(value, empty),
        () => profile(value),
        () => evalModules({ modules: [], prefix: value }),
        () => empty.extendModules({ modules: [], prefix: value }),
        () => checkAssertions(value),
      ];
      for (const call of calls) expect(problemsOf(call)[0]?.code).toBe("call-invalid");
    }
  });

  it("is no file either", () => {
    const record = new raw.ModuleRecord({ file: 1 as never, config: { unknown: 1 } });
    expect(() => renderProblems(problemsOf(() => raw.evaluate({ modules: [record] }).config))).not.toThrow();
    expect(problemsOf(() => defineModule({ file: 1 as never }))[0]?.code).toBe("call-invalid");
  });
});

describe("a value without end", () => {
  const options = declareOptions({
    anything: mkOption({ type: t.anything, default: 0 }),
    json: mkOption({ type: t.json, default: 0 }),
  });
  const given = (value: unknown) => {
    const config = { anything: value, json: value } as never;
    return evalModules({ modules: [defineModule<typeof options>({ options, config })] });
  };

  it("that contains itself is a problem, which diff and profile show", () => {
    const value: Record<string, unknown> = { list: [] };
    value["self"] = value;
    (value["list"] as unknown[]).push(value["list"]);
    const evaluation = given(value);
    for (const read of [() => evaluation.config.anything, () => evaluation.config.json])
      expect(problemsOf(read)[0]).toMatchObject({
        code: "definition-type",
        notes: [expect.stringContaining("no end")],
      });
    expect(diff(evaluation, evaluation.extendModules({ modules: [] }))).toEqual([]);
    expect(
      profile(evaluation)
        .entries.map(({ name }) => name)
        .sort(),
    ).toEqual(["anything", "json", "the configuration"]);
  });

  it("that is made while it is read can be compared, measured and printed", { timeout: 120_000 }, () => {
    const endless = (): object => ({ a: endless, b: endless });
    const evaluation = given(endless);
    const found = diff(evaluation, evaluation.extendModules({ modules: [] }));
    expect(found.map(({ option, isUnfinished }) => [option, isUnfinished])).toEqual([
      ["anything", true],
      ["json", true],
    ]);
    expect(renderDiff(found)).toContain("perhaps the same");
    const measured = profile(evaluation);
    expect(measured.isPartial).toBe(true);
    expect(measured.entries.map(({ name }) => name)).toContain("anything.a.b");
    expect(renderProfile(measured)).toContain("was not read");
    expect(explain(evaluation, "json").value).toBeDefined();
  });

  it("that branches with every step is read as long as one that does not", { timeout: 120_000 }, () => {
    // Every level has twenty times the members of the one before.
    const names = Array.from({ length: 20 }, (_, i) => `a${i}`);
    const endless = (): object => Object.fromEntries(names.map((name) => [name, endless]));
    const measured = profile(given(endless));
    expect(measured.isPartial).toBe(true);
    expect(measured.entries.length).toBeLessThan(60_000);
    expect(measured.entries.map(({ name }) => name)).toContain("json.a19.a19");
  });

  it("is no module's own arguments, handed back to a submodule", { timeout: 120_000 }, () => {
    const free = t.freeform({ a: mkOption({ type: t.int, default: 1 }) }, t.json);
    const mine = declareOptions({ free: mkOption({ type: free, default: {} }) });
    const config = { free: (args: unknown) => args } as never;
    const measured = profile(evalModules({ modules: [defineModule<typeof mine>({ options: mine, config })] }));
    expect(measured.isPartial).toBe(true);
    expect(measured.entries.length).toBeLessThan(60_000);
  });

  it("is told from one that has the same part twice", () => {
    let value: unknown = [1];
    for (let i = 0; i < 60; i++) value = [value, value];
    const { config } = given({ a: value });
    expect(Array.isArray((config.json as { a: unknown }).a)).toBe(true);
  });
});

describe("a list of four thousand million holes", () => {
  const holes = new Array(2 ** 32 - 1);

  it("is no list, for options, their elements and inside data", () => {
    for (const type of [t.listOf(t.int), t.uniqueListOf(t.int), t.json, t.anything, t.either(t.int, t.listOf(t.int))]) {
      for (const [of, value] of [
        [type, holes],
        [t.attrsOf(type), { a: holes }],
        [t.json, { a: [holes] }],
      ] as const) {
        const options = declareOptions({ x: mkOption({ type: of as never }) });
        const { config } = evalModules({
          modules: [defineModule<typeof options>({ options, config: { x: value } as never })],
        });
        const found = problemsOf(() => JSON.stringify(config));
        expect(found.map(({ code, option }) => [code, option?.startsWith("x")])).toEqual([["definition-type", true]]);
        expect(found[0]?.message).toMatch(/a list with holes|an attribute set/);
      }
    }
  });

  it("is a value where nobody looks inside", () => {
    const options = declareOptions({ x: mkOption({ type: t.raw }), y: mkOption({ type: t.attrs }) });
    const module = defineModule<typeof options>({ options, config: { x: holes, y: { a: holes } } as never });
    const { config } = evalModules({ modules: [module] });
    expect(config.x === holes && (config.y as { a: unknown }).a === holes).toBe(true);
  });

  it("is no list of modules, imports, removals or data either", () => {
    const options = declareOptions({ x: mkOption({ type: t.listOf(t.int), default: [1] }) });
    const declared = defineModule({ options });
    const evaluated = (...more: unknown[]) => evalModules({ modules: [declared, ...more] as never }).config;
    for (const read of [
      () => evalModules({ modules: holes as never }),
      () => raw.evaluate({ modules: holes as never }),
      () => evaluated(defineModule({ imports: holes })),
      () => evaluated(defineModule({ disabledModules: holes })),
      () => (evaluated(defineModule<typeof options>({ config: { x: mkRemove(holes) } })) as { x: unknown }).x,
      () => evaluated(dataModule("data.json", { x: holes })),
    ])
      expect(problemsOf(read)).toHaveLength(1);
  });

  it("is told from a long list, and from a short one with holes", () => {
    const options = declareOptions({ x: mkOption({ type: t.listOf(t.int) }) });
    const given = (x: unknown) =>
      evalModules({ modules: [defineModule<typeof options>({ options, config: { x } as never })] }).config.x;
    expect(given(new Array(200_000).fill(1))).toHaveLength(200_000);
    expect(problemsOf(() => given(new Array(3))[0])[0]?.message).toContain("undefined");
  });
});

describe("nesting ten thousand deep", () => {
  const wrappers: { readonly [name: string]: (inner: unknown) => unknown } = {
    lists: (inner) => [inner],
    sets: (a) => ({ a }),
    mkIf: (inner) => mkIf(() => true, inner),
    mkMerge: (inner) => mkMerge([inner]),
    mkForce: (inner) => mkForce(inner),
    define: (inner) => define(inner),
    thunks: (inner) => () => inner,
  };
  for (const [name, wrap] of Object.entries(wrappers)) {
    it(`of ${name} gives a value or a problem, at an option, a group and everywhere`, { timeout: 30_000 }, () => {
      let deep: unknown = 1;
      for (let i = 0; i < 10_000; i++) deep = wrap(deep);
      for (const type of [t.int, t.json, t.anything]) {
        for (const config of [{ x: deep }, { g: deep }, deep]) {
          const options = {
            x: mkOption({ type, default: 0 as never }),
            g: { y: mkOption({ type: t.int, default: 0 }) },
          };
          const evaluation = evalModules({
            modules: [defineModule({ options }), defineModule({ config: config as never })],
          });
          try {
            let at = (evaluation.config as { readonly x: unknown }).x;
            while (typeof at === "object" && at !== null) at = Array.isArray(at) ? at[0] : (at as { a: unknown }).a;
            expect(typeof at).toBe("number");
          } catch (error) {
            expect(error).toBeInstanceOf(ProblemError);
          }
        }
      }
    });
  }
});

describe("a chain of options", () => {
  it("may be thousands deep", () => {
    expect(chain(4000)["v3999"]).toBe(3999);
    expect(chain(20_000)["v19999"]).toBe(19_999);
  });

  it("that closes to a circle is a problem however long it is", () => {
    const length = 3000;
    const names = Array.from({ length }, (_, i) => `v${i}`);
    const { config } = raw.evaluate({
      modules: [
        new raw.ModuleRecord({
          options: Object.fromEntries(names.map((name) => [name, new raw.OptionDecl({ type: raw.int })])),
          config: (args: { config: Record<string, number> }) =>
            Object.fromEntries(
              names.map((name, i) => [name, () => (args.config[`v${(i + 1) % length}`] as number) + 1]),
            ),
        }),
      ],
    });
    expect(() => (config as Record<string, unknown>)["v7"]).toThrow(/infinite recursion/);
  });

  it("cannot be cut short by a thunk that catches everything", () => {
    const names = Array.from({ length: 2000 }, (_, i) => `v${i}`);
    const { config } = raw.evaluate({
      modules: [
        new raw.ModuleRecord({
          options: Object.fromEntries(names.map((name) => [name, new raw.OptionDecl({ type: raw.int })])),
          config: (args: { config: Record<string, number> }) =>
            Object.fromEntries(
              names.map((name, i) => [
                name,
                () => {
                  if (i === 0) return 0;
                  try {
                    return (args.config[`v${i - 1}`] as number) + 1;
                  } catch {
                    return -1;
                  }
                },
              ]),
            ),
        }),
      ],
    });
    expect((config as Record<string, unknown>)["v1999"]).toBe(1999);
  });
});
