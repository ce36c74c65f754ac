/** `osmod vm snapshot`, `osmod vm revert`: keep a state of a virtual machine, and go back to it. */
import { fail } from "../problems/index.ts";
import { dropSnapshot, namedVm, revertVm, runningVms, snapshotsOf, snapshotVm } from "../vm/index.ts";
import { parse } from "./arguments.ts";
import { keeper } from "./launcher-store.ts";
import { printJson, size } from "./open-store.ts";
import type { Verb } from "./verbs.ts";

const snapshotSyntax = {
  usage: "osmod vm snapshot [options] NAME [TAG]",
  details: [
    "Keeps the disk as it is, and the memory as well when the machine runs. Without a tag: lists what there is.",
    "    --remove   forget the snapshot TAG",
    "    --json     with the list: as JSON",
  ],
  options: { remove: { type: "boolean", default: false }, json: { type: "boolean", default: false } },
} as const;

const revertSyntax = {
  usage: "osmod vm revert NAME TAG",
  details: [
    "Goes back to a snapshot. A machine that runs goes on from there, if its memory was kept; one that is stopped boots",
    "from the disk of then.",
  ],
  options: {},
} as const;

/** Make, list or remove. */
export const snapshot: Verb = async (argv) => {
  const parsed = parse(snapshotSyntax, argv);
  if (parsed === undefined) return 0;
  const { values, positionals } = parsed;
  const [name, tag] = positionals;
  if (name === undefined) fail({ code: "usage", message: "which virtual machine?", fix: snapshotSyntax.usage });
  const vm = subject(name);
  if (tag === undefined) {
    const list = await snapshotsOf(vm);
    if (values.json) printJson(list);
    else if (list.length === 0) process.stdout.write("there are no snapshots\n");
    else {
      for (const one of list) {
        process.stdout.write(
          `${one.tag}  ${one.date}  ${one.memory > 0 ? `memory ${size(one.memory)}` : "disk only"}\n`,
        );
      }
    }
    return 0;
  }
  if (values.remove) {
    await dropSnapshot(vm, tag);
    process.stdout.write(`${tag} of ${name} is forgotten\n`);
    return 0;
  }
  await snapshotVm(vm, tag, "runtime" in vm ? keeper(vm.launcher) : undefined);
  process.stdout.write(`${name} is kept as it is now; osmod vm revert ${name} ${tag} goes back\n`);
  return 0;
};

/** Go back. */
export const revert: Verb = async (argv, signal) => {
  const parsed = parse(revertSyntax, argv);
  if (parsed === undefined) return 0;
  const [name, tag] = parsed.positionals;
  if (name === undefined || tag === undefined) {
    fail({ code: "usage", message: "which virtual machine, and to which snapshot?", fix: revertSyntax.usage });
  }
  await revertVm(subject(name), tag, signal);
  process.stdout.write(`${name} is as it was at ${tag}\n`);
  return 0;
};

/** A machine that runs, or the disk and the launcher of one that does not. */
function subject(name: string) {
  const running = runningVms().find((one) => one.name === name || String(one.pid) === name);
  return running ?? namedVm(name);
}
