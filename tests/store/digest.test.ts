import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { toHex } from "../../src/store/hash.ts";
import { hashNar, narOfPath } from "../../src/store/index.ts";
import { archive, type Span } from "../../src/store/nar/archive.ts";
import { NarBuffer } from "../../src/store/nar/encode.ts";

// Built, because threads are started from files that Node can run.
const { digestOf } = (await import("../../dist/store/embedded/digest.js" as string)) as {
  digestOf: typeof import("../../src/store/embedded/digest.ts").digestOf;
};

const { hashPath } = (await import("../../dist/store/index.js" as string)) as typeof import("../../src/store/index.ts");

let place: string;
beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), "osmod-digest-"));
});
afterEach(() => {
  rmSync(place, { recursive: true, force: true });
});

const wanted = ["0".repeat(32), "1".repeat(32)];

function treeOf(mebibytes: number): string {
  const tree = join(place, `tree${mebibytes}`);
  mkdirSync(tree);
  // Sizes around that of a chunk, so that files end everywhere in one.
  for (let left = mebibytes * 2 ** 20, i = 0; left > 0; i += 1) {
    const size = Math.min(left, 2 ** 18 - 9000 + 517 * i);
    writeFileSync(join(tree, `file${i}`), Buffer.alloc(size, 128 + (i % 100)));
    left -= size;
  }
  writeFileSync(join(tree, "last"), wanted[1] as string);
  return tree;
}

/** A tree as packages have them; in the second half of it there is a reference at the end of one file, and at the beginning of another. */
function smallFiles(mebibytes: number): string {
  const tree = join(place, "small");
  mkdirSync(tree);
  const count = mebibytes * 50;
  for (let i = 0; i < count; i += 1) {
    const contents = Buffer.alloc(1 + ((i * 7919) % 40_000), 97 + (i % 26));
    if (i === count - 100 && contents.length > 100) contents.write(wanted[0] as string, contents.length - 32, "latin1");
    if (i === count - 50 && contents.length > 100) contents.write(wanted[1] as string, "latin1");
    writeFileSync(join(tree, String(i).padStart(5, "0")), contents);
  }
  return tree;
}

/** Numbers below what is asked for. */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return Math.floor((state / 0x80000000) * below);
  };
}

const noise = Buffer.alloc(10 * 2 ** 20, Buffer.from(Array.from({ length: 251 }, (_, i) => i)));

/** Fill a directory with directories, links, and files of most sizes, until so many bytes are there or it is large enough. */
function growTree(at: string, random: (below: number) => number, left: { bytes: number }, depth = 0): void {
  for (let i = random(40); i >= 0 && left.bytes > 0; i -= 1) {
    const name = join(at, `${"aZ.-_"[random(5)]}${i}`);
    const kind = random(20);
    if (kind < 3 && depth < 5) {
      mkdirSync(name);
      growTree(name, random, left, depth + 1);
    } else if (kind === 3) {
      symlinkSync("x".repeat(1 + random(200)), name);
    } else {
      const size = kind === 4 ? random(9 * 2 ** 20) : kind === 5 ? 0 : random(60_000);
      const start = random(1000);
      writeFileSync(name, noise.subarray(start, start + size), { mode: random(2) === 0 ? 0o644 : 0o755 });
      left.bytes -= size;
    }
  }
}

async function expectDigest(tree: string, helped: boolean): Promise<void> {
  const sha = createHash("sha256");
  let size = 0;
  for (const chunk of narOfPath(tree)) {
    sha.update(chunk);
    size += chunk.length;
  }
  const digest = await digestOf(tree, { wanted, helped });
  expect(toHex(digest.hash)).toBe(sha.digest("hex"));
  expect(digest.size).toBe(size);
  expect([...digest.found]).toEqual([wanted[1]]);
}

