import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ProblemError } from "../../src/problems/index.ts";
import {
  hashNar,
  narOfPath,
  narOfTree,
  type Tree,
  toSri,
  treeOfNar,
  unpackNar,
  writeTree,
} from "../../src/store/index.ts";
import { directory, file } from "../helpers/sandbox.ts";

let place: string;
beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), "osmod-nar-"));
});
afterEach(() => {
  rmSync(place, { recursive: true, force: true });
});

const ofTree = (tree: Tree): Buffer => Buffer.concat([...narOfTree(tree)]);
const ofPath = (path: string): Buffer => Buffer.concat([...narOfPath(path)]);

function code(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof ProblemError) return error.problems[0].code;
    throw error;
  }
  return "nothing was thrown";
}

const name = fc
  .string({ unit: "grapheme", minLength: 1, maxLength: 12 })
  .filter((n) => !/[/\0]/.test(n) && n !== "." && n !== "..");
const { tree: anyTree } = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4 },
    fc.record({
      type: fc.constant("regular" as const),
      executable: fc.boolean(),
      contents: fc.uint8Array({ maxLength: 40 }),
    }),
    fc.record({ type: fc.constant("symlink" as const), target: name }),
    fc.dictionary(name, tie("tree"), { maxKeys: 5 }).map((entries) => directory(entries)),
  ),
}));

/** Build an archive by hand; a number is written as a raw length. */
function raw(...items: (string | Buffer | number)[]): Buffer {
  return Buffer.concat(
    items.map((item) => {
      const size = Buffer.alloc(8);
      if (typeof item === "number") {
        size.writeBigUInt64LE(BigInt(item));
        return size;
      }
      size.writeBigUInt64LE(BigInt(Buffer.byteLength(item)));
      const content = Buffer.from(item);
      return Buffer.concat([size, content, Buffer.alloc((8 - (content.length % 8)) % 8)]);
    }),
  );
}
const empty = ["(", "type", "regular", "contents", "", ")"];
const entry = (entryName: string | Buffer, node: (string | Buffer)[] = empty) => [
  "entry",
  "(",
  "name",
  entryName,
  "node",
  ...node,
  ")",
];
const dir = (...entries: (string | Buffer)[][]) =>
  raw("nix-archive-1", "(", "type", "directory", ...entries.flat(), ")");

describe("archives", () => {
  it("are the same from memory and from disk, and are read back as they were", () => {
    let n = 0;
    fc.assert(
      fc.property(anyTree, (tree) => {
        const archive = ofTree(tree);
        expect(ofTree(treeOfNar([archive]))).toEqual(archive);
        const at = join(place, String(n++));
        writeTree(tree, at);
        expect(ofPath(at)).toEqual(archive);
      }),
      { numRuns: 60 },
    );
  });

  it("are read the same however they are cut into chunks", () => {
    const archive = ofTree(
      directory({ a: file("x".repeat(1000)), b: directory({ c: { type: "symlink", target: "../a" } }) }),
    );
    for (const size of [1, 3, 8, 100]) {
      const chunks = Array.from({ length: Math.ceil(archive.length / size) }, (_, i) =>
        archive.subarray(i * size, (i + 1) * size),
      );
      expect(ofTree(treeOfNar(chunks))).toEqual(archive);
    }
  });

  it("hold files larger than any buffer", () => {
    const contents = Buffer.alloc(3 * 1024 * 1024 + 5, "abcdefg");
    const tree: Tree = { type: "regular", executable: false, contents };
    writeFileSync(join(place, "big"), contents);
    expect(toSri(hashNar(narOfPath(join(place, "big"))).hash)).toBe(toSri(hashNar(narOfTree(tree)).hash));
    unpackNar(narOfPath(join(place, "big")), join(place, "copy"));
    expect(readFileSync(join(place, "copy")).equals(contents)).toBe(true);
  });

  it("keep names that are not UTF-8, in the order of their bytes", () => {
    const odd = Buffer.concat([Buffer.from(`${place}/d/`), Buffer.from([0xff, 0x41])]);
    mkdirSync(join(place, "d"));
    writeFileSync(odd, "x");
    writeFileSync(join(place, "d/zé"), "y");
    const archive = ofPath(join(place, "d"));
    unpackNar([archive], join(place, "e"));
    expect(readdirSync(join(place, "e"), "latin1").sort()).toEqual(["z\xc3\xa9", "\xffA"]);
    expect(ofPath(join(place, "e"))).toEqual(archive);
    expect(code(() => treeOfNar([archive]))).toBe("nar-name-invalid");
  });

  it("do not follow symlinks", () => {
    symlinkSync("/etc", join(place, "link"));
    expect(treeOfNar([ofPath(join(place, "link"))])).toEqual({ type: "symlink", target: "/etc" });
  });

  it("hold no pipes", () => {
    execFileSync("mkfifo", [join(place, "pipe")]);
    expect(code(() => ofPath(place))).toBe("nar-file-special");
  });
});

