import { describe, expect, it } from "vitest";
import {
  declareOptions,
  defineModule,
  documentOptions,
  evalModules,
  literalCode,
  literalExpression,
  literalMD,
  mkEnableOption,
  mkOption,
  mkPackageOption,
  mkSinkUndeclaredOptions,
  type OptionDoc,
  showOption,
  type Tree,
  t,
} from "../../src/lib/index.ts";

function docsOf(options: Tree): readonly OptionDoc[] {
  return documentOptions(evalModules({ modules: [defineModule({ options: declareOptions(options) })] }));
}
const one = (options: Tree): OptionDoc => docsOf(options)[0] as OptionDoc;
const inner = t.submodule({ x: mkOption({ type: t.int, default: 1 }) });

describe("the documentation of an option", () => {
  it("has words instead of values where it is given words", () => {
    const doc = one({
      a: mkOption({ type: t.str, defaultText: literalExpression("config.x"), example: literalMD("Any *text*.") }),
    });
    expect(doc.default).toEqual({ text: "config.x", format: "expression" });
    expect(doc.example).toEqual({ text: "Any *text*.", format: "markdown" });
    expect(one({ a: mkOption({ type: t.str, defaultText: "plain" }) }).default).toEqual({
      text: "plain",
      format: "expression",
    });
  });

  it("prefers words to the default itself", () => {
    expect(one({ a: mkOption({ type: t.str, default: "x", defaultText: "y" }) }).default).toMatchObject({ text: "y" });
  });

  it("has the empty value of its type for a default, unless the type has options inside", () => {
    const empty: readonly (readonly [string, Tree, unknown])[] = [
      ["list", { a: mkOption({ type: t.listOf(t.str) }) }, { value: [] }],
      ["set", { a: mkOption({ type: t.attrsOf(t.str) }) }, { value: {} }],
      ["null", { a: mkOption({ type: t.nullOr(t.str) }) }, { value: null }],
      ["attribute list", { a: mkOption({ type: t.attrListOf(t.str) }) }, { value: [] }],
      ["non-empty list", { a: mkOption({ type: t.nonEmptyListOf(t.str) }) }, undefined],
      ["set of submodules", { a: mkOption({ type: t.attrsOf(inner) }) }, undefined],
      ["submodule", { a: mkOption({ type: inner }) }, undefined],
    ];
    for (const [what, options, value] of empty) expect([what, one(options).default]).toEqual([what, value]);
  });

  it.each([
    [
      true,
      [
        ["a", true],
        ["a.x", true],
      ],
    ],
    [false, [["a", false]]],
    ["shallow", [["a", true]]],
    [
      "transparent",
      [
        ["a", false],
        ["a.x", true],
      ],
    ],
  ] as const)("is visible as it says, and so are the options inside: %s", (visible, expected) => {
    const docs = docsOf({ a: mkOption({ type: inner, visible }) });
    expect(docs.map((doc) => [doc.name, doc.visible])).toEqual(expected);
  });

  it("has related packages only if it is given some", () => {
    expect(one({ a: mkOption({ type: t.str, relatedPackages: ["nginx"] }) }).relatedPackages).toEqual(["nginx"]);
    expect(one({ a: mkOption({ type: t.str }) })).not.toHaveProperty("relatedPackages");
  });

  it("comes by name, each option before those inside it, below placeholders", () => {
    const docs = docsOf({
      z: mkEnableOption("z"),
      m: {
        list: mkOption({ type: t.listOf(inner) }),
        call: mkOption({ type: t.functionTo(inner) }),
        "a.b": mkOption({ type: t.attrsWith({ elemType: inner, placeholder: "host" }) }),
      },
      a: mkOption({ type: inner }),
    });
    expect(docs.map(({ name }) => name)).toEqual([
      "a",
      "a.x",
      'm."a.b"',
      'm."a.b".<host>.x',
      "m.call",
      "m.call.<function body>.x",
      "m.list",
      "m.list.*.x",
      "z",
    ]);
  });

  it("of a package names it in the set", () => {
    const pkgs: { readonly [name: string]: { readonly path: string } } = {};
    const doc = one({
      a: mkPackageOption(pkgs, ["python", "numpy"], { example: "scipy", extraDescription: "Or none.", pkgsText: "p" }),
    });
    expect(doc).toMatchObject({
      description: "The numpy package to use. Or none.",
      type: "package",
      default: { text: "p.python.numpy" },
      example: { text: "p.scipy" },
    });
    const none = one({ a: mkPackageOption(pkgs, "x", { nullable: true, default: null }) });
    expect([none.type, none.default]).toEqual(["null or package", { value: null }]);
    expect(one({ a: mkPackageOption(pkgs, "x", { default: null }) }).default).toBe(undefined);
  });

  it("of a sink is nowhere to be seen", () => {
    expect(one({ a: mkSinkUndeclaredOptions() })).toMatchObject({ internal: true, visible: false });
  });
});

describe("words", () => {
  it("of code are fenced by more backticks than they have", () => {
    expect(literalCode("md", "```\nx\n```").text).toBe("````md\n```\nx\n```\n````");
  });

  it("for an option are its path as users write it", () => {
    expect(showOption(["a", "b c", "<name>", "*", "x-y"])).toBe('a."b c".<name>.*.x-y');
  });
});
