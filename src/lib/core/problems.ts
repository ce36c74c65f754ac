/**
 * The problems of the module system, worded: what is wrong, every place that has to do with it, and what to do.
 *
 * Deciding that something is wrong happens elsewhere; here it only gets its words. Codes are stable, words are not.
 */
import { type Problem, ProblemError, problem, type Site } from "../../problems/index.ts";
import { type ConfigError, configError } from "../config-error.ts";
import { carefully, messageOf } from "./careful.ts";
import { type Loc, showLoc, showPath } from "./loc.ts";
import type { Origin } from "./origin.ts";
import { kindOf, print } from "./print.ts";
import { Property, propertyName } from "./property.ts";

/** The part of a definition that problems show. */
export interface Shown {
  readonly value: unknown;
  readonly origin: Origin;
  /** `undefined` when nothing set it. */
  readonly priority: number | undefined;
  /** The priority that counts when nothing set one. */
  readonly base: number;
}

/** A definition as a site. */
export function defSite(def: Shown, label?: string): Site {
  const priority = effectivePriority(def);
  return def.origin.site({ value: print(def.value), priority, ...(label === undefined ? {} : { label }) });
}

/** The priority that counts. */
export function effectivePriority(def: Pick<Shown, "priority" | "base">): number {
  return def.priority ?? def.base;
}

const sites = (defs: readonly Shown[]): Site[] => defs.map((def) => defSite(def));
/** Places of declarations. */
export const declared = (origins: readonly Origin[]): Site[] =>
  origins.map((origin) => origin.site({ label: "declared here" }));

// ------------------------------------------------------------------ definitions

/** A definition that the option's type does not take. */
export function definitionType(
  loc: Loc | undefined,
  wanted: string,
  bad: readonly Shown[],
  reason?: string,
): ConfigError {
  const option = showLoc(loc);
  const got = [...new Set(bad.map((def) => kindOf(def.value)))].join(" and ");
  return configError(
    problem({
      code: "definition-type",
      option,
      message: `${option} takes ${article(wanted)}, but is defined as ${got}`,
      sites: sites(bad),
      notes: reason === undefined ? [] : [reason],
      fix: `give ${option} ${article(wanted)}.`,
    }),
  );
}

/** A definition of the right kind that does not meet the further condition of its type. */
export function definitionRefused(loc: Loc | undefined, wanted: string, bad: readonly Shown[]): ConfigError {
  const option = showLoc(loc);
  return configError(
    problem({
      code: "definition-type",
      option,
      message: `${option} takes ${article(wanted)} that meets a further condition, which this does not`,
      sites: sites(bad),
      fix: `give ${option} a value that passes the check in its type (t.addCheck).`,
    }),
  );
}

/** Wrappers nested in an order that merging cannot honour; the fix names the right one. */
export function wrapperNesting(
  loc: Loc | undefined,
  def: Shown & { readonly order: number | undefined },
  property: Property,
): ConfigError {
  const option = showLoc(loc);
  return configError(
    problem({
      code: "wrapper-nesting",
      option,
      message: `${option}: ${propertyName(property)} stands inside a wrapper that it has to stand around`,
      sites: [(property.origin ?? def.origin).site({ value: print(property) })],
      notes: [
        "Wrappers nest in one order: mkIf and mkMerge outside, then one priority, then one order, then the value.",
      ],
      fix: nestingFix(property, def.order !== undefined),
    }),
  );
}

/** A wrapper inside a value that no type looks into. */
export function wrapperInValue(loc: Loc | undefined, def: Shown, value: object, name: string): ConfigError {
  const option = showLoc(loc);
  const origin = value instanceof Property ? (value.origin ?? def.origin) : def.origin;
  return configError(
    problem({
      code: "wrapper-nesting",
      option,
      message: `${option}: ${name} stands inside a value that the option's type does not look into`,
      sites: [origin.site({ value: print(value) })],
      fix: `put ${name} around what defines the whole option, or declare it with a type that looks inside: t.attrsOf(…), t.listOf(…).`,
    }),
  );
}

