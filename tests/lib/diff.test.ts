import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type AnyModule,
  declareOptions,
  define,
  defineModule,
  diff,
  evalModules,
  literal,
  type ModuleSpec,
  mkForce,
  mkOption,
  profile,
  renderDiff,
  renderProfile,
  t,
  using,
} from "../../src/lib/index.ts";

const user = t.submodule({
  uid: mkOption({ type: t.int, default: 1 }),
  shell: mkOption({ type: t.str, default: "sh" }),
});
const options = declareOptions({
  host: mkOption({ type: t.str, default: "a" }),
  motd: mkOption({ type: t.str }),
  ports: mkOption({ type: t.listOf(t.int), default: [] }),
  limits: mkOption({ type: t.attrsOf(t.int), default: {} }),
  users: mkOption({ type: t.attrsOf(user), default: {} }),
  call: mkOption({ type: t.opaque<() => number>("function"), default: literal(() => 1) }),
  group: { inner: mkOption({ type: t.int, default: 0 }) },
});
type Options = typeof options;
type Config = ModuleSpec<Options>["config"] & {};
const base = using().declare(options).defineModule({});
const moduleOf = (config: Config) => defineModule<Options>({ config });
const evaluate = (...modules: readonly AnyModule[]) => evalModules({ modules: [base, ...modules] });
const common = moduleOf(({ config }) => define({ motd: () => `on ${config.host}`, users: { root: {}, guest: {} } }));

describe("the difference of two evaluations", () => {
  it("is nothing when the modules are the same: a law", () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ ports: fc.array(fc.nat(5)), group: fc.record({ inner: fc.nat(0) }) })),
        (configs) => {
          const modules = configs.map(moduleOf);
          expect(diff(evaluate(common, ...modules), evaluate(common, ...modules))).toEqual([]);
        },
      ),
    );
  });

  it("has the options whose values differ, and no others", () => {
    const before = evaluate(common, moduleOf({ ports: [1], limits: { a: 1, b: 2 } }));
    const after = before.extendModules({
      modules: [
        moduleOf({
          host: "b",
          ports: [2],
          limits: { b: mkForce(3) },
          users: { guest: { shell: "false" }, bob: {} },
        }),
      ],
    });
    const found = diff(before, after);
    expect(found.map(({ option, before: was, after: is }) => `${option}: ${was} → ${is}`)).toEqual([
      'host: "a" → "b"',
      "limits: { a: 1, b: 2 } → { b: 3, a: 1 }",
      'motd: "on a" → "on b"',
      "ports: [1] → [2, 1]",
      'users.bob: undefined → { uid: 1, shell: "sh" }',
      'users.guest.shell: "sh" → "false"',
    ]);
  });

  it("names the definitions that made the difference", () => {
    const before = evaluate(common);
    const after = before.extendModules({ modules: [moduleOf({ host: "b" })] });
    const [host, motd] = diff(before, after);
    expect(host?.added.map(({ value, priority }) => ({ value, priority }))).toEqual([{ value: '"b"', priority: 100 }]);
    expect(host?.removed).toMatchObject([{ value: '"a"', isDefault: true }]);
    expect(motd).toMatchObject({ option: "motd", added: [], removed: [] });
    expect(renderDiff([host as never])).toMatch(
      /^host: "a" → "b"\n {2}- .*diff.test.ts:\d+ {2}"a"\n {2}\+ .*:\d+ {2}"b"$/,
    );
  });

  it("has what differs far away: the last of many members, and what lies deep", { timeout: 60_000 }, () => {
    const free = declareOptions({ free: mkOption({ type: t.attrs }), json: mkOption({ type: t.json, default: null }) });
    const given = (config: { free: object; json?: unknown }) =>
      evalModules({ modules: [defineModule<typeof free>({ options: free, config: config as never })] });
    const many = (last: number): object => ({ list: [...new Array<number>(70_000).fill(0), last] });
    const deep = (last: number): object => {
      let value: unknown = last;
      for (let i = 0; i < 1000; i++) value = { a: value };
      return value as object;
    };
    for (const make of [many, deep]) {
      expect(diff(given({ free: make(1) }), given({ free: make(1) }))).toEqual([]);
      expect(diff(given({ free: make(1) }), given({ free: make(2) }))).toMatchObject([{ option: "free" }]);
      expect(diff(given({ free: {}, json: make(1) }), given({ free: {}, json: make(1) }))).toEqual([]);
      expect(diff(given({ free: {}, json: make(1) }), given({ free: {}, json: make(2) }))).toMatchObject([
        { option: "json" },
      ]);
    }
  });

  it("has options that only one side declares, and values that fail on one side", () => {
    const before = evaluate();
    const more = defineModule({ options: { extra: mkOption({ type: t.int, default: 5 }) } });
    expect(diff(before, evaluate(more))).toMatchObject([{ option: "extra", after: "5" }]);
    expect(diff(evaluate(more), before)).toMatchObject([{ option: "extra", before: "5" }]);
    expect(diff(before, evaluate(moduleOf({ motd: "x" })))).toMatchObject([
      { option: "motd", before: expect.stringMatching(/fails: .*has no value/), after: '"x"' },
    ]);
  });
});

describe("a profile", () => {
  it("counts evaluations and times of options, and leaves nothing behind", () => {
    const evaluation = evaluate(
      common,
      moduleOf(({ config }) =>
        define({
          group: {
            inner: () => {
              const until = performance.now() + 5;
              while (performance.now() < until);
              return config.motd.length;
            },
          },
        }),
      ),
    );
    const measured = profile(evaluation, (config) => [config.group.inner, config.group.inner]);
    const inner = measured.entries.find(({ name }) => name === "group.inner");
    expect(inner?.evaluations).toBe(1);
    expect(inner?.milliseconds).toBeGreaterThanOrEqual(4.5);
    const motd = measured.entries.find(({ name }) => name === "motd");
    expect(motd?.evaluations).toBe(1);
    expect(inner?.total).toBeGreaterThanOrEqual((inner?.milliseconds ?? 0) + (motd?.milliseconds ?? 0) - 0.01);
    expect(renderProfile(measured, 1).split("\n")).toHaveLength(3);
    expect(renderProfile(measured, measured.entries.length)).toMatch(/group\.inner/);
    const count = measured.entries.length;
    expect(evaluation.config.motd).toBe("on a");
    expect(measured.entries).toHaveLength(count);
  });

  it("reads everything by default, and survives what fails", () => {
    const boom = () => {
      throw new Error("boom");
    };
    const { entries } = profile(evaluate(moduleOf({ motd: boom, host: () => "x" })));
    expect(entries.map(({ name }) => name)).toEqual(expect.arrayContaining(["motd", "host"]));
  });
});
