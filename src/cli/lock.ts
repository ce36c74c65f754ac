/** `osmod lock`: pin the packages that a machine needs. */
import { parse } from "./arguments.ts";
import type { Verb } from "./verbs.ts";

/** Make or extend the lock; `--update` moves every pin to what the archive has now. */
export const run: Verb = async (argv, signal) => {
  const parsed = parse(
    {
      usage: "osmod lock [machine.ts] [--update]",
      details: ["--update    take the archive's present versions instead of those already pinned"],
      options: { update: { type: "boolean", default: false } },
    },
    argv,
  );
  if (parsed === undefined) return 0;
  return 0;
};
