/** What the compiler knows about arguments, `_module`, free names, and types that modules make; see `typed.test-d.ts`. */
import { describe, expectTypeOf, it } from "vitest";
import {
  type AttrsOf,
  type Definitions,
  declareOptions,
  define,
  defineModule,
  evalModules,
  literalExpression,
  mergeAttrDefinitionsWithPrio,
  mkAliasDefinitions,
  mkAssert,
  mkDefinition,
  mkDerivedConfig,
  mkForce,
  mkIf,
  mkImageMediaOverride,
  mkOption,
  mkOptionType,
  mkPackageOption,
  mkSinkUndeclaredOptions,
  type Others,
  type Str,
  type Submodule,
  t,
  using,
  type Val,
  type Values,
} from "../../src/lib/index.ts";

declare module "../../src/lib/typed/modules.ts" {
  interface ModuleArgs {
    readonly testTheme: { readonly name: string };
  }
}

const options = declareOptions({
  text: mkOption({ type: t.str, default: "" }),
  number: mkOption({ type: t.int, default: 0 }),
  limits: mkOption({ type: t.attrsOf(t.int), default: {} }),
  lines: mkOption({ type: t.attrListOf(t.int), default: [] }),
});
type Options = typeof options;

describe("module arguments", () => {
  it("have the types that they were declared with", () => {
    defineModule<Options>({
      config: (args) => {
        expectTypeOf(args.testTheme.name).toEqualTypeOf<string>();
        expectTypeOf(args._prefix).toEqualTypeOf<readonly string[]>();
        // @ts-expect-error nobody declared it
        return define({ text: () => args.testThem.name });
      },
    });
  });

  it("are defined below _module, beside any option", () => {
    defineModule<Options>({ config: { _module: { args: { theme: { name: "x" } }, check: mkForce(false) } } });
    defineModule<Options>({ config: ({ config }) => mkIf(() => config.number > 1, { _module: { args: { a: 1 } } }) });
    // @ts-expect-error a misspelt option of modules
    defineModule<Options>({ config: { _module: { chekc: false } } });
    // @ts-expect-error an ill-typed one
    defineModule<Options>({ config: { _module: { check: "no" } } });
    // @ts-expect-error it is no part of what is read
    defineModule<Options>({ config: ({ config }) => define({ text: () => `${config._module}` }) });
  });
});

describe("free names", () => {
  it("have the type that the scope gives them, and declared ones keep theirs", () => {
    type Open = Values<Options & Others<Str>>;
    expectTypeOf<Open["anything"]>().toEqualTypeOf<string>();
    expectTypeOf<Open["number"]>().toEqualTypeOf<number>();
    defineModule<Others<Str>>({ freeformType: t.attrsOf(t.str), config: { a: "x", b: () => "y", c: mkForce("z") } });
    // @ts-expect-error a free name of another type
    defineModule<Others<Str>>({ freeformType: t.attrsOf(t.str), config: { a: 5 } });
  });

  it("are inferred by using", () => {
    const { config } = evalModules({
      modules: [
        using()
          .freeform(t.bool)
          .defineModule({ config: { a: true } }),
      ],
    });
    expectTypeOf(config["whatever"]).toEqualTypeOf<boolean | undefined>();
  });
});

describe("an evaluation", () => {
  const base = using().declare(options).defineModule({});
  const evaluation = evalModules({ modules: [base], prefix: ["a"], class: "x" });

  it("is the type of an option with the same values", () => {
    expectTypeOf<Val<typeof evaluation.type>["text"]>().toEqualTypeOf<string>();
    expectTypeOf(evaluation.type).toExtend<Submodule<unknown>>();
  });

  it("can be extended by nothing, by modules, by a prefix", () => {
    expectTypeOf(evaluation.extendModules({}).config.number).toEqualTypeOf<number>();
    expectTypeOf(evaluation.extendModules({ prefix: ["b"] }).config.number).toEqualTypeOf<number>();
    // @ts-expect-error a misspelt part
    evaluation.extendModules({ module: [] });
  });

  it("knows what is below _module", () => {
    expectTypeOf(evaluation._module.check).toEqualTypeOf<boolean>();
    expectTypeOf(evaluation.graph[0]?.imports[0]?.file).toEqualTypeOf<string | undefined>();
  });
});

