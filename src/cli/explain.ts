/** `osmod explain`: where an option's value comes from. */
import { explain, renderExplanation } from "../lib/index.ts";
import { fail } from "../problems/index.ts";
import { parse } from "./arguments.ts";
import { evaluateMachine } from "./evaluate.ts";
import { locateExplanation } from "./locate.ts";
import type { Verb } from "./verbs.ts";

/** Print every definition of an option with its place, priority and fate. */
export const run: Verb = async (argv, signal) => {
  const usage = "osmod explain [machine.ts] option.path [--vm]";
  const parsed = parse(
    {
      usage,
      details: ["--vm    explain the option of the virtual machine instead of the machine's own"],
      options: { vm: { type: "boolean", default: false } },
    },
    argv,
  );
  if (parsed === undefined) return 0;
  const { value } = await evaluateMachine(
    parsed.positionals,
    { signal, readOnly: true },
    ({ evaluation, rest, vm }) => {
      if (rest === "") fail({ code: "usage", message: "explain needs an option's path", fix: usage });
      return renderExplanation(locateExplanation(explain(parsed.values.vm ? vm() : evaluation, rest)));
    },
  );
  process.stdout.write(`${value}\n`);
  return 0;
};
