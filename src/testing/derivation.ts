/**
 * A test as a derivation: its builder boots the machines and runs the tests, and it builds if they pass.
 *
 *     machine.test.ts ─► declared machines ─► launchers ─┐
 *       └─► what it imports, the lock ─► source ─────────┼─► vm-test-run-machine ─► log, report.xml, report.json, files/
 *           vitest, osmod, other packages ─► source ─────┤
 *           Debian's Node, busybox ──────────────────────┘
 *
 * All inputs are named by content, so the test runs again when something that it is made of changes, and never otherwise; with
 * any store, on any machine. In the builder the test's file is loaded by vitest as ever, and {@link launcherFor} gives it the launchers.
 *
 * The lock goes into the source when it has everything: if this evaluation makes it grow, it is done once more.
 */
import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import type { AnyModule } from "../lib/index.ts";
import { type Mirrors, nodeForBuilders, type PackageSet, type PackageSource, withPackages } from "../packages/index.ts";
import { fail } from "../problems/index.ts";
import type { Derivation, Tree } from "../store/index.ts";
import { evalMachine, importFile, loadMachine, lockOf } from "../vm/index.ts";
import { collectingVitest } from "./collecting-vitest.ts";
import { collectDeclared, type DeclaredMachine } from "./declared.ts";
import { packageTree, vitestOf } from "./node-packages.ts";
import { OUTPUT } from "./output.ts";
import { forBuilder, LAUNCHERS, SHELL } from "./prebuilt.ts";
import { filesOf, type SourceFiles } from "./source-files.ts";
import { TreeBuilder } from "./tree-builder.ts";
import { vitestOptions } from "./vitest-options.ts";

/** How to make a derivation of a test. */
export interface DescribeTestOptions {
  /** Files and directories that the tests read, beside what they import. */
  readonly include?: readonly string[];
  /** What a builder has to have, for Nix: `["kvm"]`, `["kvm", "nixos-test"]`. Default: nothing; without KVM, machines are emulated. */
  readonly requiredSystemFeatures?: readonly string[];
  readonly onProgress?: (line: string) => void;
  readonly signal?: AbortSignal;
}

/** A test as something to build. */
export interface DescribedTest {
  /** Builds when the tests pass. */
  readonly drv: Derivation;
  /** The launchers of its machines. */
  readonly launchers: readonly Derivation[];
  /** Paths of the files in its source, relative to where the tests are run. */
  readonly files: readonly string[];
  /** The lock that the machines' packages, and Node, are from. */
  readonly lockFile: string;
  /** True when the lock was written. */
  readonly lockChanged: boolean;
  readonly source: PackageSource;
  readonly mirrors: Mirrors;
}

/**
 * Describe the derivation that runs the tests of a file, with the vitest of the project in the current directory. Nothing is built.
 *
 * Problems: `test-file-missing`, `test-without-machines`, `test-locks-differ`, `vitest-missing`, and those of evaluating the machines.
 *
 * @example
 * import { openNixStore } from "osmod/store";
 * import { describeTest } from "osmod/testing";
 *
 * async function check(file: string): Promise<void> {
 *   const { drv } = await describeTest(file, { requiredSystemFeatures: ["kvm"] });
 *   await openNixStore().realise([drv]);
 * }
 */
