/**
 * The problems of declarations, worded: what is wrong with an option before anybody defines it. See `problems.ts`.
 */
import { problem } from "../../problems/index.ts";
import { type ConfigError, configError } from "../config-error.ts";
import { carefully } from "./careful.ts";
import { type Loc, names, showLoc, showPath } from "./loc.ts";
import { OptionDecl } from "./option.ts";
import type { Origin } from "./origin.ts";
import { kindOf, print } from "./print.ts";
import { article, declared } from "./problems.ts";

/** Two declarations that do not fit together. */
export function declaredTwice(loc: Loc | undefined, origins: readonly Origin[], reason: string): ConfigError {
  const option = showLoc(loc);
  return configError(
    problem({
      code: "option-declared-twice",
      option,
      message: `${option} is declared more than once: ${reason}`,
      sites: declared(origins),
      fix: "remove one of the declarations, or rename one of the options.",
    }),
  );
}

/** An option below an option whose type has no options of its own. */
export function optionNested(
  loc: Loc | undefined,
  wanted: string,
  parents: readonly Origin[],
  nested: readonly { readonly path: string; readonly origin: Origin }[],
): ConfigError {
  const option = showLoc(loc);
  return configError(
    problem({
      code: "option-nested",
      option,
      message: `${option} is an option (${wanted}) and cannot contain other options`,
      sites: [...declared(parents), ...nested.map(({ path, origin }) => origin.site({ label: `declares ${path}` }))],
      fix: `give ${option} the type t.submodule(…), or move the options below it elsewhere.`,
    }),
  );
}

/** Something in an option tree that is neither an option nor a group. */
export function declarationShape(loc: Loc | undefined, origin: Origin, value: unknown, isType = false): ConfigError {
  const option = showLoc(loc);
  return configError(
    problem({
      code: "declaration-shape",
      option,
      message: `${option === "" ? "the option tree" : option} is declared as ${isType ? "a type" : kindOf(value)}, but has to be an option or a group of options`,
      sites: [origin.site(isType ? {} : { value: print(value) })],
      fix: isType
        ? "wrap the type: mkOption({ type: … })."
        : option === ""
          ? "declare the options of a module as a set: options: { … }."
          : "declare it with mkOption({ type: … }).",
    }),
  );
}

/** A tree of options that contains itself. */
export function declarationEndless(loc: Loc | undefined, origin: Origin): ConfigError {
  const [name = ""] = names(loc);
  const option = showPath([name]);
  return configError(
    problem({
      code: "declaration-shape",
      option,
      message: `the options below ${option} have no end`,
      sites: [origin.site()],
      fix: "declare options in groups that do not contain themselves.",
    }),
  );
}

/** Something else where a type is wanted. */
export function typeInvalid(origin: Origin, value: unknown): ConfigError {
  const isOption = carefully(() => value instanceof OptionDecl, false);
  return configError(
    problem({
      code: "option-type-invalid",
      message: `expected a type, got ${isOption ? "an option" : kindOf(value)}`,
      sites: [origin.site({ value: print(value), label: "made here" })],
      fix: isOption
        ? "give the type without mkOption."
        : typeof value === "function"
          ? "call it with the type of the elements: t.listOf(t.str)."
          : "write t.str, or another type of t.",
    }),
  );
}

/** A default that the option's own type does not take. */
export function defaultType(origin: Origin, wanted: string, value: unknown, notes: readonly string[]): ConfigError {
  return configError(
    problem({
      code: "default-type",
      message: `an option takes ${article(wanted)}, and its own default does not fit that: it is ${kindOf(value)}`,
      sites: [origin.site({ value: print(value), label: "declared here" })],
      notes,
      fix: `make the default ${article(wanted)}, or give the option a type that takes it.`,
    }),
  );
}

/** An option without a type that is one. */
export function declaredTypeInvalid(origin: Origin, value: unknown, isOption: boolean): ConfigError {
  const what = value === undefined ? "has no type" : `has ${isOption ? "another option" : kindOf(value)} for a type`;
  return configError(
    problem({
      code: "option-type-invalid",
      message: `an option ${what}`,
      sites: [origin.site({ label: "declared here" })],
      fix: isOption
        ? "for options inside an option, write type: t.submodule({ … })."
        : typeof value === "function"
          ? "call it with the type of the elements: t.listOf(t.str)."
          : "write type: t.str, or another type of t.",
    }),
  );
}

/** A conversion from a type that has options of its own. */
export function coercedSubmodule(origin: Origin, description: string): ConfigError {
  return configError(
    problem({
      code: "option-type-invalid",
      message: `what is converted cannot have options of its own, and ${article(description)} has`,
      sites: [origin.site({ label: "made here" })],
      fix: "convert from t.attrs or t.json, or take both with t.either.",
    }),
  );
}

/** A part that options do not have. */
export function optionField(origin: Origin, name: string, near: readonly string[]): ConfigError {
  return configError(
    problem({
      code: "option-field",
      message: `an option has no ${name}`,
      sites: [origin.site({ label: "declared here" })],
      fix: near.length === 0 ? "remove it." : `did you mean ${near[0]}?`,
    }),
  );
}

/** An option where no option can be. */
export function optionInside(origin: Origin, where: string, loc?: Loc): ConfigError {
  return configError(
    problem({
      code: "option-nested",
      ...(loc === undefined ? {} : { option: showLoc(loc) }),
      message: `an option stands inside ${where}`,
      sites: [origin.site({ label: "declared here" })],
      fix: "declare options in groups, and for options inside an option give it the type t.submodule({ … }).",
    }),
  );
}

/** Reading what only takes definitions. */
export function optionSink(origin: Origin): ConfigError {
  return configError(
    problem({
      code: "option-sink",
      message: "an option that stands for undeclared ones cannot be read",
      sites: [origin.site({ label: "declared here" })],
      fix: "import the module that declares the option, or do not read it.",
    }),
  );
}

/** A package that the set does not have. */
export function packageUnknown(path: readonly string[], pkgsText: string, origin: Origin): ConfigError {
  return configError(
    problem({
      code: "package-unknown",
      message: `${showPath(path)} cannot be found in ${pkgsText}`,
      sites: [origin.site({ label: "declared here" })],
      fix: `name a package that ${pkgsText} has: mkPackageOption(${pkgsText}, name, { default: … }).`,
    }),
  );
}
