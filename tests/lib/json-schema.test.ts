import { spawnSync } from "node:child_process";
import Ajv2020 from "ajv/dist/2020.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  ConfigError,
  declareOptions,
  define,
  defineModule,
  evalModules,
  mkBefore,
  mkOption,
  type OptionType,
  raw,
  t,
  toJsonSchema,
  using,
} from "../../src/lib/index.ts";

const ajv = () => new Ajv2020.default({ strict: true, strictTypes: false, strictRequired: false, allErrors: false });

/** Read everything there is. */
function readAll(value: unknown): void {
  if (typeof value !== "object" || value === null) return;
  for (const key of Object.keys(value)) readAll((value as Record<string, unknown>)[key]);
}
/** Whether a type takes a value as the one definition of an option. */
function takes(type: OptionType, value: unknown): boolean {
  const options = new raw.ModuleRecord({ options: { x: mkOption({ type }) } });
  try {
    readAll(raw.evaluate({ modules: [options, new raw.ModuleRecord({ config: { x: value } })] }).config);
    return true;
  } catch (error) {
    if (error instanceof ConfigError) return false;
    throw error;
  }
}

const scalars: fc.Arbitrary<OptionType> = fc.constantFrom(
  t.bool,
  t.boolByOr,
  t.str,
  t.nonEmptyStr,
  t.singleLineStr,
  t.lines,
  t.commas,
  t.strMatching("[a-c]+|x"),
  t.int,
  t.float,
  t.number,
  t.port,
  t.path,
  t.pathInStore,
  t.externalPath,
  t.pathWith({ absolute: false }),
  t.pathWith({ absolute: false, inStore: false }),
  t.optionDeclaration,
  t.optionType,
  t.json,
  t.anything,
  t.attrs,
  t.raw,
  t.ints.between(-1, 3),
  t.ints.u8,
  t.ints.s8,
  t.ints.positive,
  t.ints.unsigned,
  t.numbers.between(0, 1.5),
  t.numbers.positive,
  t.numbers.nonnegative,
  t.enum(["a", 1, null]),
  t.enum([]),
  t.passwdEntry(t.str),
  t.functionTo(t.str),
  t.deferredModule,
);
const { type: types } = fc.letrec<{ type: OptionType }>((tie) => ({
  type: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    scalars,
    tie("type").map((e) => t.listOf(e)),
    tie("type").map((e) => t.nonEmptyListOf(e)),
    tie("type").map((e) => t.uniqueListOf(e)),
    tie("type").map((e) => t.attrsOf(e)),
    tie("type").map((e) => t.lazyAttrsOf(e)),
    tie("type").map((e) => t.attrListOf(e)),
    tie("type").map((e) => t.attrListWith({ elemType: e, asAttrs: true })),
    tie("type").map((e) => t.nullOr(e)),
    tie("type").map((e) => t.uniq(e)),
    fc.tuple(tie("type"), tie("type")).map(([a, b]) => t.either(a, b)),
    tie("type").map((e) => t.attrTag({ a: mkOption({ type: e }), b: mkOption({ type: t.int }) })),
    tie("type").map((e) => t.submodule({ a: optional(e), b: { c: optional(t.int) } })),
    tie("type").map((e) => t.freeform({ a: optional(t.int) }, e)),
    tie("type").map((e) => t.keyedListOf("a", t.submodule({ a: mkOption({ type: t.str }), b: optional(e) }))),
  ),
}));
/** Readable whether or not it is defined. */
const optional = (type: OptionType) => mkOption({ type: t.nullOr(type), default: null as never });

const { value: values } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.constantFrom<unknown>(
      null,
      true,
      "",
      "a",
      "abc",
      "/",
      "/nix/store/0-x",
      "a:b",
      "a\n",
      "\n",
      " ",
      0,
      1,
      -1,
      2,
      0.5,
      300,
      1e9,
      "b",
    ),
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom("a", "b", "c"), tie("value"), { maxKeys: 3, noNullPrototype: true }),
  ),
}));

const judge = ajv();

/** The schema and the type say the same of every value. */
function agrees(some: fc.Arbitrary<OptionType>, of: fc.Arbitrary<unknown>): void {
  fc.assert(
    fc.property(some, fc.array(of, { minLength: 1, maxLength: 12 }), (type, samples) => {
      const schema = toJsonSchema(type);
      const validate = judge.compile(schema);
      for (const value of samples) {
        const message = `${JSON.stringify(value)} for ${JSON.stringify(schema)}`;
        expect(validate(value), message).toBe(takes(type, value));
      }
    }),
    { numRuns },
  );
}
const numRuns = Number(process.env["OSMOD_FUZZ_RUNS"] ?? 150);
const timeout = 200 * numRuns;

describe("the JSON Schema of a type", () => {
  it(
    "accepts exactly the plain data that the type accepts: a law",
    () => {
      agrees(types, values);
    },
    timeout,
  );

  it(
    "accepts beside declared options exactly what the free-form type accepts: a law",
    () => {
      const free = types.map((e) => t.freeform({ a: optional(t.int), b: { c: optional(t.int) } }, e));
      // Two names beside `c` would be two definitions, which some types do not take.
      const sets = fc.record({
        b: fc.dictionary(fc.constantFrom("a", "c"), values, { maxKeys: 2, noNullPrototype: true }),
      });
      agrees(free, sets);
    },
    timeout,
  );

  it("says that there is a further condition where it cannot say which", () => {
    expect(toJsonSchema(t.addCheck(t.int, (n) => n % 2 === 0))).toMatchObject({
      type: "integer",
      $comment: "There is a further condition.",
    });
    expect(toJsonSchema(t.strMatching(/a/i))).toMatchObject({ type: "string", $comment: "matches /^(?:a)$/i" });
    expect(toJsonSchema(t.opaque("socket"))).toEqual({ $schema: "https://json-schema.org/draft/2020-12/schema" });
  });
});

