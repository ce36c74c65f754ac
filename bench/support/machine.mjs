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

/** The text of a machine that is the one in `machine.ts` beside it, with its store shared in this way, and more of a configuration. */
export const withTransport = (transport, more = "") => `import { defineMachine } from "osmod";
import machine from "./machine.ts";
export default defineMachine({
  imports: [machine],
  config: {
    virtualisation: { store: { transport: "${transport}" } },
    ${more}
  },
});
`;
