/** A daemon of Nix that several osmods share, none of which it trusts. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type BuildEvent, openNixStore, type Store, StoreScope } from "../../../src/store/index.ts";
import { hasNix, runNix, TestDaemon, TestFolder } from "../../helpers/nix.ts";
import { busyboxSource, testSandbox } from "../../helpers/sandbox.ts";

const sandbox = hasNix ? await testSandbox() : undefined;

describe.skipIf(sandbox === undefined)("a daemon that is shared", { timeout: 120_000 }, () => {
  const scope = new StoreScope();
  let folder: TestFolder;
  let tally: string;
  let daemon: TestDaemon;
  let busybox: string;

  beforeAll(async () => {
    folder = new TestFolder();
    tally = join(folder.path, "tally");
    mkdirSync(tally);
    // Builders write there, which is how a test sees from outside what was run.
    const settings = [`sandbox-paths = /tally=${tally}`, "trusted-users = nobody", "max-jobs = 4"];
    daemon = await TestDaemon.start(folder, "shared", settings);
    busybox = `${busyboxSource(scope, sandbox?.busybox ?? "")}`;
  });
  afterAll(async () => {
    await daemon?.stop();
    folder?.remove();
  });

  const client = () => openNixStore({ env: folder.nixClient("shared") });
  const script = (name: string, text: string) =>
    scope.derivation({
      name,
      system: "x86_64-linux",
      builder: `${busybox}/bin/busybox`,
      args: ["sh", "-ec", `echo built >> /tally/${name}\n${text}`],
      env: { PATH: `${busybox}/bin` },
    });

  it("builds what two of them want at once, each derivation one time, and keeps it for both", async () => {
    // The shared one ends when both are at work, so neither finds it made.
    const shared = script("shared", "until [ -e /tally/go ]; do sleep 0.1; done; echo shared > $out");
    const goals = ["one", "two"].map((name) => {
      const own = script(`${name}-own`, `echo ${name} > $out`);
      return script(name, `cat ${own} ${shared} > $out`);
    });
    const begun = new Set<string>();
    const start = async (goal: (typeof goals)[number]): Promise<Store> => {
      const store = client();
      await store.realise([goal], {
        maxJobs: 2,
        onEvent: (event: BuildEvent) => {
          if (event.type === "start") begun.add(event.drv.name);
          if (begun.has("one-own") && begun.has("two-own")) writeFileSync(join(tally, "go"), "");
        },
      });
      return store;
    };
    const stores = await Promise.all(goals.map(start));

    for (const name of ["shared", "one-own", "two-own", "one", "two"])
      expect([name, readFileSync(join(tally, name), "utf8")]).toEqual([name, "built\n"]);
    goals.forEach((goal, at) => {
      const link = join(folder.path, "work", goal.name);
      stores[at]!.addRoot(link, goal.path);
      expect(readFileSync(link, "utf8")).toBe(`${goal.name}\nshared\n`);
    });
    runNix(folder.nixClient("shared"), "nix-store", "--gc");
    for (const goal of goals) expect(client().isValid(goal.path)).toBe(true);
    expect(client().isValid(shared.path)).toBe(false);
  });
});
