/**
 * The neutral JSON notation for modules, read into modules of our own.
 *
 * The notation writes properties, references and functions as one-key objects (`{"$mkIf": [c, x]}`, `{"$ref": ["a", "b"]}`)
 * and leaves everything else as it is. References become thunks; a reference always means the configuration of the
 * evaluation that its module belongs to.
 */
import { raw } from "../lib/index.ts";

/** Any JSON value. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** A module in the neutral notation. */
export interface NeutralModule {
  readonly file?: string;
  readonly key?: string;
  readonly imports?: readonly NeutralModule[];
  readonly disabledModules?: readonly string[];
  readonly freeformType?: NeutralType;
  readonly options?: { readonly [name: string]: Json };
  readonly config?: Json;
  readonly $alias?: Move;
  readonly $rename?: Move;
}
interface Move {
  readonly from: readonly string[];
  readonly to: readonly string[];
}
/** A type in the neutral notation. */
export type NeutralType = string | { readonly [constructor: string]: Json };

/** What references look into. */
interface ModuleArgs {
  readonly config: object;
  readonly [name: string]: unknown;
}

/** Read a module. */
export function readModule(module: NeutralModule): raw.ModuleLike {
  if (module.$alias !== undefined) return raw.aliasModule(module.$alias.from, module.$alias.to);
  if (module.$rename !== undefined) return raw.renamedModule(module.$rename.from, module.$rename.to);
  const { key, file, disabledModules, config, options, freeformType } = module;
  const imports = module.imports?.map(readModule);
  const make = (args: ModuleArgs | undefined): raw.ModuleRecord =>
    new raw.ModuleRecord({
      key,
      file,
      imports,
      disabledModules,
      options: options === undefined ? undefined : readOptions(options, args),
      config: config === undefined ? undefined : (own: ModuleArgs) => readExpr(config, own),
      freeformType: freeformType === undefined ? undefined : readType(freeformType),
    });
  // Only a default that refers to the configuration makes declarations depend on an evaluation.
  return options !== undefined && defaultsRefer(options) ? (args: object) => make(args as ModuleArgs) : make(undefined);
}

function defaultsRefer(tree: Json): boolean {
  if (typeof tree !== "object" || tree === null || Array.isArray(tree)) return false;
  const option = tree["$option"] as { readonly default?: Json } | undefined;
  if (option === undefined) return Object.values(tree).some(defaultsRefer);
  const value = option.default;
  return typeof value === "object" && value !== null && /"\$(ref|arg)":/.test(JSON.stringify(value));
}

function readOptions(tree: { readonly [name: string]: Json }, args: ModuleArgs | undefined): object {
  const own: object = {};
  for (const [name, node] of Object.entries(tree)) {
    const group = node as { readonly [name: string]: Json };
    define(
      own,
      name,
      "$option" in group ? readOption(group["$option"] as unknown as NeutralOption, args) : readOptions(group, args),
    );
  }
  return own;
}

interface NeutralOption {
  readonly type?: NeutralType;
  readonly default?: Json;
  readonly readOnly?: boolean;
  readonly apply?: string;
  readonly description?: string;
}

function readOption(option: NeutralOption, args: ModuleArgs | undefined): raw.OptionDecl {
  return new raw.OptionDecl({
    type: option.type === undefined ? undefined : readType(option.type),
    ...("default" in option ? { default: readExpr(option.default as Json, args) } : {}),
    readOnly: option.readOnly,
    apply: option.apply === undefined ? undefined : readFunction(option.apply),
    description: option.description,
  });
}

const named: { readonly [name: string]: raw.Type } = {
  bool: raw.bool,
  boolByOr: raw.boolByOr,
  int: raw.int,
  str: raw.str,
  lines: raw.lines,
  commas: raw.commas,
  nonEmptyStr: raw.nonEmptyStr,
  anything: raw.anything,
  attrs: raw.attrs,
  unspecified: raw.unspecified,
  unsigned: raw.ints.unsigned,
  port: raw.port,
};

/** Read a type. */
export function readType(type: NeutralType): raw.Type {
  if (typeof type === "string") return named[type] ?? unknownWord("type", type);
  const [[name, argument]] = Object.entries(type) as [[string, Json]];
  const inner = (): raw.Type => readType(argument as NeutralType);
  const list = argument as Json[];
  switch (name) {
    case "listOf":
      return raw.listOf(inner());
    case "nonEmptyListOf":
      return raw.nonEmptyListOf(inner());
    case "attrsOf":
      return raw.attrsOf(inner());
    case "lazyAttrsOf":
      return raw.lazyAttrsOf(inner());
    case "nullOr":
      return raw.nullOr(inner());
    case "uniq":
      return raw.unique("", inner());
    case "unique": {
      const { message, type: of } = argument as { message: string; type: Json };
      return raw.unique(message, readType(of as NeutralType));
    }
    case "enum":
      return raw.enumOf(argument as (string | number | boolean)[]);
    case "either":
    case "oneOf":
      return raw.oneOf(list.map((of) => readType(of as NeutralType)) as [raw.Type, ...raw.Type[]]);
    case "between":
      return raw.ints.between(list[0] as number, list[1] as number);
    case "strMatching":
      return raw.strMatching(argument as string);
    case "coercedTo":
      return raw.coercedTo(
        readType(list[0] as NeutralType),
        readFunction(list[1] as string),
        readType(list[2] as NeutralType),
      );
    case "submodule":
      return raw.submodule((argument as unknown as NeutralModule[]).map(readModule));
    case "attrTag":
      return raw.attrTag(
        Object.fromEntries(
          Object.entries(argument as object).map(([tag, option]) => [tag, readOption(unwrapOption(option), undefined)]),
        ),
      );
    default:
      return unknownWord("type", name);
  }
}

