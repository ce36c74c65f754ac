/**
 * Types that are one of several: `null` or something, the one or the other, one of several tags, something converted.
 */

import { declaredTwice } from "../core/declaration-problems.ts";
import { childDef, Def, isGroup, member } from "../core/definition.ts";
import { eitherSchema, flat, noSchema, schemaOf } from "../core/json-schema.ts";
import { Loc, showLoc, showPath } from "../core/loc.ts";
import { rawMember } from "../core/merge.ts";
import { type ModuleLike, ModuleRecord } from "../core/module.ts";
import { givenTwice, OptionDecl } from "../core/option.ts";
import type { Origin } from "../core/origin.ts";
import { custom, definitionConflict } from "../core/problems.ts";
import { LiteralValue, priority } from "../core/property.ts";
import {
  type At,
  combineTypes,
  type DocumentedDeclaration,
  makeType,
  mergeOne,
  noCombination,
  phrase,
  type Type,
  whyNoCombination,
} from "../core/type.ts";
import { given } from "./settle.ts";

/** `null`, or a value of a type. */
export function nullOr(element: Type): Type {
  return makeType({
    name: "nullOr",
    description: () => `null or ${phrase(element, "noun", "conjunction")}`,
    descriptionClass: "conjunction",
    check: (value) => value === null || element.check(value),
    takesFunctions: element.takesFunctions,
    isEager: (value) => value === null || element.isEager(value),
    merge: (at, defs) => {
      const nulls = defs.filter((def) => def.value === null).length;
      if (nulls === defs.length) return null;
      if (nulls > 0) throw definitionConflict(at.loc, defs, "definitions that are null and definitions that are not");
      return element.merge(at, defs);
    },
    emptyValue: () => null,
    emptyText: null,
    schema: (depth) => ({ anyOf: [{ type: "null" }, schemaOf(element, depth)] }),
    functor: {
      name: "nullOr",
      payload: element,
      combine: (own, other) => {
        const both = combineTypes(own as Type, other as Type);
        return both === undefined ? undefined : nullOr(both);
      },
      reason: (own, other) => noCombination(own as Type, other as Type),
    },
    refines: element.refines === undefined ? undefined : nullOr(element.refines),
    conflict: element.conflict,
    subModules: element.subModules,
    withSubModules: (modules) => nullOr(element.withSubModules(modules)),
    subOptions: (path) => element.subOptions(path),
  });
}

/** A value of the one type or of the other; the first type that takes all definitions merges them. */
export function either(first: Type, second: Type): Type {
  const chosen = (defs: readonly Def[]): Type | undefined =>
    first.misfits(defs).length === 0 ? first : second.misfits(defs).length === 0 ? second : undefined;
  return makeType({
    name: "either",
    description: () =>
      first.descriptionClass === "nonRestrictiveClause"
        ? `${first.description}, or ${phrase(second, "noun", "conjunction")}`
        : `${phrase(first, "noun", "conjunction")} or ${phrase(second, "noun", "conjunction", "composite")}`,
    descriptionClass: "conjunction",
    check: (value) => first.check(value) || second.check(value),
    takesFunctions: first.takesFunctions || second.takesFunctions,
    isEager: (value) => first.isEager(value) && second.isEager(value),
    schema: (depth) =>
      eitherSchema(
        (d) => schemaOf(first, d),
        (d) => schemaOf(second, d),
        depth,
      ),
    misfits: (defs) => {
      if (chosen(defs) !== undefined) return [];
      const bad = defs.filter((def) => !first.check(def.value) && !second.check(def.value));
      // Each one fits one of the types, but no type fits them all.
      return bad.length > 0 ? bad : defs;
    },
    // Where only the single values were checked (below `nullOr`), the definitions may still be of both types.
    merge: (at, defs) => {
      const type = chosen(defs);
      return type === undefined ? mergeOne(at, defs) : type.merge(at, defs);
    },
    functor: {
      name: "either",
      payload: [first, second],
      combine: (own, other) => {
        const [a, b] = own as [Type, Type];
        const [c, d] = other as [Type, Type];
        const left = combineTypes(a, c);
        const right = combineTypes(b, d);
        return left === undefined || right === undefined ? undefined : either(left, right);
      },
      reason: (own, other) => {
        const [a, b] = own as [Type, Type];
        const [c, d] = other as [Type, Type];
        return noCombination(a, c) ?? noCombination(b, d);
      },
    },
  });
}

/** A value of one of several types. */
export function oneOf(types: readonly [Type, ...Type[]]): Type {
  const [first, ...rest] = types;
  return rest.reduce(either, first);
}

