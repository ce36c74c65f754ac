import Ajv2020 from "ajv/dist/2020.js";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import {
  type AnyModule,
  ConfigError,
  type Explanation,
  evalModules,
  explain,
  raw,
  toJsonSchema,
} from "../../src/lib/index.ts";
import {
  attempt,
  changed,
  declaring,
  definitionsOf,
  evaluated,
  flatLists,
  kinds,
  type ModuleSet,
  moduleOf,
  moduleSets,
  objectOf,
  optionsOf,
  outcomeOf,
  plain,
  type Say,
  submodules,
  valueAt,
} from "./support/generated.ts";

const RUNS = Number(process.env["OSMOD_LAW_RUNS"] ?? 100);
vi.setConfig({ testTimeout: 60_000 });
const law = (property: fc.IProperty<never> | fc.IProperty<unknown>) =>
  fc.assert(property as fc.IProperty<unknown>, { numRuns: RUNS });

const sets = moduleSets();
/** A module set, and what more a module might say. */
const setsWithMore = sets.chain((set) => definitionsOf(set.shape).map((more) => ({ set, more })));
const outcome = (set: ModuleSet, ...more: readonly AnyModule[]) => outcomeOf(evaluated(set, ...more), set.shape);
const withModules = (set: ModuleSet, modules: readonly Say[]): ModuleSet => ({ ...set, modules });
/** The set with one part of one module changed. */
const withChange = (set: ModuleSet, at: number, change: (said: Say) => Say): ModuleSet =>
  withModules(
    set,
    set.modules.map((said, i) => (i === at % set.modules.length ? changed(said, at, change) : said)),
  );
const mkIf = (holds: boolean, of: Say): Say => ({ say: "if", holds, of });
const mkMerge = (...items: readonly Say[]): Say => ({ say: "merge", items });
/** A definition of one option. */
const at = (path: readonly string[], of: Say): Say =>
  path.reduceRight<Say>((said, name) => ({ say: "set", members: [[name, said]] }), of);

