/**
 * Schemas: the declarations of all modules, merged into one tree of options.
 *
 * A schema belongs to a list of modules and to no evaluation, so all elements of an `attrsOf(submodule)` share one.
 * Declarations of the same option combine: types merge, and of `default`, `example`, `description` and `apply` there may
 * be one each. What is wrong with an option is kept in the schema and said when the option is read, not before.
 */
import type { ConfigError } from "../config-error.ts";
import { unspecified } from "../types/free.ts";
import { isPlainObject } from "./careful.ts";
import { declarationShape, declaredTwice, optionNested } from "./declaration-problems.ts";
import type { Def } from "./definition.ts";
import { type Loc, names, showPath } from "./loc.ts";
import { type ModuleLike, ModuleRecord } from "./module.ts";
import { givenTwice, OptionDecl } from "./option.ts";
import type { Origin } from "./origin.ts";
import { combineTypes, type Type, whyNoCombination } from "./type.ts";

/** Anything in a schema. */
export type SchemaNode = OptionSchema | GroupSchema | BrokenSchema;

/** A part of an option tree, and the module that it stands in. */
export interface Declared {
  readonly tree: unknown;
  readonly origin: Origin;
}

/** A group of options. */
export class GroupSchema {
  readonly children: ReadonlyMap<string, SchemaNode>;
  /** Those of the children that cannot be used; nearly always none. */
  broken: readonly BrokenSchema[];

  /**
   * Nearly every child is an option that one module declares, and is made when its name is first seen. For the others the
   * map has their parts until all are known: a second map of hundreds of names would have to grow again.
   */
  constructor(declared: readonly Declared[], root?: GroupSchema) {
    const children = new Map<string, SchemaNode | Declared[]>();
    this.children = children as Map<string, SchemaNode>;
    this.broken = none;
    let hasParts = false;
    for (let i = 0; i < declared.length; i++) {
      const { tree, origin } = declared[i] as Declared;
      const names = Object.keys(tree as object);
      for (let j = 0; j < names.length; j++) {
        const name = names[j] as string;
        const part = (tree as Record<string, unknown>)[name];
        const known = children.get(name);
        if (known === undefined && isDecl(part)) {
          children.set(name, new OptionSchema(name, children.size, part, origin, alone, root ?? this));
          continue;
        }
        hasParts = true;
        if (known === undefined) children.set(name, [{ tree: part, origin }]);
        else if (Array.isArray(known)) known.push({ tree: part, origin });
        else children.set(name, [...(known as OptionSchema).decls, { tree: part, origin }]);
      }
    }
    if (hasParts) this.join(children, root ?? this);
  }

  private join(children: Map<string, SchemaNode | Declared[]>, root: GroupSchema): void {
    let index = 0;
    for (const [name, parts] of children) {
      if (Array.isArray(parts)) {
        const child = joined(name, index, parts, root);
        children.set(name, child);
        if (child instanceof BrokenSchema) this.broken = [...this.broken, child];
      }
      index++;
    }
  }
}

const none: readonly BrokenSchema[] = [];

/** The option at a path, if there is one. */
export function optionAt(group: GroupSchema, path: readonly string[]): OptionSchema | undefined {
  let at: SchemaNode | undefined = group;
  for (const name of path) at = at instanceof GroupSchema ? at.children.get(name) : undefined;
  return at instanceof OptionSchema ? at : undefined;
}

/** A name that is declared in ways that exclude each other. */
export class BrokenSchema {
  readonly #error: (loc: Loc) => ConfigError;
  readonly name: string;
  constructor(name: string, error: (loc: Loc) => ConfigError) {
    this.name = name;
    this.#error = error;
  }
  error(loc: Loc): ConfigError {
    return this.#error(loc);
  }
}

/** One declaration of an option, and the module that it stands in. */
export interface DeclaredOption extends Declared {
  readonly tree: OptionDecl;
}

