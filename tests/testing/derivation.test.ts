/** What becomes of a test file: which machines, files and packages its derivation has, and when it is another one. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Directory, Tree } from "../../src/store/index.ts";
import { outputDirectory } from "../../src/testing/index.ts";
import { packageTree } from "../../src/testing/node-packages.ts";
import { filesOf } from "../../src/testing/source-files.ts";
import { type Complaint, TestProject } from "./support/project.ts";

let project: TestProject;
beforeEach(() => {
  project = new TestProject();
});
afterEach(() => project.remove());

/** The paths of a tree's files and links, and what they hold. */
function listed(tree: Tree, at = ""): Record<string, string> {
  if (tree.type === "symlink") return { [at]: `-> ${tree.target}` };
  if (tree.type === "regular") return { [at]: Buffer.from(tree.contents).toString() };
  const parts = [...tree.entries].map(([name, entry]) => listed(entry, at === "" ? name : `${at}/${name}`));
  return Object.assign({}, ...parts) as Record<string, string>;
}

async function golden({ codes, problems }: Complaint): Promise<void> {
  const text = problems
    .replaceAll(project.folder, "<project>")
    .replaceAll(/(?<=\/nix\/store\/)[0-9a-z]{32}/g, "<hash>");
  await expect(`${text}\n`).toMatchFileSnapshot(`expected/${codes[0]}.txt`);
}

describe("the derivation of a test", () => {
  it("has the launchers, Node, and as sources the packages and the files of the test", () => {
    const test = project.describe("web.test.ts");
    expect(test.name).toBe("vm-test-run-web");
    expect(test.launchers.map(({ name }) => name)).toEqual(["run-web-vm"]);
    expect(test.env["OSMOD_TEST_LAUNCHERS"]).toBe(test.launchers[0]?.outPath);
    expect([...test.inputs].sort()).toEqual(["nodejs-for-builders", "run-web-vm"]);
    expect([...test.sources].sort()).toEqual(["busybox-static", "vm-test-files", "vm-test-packages"]);
    expect(test.files).toEqual(["web.test.ts", "web.ts", "osmod.lock.json"]);
    expect(test.env).not.toHaveProperty("requiredSystemFeatures");
    // Of package.json there is what Node heeds.
    expect(Object.keys(test.project).sort()).toEqual(["osmod.lock.json", "package.json", "web.test.ts", "web.ts"]);
    expect(test.project["package.json"]).toBe('{"type":"module"}\n');
  });

  it("is the same in another directory, and after changes that do not matter", () => {
    const { drvPath } = project.describe("web.test.ts");
    project.write("README.md", "new");
    project.write("package.json", '{ "type": "module", "version": "2.0.0" }');
    expect(project.describe("web.test.ts").drvPath).toBe(drvPath);
    const other = new TestProject();
    expect(other.describe("web.test.ts").drvPath).toBe(drvPath);
    other.remove();
  });

  it("is another one when the test, the machine or a file that is named changes", () => {
    project.write("data/page.html", "one");
    const drvPath = () => project.describe("web.test.ts", { include: ["data"] }).drvPath;
    const paths = [drvPath()];
    project.write("web.test.ts", `${project.read("web.test.ts")}// changed\n`);
    paths.push(drvPath());
    project.write("data/page.html", "two");
    paths.push(drvPath());
    project.write("web.ts", project.read("web.ts").replace('"13"', '"12"'));
    paths.push(drvPath());
    expect(new Set(paths).size).toBe(4);
  });

  it("asks for the features that it is told, so that Nix finds a builder with KVM", () => {
    const { env } = project.describe("web.test.ts", { requiredSystemFeatures: ["kvm", "nixos-test"] });
    expect(env["requiredSystemFeatures"]).toBe("kvm nixos-test");
  });

  it("has files from above the current directory, too", () => {
    project.write("tests/deep/web.test.ts", project.read("web.test.ts").replace("./web.js", "../../web.js"));
    project.write("tests/osmod.lock.json", project.read("osmod.lock.json"));
    const test = project.describe("deep/web.test.ts", {}, "tests");
    expect(test.files).toEqual(["deep/web.test.ts", "../web.ts", "osmod.lock.json"]);
    expect(test.env).toMatchObject({ directory: "tests", testFile: "deep/web.test.ts" });
    expect(Object.keys(test.project)).toContain("tests/osmod.lock.json");
  });

  it("has a launcher for each machine of a LAN, and machines of declareMachine as they are", () => {
    project.write(
      "two.test.ts",
      `import { declareMachine, machineFixtures } from "osmod/testing";
import { test } from "vitest";
import { web } from "./web.js";
declareMachine(web);
test.extend(machineFixtures({ web, other: web }));
`,
    );
    const { launchers, env } = project.describe("two.test.ts");
    const paths = launchers.map(({ outPath }) => outPath);
    expect(new Set(paths).size).toBe(3);
    expect(env["OSMOD_TEST_LAUNCHERS"]?.split(" ")).toEqual(paths.sort());
  });
});