describe("of any module set", () => {
  it("the order of modules does not matter where types are free of order", () => {
    law(
      fc.property(
        moduleSets(kinds.filter(({ isOrderFree }) => isOrderFree)).chain((set) =>
          fc.tuple(fc.constant(set), fc.shuffledSubarray([...set.modules], { minLength: set.modules.length })),
        ),
        ([set, shuffled]) => {
          const sorted = (of: unknown) => JSON.stringify(of).replaceAll(/"problems":\[[^\]]*\]/g, "problems");
          expect(sorted(outcome(withModules(set, shuffled)))).toBe(sorted(outcome(set)));
        },
      ),
    );
  });

  it("mkIf of what holds changes nothing, wherever it may stand", () => {
    law(
      fc.property(sets, fc.nat(), (set, place) => {
        expect(outcome(withChange(set, place, (said) => mkIf(true, said)))).toEqual(outcome(set));
      }),
    );
  });

  it("mkIf of what does not hold is as if nothing had been said", () => {
    law(
      fc.property(setsWithMore, ({ set, more }) => {
        expect(outcome(set, moduleOf(mkIf(false, more)))).toEqual(outcome(set));
      }),
    );
  });

  it("mkIf of what does not hold is an empty mkMerge, wherever it may stand", () => {
    law(
      fc.property(sets, fc.nat(), (set, place) => {
        const none = withChange(set, place, () => mkMerge());
        expect(outcome(withChange(set, place, (said) => mkIf(false, said)))).toEqual(outcome(none));
        expect(outcome(withChange(set, place, (said) => mkMerge(said, mkIf(false, said))))).toEqual(outcome(set));
      }),
    );
  });

  it("mkMerge of one is that one, wherever it may stand", () => {
    law(
      fc.property(sets, fc.nat(), (set, place) => {
        expect(outcome(withChange(set, place, (said) => mkMerge(said)))).toEqual(outcome(set));
      }),
    );
  });

  it("a mkMerge of all modules is the modules, and nested ones are flat", () => {
    law(
      fc.property(sets, fc.nat(5), (set, split) => {
        // Later modules come first.
        const all = set.modules.toReversed();
        const nested = mkMerge(mkMerge(...all.slice(0, split)), mkMerge(mkMerge(...all.slice(split))));
        const together = outcome(withModules(set, [mkMerge(...all)]));
        expect(together).toEqual(outcome(set));
        expect(outcome(withModules(set, [nested]))).toEqual(together);
      }),
    );
  });

  it("a lower number always wins", () => {
    law(
      fc.property(
        sets.chain((set) =>
          fc.constantFrom(...optionsOf(set.shape)).chain(([path, kind]) =>
            fc.record({
              set: fc.constant(set),
              path: fc.constant(path),
              said: kind.values,
              by: fc.integer({ min: -50, max: -1 }),
            }),
          ),
        ),
        ({ set, path, said, by }) => {
          const stronger = at(path, { say: "override", by, of: said });
          const alone = evaluated(withModules(set, [stronger]));
          const together = evaluated(set, moduleOf(stronger));
          const result = (of: { readonly config: unknown }) => attempt(() => plain(valueAt(of.config, path)));
          expect(result(together)).toEqual(result(alone));
        },
      ),
    );
  });

  it("definitions that lose are never run", () => {
    law(
      fc.property(sets, (set) => {
        let runs = 0;
        const loser = () => {
          runs += 1;
          throw new Error("a loser was run");
        };
        const defined = optionsOf(set.shape).filter(
          ([path]) => evaluated(set).options !== undefined && isDefined(set, path),
        );
        const losing = defined.map(([path]) =>
          moduleOf(at(path, { say: "override", by: 5000, of: { say: "value", value: loser } })),
        );
        expect(outcome(set, ...losing)).toEqual(outcome(set));
        expect(runs).toBe(0);
      }),
    );
  });

  it("a module with a key is one module, however often it is imported", () => {
    law(
      fc.property(setsWithMore, ({ set, more }) => {
        const keyed = () => moduleOf(more, "more");
        const importing = new raw.ModuleRecord({ imports: [keyed() as never] }) as unknown as AnyModule;
        expect(outcome(set, keyed(), keyed(), importing)).toEqual(outcome(set, keyed()));
      }),
    );
  });

  it("extendModules is adding the modules, and leaves what it extends alone", () => {
    law(
      fc.property(setsWithMore, ({ set, more }) => {
        const first = evaluated(set);
        const before = outcomeOf(first, set.shape);
        const extended = first.extendModules({ modules: [moduleOf(more)] });
        expect(outcomeOf(extended, set.shape)).toEqual(outcome(set, moduleOf(more)));
        expect(outcomeOf(first, set.shape)).toEqual(before);
      }),
    );
  });

  it("lists are sorted by order, and what has equal order stays as it was", () => {
    law(
      fc.property(moduleSets(flatLists), (set) => {
        const { config } = evaluated(set);
        for (const [path] of optionsOf(set.shape)) {
          const result = attempt(() => plain(valueAt(config, path))) as { value?: unknown };
          const said = set.modules
            .toReversed()
            .flatMap((module) => saidOf(module, path))
            .filter(({ holds }) => holds);
          const lowest = Math.min(...said.map(({ priority }) => priority));
          const winners = said.filter(({ priority }) => priority === lowest).toSorted((a, b) => a.order - b.order);
          if ("value" in result) expect(result.value).toEqual(winners.flatMap(({ said }) => itemsOf(said)));
        }
      }),
    );
  });

  it("reading options in another order gives the same", () => {
    law(
      fc.property(sets, (set) => {
        const backwards = evaluated(set);
        for (const [path] of optionsOf(set.shape).toReversed()) attempt(() => plain(valueAt(backwards.config, path)));
        expect(outcomeOf(backwards, set.shape)).toEqual(outcome(set));
      }),
    );
  });
});

/** True when a definition whose condition holds says something about an option, by the word of the options view. */
function isDefined(set: ModuleSet, path: readonly string[]): boolean {
  const { options } = evaluated(set) as { readonly options: unknown };
  const found = attempt(() => (valueAt(options, path) as { readonly highestPrio: number }).highestPrio < 5000);
  return (found as { value?: boolean }).value === true;
}