/** An option, as all its declarations together say. The declaration of the last module comes first. */
export class OptionSchema {
  readonly name: string;
  /** Its place among the children of its group, by which a group finds what it keeps for an option without hashing. */
  readonly index: number;
  readonly hasDefault: boolean;
  /** True when the value is what the type makes of the definitions, and nothing else has a say. */
  readonly isPlain: boolean;
  /** The default as a value, where it is the same in every scope; kept by whoever found out. @internal */
  constant: { readonly value: unknown } | undefined;
  /** The default as a definition, likewise. @internal */
  defaultDef: Def | undefined;
  // There is one of these for every option: `private` costs nothing to set up, `#` a call for each.
  private readonly decl: OptionDecl;
  private readonly origin: Origin;
  private readonly more: readonly DeclaredOption[];
  private readonly root: GroupSchema;
  private merged: { readonly type: Type; readonly conflict: string | undefined } | undefined;

  constructor(
    name: string,
    index: number,
    decl: OptionDecl,
    origin: Origin,
    more: readonly DeclaredOption[],
    root: GroupSchema,
  ) {
    this.name = name;
    this.index = index;
    this.hasDefault = decl.hasDefault || (more !== alone && more.some(({ tree }) => tree.hasDefault));
    this.decl = decl;
    this.origin = origin;
    this.more = more;
    this.root = root;
    this.isPlain = more === alone && decl.isPlain;
    this.constant = undefined;
    this.defaultDef = undefined;
    this.merged = undefined;
  }

  /** All declarations. */
  get decls(): readonly DeclaredOption[] {
    return [{ tree: this.decl, origin: this.origin }, ...this.more];
  }

  get default(): unknown {
    const { decl } = this;
    return decl.hasDefault ? decl.fields.default : this.more.find(({ tree }) => tree.hasDefault)?.tree.fields.default;
  }
  get apply(): OptionDecl["apply"] {
    return this.isPlain ? undefined : this.first("apply");
  }
  /** True when several declarations together say no more than one of them could. */
  get isDeclaredTwice(): boolean {
    return (
      this.more !== alone &&
      this.apply === undefined &&
      !this.readOnly &&
      this.aliasOf === undefined &&
      this.refuse === undefined
    );
  }
  get readOnly(): boolean {
    return !this.isPlain && (this.first("readOnly") ?? false);
  }
  get aliasOf(): readonly string[] | undefined {
    return this.isPlain ? undefined : this.first("aliasOf");
  }
  get refuse(): OptionDecl["refuse"] {
    return this.isPlain ? undefined : this.first("refuse");
  }

  /** The first declaration's say about something. */
  first<K extends keyof OptionDecl>(field: K): OptionDecl[K] | undefined {
    for (const { tree } of this.decls) if (tree[field] !== undefined) return tree[field];
    return undefined;
  }

  /** Where the option is declared, the last module first. */
  get origins(): readonly Origin[] {
    return this.decls.map(({ tree, origin }) => tree.origin ?? origin);
  }
  /** The place of the last module's declaration. */
  get firstOrigin(): Origin {
    return this.decl.origin ?? this.origin;
  }
  /** The files that declare it, in the same order. */
  get files(): readonly string[] {
    return this.decls.map(({ origin }) => origin.file);
  }

  /** What is wrong with the declarations together, if anything is. */
  get conflict(): string | undefined {
    return this.more === alone ? undefined : this.together().conflict;
  }

  /** The type that all declarations agree on. */
  get type(): Type {
    // Nearly every option has one declaration and a type without modules: nothing to merge.
    const { type } = this.decl;
    return this.isPlain && type !== undefined && type.subModules === undefined ? type : this.together().type;
  }

  /** The problem that `conflict` stands for. */
  error(loc: Loc | undefined): ConfigError {
    return declaredTwice(loc, this.origins, this.conflict ?? "");
  }

