/**
 * Modules for options that moved: aliases, renames, removals, and options that became another one.
 *
 * An alias is an option that has the type and the value of another one, and hands its own definitions over to it with the
 * priority they have. A rename is an alias that nobody sees in the documentation and that warns whoever still uses it.
 */
import { problem } from "../problems/index.ts";
import { configError } from "./config-error.ts";
import { type Def, inOrder, isChange, setMember, strongest } from "./core/definition.ts";
import { showPath } from "./core/loc.ts";
import { ModuleRecord } from "./core/module.ts";
import type { OptionNode } from "./core/node.ts";
import { nodeOf } from "./core/node.ts";
import { OptionDecl, type Visibility } from "./core/option.ts";
import { Property } from "./core/property.ts";
import { anything, raw } from "./types/free.ts";
import { submodule } from "./types/submodule.ts";

/** What a module function of this file needs of its arguments. */
interface ModuleArgs {
  readonly config: object;
  readonly options: object;
}

/** A path into the configuration. */
export type OptionPath = readonly string[];

/** A module that makes `from` another name of `to`. */
export function aliasModule(from: OptionPath, to: OptionPath): ModuleRecord {
  return movedModule(from, to, true, false);
}

/** A module that makes `from` an old name of `to`: not documented, and using it warns. */
export function renamedModule(from: OptionPath, to: OptionPath): ModuleRecord {
  return movedModule(from, to, false, true);
}

function movedModule(from: OptionPath, to: OptionPath, visible: Visibility, warn: boolean): ModuleRecord {
  const description = `Alias of {option}\`${showPath(to)}\`.`;
  return new ModuleRecord({
    options: at(from, new OptionDecl({ type: submodule([]), aliasOf: to, visible, description })),
    config: ({ options }: ModuleArgs) => {
      const old = lookup(options, from);
      return new Property("merge", [
        forwarded(old, (definitions) => at(to, definitions)),
        ...(warn
          ? warning(
              options,
              old,
              () => `The option ${showPath(from)} defined in ${filesOf(old)} has been renamed to ${showPath(to)}.`,
            )
          : []),
      ]);
    },
  });
}

/**
 * The definitions of an option, as one definition of another. What `place` makes of them exists only if there are any: at a
 * path into the value of an option it is a definition of that option.
 */
export function forwarded(node: OptionNode, place: (definitions: Property) => unknown): Property {
  const definitions = (): Property[] => {
    const priority = node.highestPrio();
    const candidates = node.candidates();
    const changes = candidates.filter(isChange).map(rewrapped);
    const values = changes.length === 0 ? candidates : candidates.filter((def) => !isChange(def));
    return [...inOrder(strongest(values)).map((def) => new Property("override", def.value, priority)), ...changes];
  };
  return new Property("if", place(new Property("merge", definitions)), () => isDefined(node));
}

/** A change keeps its own priority and order. */
function rewrapped({ value, origin, priority, base, order }: Def): Property {
  const ordered = order === 0 ? value : new Property("order", value, order, origin);
  return new Property("override", ordered, priority === 0 ? base : priority, origin);
}

/** A module for an option that is gone: reading it is a problem, defining it a failed assertion. */
export function removedModule(path: OptionPath, instead: string): ModuleRecord {
  const option = showPath(path);
  return new ModuleRecord({
    options: at(path, new OptionDecl({ type: anything, visible: false, apply: () => fail(option, instead) })),
    config: ({ options }: ModuleArgs) => {
      const old = lookup(options, path);
      if (nodeAt(options, ["assertions"]) === undefined) return {};
      const message = (): string =>
        `The option ${option} in ${filesOf(old)} no longer has any effect; please remove it.\n${instead}`;
      return { assertions: [{ assertion: () => !isDefined(old), message }] };
    },
  });
}

/** A module for options that became another one; `convert` makes the new value of the configuration. */
export function mergedModule(
  froms: readonly OptionPath[],
  to: OptionPath,
  convert: (config: object) => unknown,
): ModuleRecord {
  return new ModuleRecord({
    imports: froms.map(
      (from) => new ModuleRecord({ options: at(from, new OptionDecl({ type: raw, visible: false, description: "" })) }),
    ),
    config: ({ config, options }: ModuleArgs) => {
      const olds = froms.map((from) => lookup(options, from));
      const value = new Property(
        "if",
        () => convert(config),
        () => olds.some(isDefined),
      );
      return new Property("merge", [
        at(to, value),
        ...olds.flatMap((old, i) =>
          warning(
            options,
            old,
            () =>
              `The option ${showPath(froms[i] as OptionPath)} defined in ${filesOf(old)} has been changed to ${showPath(to)} that has a different type. Please read the documentation of ${showPath(to)} and adjust your configuration.`,
          ),
        ),
      ]);
    },
  });
}

function fail(option: string, instead: string): never {
  throw configError(
    problem({
      code: "option-removed",
      option,
      message: `the option ${option} can no longer be used since it has been removed`,
      fix: instead,
    }),
  );
}

/** A definition of `warnings`, if the configuration has that option. */
function warning(options: object, old: OptionNode, text: () => string): object[] {
  if (nodeAt(options, ["warnings"]) === undefined) return [];
  return [
    {
      warnings: new Property(
        "if",
        () => [text()],
        () => isDefined(old),
      ),
    },
  ];
}

function isDefined(node: OptionNode): boolean {
  return node.candidates().length > 0;
}

function filesOf(node: OptionNode): string {
  return [...new Set(node.candidates().map((def) => def.origin.toString()))].join(" and ");
}

function at(path: OptionPath, value: unknown): object {
  return path.reduceRight<unknown>((inner, name) => {
    const outer = {};
    setMember(outer, name, inner);
    return outer;
  }, value) as object;
}

function nodeAt(options: object, path: OptionPath): OptionNode | undefined {
  const view = path.reduce<unknown>((at, name) => (at as Record<string, unknown> | undefined)?.[name], options);
  return typeof view === "object" && view !== null ? nodeOf(view) : undefined;
}

function lookup(options: object, path: OptionPath): OptionNode {
  const node = nodeAt(options, path);
  if (node === undefined) throw new Error(`no option ${showPath(path)}`);
  return node;
}
