/**
 * The type of values that are sets of options themselves.
 *
 * Each value of the type is a scope of its own: the type's modules and every definition of the option are evaluated
 * together, with the name the value sits under as the argument `name`. Two declarations combine by evaluating the modules
 * of both.
 */
import { Blueprint, type Prepared } from "../core/blueprint.ts";
import { Def, isGroup } from "../core/definition.ts";
import type { Extension } from "../core/evaluate.ts";
import { locOf } from "../core/loc.ts";
import { type ModuleLike, ModuleRecord } from "../core/module.ts";
import { Property, priority } from "../core/property.ts";
import { GroupSchema, OptionSchema } from "../core/schema.ts";
import { Scope, type ScopeSpec } from "../core/scope.ts";
import { type At, commonType, type DocumentedOption, makeType, phrase, type Type } from "../core/type.ts";
import { groupSchema } from "./group-schema.ts";

/** What a submodule is besides its modules. */
export interface SubmoduleSettings {
  readonly specialArgs?: object;
  readonly class?: string;
  readonly description?: string;
}

/** A set of options. */
export function submodule(modules: readonly ModuleLike[], settings: SubmoduleSettings = {}): Type {
  const blueprint = new Blueprint(modules, settings.class);
  const type: Type = makeType({
    name: "submodule",
    description: () => settings.description ?? describe(blueprint),
    check: isDefinition,
    takesFunctions: true,
    merge: (at, defs) => evaluate(blueprint, settings, at, defs),
    // As in Nix, an instance that nobody defined has no name.
    emptyValue: (at) => evaluate(blueprint, settings, at, [], nameless),
    functor: {
      name: "submodule",
      payload: { modules, settings },
      combine: (own, other) => combine(own as Payload, other as Payload),
      reason: (own, other) => conflictOf((own as Payload).settings, (other as Payload).settings),
    },
    subModules: modules,
    withSubModules: (others) => submodule(others, settings),
    subOptions: (path) => subOptions(blueprint, path),
    schema: (depth) => {
      if (depth === "outside") return { type: "object" };
      const { schema, entries } = blueprint.prepare(() => placeholderArgs(blueprint));
      return groupSchema(schema, freeOf(entries));
    },
  });
  return type;
}

interface Payload {
  readonly modules: readonly ModuleLike[];
  readonly settings: SubmoduleSettings;
}

/** A set, wrappers around one (they mean what they say inside), a function of the submodule's arguments, or a module. */
function isDefinition(value: unknown): boolean {
  return isGroup(value) || value instanceof Property || typeof value === "function";
}

/** The name of an instance that has none. */
const nameless = "‹name›";

function evaluate(
  blueprint: Blueprint,
  settings: SubmoduleSettings,
  at: At,
  defs: readonly Def[],
  name: string = at.loc?.name ?? "",
): object {
  const modules = defs.filter((def) => def.value instanceof ModuleRecord);
  const plain = modules.length === 0 ? defs : defs.filter((def) => !(def.value instanceof ModuleRecord));
  const { specialArgs } = settings;
  return scopeOf(name, {
    blueprint:
      modules.length === 0
        ? blueprint
        : new Blueprint([...blueprint.modules, ...modules.map(asImport)], settings.class),
    loc: at.loc,
    context:
      specialArgs === undefined
        ? at.context
        : { ...at.context, specialArgs: { ...at.context.specialArgs, ...specialArgs } },
    // What is left of a definition at an option stands for itself inside: its priority has been dealt with.
    defs: plain.map((def) =>
      def.priority === undefined && def.order === undefined && def.base === priority.plain
        ? def
        : new Def(def.value, def.origin),
    ),
  }).config;
}

function scopeOf(name: string, spec: ScopeSpec): Scope {
  return new Scope({ ...spec, args: () => ({ name, extendModules: extender(name, spec) }) });
}

/** A whole module given as a definition is evaluated beside the others. */
function asImport(def: Def): ModuleLike {
  return new ModuleRecord({ imports: [def.value as ModuleRecord] }, def.origin);
}

