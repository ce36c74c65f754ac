/** `osmod vm logs`: what a virtual machine's console showed, or its journal, now and as it goes on. */
import { closeSync, existsSync, openSync, readSync, watch } from "node:fs";
import { join } from "node:path";
import { fail } from "../problems/index.ts";
import { gone, namedVm, runInGuest, runningVm, runningVms } from "../vm/index.ts";
import { parse, wholeNumber } from "./arguments.ts";
import type { Verb } from "./verbs.ts";

const syntax = {
  usage: "osmod vm logs [options] NAME",
  details: [
    "Prints the serial console since the last start; also of a machine that has ended.",
    "-f, --follow        go on as more is written, until the machine ends",
    "    --messages      what the launcher and QEMU said instead",
    "    --journal       the guest's journal instead, from its guest agent",
    "-u, --unit UNIT     with --journal: of this unit only",
    "-n, --lines N       with --journal: the last N lines, default 200",
  ],
  options: {
    follow: { type: "boolean", short: "f", default: false },
    messages: { type: "boolean", default: false },
    journal: { type: "boolean", default: false },
    unit: { type: "string", short: "u" },
    lines: { type: "string", short: "n", default: "200" },
  },
} as const;

/** Print, and follow. */
export const run: Verb = async (argv, signal) => {
  const parsed = parse(syntax, argv);
  if (parsed === undefined) return 0;
  const { values, positionals } = parsed;
  const [name] = positionals;
  if (name === undefined) fail({ code: "usage", message: "which virtual machine?", fix: syntax.usage });
  if (values.journal) {
    const unit = values.unit === undefined ? [] : ["--unit", values.unit];
    const lines = String(wholeNumber("lines", values.lines, 0));
    const follow = values.follow ? ["--follow"] : [];
    return runInGuest(runningVm(name), ["journalctl", "--no-pager", "--lines", lines, ...unit, ...follow], signal);
  }
  const running = runningVms().find((one) => one.name === name || String(one.pid) === name);
  const own = namedVm(running?.name ?? name);
  const file = existsSync(own.console) && !values.messages ? own.console : values.messages ? own.messages : undefined;
  const log = file ?? (running === undefined ? undefined : join(running.runtime, "console.log"));
  if (log === undefined || !existsSync(log)) {
    return fail({
      code: "vm-unknown",
      message: `there is no log of a virtual machine "${name}"`,
      fix: "Look at osmod vm list.",
    });
  }
  const descriptor = openSync(log, "r");
  try {
    copyRest(descriptor);
    if (!values.follow || running === undefined) return 0;
    const watcher = watch(log, () => copyRest(descriptor));
    signal.addEventListener("abort", () => watcher.close(), { once: true });
    while (!signal.aborted && !(await gone(running, 1)));
    watcher.close();
    copyRest(descriptor);
    return 0;
  } finally {
    closeSync(descriptor);
  }
};

/** Print what was written since the last time. */
function copyRest(descriptor: number): void {
  const buffer = Buffer.alloc(65_536);
  for (;;) {
    const length = readSync(descriptor, buffer);
    if (length === 0) return;
    process.stdout.write(Buffer.from(buffer.subarray(0, length)));
  }
}
