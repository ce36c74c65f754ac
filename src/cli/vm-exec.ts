/** `osmod vm exec`: run a command in a running virtual machine by its guest agent, without a network. */
import { fail } from "../problems/index.ts";
import { runInGuest, runningVm } from "../vm/index.ts";
import { parse } from "./arguments.ts";
import type { Verb } from "./verbs.ts";

const syntax = {
  usage: "osmod vm exec NAME -- command ...",
  details: ["Runs a command as root; its output comes as it is written, and the exit code is its own."],
  options: {},
} as const;

/** Run it. */
export const run: Verb = async (argv, signal) => {
  const parsed = parse(syntax, argv);
  if (parsed === undefined) return 0;
  const [name, ...command] = parsed.positionals;
  if (name === undefined || command.length === 0) {
    fail({ code: "usage", message: "which virtual machine, and which command?", fix: syntax.usage });
  }
  return runInGuest(runningVm(name), command, signal);
};
