/**
 * Types of single values: truth, text, numbers, choices from a list, and values nobody looks into.
 *
 * All of them take several definitions only if these are equal, except the texts that are joined.
 */
import type { Def } from "../core/definition.ts";
import { both, flat, noSchema, patternOf, type SchemaMaker, schemaOf } from "../core/json-schema.ts";
import { showLoc } from "../core/loc.ts";
import { OptionDecl } from "../core/option.ts";
import { custom, definitionRefused } from "../core/problems.ts";
import {
  combineTypes,
  commonType,
  isPrimitive,
  makeType,
  mergeEqual,
  mergeOne,
  noCombination,
  type Type,
  type TypeSpec,
} from "../core/type.ts";

/** A type whose values are compared, and merged if equal. */
function equal(spec: Omit<TypeSpec, "merge"> & Partial<Pick<TypeSpec, "merge">>): Type {
  return makeType({ descriptionClass: "noun", isEager: isPrimitive, merge: mergeEqual, ...spec });
}

const isString = (value: unknown): value is string => typeof value === "string";
const isInteger = (value: unknown): value is number => Number.isInteger(value);
const isNumber = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value);

/** True or false. */
export const bool: Type = equal({
  name: "bool",
  description: "boolean",
  check: (v) => typeof v === "boolean",
  schema: flat({ type: "boolean" }),
});

/** True if any definition is. */
export const boolByOr: Type = equal({
  name: "boolByOr",
  description: "boolean (merged using or)",
  check: (v) => typeof v === "boolean",
  merge: (_, defs) => defs.some((def) => def.value === true),
  schema: flat({ type: "boolean" }),
});

/** Text. */
export const str: Type = equal({
  name: "str",
  description: "string",
  check: isString,
  schema: flat({ type: "string" }),
});

/** Text with more than white space in it. */
export const nonEmptyStr: Type = equal({
  name: "nonEmptyStr",
  description: "non-empty string",
  check: (v) => isString(v) && !/^[ \t\n]*$/.test(v),
  schema: flat({ type: "string", pattern: "[^ \\t\\n]" }),
});

/** One line of text; a final newline is taken off. */
export const singleLineStr: Type = equal({
  name: "singleLineStr",
  description: "(optionally newline-terminated) single-line string",
  check: (v) => isString(v) && /^[^\n\r]*\n?$/.test(v),
  merge: (at, defs) => (mergeEqual(at, defs) as string).replace(/\n$/, ""),
  schema: flat({ type: "string", pattern: "^[^\\n\\r]*\\n?$" }),
});

/** Text that a regular expression matches from end to end. */
export function strMatching(pattern: string | RegExp): Type {
  const source = typeof pattern === "string" ? pattern : pattern.source;
  const whole = new RegExp(`^(?:${source})$`, typeof pattern === "string" ? "u" : pattern.flags.replace(/[gy]/g, ""));
  return equal({
    name: `strMatching ${JSON.stringify(source)}`,
    description: `string matching the pattern ${source}`,
    check: (v) => isString(v) && whole.test(v),
    schema: () => ({ type: "string", ...patternOf(whole.source, whole.flags) }),
  });
}

/** Text whose definitions are joined. */
export function separatedString(separator: string): Type {
  const type: Type = equal({
    name: "separatedString",
    description: `strings concatenated with ${JSON.stringify(separator)}`,
    check: isString,
    keepsValue: true,
    schema: flat({ type: "string" }),
    merge: (_, defs) => (defs.length === 1 ? (defs[0] as Def).value : defs.map((def) => def.value).join(separator)),
    functor: {
      name: "separatedString",
      payload: separator,
      combine: (own, other) => (own === other ? type : undefined),
    },
  });
  return type;
}

/** Lines of text. */
export const lines: Type = separatedString("\n");
/** Text joined with commas. */
export const commas: Type = separatedString(",");
/** Text joined with colons, as in `PATH`. */
export const envVar: Type = separatedString(":");