describe("an explanation", () => {
  const quoted = (path: readonly string[]) => path.map((name) => JSON.stringify(name)).join(".");

  it("agrees with the value, and with what was said: every definition, its priority, and whether it won", () => {
    law(
      fc.property(sets, (set) => {
        const evaluation = evaluated(set);
        for (const [path] of optionsOf(set.shape)) {
          const explanation = explain(evaluation, quoted(path));
          agrees(
            explanation,
            attempt(() => valueAt(evaluation.config, path)),
          );
          // Later modules come first.
          const said = set.modules.toReversed().flatMap((module) => saidOf(module, path));
          const lowest = Math.min(9999, ...said.filter(({ holds }) => holds).map(({ priority }) => priority));
          expect(
            explanation.definitions.map(({ priority, won, condition }) => [
              priority,
              won,
              condition !== "does not hold",
            ]),
          ).toEqual(said.map(({ priority, holds }) => [priority, holds && priority === lowest, holds]));
          expect(explanation.priority).toBe(lowest);
        }
      }),
    );
  });

  it("agrees inside submodules, of sets and of their own", () => {
    law(
      fc.property(moduleSets(submodules), (set) => {
        const evaluation = evaluated(set);
        for (const [path, { name }] of optionsOf(set.shape)) {
          const found = attempt(() => Object.keys(valueAt(evaluation.config, path) as object)) as {
            value?: string[];
          };
          const instances = name.startsWith("attrsOf") ? (found.value ?? []) : [undefined];
          for (const instance of found.value === undefined ? [] : instances) {
            for (const option of ["a", "b"]) {
              const full = [...path, ...(instance === undefined ? [] : [instance]), option];
              agrees(
                explain(evaluation, quoted(full)),
                attempt(() => valueAt(evaluation.config, full)),
              );
            }
          }
        }
      }),
    );
  });

  /** An explanation has a value when there is one, and the same. */
  function agrees(explanation: Explanation, result: unknown): void {
    const isValue = "value" in (result as object);
    expect([explanation.value !== undefined, explanation.error === undefined]).toEqual([isValue, isValue]);
    const { value } = result as { value?: unknown };
    if (isValue && typeof value !== "object") expect(explanation.value).toBe(JSON.stringify(value));
    if (isValue && Array.isArray(value) && value.length === 0) expect(explanation.value).toBe("[]");
  }
});

/** One definition of one option. */
interface Said {
  readonly holds: boolean;
  readonly priority: number;
  readonly order: number;
  readonly said: Say;
}

/** What a module says about one option: worked out from the description, without the module system. */
function saidOf(said: Say, path: readonly string[], holds = true, priority = 100, order = 1000): Said[] {
  switch (said.say) {
    case "define":
      return saidOf(said.of, path, holds, priority, order);
    case "order":
      return saidOf(said.of, path, holds, priority, said.by);
    case "if":
      return saidOf(said.of, path, holds && said.holds, priority, order);
    case "override":
      return saidOf(said.of, path, holds, said.by, order);
    case "merge":
      return said.items.flatMap((item) => saidOf(item, path, holds, priority, order));
    case "set": {
      const [name, ...rest] = path;
      if (name === undefined) return [{ holds, priority, order, said }];
      return said.members.filter(([own]) => own === name).flatMap(([, of]) => saidOf(of, rest, holds, priority, order));
    }
    default:
      return [{ holds, priority, order, said }];
  }
}

/** The elements of a list whose conditions hold. */
function itemsOf(said: Say): unknown[] {
  if (said.say === "thunk") return itemsOf(said.of);
  return said.say === "list"
    ? said.items.flatMap((item) => (item.say === "if" && !item.holds ? [] : [bare(item)]))
    : [];
}

describe("the JSON Schema of generated options", () => {
  const judge = new Ajv2020.default({ strict: true, strictTypes: false, strictRequired: false, ownProperties: true });

  it("accepts exactly the data that can be their one definition", () => {
    law(
      fc.property(
        sets
          .filter(({ shape }) => optionsOf(shape).every(isKnownToAjv))
          .chain(({ shape }) =>
            fc.array(definitionsOf(shape), { minLength: 1, maxLength: 4 }).map((said) => ({ shape, said })),
          ),
        ({ shape, said }) => {
          const validate = judge.compile(toJsonSchema(evaluated({ shape, modules: [] })));
          for (const data of said.map(bare)) {
            const module = new raw.ModuleRecord({ config: data }) as unknown as AnyModule;
            const { config } = evalModules({ modules: [declaring(shape), module] });
            const isTaken = optionsOf(shape).every(([path]) => isFine(() => plain(valueAt(config, path))));
            expect(validate(data), JSON.stringify(data)).toBe(isTaken);
          }
        },
      ),
    );
  });

  /** The validator leaves properties of this name out, whatever the schema says. */
  function isKnownToAjv([path]: readonly [readonly string[], unknown]): boolean {
    return !path.includes("__proto__");
  }

  /** Reading works, or nothing is there to be read. */
  function isFine(read: () => unknown): boolean {
    try {
      read();
      return true;
    } catch (error) {
      if (error instanceof ConfigError) return error.problems.every(({ code }) => code === "option-undefined");
      throw error;
    }
  }
});

/** What is said, without wrappers: plain data. Of a merge, the first. */
function bare(said: Say): unknown {
  switch (said.say) {
    case "value":
      return said.value;
    case "list":
      return said.items.map(bare);
    case "set":
      return objectOf(said.members.map(([name, of]) => [name, bare(of)]));
    case "merge":
      return said.items[0] === undefined ? {} : bare(said.items[0]);
    default:
      return bare(said.of);
  }
}
