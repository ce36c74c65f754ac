import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type AnyModule,
  ConfigError,
  declareOptions,
  define,
  defineModule,
  documentOptions,
  evalModules,
  explain,
  type ModuleSpec,
  mkAfter,
  mkBefore,
  mkDefault,
  mkForce,
  mkIf,
  mkOption,
  mkOptionDefault,
  mkRemove,
  t,
  using,
} from "../../src/lib/index.ts";

const server = t
  .submodule({
    id: mkOption({ type: t.str }),
    port: mkOption({ type: t.port, default: 80 }),
    tags: mkOption({ type: t.listOf(t.str), default: [] }),
    label: mkOption({ type: t.str }),
  })
  .config(({ name, config }) => define({ label: mkOptionDefault(() => `${name}:${config.port}`) }));
const options = declareOptions({
  on: mkOption({ type: t.bool, default: false }),
  unique: mkOption({ type: t.uniqueListOf(t.int), default: [] }),
  objects: mkOption({ type: t.uniqueListOf(t.json), default: [] }),
  sorted: mkOption({ type: t.sortedListOf(t.either(t.int, t.str)), default: [] }),
  byPort: mkOption({ type: t.sortedListOf(server, ({ port }) => -port), default: [] }),
  servers: mkOption({ type: t.keyedListOf("id", server), default: [] }),
});
type Options = typeof options;
type Config = ModuleSpec<Options>["config"] & {};
const base = using().declare(options).defineModule({});
const evaluate = (...modules: readonly AnyModule[]) => evalModules({ modules: [base, ...modules] });
const moduleOf = (config: Config) => defineModule<Options>({ config });
const run = (...configs: readonly Config[]) => evaluate(...configs.map(moduleOf)).config;
const ints = fc.array(fc.integer({ min: -3, max: 3 }), { maxLength: 6 });
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
function problemOf(f: () => unknown): { readonly code: string; readonly message: string; readonly fix?: string } {
  try {
    f();
  } catch (error) {
    if (error instanceof ConfigError) return error.problems[0];
  }
  throw new Error("nothing went wrong");
}

describe("a list without duplicates", () => {
  it("keeps the first of equal elements: a law", () => {
    fc.assert(
      fc.property(ints, ints, (a, b) => {
        expect(run({ unique: a }, { unique: b }).unique).toEqual([...new Set([...b, ...a])]);
      }),
    );
  });

  it("knows equal objects", () => {
    expect(run({ objects: [{ a: [1] }, { a: [2] }] }, { objects: [{ a: [1] }, "x", "x"] }).objects).toEqual([
      { a: [1] },
      "x",
      { a: [2] },
    ]);
  });

  it("refuses elements of another type", () => {
    const problem = problemOf(() => run({ unique: [1, "2" as never] }).unique);
    expect(problem).toMatchObject({ code: "definition-type", fix: "give unique[1] a signed integer." });
  });
});

describe("a sorted list", () => {
  it("is the same in whichever order its modules come: a law", () => {
    const items = fc.array(fc.oneof(fc.integer({ min: 0, max: 20 }), fc.string({ maxLength: 2 })), { maxLength: 5 });
    const many = fc.array(items, { maxLength: 4 });
    fc.assert(
      fc.property(
        many.chain((lists) => fc.tuple(fc.constant(lists), fc.shuffledSubarray(lists, { minLength: lists.length }))),
        ([lists, shuffled]) => {
          const { sorted } = run(...lists.map((sorted) => ({ sorted })));
          expect(run(...shuffled.map((list) => ({ sorted: list }))).sorted).toEqual(sorted);
          expect(sorted).toHaveLength(lists.flat().length);
        },
      ),
    );
  });

  it("still has orders, each sorted by itself", () => {
    const { sorted } = run({ sorted: mkAfter([1, 0]) }, { sorted: [5, 10, 9] }, { sorted: mkBefore([7, 6]) });
    expect(sorted).toEqual([6, 7, 5, 9, 10, 0, 1]);
  });

  it("is sorted by what is asked for", () => {
    const { byPort } = run({ byPort: [{ id: "a", port: 1 }, { id: "b" }] }, { byPort: [{ id: "c", port: 90 }] });
    expect(byPort.map(({ id }) => id)).toEqual(["c", "b", "a"]);
  });
});

