/** `osmod lock`: pin the packages that a machine and its virtual machine need. */
import { parse } from "./arguments.ts";
import { evaluateMachine } from "./evaluate.ts";
import type { Verb } from "./verbs.ts";

/** Make or extend the lock; `--update` moves every pin to what the archive has now. */
export const run: Verb = async (argv, signal) => {
  const parsed = parse(
    {
      usage: "osmod lock [machine.ts] [--update]",
      details: ["--update    take the archive's present versions instead of those that are pinned"],
      options: { update: { type: "boolean", default: false } },
    },
    argv,
  );
  if (parsed === undefined) return 0;
  const { update } = parsed.values;
  const { lockChanged, locked } = await evaluateMachine(parsed.positionals, { signal, update }, ({ evaluation }) => {
    const { toplevel, vm } = evaluation.config.system.build;
    return [toplevel.drvPath, vm.drvPath];
  });
  if (!lockChanged) process.stdout.write(`the lock is up to date: ${locked} packages\n`);
  return 0;
};
