import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ConfigError, declareOptions, evalModules, literal, mkForce, mkOption, t, using } from "../../src/lib/index.ts";

describe("a declaration", () => {
  it("is to blame for a default that does not fit: a law", () => {
    const defaults = fc.oneof(fc.integer({ min: -5, max: 5 }), fc.string({ maxLength: 2 }), fc.array(fc.integer()));
    const types = fc.constantFrom(
      t.ints.between(-2, 2),
      t.str,
      t.listOf(t.int),
      t.nullOr(t.int),
      t.either(t.str, t.int),
    );
    fc.assert(
      fc.property(types, defaults, (type, fallback) => {
        let isRefused = false;
        try {
          mkOption({ type, default: fallback as never });
        } catch (error) {
          isRefused = (error as ConfigError).has("default-type");
        }
        const bare = using()
          .declare({ x: mkOption({ type }) })
          .defineModule({ config: { x: fallback as never } as never });
        let isBad = false;
        try {
          JSON.stringify(evalModules({ modules: [bare] }).config);
        } catch {
          isBad = true;
        }
        expect(isRefused).toBe(isBad);
      }),
    );
  });

  it("names its own line", () => {
    try {
      mkOption({ type: t.int, default: "x" as never });
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(ConfigError);
      expect((error as ConfigError).problems[0].sites[0]).toMatchObject({ file: import.meta.filename, value: '"x"' });
    }
  });

  it("leaves thunks and wrappers for later, and runs nothing", () => {
    const boom = (): never => {
      throw new Error("run");
    };
    expect(() =>
      declareOptions({
        a: mkOption({ type: t.int, default: boom }),
        b: mkOption({ type: t.listOf(t.int), default: [boom] }),
        c: mkOption({ type: t.int, default: mkForce(boom as never) }),
        d: mkOption({ type: t.opaque<() => number>("function"), default: literal(boom) }),
        e: mkOption({ type: t.attrsOf(t.submodule({ x: mkOption({ type: t.int }) })), default: { a: { x: boom } } }),
      }),
    ).not.toThrow();
  });
});
