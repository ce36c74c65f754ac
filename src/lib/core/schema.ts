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
import { OptionDecl } from "./option.ts";
import type { Origin } from "./origin.ts";
import { combineTypes, noCombination, type Type } from "./type.ts";

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
  broken: BrokenSchema[];

  constructor(declared: readonly Declared[], root?: GroupSchema) {
    const children = new Map<string, SchemaNode>();
    this.children = children;
    this.broken = none;
    const [only] = declared;
    if (declared.length === 1 && only !== undefined) {
      // Most groups are declared by one module.
      const tree = only.tree as Record<string, unknown>;
      const names = Object.keys(tree);
      for (let i = 0; i < names.length; i++) {
        const name = names[i] as string;
        this.#add(children, name, onePart(name, tree[name], only.origin, root ?? this));
      }
      return;
    }
    // The map of who declares a name becomes the map of what it is, entry by entry: a second one of hundreds would have to grow again.
    const first = children as Map<string, SchemaNode | Declared>;
    const several = byName(declared, first as Map<string, Declared>);
    first.forEach((place, name) => {
      const { tree, origin } = place as Declared;
      const parts = several?.get(name);
      const child =
        parts === undefined
          ? onePart(name, (tree as Record<string, unknown>)[name], origin, root ?? this)
          : severalParts(name, parts, root ?? this);
      this.#add(children, name, child);
    });
  }

  #add(children: Map<string, SchemaNode>, name: string, child: SchemaNode): void {
    children.set(name, child);
    if (!(child instanceof BrokenSchema)) return;
    if (this.broken === none) this.broken = [child];
    else this.broken.push(child);
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

  constructor(name: string, decl: OptionDecl, origin: Origin, more: readonly DeclaredOption[], root: GroupSchema) {
    this.name = name;
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

  get hasDefault(): boolean {
    return this.decl.hasDefault || this.more.some(({ tree }) => tree.hasDefault);
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
    return this.more !== alone && this.apply === undefined && !this.readOnly && this.aliasOf === undefined;
  }
  get readOnly(): boolean {
    return !this.isPlain && (this.first("readOnly") ?? false);
  }
  get aliasOf(): readonly string[] | undefined {
    return this.isPlain ? undefined : this.first("aliasOf");
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
      if (both === undefined && type !== undefined)
        conflict ??=
          noCombination(type, declared) ??
          `the types "${type.description}" and "${declared.description}" do not combine`;
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
    return { type: type.subModules === undefined ? type : type.withSubModules(subModules), conflict };
  }
}

/**
 * Sort declarations by name. Nearly every name is declared once, and of those only the tree that it stands in is noted;
 * what is returned are the parts of the others.
 */
function byName(declared: readonly Declared[], first: Map<string, Declared>): Map<string, Declared[]> | undefined {
  let several: Map<string, Declared[]> | undefined;
  const part = ({ tree, origin }: Declared, name: string): Declared => ({
    tree: (tree as Record<string, unknown>)[name],
    origin,
  });
  for (const group of declared) {
    const names = Object.keys(group.tree as object);
    for (let i = 0; i < names.length; i++) {
      const name = names[i] as string;
      const known = first.get(name);
      if (known === undefined) {
        first.set(name, group);
        continue;
      }
      several ??= new Map();
      const parts = several.get(name);
      if (parts === undefined) several.set(name, [part(known, name), part(group, name)]);
      else parts.push(part(group, name));
    }
  }
  return several;
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

function onePart(name: string, tree: unknown, origin: Origin, root: GroupSchema): SchemaNode {
  if (isDecl(tree)) return new OptionSchema(name, tree, origin, alone, root);
  if (isTree(tree)) return new GroupSchema([{ tree, origin }], root);
  return new BrokenSchema(name, (loc) => declarationShape(loc, origin, tree));
}

const alone: readonly DeclaredOption[] = [];

function optionOf(name: string, [first, ...more]: readonly DeclaredOption[], root: GroupSchema): OptionSchema {
  const { tree, origin } = first as DeclaredOption;
  return new OptionSchema(name, tree, origin, more.length === 0 ? alone : more, root);
}

function severalParts(name: string, parts: readonly Declared[], root: GroupSchema): SchemaNode {
  const shapeless = parts.find((part) => !isOption(part) && !isTree(part.tree));
  if (shapeless !== undefined) return onePart(name, shapeless.tree, shapeless.origin, root);
  const options = parts.filter(isOption);
  if (options.length === 0) return new GroupSchema(parts, root);
  if (options.length === parts.length) return optionOf(name, options, root);
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
  return optionOf(name, decls, root);
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
