/**
 * The problems between modules, worded: arguments that nobody gives, renames that lead nowhere, values taken for options.
 * See `problems.ts`.
 */
import { problem } from "../../problems/index.ts";
import { type ConfigError, configError } from "../config-error.ts";
import { type Loc, locOf, showLoc, showPath } from "./loc.ts";
import type { Origin } from "./origin.ts";
import { kindOf } from "./print.ts";
import { article } from "./problems.ts";

/** What `mkAssert` insists on and is not so. */
export function assertionFailed(origin: Origin, message: string): ConfigError {
  return configError(
    problem({
      code: "assertion-failed",
      message: `failed assertion: ${message}`,
      sites: [origin.site({ label: "insists on it" })],
      fix: "change what the message names, or make the definition conditional with mkIf.",
    }),
  );
}

/** A rename to an option that nobody declares. */
export function renameTarget(from: readonly string[], to: readonly string[], origin: Origin | undefined): ConfigError {
  return configError(
    problem({
      code: "rename-target",
      option: showPath(to),
      message: `${showPath(from)} is another name of ${showPath(to)}, which does not exist`,
      sites: origin === undefined ? [] : [origin.site({ label: "renamed here" })],
      fix: `correct the new name, or import the module that declares ${showPath(to)}.`,
    }),
  );
}

/** Something else where an option of `options` is wanted. */
export function notAnOption(value: unknown, origin: Origin): ConfigError {
  return configError(
    problem({
      code: "option-kind",
      message: `expected an option, got ${kindOf(value)}`,
      sites: [origin.site()],
      fix: "give the option itself, not its value or its group: options.a.b, not config.a.b.",
    }),
  );
}

/** An option of another type than `attrsOf`. */
export function notAttrsOf(loc: Loc, description: string, origin: Origin): ConfigError {
  const option = showLoc(loc);
  return configError(
    problem({
      code: "option-kind",
      option,
      message: `${option} is ${article(description)}, and has no names with priorities of their own`,
      sites: [origin.site()],
      fix: "give an option of type t.attrsOf(…) or t.lazyAttrsOf(…).",
    }),
  );
}

/** A part that modules do not have. */
export function moduleField(origin: Origin, name: string, near: readonly string[]): ConfigError {
  return configError(
    problem({
      code: "module-field",
      message: `a module has no ${name}`,
      sites: [origin.site()],
      fix: near.length === 0 ? `definitions of options go into config: { ${name}: … }.` : `did you mean ${near[0]}?`,
    }),
  );
}

/** An argument that modules give, read before they have spoken. */
export function argumentTooEarly(loc: Loc | undefined, name: string, origin: Origin): ConfigError {
  return configError(
    problem({
      code: "argument-too-early",
      option: showLoc(argumentLoc(loc, name)),
      message: `the module argument ${name} is read while definitions are still being collected`,
      sites: [origin.site()],
      notes: [`It is none of specialArgs, so a module may define it as ${showLoc(argumentLoc(loc, name))}.`],
      fix: `read it inside a thunk, (args) => … () => args.${name} …, or give it as one of specialArgs.`,
    }),
  );
}

/** An argument that nobody gives. */
export function argumentUndefined(
  loc: Loc | undefined,
  name: string,
  near: readonly string[],
  origin: Origin,
): ConfigError {
  return configError(
    problem({
      code: "argument-undefined",
      option: showLoc(argumentLoc(loc, name)),
      message: `the module argument ${name} is read, but nobody gives it`,
      sites: [origin.site()],
      notes: near.length === 0 ? [] : [`There is ${near.join(", ")}.`],
      fix: `define ${showLoc(argumentLoc(undefined, name))} in a module, or give ${name} as one of specialArgs.`,
    }),
  );
}

function argumentLoc(loc: Loc | undefined, name: string): Loc {
  return locOf(["_module", "args", name], loc) as Loc;
}
