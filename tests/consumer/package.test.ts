import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it, vi } from "vitest";
import { doors, filesOf, manifest, packedTree, projectRoot, UserProject } from "./support/project.ts";

// Each test runs a process or two, which take their time on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

/** What a user may write about osmod, with every door in use. */
const usage = `
import { define, defineMachine, defineModule, declareOptions, mkDefault, mkIf, mkOption, t, ProblemError } from "osmod";
import type { Evaluation, Machine, PackageSet } from "osmod";
import { evalModules, explain } from "osmod/lib";
import { standardModules, type Std } from "osmod/modules";
import { type Lock, type PackageUniverse, parseLock, resolve, withPackages } from "osmod/packages";
import { type Derivation, openStore, type Store, StoreScope } from "osmod/store";
import { evalMachine, type MachineSpec, startVm, type Vm, vmOf } from "osmod/vm";

const options = declareOptions({
  services: { hello: { port: mkOption({ type: t.port, default: 80, description: "Where it listens." }) } },
});
export const hello = defineModule<Machine & typeof options>({
  options,
  config: ({ config, pkgs }) =>
    mkIf(() => config.services.nginx.enable, {
      environment: { systemPackages: [pkgs.htop], etc: { hello: { text: () => \`\${config.services.hello.port}\` } } },
      networking: { firewall: { allowedTCPPorts: () => [config.services.hello.port] } },
    }),
});
export default defineMachine({
  imports: [hello],
  config: define({ networking: { hostName: mkDefault("web") }, system: { stateVersion: "13" } }),
});
export const alone: number = evalModules({
  modules: [defineModule<typeof options>({ options, config: { services: { hello: { port: 8080 } } } })],
}).config.services.hello.port;
export const hostOf = (evaluation: Evaluation<Machine>): string => vmOf(evaluation).config.networking.hostName;
export const evaluate = (pkgs: PackageSet): Evaluation<Machine> => evalMachine(hello, { pkgs });
export const made: Derivation = new StoreScope().derivation({ name: "x", system: "x86_64-linux", builder: "/bin/sh" });
export const start = (launcher: string): Promise<Vm> => startVm({ launcher });
export const codes = (error: unknown): readonly string[] =>
  error instanceof ProblemError ? error.problems.map((problem) => problem.code) : [];
export { explain, openStore, parseLock, resolve, standardModules, withPackages };
export type { Lock, MachineSpec, PackageUniverse, Std, Store };
`;

/** What a user may get wrong; each line below its comment is an error and no other is. */
const misuse = `
import { define, defineMachine } from "osmod";
export const misspelt = defineMachine({
  // @ts-expect-error an option that does not exist
  config: { networking: { hostNmae: "web" } },
});
export const mistyped = defineMachine({
  // @ts-expect-error a value of the wrong type
  config: { networking: { hostName: 1 } },
});
export const computed = defineMachine({
  config: () => define({
    services: {
      nginx: {
        // @ts-expect-error a value of the wrong type, in a function
        enable: "yes",
      },
    },
  }),
});
`;

const strict = {
  target: "es2023",
  strict: true,
  exactOptionalPropertyTypes: true,
  noPropertyAccessFromIndexSignature: false,
  types: ["node"],
};
const nodenext = {
  ...strict,
  lib: ["es2023", "esnext.disposable"],
  module: "nodenext",
  moduleResolution: "nodenext",
};