/** `mkMerge` of something that is no list. */
export function mergeInvalid(value: unknown, origin: Origin): ConfigError {
  return configError(
    problem({
      code: "merge-invalid",
      message: `mkMerge takes a list of definitions, not ${kindOf(value)}`,
      sites: [origin.site({ value: print(value) })],
      fix: "put what is to be merged into a list: mkMerge([…, …]).",
    }),
  );
}

function nestingFix(property: Property, insideOrder: boolean): string {
  const outer = insideOrder ? "mkBefore" : "mkForce";
  switch (property.kind) {
    case "if":
      return `write mkIf(condition, ${outer}(value)), not ${outer}(mkIf(condition, value)).`;
    case "merge":
      return `wrap the members of the list: mkMerge([${outer}(a), ${outer}(b)]), not ${outer}(mkMerge([a, b])).`;
    case "override":
      return insideOrder
        ? "write mkForce(mkBefore(value)), not mkBefore(mkForce(value))."
        : "a definition has one priority: keep one of the two.";
    default:
      return "a definition has one place among the others: keep one of the two orders.";
  }
}

/** `mkBefore` and the like around a group of options. */
export function wrapperAtGroup(loc: Loc | undefined, def: Shown, property: Property): ConfigError {
  const name = propertyName(property);
  const group = loc === undefined ? "the configuration" : showLoc(loc);
  return configError(
    problem({
      code: "wrapper-at-group",
      ...(loc === undefined ? {} : { option: showLoc(loc) }),
      message: `${name} cannot stand around a group of options, and ${group} is one`,
      sites: [(property.origin ?? def.origin).site({ value: print(property) })],
      fix: `put ${name} at the options inside the group.`,
    }),
  );
}

/** A priority that only running a thunk reveals. */
export function priorityInThunk(loc: Loc | undefined, def: Shown, property: Property): ConfigError {
  const name = propertyName(property);
  return configError(
    problem({
      code: "priority-in-thunk",
      option: showLoc(loc),
      message: `${showLoc(loc)}: a thunk returned ${name}, but priorities have to be known before any thunk runs`,
      sites: [(property.origin ?? def.origin).site({ value: print(property) })],
      fix: `write ${name}(() => …) instead of () => ${name}(…).`,
    }),
  );
}

/** Definitions of equal priority that the type cannot merge. */
export function definitionConflict(
  loc: Loc | undefined,
  defs: readonly Shown[],
  what = "conflicting definitions",
): ConfigError {
  const option = showLoc(loc);
  const level = effectivePriority(defs[0] as Shown);
  return configError(
    problem({
      code: "definition-conflict",
      option,
      message: `${option} has ${what}`,
      sites: sites(defs),
      fix: `${defs.length === 2 ? "both" : "all"} have priority ${level}: wrap the one to keep in mkForce, or the ${defs.length === 2 ? "other" : "others"} in mkDefault.`,
    }),
  );
}

/** Several definitions of something that takes one. */
export function definitionNotUnique(loc: Loc | undefined, defs: readonly Shown[], message: string): ConfigError {
  const option = showLoc(loc);
  return configError(
    problem({
      code: "definition-not-unique",
      option,
      message: `${option} takes one definition, but has ${defs.length}`,
      sites: sites(defs),
      notes: message === "" ? [] : [message],
      fix: "keep one of them, or wrap the one to keep in mkForce.",
    }),
  );
}

/** Reading an option that nothing defines. */
export function optionUndefined(
  loc: Loc | undefined,
  declarations: readonly Origin[],
  losers: number,
  other?: "unset" | "changed",
): ConfigError {
  const option = showLoc(loc);
  return configError(
    problem({
      code: "option-undefined",
      option,
      message: `${option} is read, but has no value`,
      sites: declared(declarations),
      notes: other === undefined ? losersNote(losers) : [undefinedNotes[other]],
      fix: `define ${option}, or declare it with a default.`,
    }),
  );
}

function losersNote(losers: number): readonly string[] {
  if (losers === 0) return [];
  return [
    `${losers === 1 ? "One definition exists, but its condition does" : `${losers} definitions exist, but their conditions do`} not hold.`,
  ];
}

const undefinedNotes = {
  unset: "The strongest of its definitions is mkUnset().",
  changed: "All that is said of it, by mkRemove or mkTransform, is how to change what others define.",
};

