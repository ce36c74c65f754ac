/**
 * Schemas: the declarations of all modules, merged into one tree of options.
 *
 * A schema belongs to a list of modules and to no evaluation, so all elements of an `attrsOf(submodule)` share one.
 * Declarations of the same option combine: types merge, and of `default`, `example`, `description` and `apply` there may
 * be one each. What is wrong with an option is kept in the schema and said when the option is read, not before.
 */
import type { ConfigError } from "../config-error.ts";
import { unspecified } from "../types/free.ts";
import { type Loc, names, showPath } from "./loc.ts";
import { type ModuleLike, ModuleRecord } from "./module.ts";
import { OptionDecl } from "./option.ts";
import type { Origin } from "./origin.ts";
import { declarationShape, declaredTwice, optionNested } from "./problems.ts";
import { combineTypes, type Type } from "./type.ts";

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
  readonly broken: readonly BrokenSchema[];

  constructor(declared: readonly Declared[], root?: GroupSchema) {
    const children = new Map<string, SchemaNode>();
    this.children = children;
    let broken: BrokenSchema[] = none;
    for (const [name, parts] of byName(declared)) {
      const child = Array.isArray(parts) ? severalParts(name, parts, root ?? this) : onePart(name, parts, root ?? this);
      children.set(name, child);
      if (child instanceof BrokenSchema) broken = [...broken, child];
    }
    this.broken = broken;
  }
}

const none: BrokenSchema[] = [];

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
  readonly decls: readonly DeclaredOption[];
  readonly hasDefault: boolean;
  readonly default: unknown;
  readonly apply: OptionDecl["apply"];
  readonly readOnly: boolean;
  readonly aliasOf: readonly string[] | undefined;
  /** The default as a value, where it is the same in every scope; kept by whoever found out. @internal */
  constant: { readonly value: unknown } | undefined = undefined;
  readonly #root: GroupSchema;
  #type: Type | undefined;
  #conflict: string | undefined | null;

  constructor(name: string, decls: readonly DeclaredOption[], root: GroupSchema) {
    this.name = name;
    this.#root = root;
    this.decls = decls;
    const first = (decls[0] as DeclaredOption).tree;
    const single = decls.length === 1;
    const withDefault = single || first.hasDefault ? first : decls.find(({ tree }) => tree.hasDefault)?.tree;
    this.hasDefault = withDefault?.hasDefault ?? false;
    this.default = withDefault?.default;
    this.apply = single ? first.apply : this.first("apply");
    this.readOnly = (single ? first.readOnly : this.first("readOnly")) ?? false;
    this.aliasOf = single ? first.aliasOf : this.first("aliasOf");
    // Nearly every option has one declaration and a type without modules: nothing to merge.
    const simple =
      single && first.type !== undefined && first.aliasOf === undefined && first.type.subModules === undefined;
    this.#type = simple ? first.type : undefined;
    this.#conflict = single ? undefined : null;
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
  /** The files that declare it, in the same order. */
  get files(): readonly string[] {
    return this.decls.map(({ origin }) => origin.file);
  }

  /** What is wrong with the declarations together, if anything is. */
  get conflict(): string | undefined {
    if (this.#conflict === null) this.#merge();
    return this.#conflict as string | undefined;
  }

  /** The type that all declarations agree on. */
  get type(): Type {
    if (this.#type === undefined) this.#merge();
    return this.#type as Type;
  }

  /** The problem that `conflict` stands for. */
  error(loc: Loc | undefined): ConfigError {
    return declaredTwice(loc, this.origins, this.conflict ?? "");
  }

  #merge(): void {
    let type: Type | undefined;
    let conflict: string | undefined;
    let subModules: readonly ModuleLike[] = [];
    for (const { tree: decl, origin } of this.decls) {
      const declared: Type | undefined =
        decl.aliasOf === undefined ? decl.type : optionAt(this.#root, decl.aliasOf)?.type;
      if (declared === undefined) continue;
      const both: Type | undefined = type === undefined ? declared : combineTypes(type, declared);
      if (both === undefined)
        conflict ??= `the types "${type?.description}" and "${declared.description}" do not combine`;
      type = both ?? type;
      const own = declared.subModules ?? [];
      subModules = [...own.map((module) => new ModuleRecord({ imports: [module] }, origin)), ...subModules];
    }
    if (this.decls.length > 1) {
      for (const field of ["default", "example", "description", "apply"] as const) {
        const count = this.decls.filter(({ tree }) =>
          field === "default" ? tree.hasDefault : tree[field] !== undefined,
        ).length;
        if (count > 1) conflict ??= `${count} declarations give it a ${field}`;
      }
    }
    type ??= unspecified;
    this.#type = type.subModules === undefined ? type : type.withSubModules(subModules);
    this.#conflict = conflict;
  }
}

/** The parts of each name; nearly every name has one. */
function byName(declared: readonly Declared[]): Map<string, Declared | Declared[]> {
  const parts = new Map<string, Declared | Declared[]>();
  for (const { tree, origin } of declared) {
    for (const name of Object.keys(tree as object)) {
      const part: Declared = { tree: (tree as Record<string, unknown>)[name], origin };
      const known = parts.get(name);
      if (known === undefined) parts.set(name, part);
      else if (Array.isArray(known)) known.push(part);
      else parts.set(name, [known, part]);
    }
  }
  return parts;
}

function isOption(part: Declared): part is DeclaredOption {
  return part.tree instanceof OptionDecl;
}

function onePart(name: string, part: Declared, root: GroupSchema): SchemaNode {
  if (isOption(part)) return new OptionSchema(name, [part], root);
  if (isTree(part.tree)) return new GroupSchema([part], root);
  return new BrokenSchema(name, (loc) => declarationShape(loc, part.origin, part.tree));
}

function severalParts(name: string, parts: readonly Declared[], root: GroupSchema): SchemaNode {
  const shapeless = parts.find((part) => !isOption(part) && !isTree(part.tree));
  if (shapeless !== undefined) return onePart(name, shapeless, root);
  const options = parts.filter(isOption);
  if (options.length === 0) return new GroupSchema(parts, root);
  if (options.length === parts.length) return new OptionSchema(name, options, root);
  const extensible = options.every(({ tree }) => tree.type?.name === "submodule");
  return extensible ? extended(name, parts, root) : nested(name, parts);
}

/** Options declared below an option of type submodule become part of the submodule. */
function extended(name: string, parts: readonly Declared[], root: GroupSchema): OptionSchema {
  const type = parts.find(isOption)?.tree.type as Type;
  const decls = parts.map((part): DeclaredOption => {
    if (isOption(part)) return part;
    const module = new ModuleRecord({ options: part.tree as object }, part.origin);
    return { tree: new OptionDecl({ type: type.withSubModules([module]) }, part.origin), origin: part.origin };
  });
  return new OptionSchema(name, decls, root);
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
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
