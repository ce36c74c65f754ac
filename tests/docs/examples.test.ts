import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, describe, expect, it, vi } from "vitest";
import { projectRoot, UserProject } from "../consumer/support/project.ts";
import { docstringExamples, documents, type Example, fencesOf, sourceFiles } from "./support/fences.ts";

// Each test runs a process or two, which take their time on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

/** `expression; // value`: an example says what it comes to. */
const CLAIM = /^(?<expression>[\w$].*); \/\/ (?<value>[[{"'\d].*|true|false)$/;

const inDocuments = documents.flatMap((file) => fencesOf(file, "ts"));
const inDocstrings = docstringExamples();
const project = new UserProject("linked", { vitest: true });
afterAll(() => project.remove());

/** Each example in a folder of its own, so that what stands beside it is its own too. */
const folderOf = (example: Example) => `${example.file.replaceAll(/[^\w]/g, "-")}-${example.line}`;
const placeOf = (example: Example) => `${example.file}:${example.line}`;
for (const example of [...inDocuments, ...inDocstrings]) {
  project.write(`${folderOf(example)}/machine.ts`, example.text);
  for (const [, sibling] of example.text.matchAll(/from "\.\/([^"]+)"/g)) {
    project.write(
      `${folderOf(example)}/${sibling}`,
      'import { defineMachine } from "osmod";\nexport default defineMachine({});\n',
    );
  }
}

/** The compiler's lines, with places in our documents instead of the files that examples were put into. */
function complaints(output: string): readonly string[] {
  const at = new Map([...inDocuments, ...inDocstrings].map((example) => [folderOf(example), example]));
  return output
    .split("\n")
    .filter((line) => line !== "")
    .map((line) =>
      line.replace(/^([\w-]+)\/machine\.ts\((\d+),\d+\)/, (place, folder: string, row: string) => {
        const example = at.get(folder);
        return example === undefined ? place : `${example.file}:${example.line + Number(row)}`;
      }),
    );
}

describe("the examples", () => {
  it("are found, in documents and in docstrings", () => {
    expect(inDocuments.length).toBeGreaterThanOrEqual(6);
    expect(inDocstrings.length).toBeGreaterThanOrEqual(1);
  });

  it("compile, each as a file of its own", () => {
    const { output } = project.compile({
      target: "es2023",
      lib: ["es2023", "esnext.disposable"],
      module: "nodenext",
      moduleResolution: "nodenext",
      moduleDetection: "force",
      strict: true,
      exactOptionalPropertyTypes: true,
      allowImportingTsExtensions: true,
      skipLibCheck: true,
      types: ["node"],
    });
    expect(complaints(output)).toEqual([]);
  });

  const machines = [...inDocuments, ...inDocstrings].filter(({ text }) => /^export default define/m.test(text));
  it.each(machines.map((example) => [placeOf(example), example] as const))(
    "at %s is a machine that can be evaluated",
    (_, example) => {
      const folder = join(project.folder, folderOf(example));
      const run = project.run([main, "eval", join(folder, "machine.ts"), "networking.hostName"]);
      const hostName = /hostName: "([^"]*)"/.exec(example.text)?.[1] ?? "osmod";
      expect(run).toEqual({ status: 0, output: `${hostName}\n` });
    },
  );

  const claims = [...inDocuments, ...inDocstrings].filter(({ text }) =>
    text.split("\n").some((line) => CLAIM.test(line)),
  );
  // One process for all: starting one takes longer than all of them together.
  const results = once(() => {
    const files = claims.map((example) => {
      const text = example.text
        .split("\n")
        .map((line) => {
          const { expression, value } = CLAIM.exec(line)?.groups ?? {};
          return expression === undefined ? line : `same(() => (${expression}), () => (${value}));`;
        })
        .join("\n");
      return project.write(`${folderOf(example)}/said.ts`, `${same}\n${text}\nexport {};\n`);
    });
    const run = project.run(["--input-type=module", "-e", importAll, ...files], { JITI_FS_CACHE: "false" });
    if (run.status !== 0) throw new Error(run.output);
    return JSON.parse(run.output) as readonly string[];
  });
  it.each(claims.map((example, index) => [placeOf(example), index] as const))(
    "at %s comes to what it says",
    (_, index) => expect(results()[index]).toBe(""),
  );
});

const main = join(projectRoot, "dist/cli/main.js");
const same = `import assert from "node:assert/strict";
const plain = (value: unknown) => JSON.parse(JSON.stringify(value));
const same = (got: () => unknown, said: () => unknown) => assert.deepEqual(plain(got()), plain(said()));`;
const importAll = `
import { createJiti } from "jiti";
const jiti = createJiti(process.cwd());
const results = [];
for (const file of process.argv.slice(1))
  results.push(await jiti.import(file).then(() => "", (error) => error.message));
console.log(JSON.stringify(results));`;

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

describe("the documents", () => {
  it("link to files that exist, and to headings that exist", () => {
    const broken = documents.flatMap((file) =>
      linksOf(file)
        .filter(({ path, heading }) => {
          const target = path === "" ? file : join(dirname(file), path);
          if (!existsSync(join(projectRoot, target))) return true;
          return heading !== undefined && !headingsOf(target).includes(heading);
        })
        .map(({ path, heading, line }) => `${file}:${line}: ${path}${heading === undefined ? "" : `#${heading}`}`),
    );
    expect(broken).toEqual([]);
  });

  it("show a problem as it is printed", () => {
    const [machine] = fencesOf("docs/manual.md", "ts");
    project.write("problem/machine.ts", machine?.text.replace("hostName", "hostNmae") ?? "");
    const { status, output } = project.run([main, "eval", "problem/machine.ts"]);
    expect(status).toBe(1);
    const printed = output.replaceAll("problem/", "").replaceAll(/^(?=.)/gm, "    ");
    expect(readFileSync(join(projectRoot, "docs/manual.md"), "utf8")).toContain(printed);
  });

  it("name variables that exist", () => {
    const sources = sourceFiles().map((file) => readFileSync(join(projectRoot, file), "utf8"));
    for (const file of documents) {
      for (const [name] of readFileSync(join(projectRoot, file), "utf8").matchAll(/OSMOD_[A-Z_]+/g))
        expect(
          sources.some((text) => text.includes(name)),
          `${file}: ${name}`,
        ).toBe(true);
    }
  });

  it("name verbs that exist", () => {
    const { output: usage } = project.run([main, "--help"]);
    for (const file of documents) {
      const text = readFileSync(join(projectRoot, file), "utf8");
      for (const [, verb] of text.matchAll(/(?:^|`)osmod ([a-z][\w-]*)/gm)) expect(usage, file).toContain(`  ${verb} `);
    }
  });
});

interface Link {
  readonly path: string;
  readonly heading: string | undefined;
  readonly line: number;
}

/** The relative links of a document. */
function linksOf(file: string): readonly Link[] {
  return readFileSync(join(projectRoot, file), "utf8")
    .split("\n")
    .flatMap((text, index) =>
      [...text.matchAll(/\]\((?!\w+:)([^)#]*)(?:#([^)]*))?\)/g)].map(([, path = "", heading]) => ({
        path,
        heading,
        line: index + 1,
      })),
    );
}

/** The anchors of a document's headings. */
function headingsOf(file: string): readonly string[] {
  const lines = readFileSync(join(projectRoot, file), "utf8").split("\n");
  return lines.flatMap((line) => {
    const title = /^#+ (.*)$/.exec(line)?.[1];
    return title === undefined
      ? []
      : [
          title
            .toLowerCase()
            .replaceAll(/[^\w\s-]/g, "")
            .replaceAll(" ", "-"),
        ];
  });
}
