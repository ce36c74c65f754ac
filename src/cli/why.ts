/** `osmod why`: the chain of dependencies that brings a package into a machine. */
import type { ClosureMember } from "../packages/index.ts";
import { fail } from "../problems/index.ts";
import { parse } from "./arguments.ts";
import { evaluateMachine } from "./evaluate.ts";
import type { Verb } from "./verbs.ts";

/** Print the chain, the package itself first. */
export const run: Verb = async (argv, signal) => {
  const usage = "osmod why [machine.ts] package";
  const parsed = parse({ usage, details: ["package    a name of Debian's, for example libc6"], options: {} }, argv);
  if (parsed === undefined) return 0;
  const { value } = await evaluateMachine(
    parsed.positionals,
    { signal, readOnly: true },
    ({ evaluation, rest, pkgs }) => {
      if (rest === "") fail({ code: "usage", message: "why needs a package's name", fix: usage });
      const members = pkgs.resolveClosure(evaluation.config.environment.systemPackages);
      return chainOf(members, rest);
    },
  );
  process.stdout.write(`${value.join("\n")}\n`);
  return 0;
};

/** From a package to the one that was asked for, one line each; a member's reason begins with the name of its parent. */
export function chainOf(members: readonly ClosureMember[], name: string): readonly string[] {
  const byName = new Map(members.map((member) => [member.name, member]));
  const lines: string[] = [];
  const seen = new Set<string>();
  for (let member = byName.get(name); member !== undefined && !seen.has(member.name); ) {
    seen.add(member.name);
    lines.push(`${member.name} ${member.version}: ${member.reason}`);
    member = byName.get(member.reason.split(" ", 1)[0] ?? "");
  }
  if (lines.length > 0) return lines;
  return fail({
    code: "package-not-in-machine",
    message: `the machine has no package ${name}`,
    fix: `add it, if it is wanted: environment.systemPackages = [pkgs[${JSON.stringify(name)}]]`,
  });
}
