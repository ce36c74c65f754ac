import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { toHex } from "../../src/store/hash.ts";
import { hashNar, narOfPath } from "../../src/store/index.ts";

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

it("is not misled when the hasher is woken and there is nothing new", async () => {
  const chunkSize = 2 ** 18;
  const shared = {
    memory: new SharedArrayBuffer(16 * chunkSize),
    counters: new Int32Array(new SharedArrayBuffer(18 * Int32Array.BYTES_PER_ELEMENT)),
  };
  const [given, lengths, end] = [0, 2, -1];
  const worker = new Worker(new URL("../../dist/store/nar/hash-helper-thread.js", import.meta.url));
  try {
    const digest = new Promise<Uint8Array>((resolve, reject) => {
      worker.once("message", resolve).once("error", reject);
    });
    worker.postMessage(shared);
    const sha = createHash("sha256");
    for (let i = 0; i < 4; i += 1) {
      // Two threads never agree on when somebody waits: wake it for a while.
      for (const until = Date.now() + 100; Date.now() < until; ) {
        Atomics.notify(shared.counters, given);
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      const chunk = Buffer.from(shared.memory, i * chunkSize, 1000 + i).fill(i + 1);
      sha.update(chunk);
      shared.counters[lengths + i] = chunk.length;
      Atomics.store(shared.counters, given, i + 1);
      Atomics.notify(shared.counters, given);
    }
    shared.counters[lengths + 4] = end;
    Atomics.store(shared.counters, given, 5);
    Atomics.notify(shared.counters, given);
    expect(Buffer.from(await digest).toString("hex")).toBe(sha.digest("hex"));
  } finally {
    await worker.terminate();
  }
});
