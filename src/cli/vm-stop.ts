/** `osmod vm stop`: end a running virtual machine, gracefully if it lets us. */
import { fail } from "../problems/index.ts";
import { namedOf, runningVm, sleepNamed, stopRunning } from "../vm/index.ts";
import { parse, wholeNumber } from "./arguments.ts";
import { keeper } from "./launcher-store.ts";
import type { Verb } from "./verbs.ts";

const syntax = {
  usage: "osmod vm stop [options] NAME",
  details: [
    "Presses the power button and waits; what does not heed it is ended by force.",
    "    --timeout S   how many seconds to wait, default 120",
    "    --force       end it at once",
    "    --sleep       save its memory instead, for osmod vm start --resume",
  ],
  options: {
    timeout: { type: "string" },
    force: { type: "boolean", default: false },
    sleep: { type: "boolean", default: false },
  },
} as const;

/** Stop one machine. */
export const run: Verb = async (argv) => {
  const parsed = parse(syntax, argv);
  if (parsed === undefined) return 0;
  const { values, positionals } = parsed;
  const [name] = positionals;
  if (name === undefined) fail({ code: "usage", message: "which virtual machine?", fix: syntax.usage });
  const running = runningVm(name);
  if (values.sleep) {
    const vm = namedOf(running);
    if (vm === undefined) {
      return fail({
        code: "vm-not-saved",
        message: `"${running.name}" was not started by osmod vm start, which could wake it`,
        fix: `Stop it without --sleep; a machine that shall sleep is started by osmod vm start.`,
      });
    }
    await sleepNamed(vm, running, keeper(running.launcher));
    process.stdout.write(`${running.name} sleeps; osmod vm start --resume ${running.name} wakes it\n`);
    return 0;
  }
  const seconds = values.force
    ? 0
    : values.timeout === undefined
      ? undefined
      : wholeNumber("timeout", values.timeout, 0);
  const how = await stopRunning(running, seconds === undefined ? {} : { seconds });
  process.stdout.write(
    `${running.name} ${how === "ended" && !values.force ? "did not power off, and was ended" : how}\n`,
  );
  return 0;
};
