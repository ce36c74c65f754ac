/**
 * Work in a store that ends at a random moment: killed, alone or with all its children, or stopped by a full disk. After
 * each there is no damage, nothing runs on, and the next build makes the same paths with the same hashes. And collections, killed.
 *
 * `OSMOD_CRASH_ROUNDS` says how often (`npm run test:crash` for a long run).
 */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openStore } from "../../src/store/index.ts";
import { testSandbox } from "../helpers/sandbox.ts";
import { hashesIn, said, Workshop } from "./support/machine.ts";

const sandbox = await testSandbox();
const rounds = Number(process.env["OSMOD_CRASH_ROUNDS"] ?? 4);
const SECONDS_A_ROUND = 60;

let workshop: Workshop;
let expected: readonly string[];
let duration: number;

describe("a collection that is killed at a random moment", () => {
  const place = mkdtempSync(join(tmpdir(), "osmod crash "));
  afterAll(() => {
    execFileSync("chmod", ["-R", "u+w", place]);
    rmSync(place, { recursive: true, force: true });
  });

  it(
    `leaves no valid path that is damaged or refers to nothing (${rounds} rounds)`,
    async () => {
      const script = resolve(import.meta.dirname, "fixtures/collect.mjs");
      const start = (action: string) =>
        spawn(process.execPath, [script, place, action], { stdio: ["ignore", "pipe", "inherit"] });
      const store = openStore({ root: place, sandbox: { prepare: () => expect.unreachable() as never } });
      let [most, hit, between] = [0, 0, 0];
      for (let round = 0; round < rounds; round++) {
        expect((await said(start("fill"))).text).toContain("done");
        // The first is not killed: it tells how long one takes, and how much there is.
        const paths = store.paths().length;
        const child = start("gc");
        const end = said(child);
        await new Promise((ready) => child.stdout?.once("data", ready));
        const begun = performance.now();
        if (round > 0) {
          await sleep(Math.random() * most);
          child.kill("SIGKILL");
        }
        const { code } = await end;
        // One that was done before it was hit says anew how long they take: the first is the slowest.
        if (code !== null) most = performance.now() - begun;
        else hit++;
        const { checked, findings } = await store.verify();
        if (checked > 0 && checked < paths) between++;
        expect(
          findings.filter(({ litter }) => !litter),
          `round ${round}`,
        ).toEqual([]);
      }
      console.log(`${hit} of ${rounds - 1} collections killed, ${between} while paths became invalid; none did damage`);
      expect((await said(start("gc"))).code).toBe(0);
      expect(await store.verify()).toEqual({ checked: 0, bytes: 0, findings: [] });
      expect(hit).toBeGreaterThan(0);
    },
    SECONDS_A_ROUND * 1000 * (rounds + 2),
  );
});

const namespaces = spawnSync("unshare", ["--user", "--map-root-user", "--mount", "true"]).status === 0;

describe.skipIf(sandbox === undefined)("a build that ends at a random moment", () => {
  beforeAll(async () => {
    if (sandbox === undefined) return;
    workshop = await Workshop.open(sandbox);
    await workshop.run(workshop.newStore().config, "build");
    // The first one made the lock; this one is what all others do.
    const { config, root } = workshop.newStore();
    const begun = performance.now();
    const reference = await workshop.run(config, "build");
    duration = performance.now() - begun;
    expected = hashesIn(reference);
    expect(expected.length, reference.text).toBeGreaterThan(5);
    workshop.removeStore(root);
  }, 120_000);
  afterAll(() => workshop?.close());

  it(
    `by a kill leaves no damage, no process and the same result (${rounds} rounds)`,
    async () => {
      let [killed, alone] = [0, 0];
      for (let round = 0; round < rounds; round++) {
        const { config, root } = workshop.newStore();
        const begun = performance.now();
        const child = workshop.start(config, "build");
        const end = said(child);
        await new Promise<void>((ready) => {
          child.stdout?.once("data", () => ready());
          child.once("close", () => ready());
        });
        await sleep(Math.random() * duration * 0.9);
        // The parent alone half of the time: its builders have to notice by themselves.
        const group = round % 2 === 0;
        if (child.exitCode === null) {
          process.kill(group ? -(child.pid as number) : (child.pid as number), "SIGKILL");
          if (!group) alone++;
        }
        const { code } = await end;
        if (code === null) killed++;
        else duration = Math.min(duration, performance.now() - begun);
        await wholeAgain(config, root, `round ${round}`);
      }
      console.log(`${killed} of ${rounds} rounds killed, ${alone} of them the parent alone; none did damage`);
      expect(killed).toBeGreaterThan(0);
    },
    SECONDS_A_ROUND * 1000 * (rounds + 2),
  );

  it.runIf(namespaces)(
    `by a full disk leaves no damage, and goes on where it was`,
    async () => {
      let full = 0;
      const times = Math.ceil(rounds / 4);
      for (let round = 0; round < times; round++) {
        const { config, root } = workshop.newStore();
        mkdirSync(root);
        const size = 400 + Math.floor(Math.random() * 4600);
        // $1 is the store's root, what follows starts the fixture but for its last word.
        const script = [
          `mount -t tmpfs -o size=${size}k none "$1" || exit 99; shift`,
          '"$@" build; echo "first $?"; "$@" verify',
          'mount -o remount,size=200m "$PLACE" && "$@" build; echo "second $?"; "$@" verify; echo last',
        ].join("\n");
        const around = [
          "env",
          `PLACE=${root}`,
          "unshare",
          "--user",
          "--map-root-user",
          "--mount",
          "sh",
          "-c",
          `set -- "$@"; ${script}`,
          "sh",
          root,
        ];
        const { text } = await said(workshop.start(config, undefined, around));
        if (text.includes("disk-full")) full++;
        expect(text, `${size} kB`).not.toContain("damage");
        expect(text, `${size} kB`).not.toContain("unexpected");
        expect(text, `${size} kB`).toMatch(/second 0[\s\S]*last/);
        expect(hashesIn({ text: text.slice(text.indexOf("first")), code: 0 }), `${size} kB`).toEqual(expected);
        workshop.removeStore(root);
      }
      console.log(`${full} of ${times} rounds filled the disk; none did damage`);
    },
    SECONDS_A_ROUND * 1000 * (rounds + 2),
  );

  async function wholeAgain(config: string, root: string, which: string): Promise<void> {
    await noOrphans(which);
    const store = openStore({ root, sandbox: { prepare: () => expect.unreachable() as never } });
    const damage = async () => (await store.verify()).findings.filter(({ litter }) => !litter);
    expect(await damage(), which).toEqual([]);
    const next = await workshop.run(config, "build");
    expect(next.code, next.text).toBe(0);
    expect(hashesIn(next), which).toEqual(expected);
    expect((await store.verify()).findings, which).toEqual([]);
    workshop.removeStore(root);
  }

  /** Builders end with their sandbox, which the kernel ends with its parent: soon, but not in the same moment. */
  async function noOrphans(which: string): Promise<void> {
    for (let i = 0; i < 40 && workshop.orphans().length > 0; i++) await sleep(50);
    expect(workshop.orphans(), which).toEqual([]);
  }
});
