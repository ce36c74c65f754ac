import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readDeb } from "../../src/packages/deb.ts";
import { readTar, treeAt } from "../../src/packages/tar.ts";
import { ProblemError } from "../../src/problems/index.ts";
import type { Tree } from "../../src/store/index.ts";
import { ar, deb, tar } from "./support/archive.ts";
import { problemOf, problemOfAsync } from "./support/problems.ts";

const text = (tree: Tree | undefined) => (tree?.type === "regular" ? Buffer.from(tree.contents).toString() : undefined);

describe("a package file", () => {
  it("becomes the tree in it, without owners and setuid", async () => {
    const tree = await readDeb(
      deb([
        { name: "./", type: "5", mode: 0o755 },
        { name: "./usr/bin/", type: "5" },
        { name: "./usr/bin/su", mode: 0o4755, body: "su" },
        { name: "./usr/bin/sulogin", type: "1", link: "./usr/bin/su" },
        { name: "./usr/share/doc", body: "x" },
        { name: "./bin", type: "2", link: "usr/bin" },
        { name: "./usr/odd:name\\x2d", body: "odd" },
      ]),
      "su.deb",
    );
    expect(treeAt(tree, "usr/bin/su")).toMatchObject({ type: "regular", executable: true });
    expect(text(treeAt(tree, "usr/bin/sulogin"))).toBe("su");
    expect(treeAt(tree, "usr/share/doc")).toMatchObject({ executable: false });
    expect(treeAt(tree, "bin")).toEqual({ type: "symlink", target: "usr/bin" });
    expect(text(treeAt(tree, "usr/odd:name\\x2d"))).toBe("odd");
  });

  it("may have names longer than a header holds", () => {
    const long = `usr/${"n".repeat(150)}`;
    const gnu = tar([
      { name: "././@LongLink", type: "L", body: `${long}\0` },
      { name: "usr/cut", body: "1" },
    ]);
    expect(text(treeAt(readTar(gnu, "x"), long))).toBe("1");
    const record = ` path=${long}\n`;
    const pax = tar([
      { name: "x", type: "x", body: `${record.length + 3}${record}` },
      { name: "usr/cut", body: "2" },
    ]);
    expect(text(treeAt(readTar(pax, "x"), long))).toBe("2");
  });

  it("that leads outside, or through a link, is refused", () => {
    const bad = [
      [{ name: "../evil", body: "x" }],
      [{ name: "/etc/passwd", body: "x" }],
      [{ name: "a/../../evil", body: "x" }],
      [
        { name: "d", type: "2", link: "/etc" },
        { name: "d/passwd", body: "x" },
      ],
      [{ name: "h", type: "1", link: "/etc/passwd" }],
      [{ name: "dev", type: "3" }],
      [
        { name: "f", body: "x" },
        { name: "f/g", body: "x" },
      ],
    ];
    for (const entries of bad) {
      expect(problemOf(() => readTar(tar(entries), "evil.deb"))).toMatchObject({ code: "package-damaged" });
    }
  });

  it("that was cut off or changed is refused", async () => {
    const whole = tar([{ name: "a", body: "x".repeat(600) }]);
    expect(problemOf(() => readTar(tar([{ name: "a" }], false), "x")).message).toContain("its end is missing");
    expect(problemOf(() => readTar(whole.subarray(0, 900), "x")).message).toContain("ends within a file");
    const changed = Buffer.from(whole);
    changed[0] = 98;
    expect(problemOf(() => readTar(changed, "x")).message).toContain("checksum");
    const packed = deb([{ name: "a", body: "x" }]);
    expect((await problemOfAsync(readDeb(packed.subarray(0, packed.length - 20), "x"))).code).toBe("package-damaged");
    expect((await problemOfAsync(readDeb(Buffer.from("<html>"), "x"))).message).toContain("no ar archive");
    expect((await problemOfAsync(readDeb(ar([["debian-binary", Buffer.from("2.0\n")]]), "x"))).message).toContain(
      "no data",
    );
    expect((await problemOfAsync(readDeb(ar([["data.tar.zst", Buffer.from("")]]), "x"))).message).toContain(
      "data.tar.zst",
    );
    expect((await problemOfAsync(readDeb(ar([["data.tar.xz", Buffer.from("no xz")]]), "x"))).code).toBe(
      "compression-damaged",
    );
  });

  it("is a tree or a problem, whatever its bytes", () => {
    const sound = tar([
      { name: "a/b", body: "hello" },
      { name: "c", type: "2", link: "a" },
    ]);
    fc.assert(
      fc.property(fc.nat(sound.length - 1), fc.nat(255), (at, byte) => {
        const bytes = Buffer.from(sound);
        bytes[at] = byte;
        try {
          expect(readTar(bytes, "x").type).toBe("directory");
        } catch (error) {
          expect(error).toBeInstanceOf(ProblemError);
        }
      }),
    );
  });
});
