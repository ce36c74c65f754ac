/** `osmod vm list`: the virtual machines of this user, running or not. */
import { existsSync } from "node:fs";
import { namedVms, runningStartOf, runningVms } from "../vm/index.ts";
import { parse } from "./arguments.ts";
import { printJson } from "./open-store.ts";
import type { Verb } from "./verbs.ts";

const syntax = {
  usage: "osmod vm list [--json]",
  details: [
    "Machines that were started by osmod vm start, and whatever else of this user's runs.",
    "    --json   as JSON",
  ],
  options: { json: { type: "boolean", default: false } },
} as const;

/** One line a machine. */
export const run: Verb = async (argv) => {
  const parsed = parse(syntax, argv);
  if (parsed === undefined) return 0;
  const running = runningVms();
  const named = namedVms();
  const starts = named.map((vm) => ({ vm, now: runningStartOf(vm, running) }));
  const pids = new Set(starts.map(({ now }) => now?.pid));
  const all = [...starts, ...running.filter(({ pid }) => !pids.has(pid)).map((now) => ({ vm: undefined, now }))].map(
    ({ vm, now }) => ({
      name: vm?.name ?? now?.name ?? "",
      state: now === undefined ? (vm !== undefined && existsSync(vm.saved) ? "asleep" : "stopped") : "running",
      pid: now?.pid ?? null,
      disk: now === undefined ? (vm !== undefined && existsSync(vm.disk) ? vm.disk : null) : now.disk,
      started: now?.started.toISOString() ?? null,
    }),
  );
  if (parsed.values.json) {
    printJson(all);
    return 0;
  }
  const width = Math.max(4, ...all.map(({ name }) => name.length));
  const lines = all.map(
    ({ name, state, pid, disk }) =>
      `${name.padEnd(width)}  ${state.padEnd(7)}  ${String(pid ?? "-").padStart(7)}  ${disk ?? "(in memory)"}`,
  );
  const head = `${"NAME".padEnd(width)}  STATE    PROCESS  DISK`;
  process.stdout.write(lines.length === 0 ? "there are no virtual machines\n" : `${[head, ...lines].join("\n")}\n`);
  return 0;
};