describe("a list merged by a key", () => {
  it("merges what several modules say about an element", () => {
    const { servers } = run(
      { servers: [{ id: "a", tags: ["x"] }, { id: "b" }] },
      { servers: [{ id: "c" }, { id: "a", port: 8080, tags: ["y"] }] },
    );
    expect(plain(servers)).toEqual([
      { id: "c", port: 80, tags: [], label: "c:80" },
      { id: "a", port: 8080, tags: ["x", "y"], label: "a:8080" },
      { id: "b", port: 80, tags: [], label: "b:80" },
    ]);
  });

  it("takes thunks, conditions and priorities, of elements and inside them", () => {
    const { servers } = run(
      ({ config }) =>
        define({
          servers: [() => define({ id: "a", port: 1 }), mkIf(() => config.on, { id: "b" }), { id: () => "c" }],
        }),
      { servers: [{ id: "a", port: mkForce(2) }, mkDefault({ id: "c", port: 3 })] },
      { servers: [mkForce({ id: "d", port: 4 }), { id: "d", port: 5 }] },
    );
    expect(servers.map(({ id, port }) => `${id}${port}`)).toEqual(["d4", "a2", "c80"]);
    expect(Object.isFrozen(servers)).toBe(true);
  });

  it("is the list itself when all keys differ: a law", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string({ minLength: 1, maxLength: 3 }), { maxLength: 6 }), (keys) => {
        expect(run({ servers: keys.map((id) => ({ id })) }).servers.map(({ id }) => id)).toEqual(keys);
      }),
    );
  });

  it("has a problem where an element has no key, and where two disagree", () => {
    const missing = problemOf(() => run({ servers: [{ port: 1 }] }).servers);
    expect(missing).toMatchObject({
      code: "list-key-missing",
      message: "an element has no id, which is what the elements of this list are known by",
      fix: 'give it one: id: "…".',
    });
    const clash = problemOf(
      () =>
        run({
          servers: [
            { id: "a", port: 1 },
            { id: "a", port: 2 },
          ],
        }).servers[0]?.port,
    );
    expect(clash).toMatchObject({ code: "definition-conflict", message: "servers.a.port has conflicting definitions" });
  });

  it("combines with the same list of another module, and not with one of another key", () => {
    const extended = (key: "id" | "port") =>
      defineModule({
        options: {
          servers: mkOption({
            type: t.keyedListOf(
              key,
              t.submodule({
                id: mkOption({ type: t.str }),
                port: mkOption({ type: t.int }),
                more: mkOption({ type: t.int, default: 1 }),
              }),
            ),
          }),
        },
      });
    void extended("port");
    const more = defineModule({
      options: {
        servers: mkOption({
          type: t.keyedListOf(
            "id",
            t.submodule({ id: mkOption({ type: t.str }), more: mkOption({ type: t.int, default: 1 }) }),
          ),
        }),
      },
    });
    const { config } = evaluate(more, moduleOf({ servers: [{ id: "a" }] }));
    expect(plain(config.servers)).toEqual([{ id: "a", port: 80, tags: [], label: "a:80", more: 1 }]);
    const other = problemOf(() => evaluate(extended("port")).config.servers);
    expect(other.code).toBe("option-declared-twice");
  });

  it("is explained and documented like other options", () => {
    const evaluation = evaluate(moduleOf({ servers: [{ id: "a" }] }), moduleOf({ servers: mkRemove([]) }));
    expect(explain(evaluation, "servers").type).toBe("list of (submodule), merged by id");
    const names = documentOptions(evaluation).map(({ name }) => name);
    expect(names).toContain("servers.*.port");
  });
});