/** What `extendModules` is inside a submodule: the same instance, with more modules. */
function extender(name: string, spec: ScopeSpec): (more: Extension) => object {
  return ({ modules = [], specialArgs, prefix }) => {
    const { blueprint, context } = spec;
    const more: ScopeSpec = {
      ...spec,
      blueprint: new Blueprint([...blueprint.modules, ...modules], blueprint.expectedClass),
      context:
        specialArgs === undefined ? context : { ...context, specialArgs: { ...context.specialArgs, ...specialArgs } },
      loc: prefix === undefined ? spec.loc : locOf(prefix),
    };
    const scope = scopeOf(more.loc === spec.loc ? name : (more.loc?.name ?? ""), more);
    return {
      get config(): object {
        return scope.config;
      },
      get options(): object {
        return scope.root.view();
      },
      get _module(): object {
        return scope.internal.object();
      },
      class: blueprint.expectedClass ?? null,
      extendModules: extender(name, more),
    };
  };
}

/** A setting that only one of them has is that of both. */
function combine(own: Payload, other: Payload): Type | undefined {
  const a = own.settings;
  const b = other.settings;
  return conflictOf(a, b) !== undefined
    ? undefined
    : submodule([...own.modules, ...other.modules], {
        ...b,
        ...a,
        specialArgs: { ...b.specialArgs, ...a.specialArgs },
      });
}

/** What two submodule types cannot both be. */
function conflictOf(a: SubmoduleSettings, b: SubmoduleSettings): string | undefined {
  for (const name of ["class", "description"] as const) {
    const [own, other] = [a[name], b[name]];
    if (own !== undefined && other !== undefined && own !== other)
      return `a submoduleWith option is declared multiple times with conflicting ${name} values ${JSON.stringify(own)} and ${JSON.stringify(other)}`;
  }
  const shared = Object.keys(a.specialArgs ?? {}).filter((key) => key in (b.specialArgs ?? {}));
  if (shared.length === 0) return undefined;
  const shown = shared.map((key) => JSON.stringify(key)).join(" and ");
  return `a submoduleWith option is declared multiple times with the same specialArgs ${shown}`;
}

/** The arguments of a submodule that no definition has made yet. */
function placeholderArgs(blueprint: Blueprint): object {
  return {
    name: nameless,
    get config(): object {
      return new Scope({
        blueprint,
        loc: undefined,
        context: { specialArgs: {} },
        args: () => ({ name: nameless }),
        unchecked: true,
      }).config;
    },
  };
}

function describe(blueprint: Blueprint): string {
  const free = freeOf(blueprint.prepare(() => placeholderArgs(blueprint)).entries);
  return free === undefined ? "submodule" : `open submodule of ${phrase(free, "noun", "composite")}`;
}

/** The free-form type that modules have together. */
export function freeOf(entries: Prepared["entries"]): Type | undefined {
  const [first, ...rest] = entries.flatMap(({ fields }) =>
    fields.freeformType === undefined ? [] : [fields.freeformType],
  );
  if (first === undefined) return undefined;
  return rest.reduce<Type | undefined>((later, earlier) => later && commonType(later, earlier), first) ?? first;
}

function subOptions(blueprint: Blueprint, path: readonly string[]): readonly DocumentedOption[] {
  const found: DocumentedOption[] = [];
  const visit = (group: GroupSchema, at: readonly string[]): void => {
    for (const [name, schema] of group.children) {
      if (schema instanceof GroupSchema) visit(schema, [...at, name]);
      else if (schema instanceof OptionSchema) found.push({ path: [...at, name], option: documentedOption(schema) });
    }
  };
  const { schema, entries } = blueprint.prepare(() => placeholderArgs(blueprint));
  visit(schema, path);
  for (const { fields } of entries) found.push(...(fields.freeformType?.subOptions(path) ?? []));
  return found;
}

/** An option as documentation sees it. */
export function documentedOption(schema: OptionSchema): DocumentedOption["option"] {
  return {
    type: schema.type,
    files: schema.files,
    hasDefault: schema.hasDefault,
    default: schema.default,
    defaultText: schema.first("defaultText"),
    description: schema.first("description"),
    example: schema.first("example"),
    internal: schema.first("internal"),
    visible: schema.first("visible"),
    readOnly: schema.readOnly,
    relatedPackages: schema.first("relatedPackages"),
  };
}