/** A whole number. */
export const int: Type = equal({
  name: "int",
  description: "signed integer",
  check: isInteger,
  schema: flat({ type: "integer" }),
});
/** Any finite number. */
export const float: Type = equal({
  name: "float",
  description: "floating point number",
  check: isNumber,
  schema: flat({ type: "number" }),
});

/**
 * A whole number with a further condition. Two declarations of different ranges combine to plain `int`: none of the
 * ranges would be right for both.
 */
function restricted(
  name: string,
  description: string,
  check: (value: number) => boolean,
  more: Partial<TypeSpec> = {},
): Type {
  return equal({ name, description, check: (v) => isInteger(v) && check(v), functor: int.functor, ...more });
}

function sized(name: string, bits: number, signed: boolean): Type {
  const low = signed ? -(2 ** (bits - 1)) : 0;
  const high = (signed ? 2 ** (bits - 1) : 2 ** bits) - 1;
  const text = `${bits} bit ${signed ? "signed" : "unsigned"} integer; between ${low} and ${high} (both inclusive)`;
  return restricted(name, text, (v) => v >= low && v <= high, { schema: within("integer", low, high) });
}

function within(type: "integer" | "number", minimum: number, maximum: number): TypeSpec["schema"] {
  return flat({ type, minimum, maximum });
}

/** Whole numbers within limits. */
export const ints = {
  between: (low: number, high: number): Type =>
    restricted("intBetween", `integer between ${low} and ${high} (both inclusive)`, (v) => v >= low && v <= high, {
      schema: within("integer", low, high),
    }),
  unsigned: restricted("unsignedInt", "unsigned integer, meaning >=0", (v) => v >= 0, {
    descriptionClass: "nonRestrictiveClause",
    schema: flat({ type: "integer", minimum: 0 }),
  }),
  positive: restricted("positiveInt", "positive integer, meaning >0", (v) => v > 0, {
    descriptionClass: "nonRestrictiveClause",
    schema: flat({ type: "integer", exclusiveMinimum: 0 }),
  }),
  u8: sized("unsignedInt8", 8, false),
  u16: sized("unsignedInt16", 16, false),
  u32: sized("unsignedInt32", 32, false),
  s8: sized("signedInt8", 8, true),
  s16: sized("signedInt16", 16, true),
  s32: sized("signedInt32", 32, true),
} as const;

/** A TCP or UDP port. */
export const port: Type = ints.u16;

/** Any finite number, described as both kinds. */
export const number: Type = equal({
  name: "number",
  description: "signed integer or floating point number",
  descriptionClass: "conjunction",
  check: isNumber,
  schema: flat({ type: "number" }),
});

/** Numbers within limits. */
export const numbers = {
  between: (low: number, high: number): Type =>
    equal({
      name: "numberBetween",
      description: `integer or floating point number between ${low} and ${high} (both inclusive)`,
      check: (v) => isNumber(v) && v >= low && v <= high,
      schema: within("number", low, high),
      functor: number.functor,
    }),
  nonnegative: equal({
    name: "numberNonnegative",
    description: "number, meaning >=0",
    descriptionClass: "nonRestrictiveClause",
    check: (v) => isNumber(v) && v >= 0,
    schema: flat({ type: "number", minimum: 0 }),
    functor: number.functor,
  }),
  positive: equal({
    name: "numberPositive",
    description: "number, meaning >0",
    descriptionClass: "nonRestrictiveClause",
    check: (v) => isNumber(v) && v > 0,
    schema: flat({ type: "number", exclusiveMinimum: 0 }),
    functor: number.functor,
  }),
} as const;

/** One of the listed values. */
export function enumOf(values: readonly (string | number | boolean | null)[]): Type {
  const members = [...new Set(values)];
  const shown = members.map((value) => (value === null ? "<null>" : JSON.stringify(value))); // as Nix has it
  return equal({
    name: "enum",
    description:
      members.length === 0
        ? "impossible (empty enum)"
        : members.length === 1
          ? `value ${shown[0]} (singular enum)`
          : `one of ${shown.join(", ")}`,
    descriptionClass: members.length < 2 ? "noun" : "conjunction",
    check: (v) => members.includes(v as string),
    schema: flat(members.length === 0 ? noSchema : { enum: members }),
    functor: {
      name: "enum",
      payload: members,
      combine: (own, other) => enumOf([...(own as typeof members), ...(other as typeof members)]),
    },
  });
}