/** `mkRemove` where there is nothing to take out of. */
export function notRemovable(loc: Loc | undefined, change: Shown, value: unknown): ConfigError {
  const option = showLoc(loc);
  return configError(
    problem({
      code: "change-not-applicable",
      option,
      message: `${option} is ${kindOf(value)}: mkRemove takes elements out of lists and names out of attribute sets`,
      sites: [defSite(change)],
      fix: "change other values with mkTransform, or replace them with mkForce.",
    }),
  );
}

/** `mkTransform` whose function returned something else. */
export function transformType(loc: Loc | undefined, wanted: string, made: Shown): ConfigError {
  const option = showLoc(loc);
  return configError(
    problem({
      code: "transform-type",
      option,
      message: `${option} takes ${article(wanted)}, but the function of mkTransform returned ${kindOf(made.value)}`,
      sites: [defSite(made, "returned here")],
      fix: `return ${article(wanted)}.`,
    }),
  );
}

/** A read-only option that is defined more than once. */
export function optionReadOnly(loc: Loc | undefined, defs: readonly Shown[]): ConfigError {
  const option = showLoc(loc);
  return configError(
    problem({
      code: "option-read-only",
      option,
      message: `${option} is read-only, but is defined ${defs.length} times`,
      sites: sites(defs),
      notes: ["A default counts as a definition, and so does one whose condition does not hold."],
      fix: `remove the definitions that ${option} does not need.`,
    }),
  );
}

/** A condition that is not true or false. */
export function conditionNotBoolean(origin: Origin | undefined, value: unknown): ConfigError {
  return configError(
    problem({
      code: "condition-not-boolean",
      message: `the condition of mkIf is ${kindOf(value)}, not true or false`,
      sites: origin === undefined ? [] : [origin.site({ value: print(value) })],
      fix: "return true or false, for example () => value !== null.",
    }),
  );
}

/** A priority or an order that is no number. */
export function numberInvalid(property: Property, from: Origin): ConfigError {
  const { kind, argument } = property;
  const isOrder = kind === "order";
  const what = isOrder ? "order" : "priority";
  return configError(
    problem({
      code: isOrder ? "order-invalid" : "priority-invalid",
      message: `the ${what} of a definition is ${typeof argument === "number" ? argument : kindOf(argument)}, not a finite number`,
      sites: [(property.origin ?? from).site({ value: print(property) })],
      fix: isOrder
        ? "give a number; mkBefore is 500, a plain definition 1000, mkAfter 1500."
        : "give a number, the lowest wins; mkForce is 50, a plain definition 100, mkDefault 1000.",
    }),
  );
}

// ------------------------------------------------------------------ groups and unknown options

/** Definitions for an option that nobody declares. */
export function optionUnknown(
  path: readonly string[],
  defs: readonly Shown[],
  near: readonly string[],
  note?: string,
): Problem {
  const option = showPath(path);
  const guess = near.map((name) => showPath([...path.slice(0, -1), name]));
  const fix =
    guess.length > 0
      ? `did you mean ${guess.length === 1 ? guess[0] : `${guess.slice(0, -1).join(", ")} or ${guess.at(-1)}`}?`
      : "check the name, or import the module that declares the option.";
  return problem({
    code: "option-unknown",
    option,
    message: `the option ${option} does not exist`,
    sites: sites(defs),
    notes: note === undefined ? [] : [note],
    fix,
  });
}

/** A value where a group of options is. */
export function definitionNotGroup(loc: Loc | undefined, def: Shown): ConfigError {
  const group = loc === undefined ? "the configuration" : showLoc(loc);
  const thunk = typeof def.value === "function";
  return configError(
    problem({
      code: thunk ? "thunk-at-group" : "definition-not-group",
      ...(loc === undefined ? {} : { option: showLoc(loc) }),
      message: thunk
        ? `${group} is a group of options and cannot be a thunk: which options are defined has to be known beforehand`
        : `${group} is a group of options, but is defined as ${kindOf(def.value)}`,
      sites: [defSite(def)],
      fix: thunk ? "put thunks at the options inside the group." : `define the options inside ${group}.`,
    }),
  );
}