function unwrapOption(option: { $option?: NeutralOption } & NeutralOption): NeutralOption {
  return option.$option ?? option;
}

function readFunction(name: string): (value: unknown) => unknown {
  switch (name) {
    case "toString":
      return (value) => String(value);
    case "singleton":
      return (value) => [value];
    case "not":
      return (value) => value !== true;
    case "inc":
      return (value) => (value as number) + 1;
    case "exclaim":
      return (value) => `${String(value)}!`;
    case "length":
      return (value) => (value as unknown[]).length;
    case "attrNames":
      return (value) => Object.keys(value as object).sort();
    default:
      return unknownWord("function", name);
  }
}

const overrides: { readonly [operator: string]: number } = {
  $mkOptionDefault: 1500,
  $mkDefault: 1000,
  $mkImageMediaOverride: 60,
  $mkForce: 50,
  $mkVMOverride: 10,
};
const orders: { readonly [operator: string]: number } = { $mkBefore: 500, $mkAfter: 1500 };

/** Read an expression into a definition: properties stand as they are, what has to be computed is a thunk. */
export function readExpr(expr: Json, args: ModuleArgs | undefined): unknown {
  if (typeof expr !== "object" || expr === null) return expr;
  if (Array.isArray(expr)) return expr.map((item) => readExpr(item, args));
  const operator = operatorOf(expr);
  if (operator === undefined) {
    const set = {};
    for (const [name, value] of Object.entries(expr)) define(set, name, readExpr(value, args));
    return set;
  }
  const operand = expr[operator] as Json;
  const [first, second] = Array.isArray(operand) ? operand : [];
  const priority = overrides[operator];
  if (priority !== undefined) return new raw.Property("override", readExpr(operand, args), priority);
  const order = orders[operator];
  if (order !== undefined) return new raw.Property("order", readExpr(operand, args), order);
  switch (operator) {
    case "$mkIf":
      return new raw.Property("if", readExpr(second as Json, args), condition(first as Json, args));
    case "$mkMerge":
      return new raw.Property("merge", readExpr(operand, args));
    case "$mkOverride":
      return new raw.Property("override", readExpr(second as Json, args), first);
    case "$mkOrder":
      return new raw.Property("order", readExpr(second as Json, args), first);
    case "$definition": {
      const { file, value } = operand as { file: string; value: Json };
      return new raw.Property("definition", readExpr(value, args), file);
    }
    default:
      return () => compute(expr, args);
  }
}

/** The operator of a one-key object whose key starts with a dollar sign. */
function operatorOf(expr: { readonly [key: string]: Json }): string | undefined {
  for (const key in expr) return key.startsWith("$") ? key : undefined;
  return undefined;
}

function condition(expr: Json, args: ModuleArgs | undefined): unknown {
  return typeof expr === "object" && expr !== null ? () => compute(expr, args) : expr;
}

/** The value of an expression without properties. */
function compute(expr: Json, args: ModuleArgs | undefined): unknown {
  if (typeof expr !== "object" || expr === null || Array.isArray(expr)) return readExpr(expr, args);
  const operator = operatorOf(expr);
  const operand = (operator === undefined ? null : expr[operator]) as Json;
  const operands = Array.isArray(operand) ? operand : [];
  const value = (of: Json): unknown => compute(of, args);
  switch (operator) {
    case "$ref":
      return operands.reduce<unknown>((at, name) => (at as { [name: string]: unknown })[name as string], args?.config);
    case "$arg":
      return args?.[operand as string];
    case "$not":
      return value(operand) !== true;
    case "$and":
      return operands.every((of) => value(of) === true);
    case "$or":
      return operands.some((of) => value(of) === true);
    case "$eq":
      return JSON.stringify(value(operands[0] as Json)) === JSON.stringify(value(operands[1] as Json));
    case "$concat":
      return operands.map(value).join("");
    case "$add":
      return operands.reduce<number>((sum, of) => sum + (value(of) as number), 0);
    case "$throw":
      throw new Error(operand as string);
    default:
      return readExpr(expr, args);
  }
}

function define(object: object, name: string, value: unknown): void {
  if (name !== "__proto__") (object as { [name: string]: unknown })[name] = value;
  else Object.defineProperty(object, name, { value, enumerable: true, writable: true, configurable: true });
}

function unknownWord(what: string, word: string): never {
  throw new Error(`the notation has no ${what} ${JSON.stringify(word)}`);
}
