/**
 * What Nix says of the machines it sends builds to (its setting `builders`), as problems. Pure.
 *
 * A machine that does not answer is left out, and Nix goes on with the others or here. When nobody is left, Nix says only
 * that it cannot start any build; which derivation waits for what was told before, to people:
 *
 *     Failed to find a machine for remote build!
 *     derivation: <hash>-<name>.drv
 *     required (system, features): (x86_64-linux, kvm)
 */
import { type Problem, problem } from "../../problems/index.ts";
import { STORE_DIR, type StorePath } from "../path.ts";

const REFUSED = /^cannot build on '([^']+)': (?:error: )?(?:cannot connect to '[^']*': )?([\s\S]*)/;
const NOBODY =
  /^Failed to find a machine for remote build!\s+derivation: (\S+)\s+required \(system, features\): \(([^,)]*),? ?([^)]*)\)/;
const DISTRUST = /you are not privileged to build|lacks a (?:valid )?signature/;
const STUCK = /unable to start any build/;

/** A machine that Nix cannot build on. */
export interface Refusal {
  /** As in `builders`: `ssh://builder`. */
  readonly machine: string;
  readonly problem: Problem;
}

/** What a derivation needs and no machine has. */
export interface Need {
  readonly drvPath: StorePath;
  readonly system: string;
  /** With blanks and commas, as Nix lists them; may be empty. */
  readonly features: string;
}

/** True for messages that tell why nothing can be built; Nix gives them no or a low rank. */
export function tellsOfNeed(message: string): boolean {
  return NOBODY.test(message);
}

/** Understand a message about a machine that does not answer. `words` are ssh's own, if they came by another way. */
export function refusalOf(message: string, words: readonly string[]): Refusal | undefined {
  const [, machine, reason = ""] = REFUSED.exec(message) ?? [];
  if (machine === undefined) return undefined;
  const lines = [...reason.split("\n"), ...words].map((line) => line.trim()).filter((line) => /[^@]/.test(line));
  return {
    machine,
    problem: problem({
      code: "build-machine-unreachable",
      message: `Nix cannot build on ${machine}: ${lines.at(-1) ?? "it does not say why"}`,
      notes: lines.slice(0, -1).slice(-20),
      fix: "Let ssh reach it as the user who builds (root, where a daemon does) without asking anything: the line in `builders` names the user, the key and the host key.",
    }),
  };
}

/** True for what a machine says that takes nothing from the user whom ssh logs in. */
export function isDistrust(text: string): boolean {
  return DISTRUST.test(text);
}

/** A machine builds only for others. */
export function distrust(machine: string): Problem {
  return problem({
    code: "build-machine-distrusts",
    message: `${machine} does not build for the user whom ssh logs in there`,
    fix: "Add that user to `trusted-users` in the nix.conf of that machine, and start its nix-daemon again.",
  });
}

/** Why no build can be started; empty when that is not what the messages say. */
export function stuck(
  messages: readonly string[],
  refusals: readonly Refusal[],
  nameOf: (path: StorePath) => string,
): Problem[] {
  if (!messages.some((message) => STUCK.test(message))) return [];
  const needs = messages.flatMap((message) => needOf(message) ?? []);
  if (refusals.length === 0) return needs.map((need) => featureMissing(nameOf(need.drvPath), need));
  // What an absent machine could have built is not known to be missing.
  const waiting = needs.map((need) => `${nameOf(need.drvPath)} needs a ${described(need)}`);
  return refusals.map(({ problem: refused }) => ({ ...refused, notes: [...refused.notes, ...waiting] }));
}

/** No machine has what a derivation needs. */
export function featureMissing(name: string, need: Pick<Need, "system" | "features">): Problem {
  return problem({
    code: "build-feature-missing",
    message: `${name} needs a ${described(need)}, and Nix knows none`,
    fix: "Name a machine with these features as `builders` in nix.conf, or, if this one has them, add them to its `system-features`.",
  });
}

function described({ system, features }: Pick<Need, "system" | "features">): string {
  return features === "" ? system : `${system} with ${features}`;
}

function needOf(message: string): Need | undefined {
  const [, base, system = "", features = ""] = NOBODY.exec(message) ?? [];
  return base === undefined ? undefined : { drvPath: `${STORE_DIR}/${base}`, system, features };
}
