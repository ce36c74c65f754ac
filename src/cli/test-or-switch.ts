/**
 * `osmod test`: two things of one name, told apart by what they are given.
 *
 * NixOS calls it a test when a machine is switched until its next start; everybody calls a test what is in a `*.test.ts`. A file that is
 * none, or an option that only a switch has, means the former.
 */
import type { Verb } from "./verbs.ts";

const ofSwitch = /^--(vm|disk|rollback|generation|list-generations|dry-activate)(=|$)/;

/** Whether the arguments are those of a switch. */
export function meansSwitch(argv: readonly string[]): boolean {
  return argv.some(
    (argument) =>
      ofSwitch.test(argument) || (/\.[cm]?[jt]s$/.test(argument) && !/\.(test|spec)\.[cm]?[jt]s$/.test(argument)),
  );
}

/** Run the one that is meant. */
export const run: Verb = async (argv, signal) => {
  const verb = meansSwitch(argv) ? (await import("./switch.ts")).test : (await import("./test.ts")).run;
  return verb(argv, signal);
};
