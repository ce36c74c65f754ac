/**
 * Archives as real Nix makes them: hash and size of a tree's NAR, the path of the tree as a source, and of a plain file
 * as a flat fixed output. Each tree is archived from memory and from disk, and read back.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  fixedPath,
  hashNar,
  hashPath,
  narOfPath,
  narOfTree,
  sha256,
  type Tree,
  toSri,
  treeOfNar,
  writeTree,
} from "../store/index.ts";

type JsonTree =
  | { readonly type: "regular"; readonly executable: boolean; readonly contents: string }
  | { readonly type: "symlink"; readonly target: string }
  | { readonly type: "directory"; readonly entries: { readonly [name: string]: JsonTree } };

interface Case {
  readonly seed: number;
  readonly name: string;
  readonly tree: JsonTree;
  readonly expected: {
    readonly narHash: string;
    readonly narSize: number;
    readonly sourcePath: string;
    readonly flatFixedPath: string | null;
  };
}

/** Check every case of a file. */
export async function run(file: string): Promise<{ passed: number; failed: { id: string; difference: string }[] }> {
  const { cases } = JSON.parse(readFileSync(file, "utf8")) as { cases: Case[] };
  const failed: { id: string; difference: string }[] = [];
  const scratch = mkdtempSync(join(tmpdir(), "osmod-nar-"));
  try {
    for (const [index, item] of cases.entries()) {
      let difference: string | undefined;
      try {
        difference = compare(item, join(scratch, String(index)));
      } catch (error) {
        difference = `threw ${error instanceof Error ? error.message : String(error)}`;
      }
      if (difference !== undefined) failed.push({ id: `seed ${item.seed} (${item.name})`, difference });
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  return { passed: cases.length - failed.length, failed };
}

function compare({ name, tree: json, expected }: Case, place: string): string | undefined {
  const tree = fromJson(json);
  const memory = hashNar(narOfTree(tree));
  writeTree(tree, place);
  const disk = hashNar(narOfPath(place));
  const lent = hashPath(place);
  const again = hashNar(narOfTree(treeOfNar(narOfPath(place))));
  const results: [string, string | number, string | number][] = [
    ["hash from memory", toSri(memory.hash), expected.narHash],
    ["size", memory.size, expected.narSize],
    ["hash from disk", toSri(disk.hash), expected.narHash],
    ["hash from disk by one buffer", toSri(lent.hash), expected.narHash],
    ["hash of what was read back", toSri(again.hash), expected.narHash],
    ["source path", fixedPath(name, "recursive", memory.hash), expected.sourcePath],
  ];
  if (tree.type === "regular" && expected.flatFixedPath !== null)
    results.push(["flat path", fixedPath(name, "flat", sha256(tree.contents)), expected.flatFixedPath]);
  const wrong = results.filter(([, got, want]) => got !== want);
  return wrong.length === 0
    ? undefined
    : wrong.map(([what, got, want]) => `${what} is ${got}, expected ${want}`).join("; ");
}

function fromJson(json: JsonTree): Tree {
  if (json.type === "symlink") return json;
  if (json.type === "regular") return { ...json, contents: Buffer.from(json.contents, "base64") };
  return {
    type: "directory",
    entries: new Map(Object.entries(json.entries).map(([name, child]) => [name, fromJson(child)])),
  };
}