describe("hostile archives", () => {
  const read = (archive: Buffer): string => code(() => treeOfNar([archive]));

  it.each([["a/b"], [".."], ["."], [""], ["a\0b"], ["x".repeat(256)]])("cannot name an entry %j", (entryName) => {
    expect(["nar-name-invalid", "nar-malformed"]).toContain(read(dir(entry(entryName))));
  });

  it("cannot name an entry twice, nor out of order", () => {
    expect(read(dir(entry("a"), entry("a")))).toBe("nar-malformed");
    expect(read(dir(entry("b"), entry("a")))).toBe("nar-malformed");
    expect(read(dir(entry("a"), entry("b")))).toBe("nothing was thrown");
  });

  it("cannot write through a symlink they made", () => {
    const link = ["(", "type", "symlink", "target", "/tmp", ")"];
    expect(
      code(() =>
        unpackNar(
          [dir(entry("a", link), entry("a", ["(", "type", "directory", ...entry("x"), ")"]))],
          join(place, "x"),
        ),
      ),
    ).toBe("nar-malformed");
  });

  it("cannot claim more than they bring, nor make us reserve memory for it", () => {
    const huge = Buffer.concat([raw("nix-archive-1", "(", "type", "regular", "contents", 2 ** 50), Buffer.from("abc")]);
    expect(read(huge)).toBe("nar-malformed");
    expect(read(raw(2 ** 52))).toBe("nar-malformed");
    expect(read(Buffer.concat([raw("nix-archive-1"), Buffer.alloc(8, 0xff)]))).toBe("nar-malformed");
  });

  it("cannot nest without end", () => {
    const depth = 5000;
    const archive = raw(
      "nix-archive-1",
      ...Array.from({ length: depth }, () => ["(", "type", "directory", "entry", "(", "name", "a", "node"]).flat(),
      ...empty,
      ...Array.from({ length: depth }, () => [")", ")"]).flat(),
    );
    expect(read(archive)).toBe("nar-malformed");
  });

  it("must have zeros as padding and nothing behind", () => {
    const good = ofTree(file("abc"));
    expect(read(Buffer.concat([good, Buffer.from("x")]))).toBe("nar-malformed");
    const bad = Buffer.from(good);
    bad[bad.indexOf("abc") + 4] = 1;
    expect(read(bad)).toBe("nar-malformed");
  });

  it("are refused, never crashed on, however they are damaged", () => {
    fc.assert(
      fc.property(
        anyTree,
        fc.nat(),
        fc.uint8Array({ minLength: 1, maxLength: 9 }),
        fc.boolean(),
        (tree, at, junk, cut) => {
          const archive = ofTree(tree);
          const from = at % archive.length;
          const damaged = cut
            ? archive.subarray(0, from)
            : Buffer.concat([archive.subarray(0, from), junk, archive.subarray(from + junk.length)]);
          try {
            treeOfNar([damaged]);
          } catch (error) {
            expect(error).toBeInstanceOf(ProblemError);
          }
        },
      ),
    );
  });

  it("are refused on the writing side, too", () => {
    expect(code(() => ofTree(directory({ "a/b": file("") })))).toBe("nar-name-invalid");
    expect(code(() => ofTree({ type: "symlink", target: "" }))).toBe("nar-target-invalid");
  });
});
