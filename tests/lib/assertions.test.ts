import { describe, expect, it } from "vitest";
import {
  type AnyModule,
  assertionOptions,
  checkAssertions,
  declareOptions,
  define,
  defineModule,
  evalModules,
  type ModuleSpec,
  mkEach,
  mkForce,
  mkIf,
  mkOption,
  mkRemovedOptionModule,
  mkUnset,
  t,
  toJsonSchema,
  using,
} from "../../src/lib/index.ts";
import { type ProblemError, renderProblems } from "../../src/problems/index.ts";

const options = declareOptions({
  port: mkOption({ type: t.int, default: 0 }),
  hooks: mkOption({ type: t.namedListOf(t.str), default: [] }),
  ...assertionOptions,
});
type Options = typeof options;
type Config = ModuleSpec<Options>["config"] & {};
const base = using().declare(options).defineModule({});
const evaluate = (...modules: readonly AnyModule[]) => evalModules({ modules: [base, ...modules] });
const run = (...configs: readonly Config[]) =>
  evaluate(...configs.map((config) => defineModule<Options>({ config }))).config;
/** What is printed for the assertions that fail. */
function failures(...configs: readonly Config[]): string {
  try {
    checkAssertions(run(...configs).assertions);
    return "";
  } catch (error) {
    return renderProblems((error as ProblemError).problems);
  }
}

const named: Config = ({ config }) =>
  define({
    assertions: { "web-port": { assertion: () => config.port > 0, message: "web.port has to be set." } },
    warnings: { low: mkIf(() => config.port < 1024, "The port is low.") },
  });

describe("an assertion", () => {
  it("may stand in a list or have a name, and all that fail are told", () => {
    expect(failures(named, { assertions: [{ assertion: false, message: "never" }] })).toBe(
      [
        "error: never [assertion-failed]",
        "  fix: change the configuration so that it holds.",
        "",
        "error: web.port has to be set. [assertion-failed]",
        "  This is assertions.web-port.",
        "  fix: change the configuration so that it holds, or set it to mkForce(mkUnset()) where it does not apply.",
      ].join("\n"),
    );
    expect(failures(named, { port: 1 })).toBe("");
  });

  it("with a name can be overridden: its condition, its message, all of it, or all there are", () => {
    expect(failures(named, { assertions: { "web-port": { assertion: mkForce(true) } } })).toBe("");
    expect(failures(named, { assertions: { "web-port": { message: mkForce("set it") } } })).toMatch(/^error: set it/);
    expect(failures(named, { assertions: { "web-port": mkForce(mkUnset()) } })).toBe("");
    expect(failures(named, { assertions: mkForce([]) })).toBe("");
    expect(failures(named, { assertions: mkEach({ assertion: mkForce(true) }) })).toBe("");
  });

  it("is not evaluated before it is asked for, and does not need its message while it holds", () => {
    const boom = (): never => {
      throw new Error("read");
    };
    const config = run({
      assertions: { a: { assertion: boom, message: boom }, b: { assertion: true, message: boom } },
    });
    expect(config.assertions).toHaveLength(2);
    expect(config.assertions[1]?.assertion).toBe(true);
    expect(() => config.assertions[0]?.assertion).toThrow(/read/);
  });

  it("of a removed option stands among the others", () => {
    const removed = mkRemovedOptionModule(["old"], "Use port.");
    const old = defineModule<{ old: Options["port"] }>({ config: { old: 1 } });
    const { config } = evaluate(removed, old);
    expect(config.assertions.map(({ assertion, key }) => ({ assertion, key }))).toEqual([
      { assertion: false, key: null },
    ]);
  });
});

describe("warnings", () => {
  it("are a list, whichever way they are given", () => {
    expect(run(named, { warnings: ["first"] }).warnings).toEqual(["first", "The port is low."]);
    expect(run(named, { port: 2000 }).warnings).toEqual([]);
    expect(run(named, { warnings: { low: mkForce(mkUnset()) } }).warnings).toEqual([]);
  });
});

describe("a list whose elements may have names", () => {
  it("gives unnamed elements first, then named ones", () => {
    expect(run({ hooks: { z: "1", a: "2" } }, { hooks: ["3"] }, { hooks: { z: mkForce("4") } }).hooks).toEqual([
      "3",
      "4",
      "2",
    ]);
    expect(run({ hooks: () => ({ a: "1" }) }).hooks).toEqual(["1"]);
  });

  it("refuses anything else, and elements of another type", () => {
    expect(() => run({ hooks: "x" as never }).hooks).toThrow(/hooks takes a list or attribute set of string/);
    expect(() => run({ hooks: { a: 1 as never } }).hooks[0]).toThrow(
      /hooks.a takes a string, but is defined as a number/,
    );
    expect(toJsonSchema(t.namedListOf(t.str))["anyOf"]).toHaveLength(2);
  });

  it("combines with the same list of another module", () => {
    const again = defineModule({ options: { hooks: mkOption({ type: t.namedListOf(t.str) }) } });
    expect(evaluate(again, defineModule<Options>({ config: { hooks: { a: "1" } } })).config.hooks).toEqual(["1"]);
  });
});
