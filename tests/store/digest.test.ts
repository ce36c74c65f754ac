import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { toHex } from "../../src/store/hash.ts";
import { narOfPath } from "../../src/store/index.ts";

// Built, because threads are started from files that Node can run.
const { digestOf } = (await import("../../dist/store/embedded/digest.js" as string)) as {
  digestOf: typeof import("../../src/store/embedded/digest.ts").digestOf;
};

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
