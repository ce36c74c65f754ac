import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { optionAt, parseOptionPath } from "../../src/cli/option-path.ts";

describe("an option's path on the command line", () => {
  it("is split at dots, except in quotes", () => {
    expect(parseOptionPath(`services.nginx.virtualHosts."a.example".root`)).toEqual([
      "services",
      "nginx",
      "virtualHosts",
      "a.example",
      "root",
    ]);
    expect(parseOptionPath("")).toEqual([]);
  });

  it("gives back every list of names that was quoted", () => {
    const quote = (part: string) => `"${part.replaceAll(/["\\]/g, "\\$&")}"`;
    fc.assert(
      fc.property(fc.array(fc.string(), { minLength: 1 }), (parts) => {
        expect(parseOptionPath(parts.map(quote).join("."))).toEqual(parts);
      }),
    );
  });

  it.each(["a..b", ".a", "a.", `a."b`, `a"b"`])("is refused when it is %s", (text) => {
    expect(() => parseOptionPath(text)).toThrow(/is not an option's path/);
  });

  it("that leads nowhere says what there is", () => {
    expect(() => optionAt({ a: { b: 1, c: 2 } }, "a.x")).toThrow(/there is no x in a/);
    expect(optionAt({ a: { b: 1 } }, "a.b")).toBe(1);
  });
});
