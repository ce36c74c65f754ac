/** The store of a real Nix behind our interface, on small derivations. */
import { existsSync, lstatSync, readFileSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type BuildEvent, openNixStore, openStore, type Store, StoreScope } from "../../../src/store/index.ts";
import { hasNix, problemOf, runNix, TestFolder } from "../../helpers/nix.ts";
import { busyboxSource, testSandbox } from "../../helpers/sandbox.ts";

const sandbox = hasNix ? await testSandbox() : undefined;

describe.skipIf(sandbox === undefined)("Nix as the engine", { timeout: 120_000 }, () => {
  const folder = new TestFolder();
  const env = folder.nix("nix root");
  let store: Store;
  let scope: StoreScope;
  let busybox: string;

  beforeAll(() => {
    store = openNixStore({ env });
    scope = new StoreScope();
    busybox = `${busyboxSource(scope, sandbox?.busybox ?? "")}`;
  });
  afterAll(() => folder.remove());

  const script = (name: string, text: string, extra: Record<string, string> = {}) =>
    scope.derivation({
      name,
      system: "x86_64-linux",
      builder: `${busybox}/bin/busybox`,
      args: ["sh", "-ec", text],
      env: { PATH: `${busybox}/bin`, ...extra },
    });

  it("builds what the embedded store builds: the same paths, archives and references", async () => {
    const note = scope.text("note", "a text\n");
    const first = script("first", `echo "from ${note}" > $out`);
    const second = script(
      "second",
      `mkdir $out; ln -s ${first} $out/first; cat ${first} > $out/copy; chmod +x $out/copy`,
    );
    const graph = script("graph", "cat closure > $out", { exportReferencesGraph: `closure ${second}` });
    await store.realise([second, graph]);
    const embedded = openStore({ root: join(folder.path, "embedded"), sandbox: sandbox!.tool, substituters: [] });
    await embedded.realise([second, graph]);
    const paths = embedded.closure([second.path, graph.path, second.drvPath]);
    expect(store.closure([second.path, graph.path, second.drvPath])).toEqual(paths);
    const facts = (of: Store, path: string) => {
      const { narHash, narSize, references } = of.info(path)!;
      return { path, narHash, narSize, references };
    };
    expect(paths.map((path) => facts(store, path))).toEqual(paths.map((path) => facts(embedded, path)));
    expect(store.info(second.path)?.deriver).toBe(second.drvPath);
    expect(store.info(second.path)?.registrationTime).toBeGreaterThan(1_600_000_000);
  });

  it("knows where things lie, what is valid, and what is to be done", async () => {
    const made = script("made", "echo made > $out");
    const user = script("user", `cat ${made} > $out`);
    expect(store.root).toBe(join(folder.path, "nix root"));
    expect(store.isValid(made.path)).toBe(false);
    expect(store.info(made.path)).toBeUndefined();
    expect(store.plan([user]).build.map((drv) => drv.name)).toEqual(["made", "user"]);
    await store.realise([made]);
    expect(store.isValid(made.path)).toBe(true);
    expect(readFileSync(store.physical(made.path), "utf8")).toBe("made\n");
    expect(store.plan([user]).build.map((drv) => drv.name)).toEqual(["user"]);
    expect(store.isValid("no path")).toBe(false);
  });

  it("tells what happens: builders, their lines, their end", async () => {
    const events: BuildEvent[] = [];
    const drv = script("talks", "echo one; echo two >&2; echo > $out");
    await store.realise([drv], { onEvent: (event) => events.push(event) });
    const ours = events.filter((event) => "drv" in event && event.drv === drv);
    expect(ours.map((event) => event.type)).toEqual(["start", "log", "log", "done"]);
    expect(ours.flatMap((event) => (event.type === "log" ? [event.line] : []))).toEqual(["one", "two"]);
    expect(store.log(drv.drvPath)).toMatch(/talks\.drv(\.bz2)?$/);
  });

  it("reports a failed builder with its last lines, and what depends on it once", async () => {
    const broken = script("broken", "echo the reason; exit 3");
    const error = await problemOf(store.realise([script("needs-broken", `cat ${broken} > $out`)]));
    expect(error.problems.map((found) => found.code)).toEqual(["builder-failed"]);
    expect(error.problems[0].message).toMatch(/the builder of broken failed with exit code 3/);
    expect(error.problems[0].notes).toContain("> the reason");
    expect(error.problems[0].fix).toContain(broken.drvPath);
  });

  it("fetches by hash, and refuses what has another", async () => {
    const server = createServer((request, response) =>
      request.url === "/there" ? response.end("hello\n") : response.writeHead(404).end(),
    );
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    try {
      const at = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const hello = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
      const fetch = (name: string, url: string, hash: string) =>
        scope.derivation({
          name,
          system: "builtin",
          builder: "builtin:fetchurl",
          env: { url },
          fixedOutput: { algo: "sha256", hash, mode: "flat" },
        });
      const good = fetch("good", `${at}/there`, hello);
      await store.realise([good]);
      expect(readFileSync(store.physical(good.path), "utf8")).toBe("hello\n");
      const wrong = await problemOf(store.realise([fetch("wrong", `${at}/there`, hello.replace("5", "6"))]));
      expect(wrong.problems[0]).toMatchObject({ code: "hash-mismatch" });
      expect(wrong.problems[0].message).toContain("wrong");
      const gone = await problemOf(store.realise([fetch("gone", `${at}/gone`, hello.replace("5", "7"))]));
      expect(gone.problems[0]).toMatchObject({ code: "fetch-not-found" });
      expect(gone.problems[0].message).toContain(`${at}/gone`);
    } finally {
      server.close();
    }
  });

  it("stops when asked, and leaves nothing", async () => {
    const abort = new AbortController();
    const drv = script("sleeps", "echo begun; sleep 600; echo > $out");
    const running = store.realise([drv], {
      signal: abort.signal,
      onEvent: (event) => {
        if (event.type === "log") abort.abort();
      },
    });
    expect((await problemOf(running)).problems[0].code).toBe("build-interrupted");
    expect(store.isValid(drv.path)).toBe(false);
  });

  it("says which machine is missing for a feature", async () => {
    const drv = script("needs-feature", "echo > $out", { requiredSystemFeatures: "moonlight" });
    const error = await problemOf(store.realise([drv]));
    expect(error.problems[0].code).toBe("build-feature-missing");
    expect(error.problems[0].message).toContain("moonlight");
  });

  it("refuses a source that is not what its hash says", async () => {
    const source = scope.source({
      name: "changed",
      narHash: "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
      provide: async () => ({ type: "regular", executable: false, contents: Buffer.from("other") }),
    });
    expect((await problemOf(store.realise([source]))).problems[0].code).toBe("hash-mismatch");
    expect(store.isValid(source.path)).toBe(false);
  });

  it("keeps a root as long as its link is there", async () => {
    const [kept, dropped] = [script("kept", "echo kept > $out"), script("dropped", "echo dropped > $out")];
    await store.realise([kept, dropped]);
    const link = join(folder.path, "work", "result");
    store.addRoot(link, dropped.path);
    rmSync(link);
    store.addRoot(join(folder.path, "work", "other"), kept.path);
    expect(readlinkSync(join(folder.path, "work", "other"))).toBe(store.physical(kept.path));
    runNix(env, "nix-store", "--gc");
    expect(existsSync(store.physical(kept.path))).toBe(true);
    expect(lstatSync(store.physical(dropped.path), { throwIfNoEntry: false })).toBeUndefined();
    store.addRoot(join(folder.path, "work", "other"), kept.path);
    writeFileSync(join(folder.path, "work", "file"), "mine");
    expect(() => store.addRoot(join(folder.path, "work", "file"), kept.path)).toThrow(/something else is there/);
  });
});

describe("without a Nix", { timeout: 30_000 }, () => {
  it("says what is missing and the ways out", async () => {
    const folder = new TestFolder();
    symlinkSync("/nowhere", join(folder.path, "dangling"));
    const store = openNixStore({ env: { PATH: folder.path } });
    const error = await problemOf(store.realise([new StoreScope().text("a", "b")]));
    expect(error.problems[0].code).toBe("nix-missing");
    expect(error.problems[0].fix).toContain("nix-bin");
    folder.remove();
  });
});