export async function describeTest(file: string, options: DescribeTestOptions = {}): Promise<DescribedTest> {
  const path = resolve(file);
  requireFiles([file, ...(options.include ?? [])]);
  const vitest = vitestOf(".");
  const declared = await machinesOf(path);
  if (declared.length === 0) {
    fail({
      code: "test-without-machines",
      message: `${file} declares no machine when it is loaded`,
      sites: [{ file: path, line: 1 }],
      fix: "Make its fixtures by machineFixtures; name a machine that bootMachine boots to declareMachine.",
    });
  }
  const lockFile = theLock(file, declared);
  const machines = await Promise.all(
    declared.map(async ({ machine, options: own }) => {
      const module = typeof machine === "string" ? (await loadMachine(machine)).module : machine;
      return [module, ...(own.modules ?? []), forBuilder];
    }),
  );
  const sources = filesOf([
    path,
    ...declared.flatMap(({ machine }) => (typeof machine === "string" ? [resolve(machine)] : [])),
    ...vitestConfiguration(),
    ...(options.include ?? []).map((included) => resolve(included)),
  ]);
  const npm = packageTree(new Map([...sources.packages, ["vitest", dirname(vitest)], ["osmod", vitest]]));
  const describe = (pkgs: PackageSet) => {
    const launchers = machines.map((modules: readonly AnyModule[]) => launcherOf(pkgs, modules));
    const project = projectOf(sources, lockFile);
    return { drv: derivationOf(pkgs, path, { ...project, npm, launchers, options }), launchers, files: project.files };
  };
  const { onProgress, signal } = options;
  const how = { lockFile, ...(onProgress && { onProgress }), ...(signal && { signal }) };
  const result = await withPackages(how, describe);
  const { source, mirrors, lockChanged } = result;
  const value = lockChanged ? (await withPackages({ ...how, frozen: true }, describe)).value : result.value;
  return { ...value, lockFile, lockChanged, source, mirrors };
}

function launcherOf(pkgs: PackageSet, modules: readonly AnyModule[]): Derivation {
  return evalMachine(modules, { pkgs }).config.system.build.vm;
}

/** The machines that a test's file declares when it is loaded. */
async function machinesOf(path: string): Promise<readonly DeclaredMachine[]> {
  // With vitest's setting `globals` a file does not import them.
  const names = Object.keys(collectingVitest).filter((name) => !(name in globalThis));
  for (const name of names) {
    Object.defineProperty(globalThis, name, { value: collectingVitest[name], configurable: true });
  }
  try {
    return await collectDeclared(() => importFile(path, { vitest: collectingVitest }));
  } finally {
    for (const name of names) Reflect.deleteProperty(globalThis, name);
  }
}

/** The one lock of all machines. Problem: `test-locks-differ`. */
function theLock(file: string, declared: readonly DeclaredMachine[]): string {
  const [lock, ...others] = new Set(declared.map(({ machine, options }) => lockOf(machine, options)));
  if (others.length === 0) return lock as string;
  return fail({
    code: "test-locks-differ",
    message: `the machines of ${file} have their packages from different locks`,
    notes: [lock as string, ...others],
    fix: "Give them one: machineFixtures(machines, { lockFile }).",
  });
}

function requireFiles(files: readonly string[]): void {
  const missing = files.find((file) => !existsSync(file));
  if (missing === undefined) return;
  fail({
    code: "test-file-missing",
    message: `there is no file ${missing}`,
    fix: "Name the test's file, and what it reads, from the current directory: osmod build-test machine.test.ts",
  });
}

/** The configuration that vitest finds in the current directory. */
function vitestConfiguration(): readonly string[] {
  const names = ["vitest", "vite"].flatMap((tool) =>
    ["ts", "mts", "cts", "js", "mjs", "cjs"].map((end) => resolve(`${tool}.config.${end}`)),
  );
  return names.filter((name) => existsSync(name)).slice(0, 1);
}

/** The files as a tree, with the current directory's place in it. */
function projectOf({ files }: SourceFiles, lockFile: string): { tree: Tree; directory: string; files: string[] } {
  const all = [...files, ...(existsSync(lockFile) ? [lockFile] : [])];
  const root = commonDirectory([resolve("."), ...all.map((file) => dirname(file))]);
  const builder = new TreeBuilder();
  for (const file of all) {
    const executable = (statSync(file).mode & 0o100) !== 0;
    builder.add(relative(root, file), { type: "regular", executable, contents: readFileSync(file) });
  }
  for (const [place, contents] of manifests(root, files)) {
    builder.add(place, { type: "regular", executable: false, contents });
  }
  return { tree: builder.tree, directory: relative(root, resolve(".")), files: all.map((file) => relative(".", file)) };
}