  private together(): { readonly type: Type; readonly conflict: string | undefined } {
    this.merged ??= this.merge();
    return this.merged;
  }

  private merge(): { readonly type: Type; readonly conflict: string | undefined } {
    let type: Type | undefined;
    let conflict: string | undefined;
    let subModules: readonly ModuleLike[] = [];
    for (const { tree: decl, origin } of this.decls) {
      const declared: Type | undefined =
        decl.aliasOf === undefined ? decl.type : (optionAt(this.root, decl.aliasOf)?.type ?? decl.type);
      if (declared === undefined) continue;
      const both: Type | undefined = type === undefined ? declared : combineTypes(type, declared);
      if (both === undefined && type !== undefined) conflict ??= whyNoCombination(type, declared);
      type = both ?? type;
      const own = declared.subModules ?? [];
      subModules = [...own.map((module) => new ModuleRecord({ imports: [module] }, origin)), ...subModules];
    }
    conflict ??= type?.conflict;
    if (this.more !== alone) conflict ??= givenTwice(this.decls.map(({ tree }) => tree));
    type ??= unspecified;
    return { type: type.subModules === undefined ? type : type.withSubModules(subModules), conflict };
  }
}

function isOption(part: Declared): part is DeclaredOption {
  return isDecl(part.tree);
}

function isDecl(value: unknown): value is OptionDecl {
  try {
    return value instanceof OptionDecl;
  } catch {
    return false;
  }
}

const alone: readonly DeclaredOption[] = [];

function optionOf(
  name: string,
  index: number,
  [first, ...more]: readonly DeclaredOption[],
  root: GroupSchema,
): OptionSchema {
  const { tree, origin } = first as DeclaredOption;
  return new OptionSchema(name, index, tree, origin, more.length === 0 ? alone : more, root);
}

/** What the parts of a child together are. */
function joined(name: string, index: number, parts: readonly Declared[], root: GroupSchema): SchemaNode {
  let options = 0;
  for (const { tree, origin } of parts) {
    if (isDecl(tree)) options++;
    else if (!isTree(tree)) return new BrokenSchema(name, (loc) => declarationShape(loc, origin, tree));
  }
  if (options === 0) return new GroupSchema(parts, root);
  if (options === parts.length) return optionOf(name, index, parts as readonly DeclaredOption[], root);
  const extensible = parts.filter(isOption).every(({ tree }) => tree.type?.name === "submodule");
  return extensible ? extended(name, index, parts, root) : nested(name, parts);
}

/** Options declared below an option of type submodule become part of the submodule. */
function extended(name: string, index: number, parts: readonly Declared[], root: GroupSchema): OptionSchema {
  const type = parts.find(isOption)?.tree.type as Type;
  const decls = parts.map((part): DeclaredOption => {
    if (isOption(part)) return part;
    const module = new ModuleRecord({ options: part.tree as object }, part.origin);
    return { tree: new OptionDecl({ type: type.withSubModules([module]) }, part.origin), origin: part.origin };
  });
  return optionOf(name, index, decls, root);
}

function nested(name: string, parts: readonly Declared[]): BrokenSchema {
  const parents = parts.filter(isOption);
  return new BrokenSchema(name, (loc) => {
    const path = names(loc);
    const below = parts
      .filter((part) => !isOption(part))
      .flatMap(({ tree, origin }) =>
        Object.keys(tree as object).map((key) => ({ path: showPath([...path, key]), origin })),
      );
    const wanted = parents.map(({ tree }) => tree.type?.description ?? "unspecified value").join(", ");
    return optionNested(
      loc,
      wanted,
      parents.map(({ tree, origin }) => tree.origin ?? origin),
      below,
    );
  });
}

/** A plain object: a group of declarations. */
export function isTree(value: unknown): value is object {
  if (typeof value !== "object" || value === null) return false;
  try {
    return !Array.isArray(value) && isPlainObject(value);
  } catch {
    return false;
  }
}