/** A value of some class or shape of one's own; one definition only. */
export function opaque(description: string, check: (value: unknown) => boolean = () => true): Type {
  const type: Type = makeType({
    name: description,
    description,
    descriptionClass: "noun",
    check,
    merge: (at, defs) => mergeOne(at, defs),
    functor: { name: `opaque ${description}`, combine: () => type },
  });
  return type;
}

/**
 * A type with a further condition. Definitions have to meet it, each of them; where there are options inside, a definition
 * is only a part of the value, and the value has to.
 */
export function addCheck(type: Type, check: (value: unknown) => boolean): Type {
  if (type.subModules !== undefined) return addValueCheck(type, check);
  return {
    ...type,
    description: type.description,
    check: (v) => type.check(v) && check(v),
    misfits: (defs) => {
      const bad = type.misfits(defs);
      return bad.length > 0 ? bad : defs.filter((def) => !check(def.value));
    },
    isEager: () => false,
    refines: type,
    schema: conditionalSchema(type),
  };
}

function addValueCheck(type: Type, check: (value: unknown) => boolean): Type {
  return {
    ...type,
    description: type.description,
    merge: (at, defs) => {
      const value = type.merge(at, defs);
      if (!check(value)) throw definitionRefused(at.loc, type.description, defs);
      return value;
    },
    isEager: () => false,
    keepsValue: false,
    schema: conditionalSchema(type),
    withSubModules: (modules) => addCheck(type.withSubModules(modules), check),
  };
}

/** The schema of a type with a further condition, which no schema can say. */
function conditionalSchema(type: Type): SchemaMaker {
  return (depth) => ({ ...schemaOf(type, depth), $comment: "There is a further condition." });
}

/** A type that takes one definition. */
export function unique(message: string, type: Type): Type {
  return {
    ...type,
    name: "unique",
    description: type.description,
    misfits: (defs) => defs.filter((def) => !type.check(def.value)),
    merge: (at, defs) => {
      mergeOne(at, defs, message);
      return type.merge(at, defs);
    },
    functor: {
      name: "unique",
      payload: type,
      combine: (own, other) => {
        const inner = combineTypes(own as Type, other as Type);
        return inner === undefined ? undefined : unique(message, inner);
      },
      reason: (own, other) => noCombination(own as Type, other as Type),
    },
    withSubModules: (modules) => unique(message, type.withSubModules(modules)),
  };
}

/** Text without a colon or a newline: a field of `/etc/passwd`. */
export function passwdEntry(type: Type): Type {
  return {
    ...addCheck(type, (v) => !/[:\n]/.test(String(v))),
    refines: undefined,
    name: `passwdEntry ${type.name}`,
    description: `${type.descriptionClass === "noun" ? type.description : `(${type.description})`}, not containing newlines or colons`,
    schema: (depth) => both(schemaOf(type, depth), { pattern: "^[^:\\n]*$" }),
  };
}

/** Option types, merged: an option whose value is a type. */
export const optionType: Type = makeType({
  name: "optionType",
  description: "optionType",
  descriptionClass: "noun",
  check: (v) => typeof v === "object" && v !== null && "functor" in v && "misfits" in v,
  schema: flat(noSchema),
  merge: (at, defs) => {
    const all = defs.map((def) => def.value as Type);
    return all.reduce((later, earlier) => {
      const both = later === earlier ? later : commonType(later, earlier);
      if (both === undefined) {
        throw custom(
          "option-declared-twice",
          at.loc,
          `${showLoc(at.loc)} has two types that do not combine`,
          defs,
          "keep one of them.",
        );
      }
      return both;
    });
  },
});

/** The declaration of an option, as a value. */
export const optionDeclaration: Type = makeType({
  name: "optionDeclaration",
  description: "option declaration",
  descriptionClass: "noun",
  check: (v) => v instanceof OptionDecl,
  schema: flat(noSchema),
  merge: (at, defs) => mergeOne(at, defs),
});
