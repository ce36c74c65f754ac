/** `osmod vm ssh`: a shell, or a command, in a running virtual machine. */
import { fail } from "../problems/index.ts";
import { runningVm, ssh } from "../vm/index.ts";
import { parse } from "./arguments.ts";
import type { Verb } from "./verbs.ts";

const syntax = {
  usage: "osmod vm ssh [options] NAME [-- command ...]",
  details: [
    "Logs in by a key that is made for this machine and handed to its guest agent; the exit code is the command's.",
    "-l, --user NAME      who to be in the guest, default root",
    "-o, --option OPTION  an option of ssh, for example -o LocalForward=8080:localhost:80; may be repeated",
  ],
  options: {
    user: { type: "string", short: "l", default: "root" },
    option: { type: "string", short: "o", multiple: true },
  },
} as const;

/** Run ssh. */
export const run: Verb = async (argv, signal) => {
  const parsed = parse(syntax, argv);
  if (parsed === undefined) return 0;
  const { values, positionals } = parsed;
  const [name, ...command] = positionals;
  if (name === undefined) fail({ code: "usage", message: "which virtual machine?", fix: syntax.usage });
  const options = (values.option ?? []).flatMap((option) => ["-o", option]);
  return ssh(runningVm(name), { user: values.user, command, options, signal });
};
