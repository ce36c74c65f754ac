/**
 * Assertions and warnings: what modules check about the finished configuration.
 *
 * A failed assertion stops the machine from being built; all failed ones are reported together, when
 * `system.build.toplevel` is asked for. Warnings are shown by the commands and stop nothing.
 */
import { declareOptions, defineModule, mkOption, t } from "../../lib/index.ts";
import { type Problem, ProblemError, problem } from "../../problems/index.ts";
import type { Std } from "../index.ts";

export const options = declareOptions({
  assertions: mkOption({
    type: t.listOf(
      t.submodule({
        assertion: mkOption({ type: t.bool, description: "What must be true.", example: false }),
        message: mkOption({
          type: t.str,
          description: "What is wrong when it is not, naming the option to change.",
          example: "services.foo.port is needed when services.foo.enable is on.",
        }),
      }),
    ),
    default: [],
    internal: true,
    description: "Conditions that must hold for the machine to be built.",
    example: [{ assertion: false, message: "you can't enable this for that reason" }],
  }),
  warnings: mkOption({
    type: t.listOf(t.str),
    default: [],
    internal: true,
    description: "Messages to show when the machine is built.",
    example: ["The `foo` service is deprecated and will go away soon!"],
  }),
});

/** What {@link checkAssertions} reads. */
export interface Assertion {
  readonly assertion: boolean;
  readonly message: string;
}

/** Throw one error that holds every failed assertion, or return when there is none. */
export function checkAssertions(assertions: readonly Assertion[]): void {
  const problems = assertions.filter((entry) => !entry.assertion).map((entry) => asProblem(entry.message));
  const [first, ...rest] = problems;
  if (first !== undefined) throw new ProblemError([first, ...rest]);
}

/** The first word of a message is taken for the option when it looks like one: `users.users.x: …` or `a.b must …`. */
function asProblem(message: string): Problem {
  const option = /^[a-zA-Z][\w-]*(?:\.(?:"[^"]*"|[\w@-]+))+/.exec(message)?.[0];
  return problem({ code: "assertion-failed", message, ...(option === undefined ? {} : { option }) });
}

export default defineModule<Std>({ key: "misc/assertions", options });
