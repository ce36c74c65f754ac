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
      config: config === undefined ? undefined : readConfig(config),
      freeformType: freeformType === undefined ? undefined : readType(freeformType),
    });
  // Only a default that refers to the configuration makes declarations depend on an evaluation.
  return options !== undefined && defaultsRefer(options) ? (args: object) => make(args as ModuleArgs) : make(undefined);
}

/** Definitions that refer to nothing are plain ones, others a function, as they would be in a module by hand. */
function readConfig(config: Json): unknown {
  const { make, isConstant } = readExpr(config);
  return isConstant ? make(undefined) : (args: ModuleArgs) => make(args);
}

function refers(value: Json): boolean {
  return typeof value === "object" && value !== null && /"\$(ref|arg)":/.test(JSON.stringify(value));
}

function defaultsRefer(tree: Json): boolean {
  if (typeof tree !== "object" || tree === null || Array.isArray(tree)) return false;
  const option = tree["$option"] as { readonly default?: Json } | undefined;
  if (option === undefined) return Object.values(tree).some(defaultsRefer);
  return option.default !== undefined && refers(option.default);
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
    ...("default" in option ? { default: readExpr(option.default as Json).make(args) } : {}),
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

/** What an expression is once it has been read: the definition that it makes of a module's arguments. */
interface Made {
  readonly make: (args: ModuleArgs | undefined) => unknown;
  /** True when the arguments do not matter. */
  readonly isConstant: boolean;
}

function constant(value: unknown): Made {
  return { make: () => value, isConstant: true };
}

/** Made of other expressions; what has only constant parts is made once. */
function madeOf(parts: readonly Made[], make: Made["make"]): Made {
  return parts.every(({ isConstant }) => isConstant) ? constant(make(undefined)) : { make, isConstant: false };
}

/** Read an expression into a definition: properties stand as they are, what has to be computed is a thunk. */
function readExpr(expr: Json): Made {
  if (typeof expr !== "object" || expr === null) return constant(expr);
  if (Array.isArray(expr)) {
    const items = expr.map(readExpr);
    return madeOf(items, (args) => items.map(({ make }) => make(args)));
  }
  const operator = operatorOf(expr);
  if (operator === undefined) {
    const names = Object.keys(expr);
    const members = names.map((name) => readExpr(expr[name] as Json));
    return madeOf(members, (args) => {
      const set = {};
      for (let i = 0; i < names.length; i++) define(set, names[i] as string, (members[i] as Made).make(args));
      return set;
    });
  }
  const operand = expr[operator] as Json;
  const [first, second] = Array.isArray(operand) ? operand : [];
  const property = (kind: raw.PropertyKind, content: Json, argument?: unknown): Made => {
    const inner = readExpr(content);
    return madeOf([inner], (args) => new raw.Property(kind, inner.make(args), argument));
  };
  const priority = overrides[operator];
  if (priority !== undefined) return property("override", operand, priority);
  const order = orders[operator];
  if (order !== undefined) return property("order", operand, order);
  switch (operator) {
    case "$mkIf":
      return readIf(first as Json, second as Json);
    case "$mkMerge":
      return property("merge", operand);
    case "$mkOverride":
      return property("override", second as Json, first);
    case "$mkOrder":
      return property("order", second as Json, first);
    case "$definition": {
      const { file, value } = operand as { file: string; value: Json };
      return property("definition", value, file);
    }
    default: {
      const value = readComputation(expr);
      return { make: (args) => () => value(args), isConstant: false };
    }
  }
}

/** A condition is a thunk unless it is there already; each reading is one of its own, as its outcome is remembered. */
function readIf(condition: Json, content: Json): Made {
  const inner = readExpr(content);
  if (typeof condition !== "object" || condition === null) {
    return madeOf([inner], (args) => new raw.Property("if", inner.make(args), condition));
  }
  const value = readComputation(condition);
  return { make: (args) => new raw.Property("if", inner.make(args), () => value(args)), isConstant: false };
}

/** The operator of a one-key object whose key starts with a dollar sign. */
function operatorOf(expr: { readonly [key: string]: Json }): string | undefined {
  for (const key in expr) return key.startsWith("$") ? key : undefined;
  return undefined;
}

type Computation = (args: ModuleArgs | undefined) => unknown;

/** Read an expression without properties into its value. */
function readComputation(expr: Json): Computation {
  if (typeof expr !== "object" || expr === null) return () => expr;
  const operator = Array.isArray(expr) ? undefined : operatorOf(expr);
  if (operator === undefined) return readExpr(expr).make;
  const operand = (expr as { readonly [key: string]: Json })[operator] as Json;
  const operands = Array.isArray(operand) ? operand : [operand];
  if (operator === "$ref") return reference(operands as string[]);
  if (operator === "$arg") return (args) => args?.[operand as string];
  if (operator === "$throw") {
    return () => {
      throw new Error(operand as string);
    };
  }
  const parts = operands.map((of) => readComputation(of));
  const [first, second] = parts as [Computation, Computation];
  switch (operator) {
    case "$not":
      return (args) => first(args) !== true;
    case "$and":
      return (args) => parts.every((part) => part(args) === true);
    case "$or":
      return (args) => parts.some((part) => part(args) === true);
    case "$eq":
      return (args) => JSON.stringify(first(args)) === JSON.stringify(second(args));
    case "$concat":
      return (args) => parts.map((part) => part(args)).join("");
    case "$add":
      return (args) => {
        let sum = 0;
        for (let i = 0; i < parts.length; i++) sum += parts[i]?.(args) as number;
        return sum;
      };
    default:
      return readExpr(expr).make;
  }
}

function reference(path: readonly string[]): Computation {
  return (args) => {
    let at: unknown = args?.config;
    for (let i = 0; i < path.length; i++) at = (at as { readonly [name: string]: unknown })[path[i] as string];
    return at;
  };
}

function define(object: object, name: string, value: unknown): void {
  if (name !== "__proto__") (object as { [name: string]: unknown })[name] = value;
  else Object.defineProperty(object, name, { value, enumerable: true, writable: true, configurable: true });
}

function unknownWord(what: string, word: string): never {
  throw new Error(`the notation has no ${what} ${JSON.stringify(word)}`);
}
