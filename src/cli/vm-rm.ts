/** `osmod vm rm`: forget a virtual machine, with its disk. */
import { existsSync } from "node:fs";
import { fail } from "../problems/index.ts";
import { namedVm, removeNamed, runningStartOf, stopRunning } from "../vm/index.ts";
import { parse } from "./arguments.ts";
import type { Verb } from "./verbs.ts";

const syntax = {
  usage: "osmod vm rm [--force] NAME ...",
  details: [
    "Removes the disk, the logs and the link that keeps the machine in the store.",
    "    --force   end it first if it runs",
  ],
  options: { force: { type: "boolean", default: false } },
} as const;

/** Remove each. */
export const run: Verb = async (argv) => {
  const parsed = parse(syntax, argv);
  if (parsed === undefined) return 0;
  const { values, positionals } = parsed;
  if (positionals.length === 0) fail({ code: "usage", message: "which virtual machine?", fix: syntax.usage });
  for (const name of positionals) {
    const vm = namedVm(name);
    if (!existsSync(vm.directory)) {
      fail({
        code: "vm-unknown",
        message: `there is no virtual machine "${name}" here`,
        fix: "Look at osmod vm list.",
      });
    }
    const running = runningStartOf(vm);
    if (running !== undefined && !values.force) {
      fail({
        code: "vm-running",
        message: `the virtual machine "${name}" runs, as process ${running.pid}`,
        fix: `End it first (osmod vm stop ${name}), or say --force.`,
      });
    }
    if (running !== undefined) await stopRunning(running, { seconds: 0 });
    removeNamed(vm);
    process.stdout.write(`${name} is gone, with its disk\n`);
  }
  return 0;
};