describe("in the builder", () => {
  it("a machine is found by what it is, and one that was not declared is told of", async () => {
    project.write("file.ts", 'export { web as default } from "./web.js";\n');
    project.write(
      "other.ts",
      'import { defineMachine } from "osmod";\nexport default defineMachine({ config: { networking: { hostName: "other" } } });\n',
    );
    project.write("one.test.ts", 'import { declareMachine } from "osmod/testing";\ndeclareMachine("file.ts");\n');
    const paths = project.describe("one.test.ts").launchers.map(({ outPath }) => outPath);
    const launcher = `${paths[0]}/bin/run-web-vm`;
    expect(project.find("file.ts", paths)).toEqual({ name: "web", launcher, share: `${paths[0]}/share/osmod` });
    await golden(project.find("other.ts", paths) as Complaint);
  });

  it("what is to be kept goes where the builder says", () => {
    process.env["OSMOD_TEST_OUTPUT"] = join(project.folder, "out/files");
    expect(outputDirectory()).toBe(join(project.folder, "out/files"));
    delete process.env["OSMOD_TEST_OUTPUT"];
  });
});

describe("problems", () => {
  it.each([
    ["test-file-missing", "none.test.ts", undefined],
    ["test-without-machines", "empty.test.ts", 'import { test } from "vitest";\ntest("nothing", () => {});\n'],
    [
      "test-locks-differ",
      "locks.test.ts",
      'import { declareMachine } from "osmod/testing";\ndeclareMachine("a/machine.ts");\ndeclareMachine("b/machine.ts");\n',
    ],
    ["vitest-missing", "web.test.ts", undefined],
  ])("are told as expected: %s", async (code, file, text) => {
    if (text !== undefined) project.write(file, text);
    if (code === "vitest-missing") rmSync(join(project.folder, "node_modules"), { recursive: true });
    const complaint = project.problemsOf(file);
    expect(complaint.codes).toEqual([code]);
    await golden(complaint);
  });
});

describe("the files of a test", () => {
  it("are what is imported in any way, and what URLs name", () => {
    project.write("a.ts", 'import type { B } from "./b";\nexport const c = () => import("./c.mjs");\n');
    project.write(
      "b.ts",
      'export * from "./d/index.js";\nimport "node:fs"; import "fs"; import x from "@scope/name/part";',
    );
    project.write(
      "c.mjs",
      'const page = new URL("./page", import.meta.url); new URL("https://x.test/", import.meta.url);',
    );
    project.write("d/index.ts", 'import data from "../data.json"; import "missing-one"; import "./not-there";');
    project.write("data.json", "{}");
    project.write("page/node_modules/x", "");
    project.write("page/index.html", "");
    project.write("__snapshots__/a.ts.snap", "");
    project.write("unused.ts", "");
    const { files, packages } = filesOf([join(project.folder, "a.ts")]);
    const names = ["__snapshots__/a.ts.snap", "a.ts", "b.ts", "c.mjs", "d/index.ts", "data.json", "page/index.html"];
    expect(files).toEqual(names.map((name) => join(project.folder, name)));
    expect([...packages.keys()].sort()).toEqual(["@scope/name", "missing-one"]);
  });
});

describe("packages", () => {
  const manifest = (name: string, more: object = {}) => JSON.stringify({ name, version: "1.0.0", ...more });

  it("lie beside links to what they depend on, however they were installed", () => {
    const at = "node_modules";
    project.write(
      `${at}/a/package.json`,
      manifest("a", { dependencies: { "@s/b": "1" }, optionalDependencies: { gone: "1" } }),
    );
    project.write(`${at}/a/index.js`, "a");
    project.write(`${at}/a/index.d.ts`, "types");
    project.write(`${at}/a/index.js.map`, "{}");
    const peers = {
      peerDependencies: { a: "1", other: "1" },
      peerDependenciesMeta: { a: { optional: true }, other: { optional: true } },
    };
    project.write(`${at}/a/node_modules/@s/b/package.json`, manifest("@s/b", peers));
    project.write(`${at}/other/package.json`, manifest("other"));
    const tree = packageTree(
      new Map([
        ["a", project.folder],
        ["none", project.folder],
      ]),
    );
    const files = listed(tree);
    expect(
      Object.entries(files)
        .map(([path, text]) => (text.startsWith("-> ") ? `${path} ${text}` : path))
        .sort(),
    ).toEqual([
      ".packages/@s+b@1.0.0/node_modules/@s/b/package.json",
      ".packages/@s+b@1.0.0/node_modules/a -> ../../a@1.0.0/node_modules/a",
      ".packages/a@1.0.0/node_modules/@s/b -> ../../../@s+b@1.0.0/node_modules/@s/b",
      ".packages/a@1.0.0/node_modules/a/index.js",
      ".packages/a@1.0.0/node_modules/a/package.json",
      "node_modules/a -> ../.packages/a@1.0.0/node_modules/a",
    ]);
  });

  it("of osmod are the copy that runs, without sources and tests", () => {
    const tree = packageTree(new Map([["osmod", "/"]])) as Directory;
    const files = Object.keys(listed(tree));
    expect(files.some((file) => file.endsWith("/osmod/dist/testing/index.js"))).toBe(true);
    expect(files.some((file) => /\/osmod\/(src|tests)\//.test(file))).toBe(false);
  });
});
