/** What a machine is made of, asked of osmod itself. */
import { osmodMain, timed } from "./run.mjs";

/** Names of the packages that a machine in `directory` asks for, without what they depend on. */
export function guestRoots(directory, env = process.env) {
  const { stdout } = timed(
    process.execPath,
    [osmodMain, "eval", "machine.ts", "environment.systemPackages", "--json"],
    { cwd: directory, env },
  );
  return [...new Set(JSON.parse(stdout).map((text) => /^<package (.*)>$/.exec(text)?.[1]))].sort();
}
