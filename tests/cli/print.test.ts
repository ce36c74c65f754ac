import { describe, expect, it } from "vitest";
import { toData, toJson, toText } from "../../src/cli/print.ts";
import { fail } from "../../src/problems/index.ts";

const lazy = (get: () => unknown) => Object.defineProperty({ a: 1 }, "b", { enumerable: true, get });

describe("configuration as text", () => {
  it("is a tree of names and values", () => {
    expect(toText({ b: { c: [1, "x"], d: null }, a: "plain", "odd key": true, e: {} })).toBe(
      `a: plain\nb:\n  c: [1,"x"]\n  d: null\ne: {}\n"odd key": true`,
    );
  });

  it("of a single string is the string itself", () => {
    expect(toText("web")).toBe("web");
    expect(toText("two\nlines")).toBe(`"two\\nlines"`);
  });
});

describe("configuration as data", () => {
  it("leaves out what nobody defined", () => {
    const tree = lazy(() => fail({ code: "option-undefined", message: "b has no value" }));
    expect(toData(tree)).toEqual({ a: 1 });
  });

  it("does not hide other problems", () => {
    const tree = lazy(() => fail({ code: "definition-conflict", message: "b is defined twice" }));
    expect(() => toJson(tree)).toThrow("b is defined twice");
  });

  it("names packages without asking for their paths", () => {
    const path = () => {
      throw new Error("asked for");
    };
    const pkg = Object.defineProperty({ type: "package", name: "nginx" }, "path", { get: path });
    expect(toData({ pkg, f: () => 1 })).toEqual({ pkg: "<package nginx>", f: "<function>" });
  });

  it("keeps a key that is called __proto__ a key", () => {
    expect(toJson(JSON.parse(`{"__proto__": 1}`))).toContain(`"__proto__": 1`);
  });
});