describe("definitions made of others", () => {
  it("are checked where they stand", () => {
    defineModule<Options>({
      config: ({ options: all }) =>
        define({
          text: mkAliasDefinitions(all.text),
          number: mkDerivedConfig(all.text, (text) => {
            expectTypeOf(text).toEqualTypeOf<string>();
            return text.length;
          }),
          limits: mkImageMediaOverride({ a: mkDefinition({ file: "x.csv", value: 1 }) }),
        }),
    });
    defineModule<Options>({
      config: ({ options: all }) =>
        define({
          // @ts-expect-error text where a number has to be
          number: mkDerivedConfig(all.text, (text) => text),
          // @ts-expect-error a number where text has to be
          text: mkAssert(() => true, "", 5),
          // @ts-expect-error text where a number has to be
          limits: mkImageMediaOverride({ a: mkDefinition({ file: "x.csv", value: "1" }) }),
        }),
    });
  });

  it("know the values of their option", () => {
    const { options: all } = evalModules({ modules: [using().declare(options).defineModule({})] });
    expectTypeOf(mergeAttrDefinitionsWithPrio(all.limits)["a"]?.value).toEqualTypeOf<number | undefined>();
    // @ts-expect-error an option without names
    mergeAttrDefinitionsWithPrio(all.number);
  });
});

describe("types", () => {
  it("of attribute lists are read as lists of sets, or as what they are told to be", () => {
    expectTypeOf<Values<Options>["lines"]>().toEqualTypeOf<readonly { readonly [name: string]: number }[]>();
    const type = t.attrListWith({ elemType: t.int, asAttrs: true, mergeAttrValues: (_, values) => `${values[0]}` });
    expectTypeOf<Val<typeof type>>().toEqualTypeOf<{ readonly [name: string]: string }>();
    defineModule<Options>({ config: { lines: [{ a: 1 }, mkForce({ b: mkForce(2) })] } });
    defineModule<Options>({ config: { lines: () => [{ a: 1 }] } });
    // @ts-expect-error text where a number has to be
    defineModule<Options>({ config: { lines: [{ a: "1" }] } });
  });

  it("of one's own say what is read and what may be defined", () => {
    const length = mkOptionType<number, string>({
      name: "length",
      merge: (loc, defs) => {
        expectTypeOf(loc).toEqualTypeOf<readonly string[]>();
        expectTypeOf(defs).toEqualTypeOf<Definitions<string>>();
        return defs[0].value.length;
      },
    });
    const own = declareOptions({ size: mkOption({ type: length }) });
    expectTypeOf<Values<typeof own>["size"]>().toEqualTypeOf<number>();
    defineModule<typeof own>({ options: own, config: { size: "four" } });
    // @ts-expect-error what is read is not what is defined
    defineModule<typeof own>({ options: own, config: { size: 4 } });
  });

  it("with a placeholder are attrsOf", () => {
    expectTypeOf(t.attrsWith({ elemType: t.int, placeholder: "user" })).toEqualTypeOf<AttrsOf<typeof t.int>>();
  });

  it("of packages are those of the set, null if there may be none", () => {
    const pkgs: { readonly [name: string]: { readonly path: string; readonly version: string } } = {};
    const own = declareOptions({
      a: mkPackageOption(pkgs, "a"),
      b: mkPackageOption(pkgs, ["b"], { nullable: true, default: null, example: "c" }),
    });
    expectTypeOf<Values<typeof own>["a"]["version"]>().toEqualTypeOf<string>();
    expectTypeOf<Values<typeof own>["b"]>().toEqualTypeOf<{ readonly path: string; readonly version: string } | null>();
  });
});

describe("options", () => {
  it("take words for documentation, and refuse what they do not have", () => {
    mkOption({ type: t.str, defaultText: literalExpression("x"), example: literalExpression("y") });
    mkOption({ type: t.str, relatedPackages: ["nginx"], visible: "shallow" });
    // @ts-expect-error no such part
    mkOption({ type: t.str, defualt: "x" });
  });

  it("that are sinks take anything", () => {
    const own = declareOptions({ boot: mkSinkUndeclaredOptions() });
    defineModule<typeof own>({ options: own, config: { boot: { loader: "none" } } });
  });
});