/** Of each package.json above a file what decides how Node loads it; the rest of it may change without another run of the tests. */
function manifests(root: string, files: readonly string[]): ReadonlyMap<string, Uint8Array> {
  const found = new Map<string, Uint8Array>();
  for (const directory of new Set(files.map((file) => dirname(file)))) {
    for (let at = directory; ; at = dirname(at)) {
      const file = join(at, "package.json");
      if (existsSync(file)) {
        const { type, imports } = JSON.parse(readFileSync(file, "utf8")) as { type?: unknown; imports?: unknown };
        const inside = relative(root, file);
        const text = `${JSON.stringify({ type, imports })}\n`;
        found.set(inside.startsWith("..") ? "package.json" : inside, new TextEncoder().encode(text));
        break;
      }
      if (at === dirname(at)) break;
    }
  }
  return found;
}

function commonDirectory(directories: readonly string[]): string {
  const [first = "/", ...rest] = directories;
  let common = first;
  while (rest.some((one) => one !== common && !one.startsWith(common === "/" ? "/" : `${common}/`))) {
    common = dirname(common);
  }
  return common;
}

/** What {@link derivationOf} puts together. */
interface Parts {
  readonly tree: Tree;
  readonly directory: string;
  readonly npm: Tree;
  readonly launchers: readonly Derivation[];
  readonly options: DescribeTestOptions;
}

function derivationOf(pkgs: PackageSet, path: string, { tree, directory, npm, launchers, options }: Parts): Derivation {
  const name = path.replace(/^.*\//, "").replace(/(\.(test|spec))?\.[cm]?[jt]sx?$/, "");
  const file = relative(".", path);
  const features = options.requiredSystemFeatures ?? [];
  const shell = `${pkgs.staticBusybox}/bin/busybox`;
  const project = pkgs.treeSource("vm-test-files", tree);
  const packages = pkgs.treeSource("vm-test-packages", npm);
  const node = nodeForBuilders(pkgs);
  const env = {
    [LAUNCHERS]: [...new Set(launchers.map(String))].sort().join(" "),
    [SHELL]: shell,
    // There is nothing to go on from, and nobody to leave something to.
    OSMOD_TEST_RESUME: "0",
    OSMOD_TEST_LOG: "steps",
    NO_COLOR: "1",
    CI: "true",
    project: `${project}`,
    packages: `${packages}`,
    node: `${node}/bin/node`,
    directory,
    testFile: file,
    ...(features.length === 0 ? {} : { requiredSystemFeatures: features.join(" ") }),
  };
  return pkgs.runCommand(`vm-test-run-${name.replace(/[^\w+.?=-]/g, "-")}`, { env }, script);
}

/** The lines that the builder runs. In its reports store paths lose their hashes: a report keeps no machine alive. */
const script = `
top=$NIX_BUILD_TOP
export HOME=$top/home XDG_CACHE_HOME=$top/cache ${OUTPUT}=$out/files
mkdir -p "$HOME" "$XDG_CACHE_HOME" "$out/files"
cp -R "$project" "$top/project"
chmod -R u+w "$top/project"
cd "$top/project/$directory"
mkdir -p node_modules
for package in "$packages"/node_modules/*; do ln -s "$package" node_modules/; done
{
  "$node" node_modules/vitest/vitest.mjs run ${vitestOptions.join(" ")} \\
    --reporter=verbose --reporter=junit --outputFile.junit="$out/report.xml" \\
    --reporter=json --outputFile.json="$out/report.json" "$testFile" || echo "$?" > "$top/failed"
} 2>&1 | tee "$out/log"
if [ -e "$top/failed" ]; then
  echo "the tests of $testFile failed"
  exit 1
fi
sed -i 's,/nix/store/[0-9a-z]\\{32\\}-,/nix/store/…-,g' "$out/log" "$out/report.xml" "$out/report.json"
`;
