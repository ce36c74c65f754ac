/** `osmod vm status`: how a running virtual machine is. */
import { fail } from "../problems/index.ts";
import { runningVm, vmStatus } from "../vm/index.ts";
import { parse } from "./arguments.ts";
import { printJson } from "./open-store.ts";
import type { Verb } from "./verbs.ts";

const syntax = {
  usage: "osmod vm status [--json] NAME",
  details: ["Asks QEMU and the guest: what runs, which ports lead where, which units failed.", "    --json   as JSON"],
  options: { json: { type: "boolean", default: false } },
} as const;

/** Print it. The exit code is 0 when the guest is up and nothing has failed. */
export const run: Verb = async (argv, signal) => {
  const parsed = parse(syntax, argv);
  if (parsed === undefined) return 0;
  const [name] = parsed.positionals;
  if (name === undefined) fail({ code: "usage", message: "which virtual machine?", fix: syntax.usage });
  const status = await vmStatus(runningVm(name), signal);
  if (parsed.values.json) printJson(status);
  else {
    const lines = [
      ["machine", `${status.name} (process ${status.pid}, since ${status.started})`],
      [
        "qemu",
        status.qemu === "io-error" ? "stopped: this host has no room left for its disks (io-error)" : status.qemu,
      ],
      ["guest", status.guest],
      ["disk", status.disk ?? "in memory"],
      ["private", status.runtime],
      ...status.ports.map(({ proto, host, guest }) => ["port", `${proto} ${host} leads to ${guest} of the guest`]),
      ...status.failed.map((unit) => ["failed", unit]),
    ];
    process.stdout.write(`${lines.map(([key = "", value = ""]) => `${key.padEnd(8)} ${value}`).join("\n")}\n`);
  }
  return status.guest === "running" ? 0 : 1;
};
