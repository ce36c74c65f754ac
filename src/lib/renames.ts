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
import { renameTarget } from "./core/module-problems.ts";
import type { OptionNode } from "./core/node.ts";
import { nodeOf } from "./core/node.ts";
import { OptionDecl, type Visibility } from "./core/option.ts";
import type { Origin } from "./core/origin.ts";
import { Property } from "./core/property.ts";
import { submodule } from "./types/submodule.ts";

/** What a module function of this file needs of its arguments. */
interface ModuleArgs {
  readonly config: object;
  readonly options: object;
}

/** A path into the configuration. */
export type OptionPath = readonly string[];

/** How an option moved. */
export interface Rename {
  readonly from: OptionPath;
  readonly to: OptionPath;
  /** Whether documentation has the old name. */
  readonly visible: Visibility;
  /** Whether using the old name warns. */
  readonly warn: boolean;
  /** Changes what reading the old name gives. */
  readonly use?: ((value: unknown) => unknown) | undefined;
  /** Whether definitions keep their priority; they do, unless said otherwise. */
  readonly withPriority?: boolean | undefined;
  /** Whether definitions are handed over at all. */
  readonly condition?: boolean | (() => boolean) | undefined;
}

/** A module that makes `from` another name of `to`. */
export function aliasModule(from: OptionPath, to: OptionPath, origin?: Origin): ModuleRecord {
  return movedModule({ from, to, visible: true, warn: false }, origin);
}

/** A module that makes `from` an old name of `to`: not documented, and using it warns. */
export function renamedModule(from: OptionPath, to: OptionPath, origin?: Origin): ModuleRecord {
  return movedModule({ from, to, visible: false, warn: true }, origin);
}

/** A module for an option that moved. */
export function movedModule(rename: Rename, origin?: Origin): ModuleRecord {
  const { from, to, visible, warn, use, withPriority = true, condition = true } = rename;
  const description = `Alias of {option}\`${showPath(to)}\`.`;
  const config = ({ options }: ModuleArgs): unknown => {
    const old = lookup(options, from);
    if (!old.scope.hasFreeform && !leadsSomewhere(options, to)) throw renameTarget(from, to, origin);
    const place = (definitions: Property): object => at(to, definitions);
    const handedOver = withPriority ? forwarded(old, place) : forwardedPlainly(old, place);
    const text = (): string =>
      `The option \`${showPath(from)}' defined in ${filesOf(old)} has been renamed to \`${showPath(to)}'.`;
    return new Property(
      "if",
      new Property("merge", [handedOver, ...(warn ? warning(options, () => isDefined(old), text) : [])]),
      condition,
    );
  };
  const option = new OptionDecl({ type: submodule([]), aliasOf: to, visible, description, apply: use }, origin);
  return new ModuleRecord({ options: at(from, option), config }, origin);
}

/** True unless a path leaves the declared options; what lies inside an option's value is not looked for. */
function leadsSomewhere(options: object, path: OptionPath): boolean {
  let group: unknown = options;
  for (const name of path) {
    if (typeof group !== "object" || group === null || !Object.hasOwn(group, name)) return false;
    group = (group as Record<string, unknown>)[name];
    if (nodeOf(group as object) !== undefined) return true;
  }
  return true;
}

/** Definitions without the priority they had. */
function forwardedPlainly(node: OptionNode, place: (definitions: Property) => unknown): Property {
  const definitions = (): Property[] => {
    const candidates = node.candidates();
    const values = inOrder(strongest(candidates.filter((def) => !isChange(def))));
    const changes = inOrder(candidates.filter(isChange));
    // Without places of their own, as below: their file is the one that hands them over.
    return [...values, ...changes].map((def) => new Property("define", def.value));
  };
  return new Property("if", place(new Property("merge", definitions)), () => isDefined(node));
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
  const ordered = order === undefined ? value : new Property("order", value, order, origin);
  return new Property("override", ordered, priority ?? base, origin);
}

/** A module for an option that is gone: reading it is a problem, defining it a failed assertion. */
export function removedModule(path: OptionPath, instead: string, origin?: Origin): ModuleRecord {
  const option = showPath(path);
  return new ModuleRecord(
    {
      options: at(path, new OptionDecl({ visible: false, refuse: () => removed(option, instead) }, origin)),
      config: ({ options }: ModuleArgs) => {
        const old = lookup(options, path);
        if (nodeAt(options, ["assertions"]) === undefined) return {};
        const message = (): string =>
          `The option definition \`${option}' in ${filesOf(old)} no longer has any effect; please remove it.\n${instead}`;
        return { assertions: [{ assertion: () => !isDefined(old), message }] };
      },
    },
    origin,
  );
}

/** The value of an option that became another one, as long as nobody defines it: `convert` may ask for it. */
const notMerged = "_mkMergedOptionModule";

/**
 * A module for options that became another one; `convert` makes the new definition of the configuration. Whether there is one
 * and what priority it has follows from values, so it is asked for when the definitions of the new option are.
 */
export function mergedModule(
  froms: readonly OptionPath[],
  to: OptionPath,
  convert: (config: object) => unknown,
  origin?: Origin,
): ModuleRecord {
  return new ModuleRecord(
    {
      imports: froms.map(
        (from) =>
          new ModuleRecord({ options: at(from, new OptionDecl({ default: notMerged, visible: false })) }, origin),
      ),
      config: ({ config, options }: ModuleArgs) => {
        const olds = froms.map((from) => lookup(options, from));
        const isGiven = (old: OptionNode): boolean => old.force() !== notMerged;
        return new Property("merge", [
          at(to, new Property("merge", () => (olds.some(isGiven) ? [convert(config)] : []))),
          ...olds.flatMap((old, i) =>
            warning(
              options,
              () => isGiven(old),
              () =>
                `The option \`${showPath(froms[i] as OptionPath)}' defined in ${filesOf(old)} has been changed to \`${showPath(to)}' that has a different type. Please read \`${showPath(to)}' documentation and update your configuration accordingly.`,
            ),
          ),
        ]);
      },
    },
    origin,
  );
}

function removed(option: string, instead: string): Error {
  return configError(
    problem({
      code: "option-removed",
      option,
      message: `the option ${option} can no longer be used since it has been removed`,
      fix: instead,
    }),
  );
}

/** A definition of `warnings`, if the configuration has that option. */
function warning(options: object, isDue: () => boolean, text: () => string): object[] {
  if (nodeAt(options, ["warnings"]) === undefined) return [];
  return [
    {
      warnings: new Property("if", () => [text()], isDue),
    },
  ];
}

function isDefined(node: OptionNode): boolean {
  return node.candidates().length > 0;
}

function filesOf(node: OptionNode): string {
  return [...new Set(inOrder(strongest(node.candidates())).map((def) => `\`${String(def.origin)}'`))].join(" and ");
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
