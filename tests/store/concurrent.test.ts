/** Many processes in one store at once. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { thisOwner } from "../../src/store/embedded/owner.ts";
import { openStore } from "../../src/store/index.ts";
import { testSandbox } from "../helpers/sandbox.ts";
import { hashesIn, startsIn, Workshop } from "./support/machine.ts";

const sandbox = await testSandbox();
const PROCESSES = 8;
let workshop: Workshop;

describe.skipIf(sandbox === undefined)("processes that share a store", { timeout: 180_000 }, () => {
  beforeAll(async () => {
    if (sandbox === undefined) return;
    workshop = await Workshop.open(sandbox);
    // Makes the lock that all others use.
    await workshop.run(workshop.newStore().config, "build");
  }, 120_000);
  afterAll(() => workshop?.close());

  it("build overlapping machines at once, each derivation once, while garbage is collected", async () => {
    const { config, root } = workshop.newStore();
    const builds = Array.from({ length: PROCESSES }, (_, i) => workshop.run(workshop.variant(config, 6 + i), "build"));
    const store = openStore({ root, sandbox: { prepare: () => expect.unreachable() as never } });
    let building = true;
    let collections = 0;
    const finished = Promise.all(builds).finally(() => {
      building = false;
    });
    while (building) {
      await store.collectGarbage({ graceSeconds: 0 });
      collections++;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const said = await finished;
    expect(said.map(({ code, text }) => (code === 0 ? "" : text))).toEqual(Array(PROCESSES).fill(""));
    const starts = said.flatMap(startsIn);
    expect(starts.length - new Set(starts.filter((line) => line !== "start machine")).size).toBe(PROCESSES);
    expect(new Set(starts).size).toBeGreaterThan(6 + PROCESSES);
    expect(collections).toBeGreaterThan(1);
    expect((await store.verify()).findings).toEqual([]);
  });

  it("take over the claims of processes that are gone, also when another one has their number now", async () => {
    const { config, root } = workshop.newStore();
    const first = hashesIn(await workshop.run(config, "build"));
    workshop.removeStore(root);
    const again = workshop.newStore();
    const locks = join(again.root, "nix/var/osmod/locks");
    mkdirSync(locks, { recursive: true });
    const [pid, start, namespace, boot] = thisOwner().split(".");
    const dead = [
      `2.17.${namespace}.${boot}`,
      `${pid}.${Number(start) - 1}.${namespace}.${boot}`,
      `4194304.${start}.${namespace}.${boot}`,
    ];
    for (const line of first)
      for (const owner of dead) writeFileSync(join(locks, `${line.slice(11, 43)}.${owner}.1`), "");
    const begun = performance.now();
    const { code, text } = await workshop.run(again.config, "build");
    expect(code, text).toBe(0);
    expect(hashesIn({ code, text }).map((line) => line.split(" ")[1])).toEqual(first.map((line) => line.split(" ")[1]));
    expect(performance.now() - begun).toBeLessThan(30_000);
  });
});