describe("an object's digest", () => {
  it("is the same from one thread and from two, one after the other and at a time", async () => {
    for (const mebibytes of [0, 1, 3, 4, 20]) {
      const tree = treeOf(mebibytes);
      await expectDigest(tree, false);
      await expectDigest(tree, true);
      await Promise.all([expectDigest(tree, true), expectDigest(tree, true), expectDigest(tree, true)]);
    }
  }, 60_000);

  it("is the same when the caller's thread waits for it, also while others are made", async () => {
    for (const mebibytes of [1, 4, 20]) {
      const tree = treeOf(mebibytes);
      const { hash, size } = hashNar(narOfPath(tree));
      expect(hashPath(tree)).toEqual({ hash: { algo: "sha256", bytes: expect.anything() }, size });
      const others = [expectDigest(tree, true), expectDigest(tree, true)];
      expect(toHex(hashPath(tree).hash)).toBe(toHex(hash));
      await Promise.all(others);
      expect(toHex(hashPath(tree).hash)).toBe(toHex(hash));
      await expectDigest(tree, true);
    }
    expect(() => hashPath(join(place, "nothing"))).toThrow("ENOENT");
  }, 60_000);

  it("is the same of many small files, and the references that the other thread found are among it", async () => {
    const tree = smallFiles(24);
    const { hash, size } = hashNar(narOfPath(tree));
    const before = readdirSync("/proc/self/fd").length;
    for (let i = 0; i < 5; i += 1) {
      const digest = await digestOf(tree, { wanted });
      expect(toHex(digest.hash)).toBe(toHex(hash));
      expect(digest.size).toBe(size);
      expect([...digest.found].sort()).toEqual(wanted);
      expect(toHex(hashPath(tree).hash)).toBe(toHex(hash));
    }
    const controller = new AbortController();
    const given = digestOf(tree, { wanted, signal: controller.signal });
    controller.abort();
    await expect(given).rejects.toThrow();
    await expect.poll(() => readdirSync("/proc/self/fd").length).toBeLessThanOrEqual(before);
  }, 60_000);

  it("has every reference, also those that lie where one part of the archive ends and the next begins", async () => {
    const tree = join(place, "dense");
    mkdirSync(tree);
    writeFileSync(join(tree, "a"), Buffer.alloc(4 * 2 ** 20, 1));
    const dense = Array.from({ length: 60_000 }, (_, i) => String(i).padStart(32, "0"));
    writeFileSync(join(tree, "b"), dense.slice(0, 30_000).join("!"));
    writeFileSync(join(tree, "c"), Buffer.alloc(4 * 2 ** 20, 1));
    writeFileSync(join(tree, "d"), dense.slice(30_000).join("!"));
    // The other thread is there from the second time on.
    for (let i = 0; i < 4; i += 1) {
      const { found } = await digestOf(tree, { wanted: [...dense, "z".repeat(32)] });
      expect([...found].sort()).toEqual(dense);
    }
  }, 60_000);

  it("is the same from every entry on, of a tree with all kinds of them", async () => {
    const tree = join(place, "kinds");
    mkdirSync(join(tree, "a/empty"), { recursive: true });
    mkdirSync(join(tree, "a/b/c"), { recursive: true });
    mkdirSync(join(tree, "z/z"), { recursive: true });
    for (const name of ["0", "a/b/c/d", "a/e", "y", "z/z/z"]) writeFileSync(join(tree, name), name);
    writeFileSync(join(tree, "a/empty.txt"), "");
    writeFileSync(join(tree, "big"), Buffer.alloc(2 ** 19, 1));
    writeFileSync(Buffer.concat([Buffer.from(join(tree, "a/")), Buffer.from([0xff])]), "not UTF-8");
    symlinkSync("nowhere", join(tree, "a/link"));
    const whole = Buffer.concat([...narOfPath(tree)]);
    const part = (span: Span) => [...archive(tree, new NarBuffer(), span)];
    const entries: Span = {};
    part(entries);
    expect(entries.next).toBe(15);
    for (let to = 0; to <= 15; to += 1)
      expect(Buffer.concat([...part({ to }), ...part({ from: to })]).equals(whole), `${to}`).toBe(true);
  });

  it.each(["a file", "a link"])("has nothing behind the beginning, of %s alone", async (kind) => {
    const at = join(place, "alone");
    if (kind === "a file") writeFileSync(at, Buffer.alloc(2 ** 19, 1));
    else symlinkSync("nowhere", at);
    const part = (span: Span) => Buffer.concat([...archive(at, new NarBuffer(), span)]);
    const whole = Buffer.concat([...narOfPath(at)]);
    expect(part({}).equals(whole)).toBe(true);
    expect(part({ to: 0 }).equals(whole)).toBe(true);
    expect(part({ from: 0 })).toHaveLength(0);
  });

  it("is the same of a large file alone, when the other thread is there from the start", async () => {
    const at = join(place, "alone");
    writeFileSync(at, Buffer.alloc(24 * 2 ** 20, 1));
    const expected = hashNar(narOfPath(at));
    for (let i = 0; i < 6; i += 1) {
      const { hash, size } = await digestOf(at, { wanted });
      expect({ hash: toHex(hash), size }).toEqual({ hash: toHex(expected.hash), size: expected.size });
      expect(hashPath(at).size).toBe(expected.size);
    }
  }, 60_000);

  it("is the same of any tree", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer(), async (seed) => {
        const tree = mkdtempSync(join(place, "any-"));
        growTree(tree, generator(seed), { bytes: 24 * 2 ** 20 });
        const expected = hashNar(narOfPath(tree));
        for (let i = 0; i < 2; i += 1) {
          const { hash, size } = await digestOf(tree, { wanted });
          expect({ hash: toHex(hash), size }).toEqual({ hash: toHex(expected.hash), size: expected.size });
        }
        rmSync(tree, { recursive: true });
      }),
      { numRuns: 8 },
    );
  }, 120_000);

  it("tells of what no archive can hold, whoever finds it", async () => {
    const tree = smallFiles(12);
    execFileSync("mkfifo", [join(tree, "zz")]);
    for (const helped of [true, false])
      await expect(digestOf(tree, { helped })).rejects.toMatchObject({ problems: [{ code: "nar-file-special" }] });
    rmSync(join(tree, "zz"));
    expect(toHex((await digestOf(tree, {})).hash)).toBe(toHex(hashNar(narOfPath(tree)).hash));
  }, 60_000);

  it("can be given up, and then others are still made", async () => {
    const tree = treeOf(24);
    const controller = new AbortController();
    const digest = digestOf(tree, { signal: controller.signal });
    controller.abort();
    await expect(digest).rejects.toThrow();
    await expectDigest(tree, true);
  }, 60_000);

  it("is not made of what becomes shorter meanwhile, and then others are still made", async () => {
    const tree = treeOf(24);
    const last = join(tree, "zz");
    writeFileSync(last, Buffer.alloc(2 ** 24));
    const digest = digestOf(tree, {});
    truncateSync(last, 0);
    // It had either been read, or it is noticed.
    await digest.catch((error) => expect(error).toMatchObject({ problems: [{ code: "nar-file-changed" }] }));
    rmSync(last);
    await expectDigest(tree, true);
  }, 60_000);
});
