/** The store's parsers against input that was made to hurt. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ProblemError, renderProblem } from "../../src/problems/index.ts";
import {
  decodeBase32,
  hashNar,
  narOfTree,
  parseDerivation,
  parseHash,
  parseStorePath,
  printDerivation,
  readNar,
  StoreScope,
  type Tree,
  treeOfNar,
  unpackNar,
} from "../../src/store/index.ts";
import { FUZZ_TIMEOUT, realFiles, survives } from "../helpers/hostile.ts";
import { directory, file } from "../helpers/sandbox.ts";

let place: string;
beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), "osmod-hostile-"));
  writeFileSync(join(place, "secret"), "untouched");
  symlinkSync("secret", join(place, "link"));
});
afterEach(() => rmSync(place, { recursive: true, force: true }));

const nar = (tree: Tree): Buffer => Buffer.concat([...narOfTree(tree)]);
const link = (target: string): Tree => ({ type: "symlink", target });

const archives: readonly Buffer[] = [
  nar(file("hello", true)),
  nar(link("/etc/passwd")),
  nar(
    directory({
      a: link("../.."),
      "a.d": directory({ passwd: file("x") }),
      b: directory({ c: directory({ d: file("y".repeat(300)), e: file("") }), é: file("1"), "e\u0301": file("2") }),
      A: file("z", true),
    }),
  ),
  ...realFiles(/\.nar$/),
];
const words = [
  "entry",
  "name",
  "node",
  "type",
  "directory",
  "symlink",
  "target",
  "regular",
  "executable",
  "contents",
].map((word) => {
  const bytes = Buffer.alloc(8 + Math.ceil(word.length / 8) * 8);
  bytes.writeUInt32LE(word.length);
  bytes.write(word, 8);
  return bytes;
});

const derivations: readonly Buffer[] = (() => {
  const scope = new StoreScope();
  const conf = scope.text("conf", "hello");
  const tar = scope.derivation({
    name: "x.tar",
    system: "builtin",
    builder: "builtin:fetchurl",
    env: { url: "https://example.invalid/x.tar" },
    fixedOutput: { hash: "0".repeat(64), algo: "sha256", mode: "flat" },
  });
  const drv = scope.derivation({
    name: "x",
    system: "x86_64-linux",
    builder: "/bin/sh",
    args: ["-c", `echo "\t\\n" ${conf}\n`],
    env: { tar, odd: 'quote " back \\ line\n' },
    outputs: ["out", "dev"],
  });
  return [Buffer.from(tar.text), Buffer.from(drv.text), ...realFiles(/\.drv$/)];
})();

describe("hostile input", { timeout: FUZZ_TIMEOUT }, () => {
  it("is a derivation or a problem", async () => {
    await survives({
      seeds: derivations,
      words: ['"', '("', '",', "[", "])", "\\", 'Derive([("', ",[],["],
      parse: (bytes) => parseDerivation(bytes.toString()),
      check: (value) => {
        const text = printDerivation(value as ReturnType<typeof parseDerivation>);
        expect(printDerivation(parseDerivation(text))).toBe(text);
      },
    });
  });

  it("is a hash or store path, or a problem", async () => {
    const seeds = ["sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", `sha512:${"0".repeat(128)}`, "0".repeat(52)];
    await survives({
      seeds: [...seeds, "/nix/store/sl7jwdgx1lk79shwjw6sv4q16kiq3524-hello-1.0"].map((text) => Buffer.from(text)),
      words: ["sha256-", "md5:", "=", "/nix/store/"],
      parse: (bytes) => {
        const text = bytes.toString();
        parseStorePath(text);
        try {
          return parseHash(text, "sha256");
        } catch {
          return decodeBase32(text);
        }
      },
    });
  });

  it("is an archive in memory or a problem, and what is read is what would be written", async () => {
    await survives({
      seeds: archives,
      words,
      parse: (bytes) => treeOfNar([bytes]),
      check: (tree, bytes) => expect(nar(tree as Tree).equals(bytes)).toBe(true),
    });
  });

  it("is an archive or a problem, however it is cut into chunks", async () => {
    const none = (): void => {};
    const sink = { directory: none, leave: none, symlink: none, file: none, contents: none, close: none };
    const chunks = (bytes: Buffer, size: number) =>
      Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size));
    await survives({ seeds: archives, words, parse: (bytes) => readNar(chunks(bytes, 7), sink) });
  });

  it("is unpacked into its own directory or a problem", async () => {
    let count = 0;
    await survives({
      seeds: archives,
      words,
      parse: (bytes) => {
        const own = join(place, String(++count));
        mkdirSync(own);
        try {
          unpackNar([bytes], join(own, "out"));
        } finally {
          expect(readdirSync(own).filter((name) => name !== "out")).toEqual([]);
          expect(readdirSync(place).sort()).toEqual([String(count), "link", "secret"].sort());
          expect(readFileSync(join(place, "secret"), "utf8")).toBe("untouched");
          rmSync(own, { recursive: true });
        }
      },
    });
    expect(existsSync(join(place, "link"))).toBe(true);
    expect(hashNar(archives.slice(0, 1)).size).toBeGreaterThan(0);
  });
});

describe("what once got through", () => {
  const code = (work: () => unknown): string => {
    try {
      work();
    } catch (error) {
      if (error instanceof ProblemError) return error.problems[0].code;
      throw error;
    }
    return "nothing was thrown";
  };

  it("an archive whose paths are longer than the system takes", () => {
    let deep: Tree = file("x");
    for (let depth = 0; depth < 40; depth++) deep = directory({ ["d".repeat(250)]: deep });
    expect(code(() => unpackNar(narOfTree(deep), join(place, "deep")))).toBe("nar-entry-refused");
  });

  it("an archive for a place where something is", () => {
    expect(code(() => unpackNar(narOfTree(file("x")), join(place, "secret")))).toBe("nar-entry-refused");
    expect(code(() => unpackNar(narOfTree(file("x")), join(place, "link")))).toBe("nar-entry-refused");
    expect(code(() => unpackNar(narOfTree(link("x")), join(place, "secret")))).toBe("nar-entry-refused");
    expect(code(() => unpackNar(narOfTree(directory({ a: file("x") })), place))).toBe("nar-entry-refused");
    expect(readFileSync(join(place, "secret"), "utf8")).toBe("untouched");
  });

  it("messages as long as the input", () => {
    for (const work of [
      () => parseHash("x".repeat(1_000_000), "sha256"),
      () => parseHash(`${"x".repeat(1_000_000)}-y`),
      () => decodeBase32("e".repeat(1_000_000)),
      () => parseDerivation(`Derive([("${"x".repeat(1_000_000)}","","",""),`),
    ]) {
      const error = (() => {
        try {
          return work();
        } catch (thrown) {
          return thrown;
        }
      })();
      expect(error).toBeInstanceOf(ProblemError);
      expect((error as ProblemError).message.length).toBeLessThan(500);
    }
  });

  it("text that would move the cursor of the terminal", () => {
    const text = renderProblem({
      code: "builder-failed",
      message: "a\u001b[2J",
      sites: [{ file: "/x\u0007" }],
      notes: ["> \u001b]0;title\u0007 \u202e\r"],
      fix: "\u009b1A",
    });
    expect(text).not.toMatch(/[^\P{Cc}\n]|\u202e/u);
    expect(text).toContain("\\x1b[2J");
  });
});
