/**
 * A project with tests of machines, and a lock for them whose packages are made up: everything can be evaluated and
 * described, without an archive, and nothing could be built.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createPackageSet, formatLock, nodeForBuilders, openPackageSource } from "../../../src/packages/index.ts";
import type { DescribeTestOptions } from "../../../src/testing/index.ts";
import { forBuilder } from "../../../src/testing/prebuilt.ts";
import { defineMachine, evalMachine, LOCK_NAME } from "../../../src/vm/index.ts";
import { projectRoot } from "../../helpers/installed.ts";
import { record } from "../../packages/support/records.ts";

const kernel = "linux-image-6.12.1+deb13-cloud-amd64";
const busybox = { version: "1.0", sha256: "0".repeat(64), narHash: `sha256-${"A".repeat(43)}=` };

/** The text of a lock that has what machines of tests need. */
function madeUpLock(): string {
  const universe = {
    find: (name: string) => record(name, name === "linux-image-cloud-amd64" ? { depends: kernel } : {}),
    providers: () => [],
    essential: () => [],
    names: () => [],
  };
  const source = openPackageSource({ index: { universe, suites: [] }, busybox });
  const pkgs = createPackageSet({ source });
  const machine = defineMachine({ config: { networking: { hostName: "any" }, virtualisation: { vlans: [1] } } });
  void evalMachine([machine, forBuilder], { pkgs }).config.system.build.vm.path;
  void nodeForBuilders(pkgs).path;
  // What isolates builders is pinned with every lock.
  source.resolve(["busybox-static", "bubblewrap"]);
  const packages = Object.fromEntries([...source.used].map(([name, used]) => [name, used]));
  return formatLock({ version: 1, suites: [], bootstrap: { busybox }, packages });
}

/** What describing a test gave. */
export interface Described {
  readonly name: string;
  readonly drvPath: string;
  readonly env: Readonly<Record<string, string>>;
  readonly inputs: readonly string[];
  readonly sources: readonly string[];
  readonly launchers: readonly { readonly name: string; readonly outPath: string }[];
  readonly files: readonly string[];
  /** The files of its source, by path, and what they hold. */
  readonly project: Readonly<Record<string, string>>;
}

/** What went wrong instead. */
export interface Complaint {
  readonly codes: readonly string[];
  readonly problems: string;
}

let lock: string | undefined;

/** A project in a new folder. */
export class TestProject {
  readonly folder = realpathSync(mkdtempSync(join(tmpdir(), "osmod test project ")));

  constructor() {
    lock ??= madeUpLock();
    this.write(LOCK_NAME, lock);
    this.write("package.json", '{ "type": "module", "description": "a project" }\n');
    mkdirSync(join(this.folder, "node_modules"));
    symlinkSync(join(projectRoot, "node_modules/vitest"), join(this.folder, "node_modules/vitest"));
    this.write(
      "web.ts",
      'import { defineMachine } from "osmod";\nexport const web = defineMachine({ config: { networking: { hostName: "web" }, system: { stateVersion: "13" } } });\n',
    );
    this.write(
      "web.test.ts",
      `import { type GuestMachine, machineFixtures } from "osmod/testing";
import { describe, expect, test } from "vitest";
import { web } from "./web.js";

const it = test.extend<{ web: GuestMachine }>(machineFixtures({ web }));
describe("the machine", () => {
  it("is up", async ({ web }) => expect(await web.succeed("true")).toBe(""));
});
`,
    );
  }

  write(path: string, text: string): string {
    const file = join(this.folder, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    return file;
  }

  read(path: string): string {
    return readFileSync(join(this.folder, path), "utf8");
  }

  /** Describe a test of the project, in a directory of it. */
  describe(file: string, options: DescribeTestOptions = {}, directory = "."): Described {
    return this.#ask({ file, options }, directory) as Described;
  }

  /** What describing a test complains about. */
  problemsOf(file: string): Complaint {
    return this.#ask({ file, options: {} }) as Complaint;
  }

  /** Look for a machine among those that were built for a test. */
  find(machine: string, built: readonly string[]): unknown {
    return this.#ask({ find: machine }, ".", { OSMOD_TEST_LAUNCHERS: built.join(" ") });
  }

  #ask(request: object, directory = ".", env: Readonly<Record<string, string>> = {}): unknown {
    const words = [join(import.meta.dirname, "describe.mjs"), JSON.stringify(request)];
    const output = execFileSync(process.execPath, words, {
      cwd: join(this.folder, directory),
      env: { ...process.env, XDG_CACHE_HOME: join(this.folder, ".cache"), ...env },
      encoding: "utf8",
    });
    return JSON.parse(output);
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