const options = declareOptions({
  web: {
    enable: mkOption({ type: t.bool, default: false, description: "Whether to serve." }),
    port: mkOption({ type: t.port, description: "Where.", example: 8080 }),
    root: mkOption({ type: t.path, default: "/srv", readOnly: true }),
    secret: mkOption({ type: t.str, default: () => "x", defaultText: "random" }),
  },
  sites: mkOption({
    type: t.attrsOf(t.submodule({ url: mkOption({ type: t.str, description: "Address." }) })),
    default: {},
  }),
});

describe("the JSON Schema of options", () => {
  it("has their descriptions, defaults and examples", () => {
    expect(toJsonSchema(options)).toEqual({
      $schema: "https://json-schema.org/draft/2020-12/schema",
      type: "object",
      additionalProperties: false,
      properties: {
        web: {
          type: "object",
          additionalProperties: false,
          properties: {
            enable: { type: "boolean", default: false, description: "Whether to serve." },
            port: { type: "integer", minimum: 0, maximum: 65535, description: "Where.", examples: [8080] },
            root: { not: {}, default: "/srv", readOnly: true },
            secret: { type: "string" },
          },
        },
        sites: {
          type: "object",
          default: {},
          additionalProperties: {
            type: "object",
            additionalProperties: false,
            properties: { url: { type: "string", description: "Address." } },
          },
        },
      },
    });
  });

  it("is the same of an evaluation, with what all modules declare", () => {
    const base = using().declare(options).defineModule({});
    const more = defineModule({ options: { web: { extra: mkOption({ type: t.int }) } } });
    expect(toJsonSchema(evalModules({ modules: [base] }))).toEqual(toJsonSchema(options));
    const validate = ajv().compile(toJsonSchema(evalModules({ modules: [base, more] })));
    expect(validate({ web: { extra: 1, port: 80 } })).toBe(true);
    expect(validate({ web: { extar: 1 } })).toBe(false);
    expect(validate({ sites: { a: { url: 1 } } })).toBe(false);
  });
});

const schema = {
  type: "object",
  properties: { port: { type: "integer", maximum: 100 }, kind: { enum: ["a", "b"] }, next: { $ref: "#" } },
  required: ["port"],
  additionalProperties: false,
};
const checked = declareOptions({ x: mkOption({ type: t.jsonSchema<{ readonly port: number }>(schema) }) });
const base = using().declare(checked).defineModule({});
const evaluate = (...configs: readonly Parameters<typeof defineModule<typeof checked>>[0]["config"][]) =>
  evalModules({
    modules: [base, ...configs.map((config) => defineModule<typeof checked>({ config: config as never }))],
  });
function problemOf(f: () => unknown) {
  try {
    f();
  } catch (error) {
    if (error instanceof ConfigError) return error.problems[0];
  }
  throw new Error("nothing went wrong");
}

describe("a type made of a JSON Schema", () => {
  it("takes what the schema describes, merged from all modules", () => {
    const { config } = evaluate({ x: { port: 5 } }, define({ x: { kind: () => "a", next: { port: 6 } } }));
    expect(config.x.port).toBe(5);
    expect(JSON.parse(JSON.stringify(config.x))).toEqual({ port: 5, kind: "a", next: { port: 6 } });
  });

  it("refuses the rest, and says where and why", () => {
    const problem = problemOf(() => evaluate({ x: { port: 500, kind: "c", other: 1, next: { port: 1.5 } } }).config.x);
    expect(problem).toMatchObject({
      code: "schema-mismatch",
      option: "x",
      message: "x does not fit its schema: x must NOT have additional properties: other",
      notes: [
        "x.port must be <= 100",
        'x.kind must be equal to one of the allowed values: "a", "b"',
        "x.next.port must be integer",
      ],
    });
    expect(problem.sites).toHaveLength(1);
  });

  it("says so when the schema is none", () => {
    const invalid = using()
      .declare({ y: mkOption({ type: t.jsonSchema({ type: "strnig" }) }) })
      .defineModule({});
    const module = defineModule<{ y: (typeof checked)["x"] }>({ config: { y: mkBefore({}) } });
    const problem = problemOf(() => evalModules({ modules: [invalid, module] }).config.y);
    expect(problem.code).toBe("schema-invalid");
    expect(problem.message).toMatch(/^the JSON Schema of y is not valid: /);
    expect(problem.fix).toMatch(/t.jsonSchema/);
  });

  it("reads schemas of draft-07, and is a part of the schema of its options", () => {
    const old = t.jsonSchema({ $schema: "http://json-schema.org/draft-07/schema#", items: [{ type: "string" }] });
    expect(takes(old, ["a", 1])).toBe(true);
    expect(takes(old, [1])).toBe(false);
    const validate = ajv().compile(toJsonSchema({ a: { x: checked.x, y: checked.x } }));
    expect(validate({ a: { x: { port: 1, next: { port: 2 } } } })).toBe(true);
    expect(validate({ a: { y: { port: 1, next: { port: "2" } } } })).toBe(false);
  });

  it("does not load the validator before it is needed", () => {
    const script = `import "./dist/lib/index.js"; import { createRequire } from "node:module";
      const loaded = Object.keys(createRequire(import.meta.url).cache).filter((file) => file.includes("ajv"));
      process.exit(loaded.length === 0 ? 0 : 1);`;
    const { status } = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
      cwd: new URL("../..", import.meta.url),
    });
    expect(status).toBe(0);
  });
});
