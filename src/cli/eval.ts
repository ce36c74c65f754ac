/** `osmod eval`: the merged configuration, or one option of it, as text or JSON. */
import { parse } from "./arguments.ts";
import { evaluateMachine } from "./evaluate.ts";
import { optionAt } from "./option-path.ts";
import { toJson, toText } from "./print.ts";
import type { Verb } from "./verbs.ts";

/** Print configuration. */
export const run: Verb = async (argv, signal) => {
  const parsed = parse(
    {
      usage: "osmod eval [machine.ts] [option.path] [--json]",
      details: ["--json    print JSON instead of text"],
      options: { json: { type: "boolean", default: false } },
    },
    argv,
  );
  if (parsed === undefined) return 0;
  const print = parsed.values.json ? toJson : toText;
  const { value } = await evaluateMachine(parsed.positionals, { signal, readOnly: true }, ({ evaluation, rest }) =>
    print(optionAt(evaluation.config, rest)),
  );
  process.stdout.write(`${value}\n`);
  return 0;
};