/** A value of type `to`, or one of type `from`, which `convert` turns into one. */
export function coercedTo(from: Type, convert: (value: unknown) => unknown, to: Type): Type {
  const converted = (at: At, defs: readonly Def[]): Def[] =>
    defs.map((def) => {
      if (from.misfits([def]).length > 0) return def;
      const result = convert(from.merge(at, [def]));
      const value = typeof result === "function" ? (result as () => unknown)() : result;
      return new Def(value, def.origin, def.conditions, def.priority, def.base, def.order);
    });
  const nowhere: At = { loc: undefined, context: { specialArgs: {} } };
  return makeType({
    name: "coercedTo",
    description: () => `${phrase(to, "noun")} or ${phrase(from, "noun")} convertible to it`,
    check: (value) => to.check(value) || from.check(value),
    takesFunctions: to.takesFunctions,
    misfits: (defs) => {
      const results = converted(nowhere, defs);
      const bad = to.misfits(results);
      return defs.filter((_, i) => bad.includes(results[i] as Def));
    },
    merge: (at, defs) => to.merge(at, converted(at, defs)),
    schema: (depth) =>
      eitherSchema(
        (d) => schemaOf(from, d),
        (d) => schemaOf(to, d),
        depth,
      ),
    emptyValue: to.emptyValue,
    emptyText: to.emptyText,
    functor: { name: "coercedTo", combine: () => undefined },
    subModules: to.subModules,
    withSubModules: (modules) => coercedTo(from, convert, to.withSubModules(modules)),
    subOptions: (path) => to.subOptions(path),
  });
}

/** A function; the results of all definitions for an argument are merged. */
export function functionTo(result: Type): Type {
  return makeType({
    name: "functionTo",
    description: () => `function that evaluates to a(n) ${phrase(result, "noun", "composite")}`,
    descriptionClass: "composite",
    check: (value) => typeof value === "function",
    schema: flat(noSchema),
    takesFunctions: true,
    merge: (at, defs) => (argument: unknown) => {
      const loc = new Loc(at.loc, "<function body>");
      const holder: { value?: unknown } = {};
      const results = defs.map((def) => childDef(def, (def.value as (argument: unknown) => unknown)(argument)));
      rawMember(holder, "value", loc, at.context, result, results);
      return holder.value;
    },
    functor: {
      name: "functionTo",
      payload: result,
      combine: (own, other) => {
        const both = combineTypes(own as Type, other as Type);
        return both === undefined ? undefined : functionTo(both);
      },
      reason: (own, other) => noCombination(own as Type, other as Type),
    },
    conflict: result.conflict,
    subModules: result.subModules,
    withSubModules: (modules) => functionTo(result.withSubModules(modules)),
    subOptions: (path) => result.subOptions([...path, "<function body>"]),
  });
}

/** Exactly one of several tagged options: `{ tcp: 80 }` or `{ unix: "/run/x" }`. */
export function attrTag(tags: Tags, conflicts: Conflicts = {}): Type {
  const choices = Object.keys(tags).sort();
  const tagOf = (value: unknown): string | undefined => {
    if (!isGroup(value)) return undefined;
    const keys = Object.keys(value);
    return keys.length === 1 && Object.hasOwn(tags, keys[0] as string) ? keys[0] : undefined;
  };
  return makeType({
    name: "attrTag",
    description: `attribute-tagged union with choices: ${choices.map((tag) => showPath([tag])).join(", ")}`,
    descriptionClass: "noun",
    check: (value) => tagOf(value) !== undefined,
    schema: (depth) => ({
      type: "object",
      properties: Object.fromEntries(
        choices.map((tag) => [tag, depth === "outside" ? {} : schemaOf((tags[tag] as OptionDecl).type as Type, depth)]),
      ),
      additionalProperties: false,
      minProperties: 1,
      maxProperties: 1,
    }),
    merge: (at, defs) => {
      const used = [...new Set(defs.map((def) => tagOf(def.value) as string))];
      const [tag = ""] = used;
      const broken = Object.hasOwn(conflicts, tag) ? conflicts[tag] : undefined;
      if (used.length === 1 && broken !== undefined)
        return failing(tag, () => declaredTwice(new Loc(at.loc, tag), broken.origins, broken.reason));
      if (used.length === 1) return mergeTag(at, tag, tags[tag] as OptionDecl, defs);
      const names = used.map((name) => showPath([name])).join(" and of ");
      return failing(tag, () => definitionConflict(at.loc, defs, `definitions of ${names}`));
    },
    functor: {
      name: "attrTag",
      payload: { tags, conflicts },
      combine: (own, other) => combineTags(own as TagPayload, other as TagPayload),
    },
    conflict: conflictOf(tags, conflicts),
    subModules: subModulesOf(tags),
    withSubModules: (modules) => attrTag(withSubModules(tags, modules), conflicts),
    subOptions: (path) =>
      choices.map((tag) => {
        const decl = tags[tag] as OptionDecl;
        const type = decl.type as Type;
        return { path: [...path, tag], option: { ...documented(decl), type, files: [] } };
      }),
  });
}

function documented(decl: OptionDecl): Omit<DocumentedDeclaration, "type" | "files"> {
  const { internal, visible, readOnly, description, example, defaultText, hasDefault, relatedPackages, fields } = decl;
  return {
    internal,
    visible,
    readOnly,
    description,
    example,
    defaultText,
    hasDefault,
    relatedPackages,
    default: fields.default,
  };
}