/** Reading while definitions are still being collected. */
export function readTooEarly(path: string, origin: Origin | undefined): ConfigError {
  return configError(
    problem({
      code: "read-too-early",
      option: path,
      message: `${path} is read while definitions are still being collected`,
      sites: origin === undefined ? [] : [origin.site()],
      fix: `read it inside a thunk: () => … ${path} …`,
    }),
  );
}

// ------------------------------------------------------------------ modules

/** Something in a list of modules that is not one. */
export function notAModule(value: unknown, origin: Origin | undefined, why?: string): ConfigError {
  return configError(
    problem({
      code: "not-a-module",
      message: why ?? `expected a module, got ${kindOf(value)}`,
      sites: origin === undefined ? [] : [origin.site({ value: print(value) })],
      fix: "make modules with defineModule({ … }) or dataModule(file, data); spread a list of modules with `...`.",
    }),
  );
}

/** A module of another class than the evaluation's. */
export function moduleClass(origin: Origin, own: string, expected: string): ConfigError {
  return configError(
    problem({
      code: "module-class",
      message: `a module of class ${JSON.stringify(own)} cannot be part of a configuration of class ${JSON.stringify(expected)}`,
      sites: [origin.site()],
      fix: "import it where its class is evaluated.",
    }),
  );
}

// ------------------------------------------------------------------ evaluation

/** Options whose values need each other. */
export function infiniteRecursion(
  steps: readonly { readonly what: string; readonly option: string | undefined; readonly origin: Origin | undefined }[],
  back: string,
): ConfigError {
  const option = steps.find((step) => step.option !== undefined)?.option;
  const names = steps.map((step) => step.what);
  const shown = names.length > 12 ? [...names.slice(0, 8), `(${names.length - 11} more)`, ...names.slice(-3)] : names;
  return configError(
    problem({
      code: "infinite-recursion",
      ...(option === undefined ? {} : { option }),
      message: `infinite recursion: ${back} needs its own value`,
      sites: steps
        .flatMap((step, i) => {
          const next = names[i + 1] ?? back;
          return step.origin === undefined ? [] : [step.origin.site({ label: `${step.what} needs ${next}` })];
        })
        .slice(0, 10),
      notes: [...shown, back].map((name, i) => (i === 0 ? `  ${name}` : `→ ${name}`)),
      fix: "break the circle: one of these definitions must not read what it leads back to.",
    }),
  );
}

/** A thunk, check or apply function threw something of its own. */
export function thunkThrew(error: unknown, what: string, origin: Origin | undefined): unknown {
  if (carefully(() => error instanceof ProblemError && Array.isArray(error.problems), false)) return error;
  const message = messageOf(error, print);
  return configError(
    problem({
      code: "evaluation-threw",
      option: what,
      message: `${what}: ${message}`,
      sites: origin === undefined ? [] : [origin.site({ label: "threw" })],
      fix: "correct the function that threw; its own stack is the cause of this error.",
    }),
    error,
  );
}

/** A problem in words of one's own. */
export function custom(
  code: string,
  loc: Loc | undefined,
  message: string,
  defs: readonly Shown[],
  fix: string,
  notes: readonly string[] = [],
): ConfigError {
  return configError(problem({ code, option: showLoc(loc), message, sites: sites(defs), notes, fix }));
}

/** A JSON Schema that is none. */
export function schemaInvalid(loc: Loc | undefined, error: unknown, origin: Origin | undefined): ConfigError {
  const option = showLoc(loc);
  return configError(
    problem({
      code: "schema-invalid",
      option,
      message: `the JSON Schema of ${option} is not valid: ${messageOf(error, print)}`,
      sites: origin === undefined ? [] : [origin.site({ label: "given here" })],
      fix: "correct the schema that t.jsonSchema is given there.",
    }),
    error,
  );
}

/** A type's description with an article before it. */
export function article(description: string): string {
  if (/^(one of|null|anything|strings|\(|value |either)/.test(description)) return `a value of type ${description}`;
  return `${/^([aeio]|8 bit|unsp)/.test(description) ? "an" : "a"} ${description}`;
}
