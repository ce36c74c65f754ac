/**
 * Derivations as real Nix computes them: text paths, `.drv` paths and texts, output paths.
 *
 * A case is a list of nodes that use each other. A text node's content is its text followed by " " and the path of each
 * dependency; a derivation has the paths of its dependencies, joined by a space, in the variable `deps`.
 */
import { readFileSync } from "node:fs";
import {
  type Derivation,
  type HashAlgo,
  parseDerivation,
  printDerivation,
  type Source,
  StoreScope,
} from "../store/index.ts";

interface Node {
  readonly id: number;
  readonly kind: "text" | "drv" | "multi" | "fod-flat" | "fod-rec";
  readonly name: string;
  readonly deps: readonly number[];
  readonly text?: string;
  readonly system?: string;
  readonly builder?: string;
  readonly args?: readonly string[];
  readonly env?: { readonly [name: string]: string };
  readonly outputs?: readonly string[];
  readonly hash?: string;
  readonly algo?: HashAlgo;
  readonly expected: {
    readonly path: string;
    readonly drvPath: string | null;
    readonly outputs: { readonly [name: string]: string };
    readonly aterm?: string;
  };
}

/** Check every node of a file; one failure a node. */
export async function run(file: string): Promise<{ passed: number; failed: { id: string; difference: string }[] }> {
  const { cases } = JSON.parse(readFileSync(file, "utf8")) as { cases: { seed: number; nodes: Node[] }[] };
  const failed: { id: string; difference: string }[] = [];
  let passed = 0;
  for (const { seed, nodes } of cases) {
    const scope = new StoreScope();
    const made = new Map<number, Derivation | Source>();
    for (const node of nodes) {
      let difference: string | undefined;
      try {
        const object = describe(scope, node, made);
        made.set(node.id, object);
        difference = compare(object, node);
      } catch (error) {
        difference = `threw ${error instanceof Error ? error.message : String(error)}`;
      }
      if (difference === undefined) passed++;
      else failed.push({ id: `seed ${seed} node ${node.id} (${node.kind} ${node.name})`, difference });
    }
  }
  return { passed, failed };
}

function describe(scope: StoreScope, node: Node, made: ReadonlyMap<number, Derivation | Source>): Derivation | Source {
  const deps = node.deps.map((id) => made.get(id)?.path ?? "");
  if (node.kind === "text") return scope.text(node.name, [node.text, ...deps].join(" "));
  return scope.derivation({
    name: node.name,
    system: node.system as string,
    builder: node.builder as string,
    args: node.args ?? [],
    env: { ...node.env, deps: deps.join(" ") },
    ...(node.outputs === undefined ? {} : { outputs: node.outputs }),
    ...(node.hash === undefined
      ? {}
      : {
          fixedOutput: {
            hash: node.hash,
            algo: node.algo as HashAlgo,
            mode: node.kind === "fod-flat" ? "flat" : "recursive",
          },
        }),
  });
}

function compare(object: Derivation | Source, { expected }: Node): string | undefined {
  const differences: string[] = [];
  const check = (what: string, got: string, want: string): void => {
    if (got !== want) differences.push(`${what} is ${got}, expected ${want}`);
  };
  check("path", object.path, expected.path);
  if (object.type === "derivation") {
    check("text", object.text, expected.aterm ?? object.text);
    check("drvPath", object.drvPath, expected.drvPath ?? "");
    check("outputs", sorted(object.outputs), sorted(expected.outputs));
    check("text read and printed again", printDerivation(parseDerivation(object.text)), object.text);
  }
  return differences.length === 0 ? undefined : differences.join("; ");
}

function sorted(outputs: { readonly [name: string]: string }): string {
  return JSON.stringify(Object.entries(outputs).sort(([a], [b]) => (a < b ? -1 : 1)));
}