/** The options behind the tags. */
interface Tags {
  readonly [tag: string]: OptionDecl;
}

/** The tags whose declarations do not fit together. They are a problem of the option that has the type, or of their use. */
interface Conflicts {
  readonly [tag: string]: { readonly origins: readonly Origin[]; readonly reason: string };
}

interface TagPayload {
  readonly tags: Tags;
  readonly conflicts: Conflicts;
}

function conflictOf(tags: Tags, conflicts: Conflicts): string | undefined {
  for (const [tag, { type }] of Object.entries(tags)) {
    const reason = Object.hasOwn(conflicts, tag) ? conflicts[tag]?.reason : type?.conflict;
    if (reason !== undefined) return `of the tag ${showPath([tag])}, ${reason}`;
  }
  return undefined;
}

/** A value of which it is known which tag it has, and nothing else. */
function failing(tag: string, error: () => Error): object {
  const value = {};
  Object.defineProperty(value, tag, {
    enumerable: true,
    get: () => {
      throw error();
    },
  });
  return Object.freeze(value);
}

/** The tag's own option decides: default, read-only and `apply` included. */
function mergeTag(at: At, tag: string, decl: OptionDecl, defs: readonly Def[]): object {
  const loc = new Loc(at.loc, tag);
  const own = defs.map((def) => childDef(def, member(def.value as object, tag)));
  if (decl.hasDefault)
    own.unshift(
      new Def(decl.fields.default, decl.origin ?? (defs[0] as Def).origin, undefined, priority.optionDefault),
    );
  if (decl.readOnly === true && own.length > 1) {
    throw custom(
      "option-read-only",
      loc,
      `${showLoc(loc)} is read-only, but is defined ${own.length} times`,
      own,
      "remove all but one.",
    );
  }
  const merged = {};
  rawMember(merged, tag, loc, at.context, decl.type as Type, own);
  if (decl.apply === undefined) return Object.freeze(merged);
  const { apply } = decl;
  const applied = {};
  rawMember(applied, tag, loc, at.context, given, [
    childDef(own[0] as Def, () => new LiteralValue(apply((merged as Record<string, unknown>)[tag]))),
  ]);
  return Object.freeze(applied);
}

/** A module of the submodule behind a tag. Whoever declares the option wraps it, and it comes back. */
class TagModule extends ModuleRecord {
  readonly tag: string;
  readonly module: ModuleLike;

  constructor(tag: string, module: ModuleLike) {
    super({ imports: [module] });
    this.tag = tag;
    this.module = module;
  }
}

function subModulesOf(tags: Tags): readonly ModuleLike[] | undefined {
  const found = Object.entries(tags).flatMap(([tag, { type }]) =>
    type?.subModules === undefined ? [] : [type.subModules.map((module) => new TagModule(tag, module))],
  );
  return found.length === 0 ? undefined : found.flat();
}

/** Each tag's submodule gets the modules that are its own. */
function withSubModules(tags: Tags, modules: readonly ModuleLike[]): Tags {
  const own = new Map<string, ModuleLike[]>();
  for (const wrapper of modules as readonly ModuleRecord[]) {
    const [{ tag, module }] = wrapper.fields.imports as readonly [TagModule];
    const list = own.get(tag) ?? [];
    list.push(new ModuleRecord({ imports: [module] }, wrapper.origin));
    own.set(tag, list);
  }
  return Object.fromEntries(
    Object.entries(tags).map(([tag, decl]) => {
      const found = own.get(tag);
      const type = found === undefined ? decl.type : decl.type?.withSubModules(found);
      return [tag, new OptionDecl({ ...decl.fields, type }, decl.origin)];
    }),
  );
}

function combineTags(later: TagPayload, earlier: TagPayload): Type {
  const all: Record<string, OptionDecl> = { ...earlier.tags };
  const conflicts: Record<string, Conflicts[string]> = { ...earlier.conflicts, ...later.conflicts };
  for (const [tag, decl] of Object.entries(later.tags)) {
    const other = Object.hasOwn(earlier.tags, tag) ? earlier.tags[tag] : undefined;
    if (other === undefined) all[tag] = decl;
    else {
      const [own, others] = [decl.type as Type, other.type as Type];
      const type = combineTypes(own, others);
      const reason = type === undefined ? whyNoCombination(own, others) : givenTwice([decl, other]);
      if (reason !== undefined) conflicts[tag] ??= { origins: originsOf([decl, other]), reason };
      const said = Object.entries(decl.fields).filter(([, value]) => value !== undefined);
      all[tag] = new OptionDecl({ ...other.fields, ...Object.fromEntries(said), type: type ?? own }, decl.origin);
    }
  }
  return attrTag(all, conflicts);
}

function originsOf(decls: readonly OptionDecl[]): readonly Origin[] {
  return decls.flatMap(({ origin }) => (origin === undefined ? [] : [origin]));
}