describe("what npm packs", () => {
  const files = filesOf(packedTree());

  it("has the program, its sources and declarations, the archive's keys, and what a person reads", () => {
    for (const door of Object.values(manifest.exports)) {
      for (const target of typeof door === "string" ? [door] : [door.types, door.default])
        expect(files).toContain(target.replace("./", ""));
    }
    for (const file of [
      "dist/cli/main.js",
      "src/cli/main.ts",
      "README.md",
      "CHANGELOG.md",
      "LICENSE",
      "docs/manual.md",
    ])
      expect(files).toContain(file);
    expect(files.filter((file) => /^keys\/.*\.asc$/.test(file)).length).toBeGreaterThan(0);
  });

  it("has nothing else: no tests, no examples' locks, no tools of this project", () => {
    const expected = /^(dist|src|keys|docs)\/|^(README\.md|CHANGELOG\.md|LICENSE|package\.json)$/;
    expect(files.filter((file) => !expected.test(file))).toEqual([]);
    expect(files.filter((file) => /\.test\.|\.test-d\.|\.tsbuildinfo$|\.env|\.qcow2$/.test(file))).toEqual([]);
  });

  it("imports nothing but Node's modules and its dependencies", () => {
    const imported = files
      .filter((file) => /^dist\/.*\.js$/.test(file))
      .flatMap((file) => [
        ...readFileSync(join(projectRoot, file), "utf8").matchAll(/^(?:import|export)\b[^;]* from "([^".][^"]*)";/gm),
        ...readFileSync(join(projectRoot, file), "utf8").matchAll(/await import\("([^".][^"]*)"\)/g),
      ])
      .map(([, specifier = ""]) => specifier.replace(/^((?:@[^/]+\/)?[^/]+).*$/, "$1"));
    const known = Object.keys(manifest.dependencies);
    expect(imported).toContain("jiti");
    expect(imported.filter((name) => !name.startsWith("node:") && !known.includes(name))).toEqual([]);
  });

  it("has what every source was compiled to", () => {
    const compiled = files
      .filter((file) => file.startsWith("src/"))
      .flatMap((source) => [".js", ".d.ts"].map((end) => source.replace("src/", "dist/").replace(/\.ts$/, end)));
    const missing = compiled.filter((file) => !files.includes(file));
    expect(missing, "dist is older than src: run `npm run build`").toEqual([]);
  });
});

describe("the packed package", () => {
  const project = new UserProject("packed");
  afterAll(() => project.remove());
  project.write("usage.ts", usage);
  project.write("misuse.ts", misuse);

  it("has declarations that compile in a user's project, which checks them all", () => {
    const { output } = project.compile({ ...nodenext, skipLibCheck: false });
    expect(output).toBe("");
  });

  it("compiles with a bundler's resolution too", () => {
    const { output } = project.compile({
      ...strict,
      lib: ["es2023", "esnext.disposable", "dom"],
      module: "esnext",
      moduleResolution: "bundler",
      skipLibCheck: false,
    });
    expect(output).toBe("");
  });

  it("compiles from CommonJS", () => {
    project.write("common.cts", usage.replace("export default", "export const machine ="));
    const { output } = project.compile({ ...nodenext, skipLibCheck: false });
    expect(output).toBe("");
  });

  it("types a machine's file where Node's types are not installed", () => {
    const bare = new UserProject("packed", { nodeTypes: false });
    try {
      bare.write("usage.ts", usage);
      bare.write("misuse.ts", misuse);
      expect(bare.compile({ ...nodenext, types: [], skipLibCheck: true }).output).toBe("");
    } finally {
      bare.remove();
    }
  });

  it.each(doors)("opens %s to import", (door) => {
    const script = `const door = await import(${JSON.stringify(door)}); console.log(Object.keys(door).length > 0);`;
    expect(project.run(["--input-type=module", "-e", script])).toEqual({ status: 0, output: "true\n" });
  });

  it.each(doors)("opens %s to require(), with the same names", (door) => {
    const name = JSON.stringify(door);
    const script = `import(${name}).then((door) => console.log(Object.keys(door).every((key) => door[key] === require(${name})[key])));`;
    expect(project.run(["--input-type=commonjs", "-e", script])).toEqual({ status: 0, output: "true\n" });
  });

  it("keeps what is behind the doors shut", () => {
    const { status, output } = project.run(["--input-type=module", "-e", 'await import("osmod/dist/lib/index.js");']);
    expect(status).not.toBe(0);
    expect(output).toContain("ERR_PACKAGE_PATH_NOT_EXPORTED");
  });

  it("has a command that starts", () => {
    const bin = "node_modules/osmod/dist/cli/main.js";
    expect(project.run([bin, "--version"])).toEqual({ status: 0, output: `osmod ${manifest.version}\n` });
  });

  it("has a command that evaluates a machine without a network", () => {
    project.write("machine.ts", usage);
    const run = project.run(["node_modules/osmod/dist/cli/main.js", "eval", "machine.ts", "networking.hostName"]);
    expect(run).toEqual({ status: 0, output: "web\n" });
  });
});
