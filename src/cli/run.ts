/** `osmod run`: build a machine, run one command in it, and be gone. */
import { fail } from "../problems/index.ts";
import { pipeFromGuest, startTransient } from "../vm/index.ts";
import { parse } from "./arguments.ts";
import { realised } from "./build.ts";
import type { Verb } from "./verbs.ts";

const syntax = {
  usage: "osmod run [options] machine.ts -- command ...",
  details: [
    "Runs the command as root in a virtual machine on an empty disk that is gone afterwards. Input and output are the",
    "command's, and so is the exit code. The first run boots the machine and saves it; later ones go on from there.",
    "    --boot         boot it, whatever was saved",
    "    --store KIND   embedded, or nix (default: OSMOD_STORE, else embedded)",
  ],
  options: { boot: { type: "boolean", default: false }, store: { type: "string" } },
} as const;

/** Build, start, run, end. */
export const run: Verb = async (argv, signal) => {
  const parsed = parse(syntax, argv);
  if (parsed === undefined) return 0;
  const { values, positionals } = parsed;
  const isFile = /\.[cm]?[jt]s$/.test(positionals[0] ?? "");
  const [file, ...command] = isFile ? positionals : ["machine.ts", ...positionals];
  if (command.length === 0) fail({ code: "usage", message: "which command?", fix: syntax.usage });
  const { store, drv } = await realised("vm", [file as string], { signal, store: values.store });
  await using up = await startTransient({ launcher: store.physical(drv.outPath), resume: !values.boot, signal });
  return await pipeFromGuest(up.agent, command, signal);
};
