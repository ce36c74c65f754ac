/**
 * Assertions and warnings: what modules have to say about the finished configuration.
 *
 * Both are lists whose elements may have names. What has a name can be overridden by whoever knows better:
 *
 *     assertions: { "web-port": { assertion: () => config.web.port > 0, message: "web.port has to be set." } }
 *     assertions: { "web-port": mkForce(mkUnset()) }
 *
 * Whoever builds something from a configuration calls `checkAssertions` first.
 */

import { type Problem, ProblemError, problem } from "../problems/index.ts";
import { declareOptions, mkOption } from "./api/options.ts";
import { define } from "./api/properties.ts";
import { t } from "./api/types.ts";
import { expecting, inCall } from "./core/calls.ts";
import { isList } from "./core/careful.ts";
import { showPath } from "./core/loc.ts";
import type { AttrsOf, CoercedTo, ListOf, Option, Str } from "./typed/descriptors.ts";

/** What {@link checkAssertions} reads. */
export interface Assertion {
  readonly assertion: boolean;
  readonly message: string;
  /** The name it was given in an attribute set. */
  readonly key?: string | null;
}

const assertion = t
  .submodule({
    assertion: mkOption({ type: t.bool, description: "What must be true.", example: false }),
    message: mkOption({
      type: t.str,
      description: "What is wrong when it is not, naming the option to change.",
      example: "services.foo.port is needed when services.foo.enable is on.",
    }),
    key: mkOption({
      type: t.nullOr(t.str),
      internal: true,
      description: "The name it has, by which other modules can change it or take it out.",
    }),
  })
  .defaults(({ name }) => define({ key: name.startsWith("[") ? null : name }));

const warnings: Option<CoercedTo<AttrsOf<Str>, ListOf<Str>>> = mkOption({
  type: t.namedListOf(t.str),
  default: [],
  internal: true,
  description: "Messages to show when the machine is built, in a list or by name.",
  example: ["The `foo` service is deprecated and will go away soon!"],
});

/**
 * The options `assertions` and `warnings`, for a module to declare.
 *
 * @example
 * import { assertionOptions, defineModule } from "osmod/lib";
 *
 * export const base = defineModule<typeof assertionOptions>({ options: assertionOptions });
 */
export const assertionOptions = declareOptions({
  assertions: mkOption({
    type: t.namedListOf(assertion),
    default: [],
    internal: true,
    description: "Conditions that must hold for the machine to be built, in a list or by name.",
    example: [{ assertion: false, message: "you can't enable this for that reason" }],
  }),
  warnings,
});

/**
 * Throw one error that holds every failed assertion, or return when there is none.
 *
 * @example
 * import { checkAssertions } from "osmod/lib";
 *
 * checkAssertions([{ assertion: 1 < 2, message: "Numbers are in order." }]); // undefined
 */
export function checkAssertions(assertions: readonly Assertion[]): void {
  const isOne = (entry: Assertion | undefined): boolean => typeof entry?.message === "string";
  // A message is read only where the condition does not hold.
  const failed = inCall("checkAssertions", () => {
    expecting(isList(assertions), "checkAssertions", "a list of assertions, config.assertions", assertions);
    return assertions.filter((entry) => !entry?.assertion);
  });
  for (const entry of failed) expecting(isOne(entry), "checkAssertions", "assertions with a message each", entry);
  const [first, ...rest] = failed.map(asProblem);
  if (first !== undefined) throw new ProblemError([first, ...rest]);
}

/** The first word of a message is taken for the option when it looks like one: `users.users.x: …` or `a.b must …`. */
function asProblem({ message, key }: Assertion): Problem {
  const option = /^[a-zA-Z][\w-]*(?:\.(?:"[^"]*"|[\w@-]+))+/.exec(message)?.[0];
  return problem({
    code: "assertion-failed",
    message,
    ...(option === undefined ? {} : { option }),
    notes: typeof key === "string" ? [`This is ${showPath(["assertions", key])}.`] : [],
    fix:
      typeof key === "string"
        ? "change the configuration so that it holds, or set it to mkForce(mkUnset()) where it does not apply."
        : "change the configuration so that it holds.",
  });
}
