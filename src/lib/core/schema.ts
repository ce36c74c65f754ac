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
    for (const [name, parts] of byName(declared)) children.set(name, childSchema(name, parts, root ?? this));
    this.children = children;
    this.broken = [...children.values()].filter((child) => child instanceof BrokenSchema);
  }
}

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

/** An option, as all its declarations together say. The declaration of the last module comes first. */
export class OptionSchema {
  readonly name: string;
  readonly decls: readonly { readonly decl: OptionDecl; readonly origin: Origin }[];
  readonly hasDefault: boolean;
  readonly default: unknown;
  readonly apply: OptionDecl["apply"];
  readonly readOnly: boolean;
  readonly aliasOf: readonly string[] | undefined;
  readonly #root: GroupSchema;
  #type: Type | undefined;
  #conflict: string | undefined | null = null;

  constructor(name: string, decls: OptionSchema["decls"], root: GroupSchema) {
    this.name = name;
    this.#root = root;
    this.decls = decls;
    const [first] = decls as [OptionSchema["decls"][number]];
    const withDefault = decls.length === 1 ? first.decl : decls.find(({ decl }) => decl.hasDefault)?.decl;
    this.hasDefault = withDefault?.hasDefault ?? false;
    this.default = withDefault?.default;
    this.apply = this.first("apply");
    this.readOnly = this.first("readOnly") ?? false;
    this.aliasOf = this.first("aliasOf");
  }

  /** The first declaration's say about something. */
  first<K extends keyof OptionDecl>(field: K): OptionDecl[K] | undefined {
    for (const { decl } of this.decls) if (decl[field] !== undefined) return decl[field];
    return undefined;
  }

  /** Where the option is declared, the last module first. */
  get origins(): readonly Origin[] {
    return this.decls.map(({ decl, origin }) => decl.origin ?? origin);
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
    for (const { decl, origin } of this.decls) {
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
        const count = this.decls.filter(({ decl }) =>
          field === "default" ? decl.hasDefault : decl[field] !== undefined,
        ).length;
        if (count > 1) conflict ??= `${count} declarations give it a ${field}`;
      }
    }
    type ??= unspecified;
    this.#type = type.subModules === undefined ? type : type.withSubModules(subModules);
    this.#conflict = conflict;
  }
}

function byName(declared: readonly Declared[]): Map<string, Declared[]> {
  const parts = new Map<string, Declared[]>();
  for (const { tree, origin } of declared) {
    for (const name of Object.keys(tree as object)) {
      const part: Declared = { tree: (tree as Record<string, unknown>)[name], origin };
      const known = parts.get(name);
      if (known === undefined) parts.set(name, [part]);
      else known.push(part);
    }
  }
  return parts;
}

function childSchema(name: string, parts: readonly Declared[], root: GroupSchema): SchemaNode {
  const shapeless = parts.find(({ tree }) => !(tree instanceof OptionDecl) && !isTree(tree));
  if (shapeless !== undefined)
    return new BrokenSchema(name, (loc) => declarationShape(loc, shapeless.origin, shapeless.tree));
  const options = parts.flatMap(({ tree, origin }) => (tree instanceof OptionDecl ? [{ decl: tree, origin }] : []));
  if (options.length === 0) return new GroupSchema(parts, root);
  if (options.length === parts.length) return new OptionSchema(name, options, root);
  return options.every(({ decl }) => decl.type?.name === "submodule")
    ? extended(name, parts, root)
    : nested(name, parts);
}

/** Options declared below an option of type submodule become part of the submodule. */
function extended(name: string, parts: readonly Declared[], root: GroupSchema): OptionSchema {
  const { type } = (parts.find(({ tree }) => tree instanceof OptionDecl)?.tree ?? {}) as OptionDecl;
  const decls = parts.map(({ tree, origin }) => {
    if (tree instanceof OptionDecl) return { decl: tree, origin };
    const module = new ModuleRecord({ options: tree as object }, origin);
    return { decl: new OptionDecl({ type: (type as Type).withSubModules([module]) }, origin), origin };
  });
  return new OptionSchema(name, decls, root);
}

function nested(name: string, parts: readonly Declared[]): BrokenSchema {
  const parents = parts.filter(({ tree }) => tree instanceof OptionDecl);
  return new BrokenSchema(name, (loc) => {
    const path = names(loc);
    const below = parts.filter(({ tree }) => !(tree instanceof OptionDecl));
    const inner = below.flatMap(({ tree, origin }) =>
      Object.keys(tree as object).map((key) => ({ path: showPath([...path, key]), origin })),
    );
    const wanted = parents.map(({ tree }) => (tree as OptionDecl).type?.description ?? "unspecified value").join(", ");
    return optionNested(
      loc,
      wanted,
      parents.map(({ tree, origin }) => (tree as OptionDecl).origin ?? origin),
      inner,
    );
  });
}

/** A plain object: a group of declarations. */
export function isTree(value: unknown): value is object {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
