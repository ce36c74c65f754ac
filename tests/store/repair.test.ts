/** Damage of all kinds, found and mended; equal files joined; a loss of power. */
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { removeTree } from "../../src/store/embedded/trees.ts";
import { type Derivation, type EmbeddedStore, openStore, StoreScope } from "../../src/store/index.ts";
import { busyboxSource, testSandbox } from "../helpers/sandbox.ts";

const sandbox = await testSandbox();
let place: string;
let root: string;
let store: EmbeddedStore;
let tree: Derivation;
let user: Derivation;

beforeEach(async () => {
  if (sandbox === undefined) return;
  place = mkdtempSync(join(tmpdir(), "osmod repair "));
  root = join(place, "root");
  const scope = new StoreScope();
  const busybox = busyboxSource(scope, sandbox.busybox);
  const shell = (name: string, script: string) =>
    scope.derivation({
      name,
      system: "x86_64-linux",
      builder: `${busybox}/bin/busybox`,
      args: ["sh", "-ec", script],
      env: { PATH: `${busybox}/bin` },
    });
  tree = shell(
    "tree",
    "mkdir -p $out/d/e; echo one > $out/d/one; echo two > $out/d/two; ln -s one $out/d/link; head -c 9000 /bin/busybox > $out/big || seq 3000 > $out/big",
  );
  user = shell(
    "user",
    `mkdir $out; echo ${tree} > $out/uses; cp ${tree}/big $out/big; cp ${tree}/big $out/same; chmod +x $out/same`,
  );
  store = open();
  await store.realise([user]);
});
afterEach(() => removeTree(place));

const open = () => openStore({ root, sandbox: sandbox!.tool });
const found = async (at: EmbeddedStore = store) =>
  (await at.verify()).findings.map(({ code, path }) => `${code} ${path?.slice(44)}`);
const file = (below: string, of: Derivation = tree) => store.physical(of.path) + below;

/** Change what nothing should change. */
function tamper(work: () => void, ...directories: readonly string[]): void {
  for (const directory of directories) chmodSync(directory, 0o755);
  work();
  for (const directory of directories) if (existsSync(directory)) chmodSync(directory, 0o555);
}

function write(at: string, text: string): void {
  chmodSync(at, 0o644);
  writeFileSync(at, text);
  chmodSync(at, 0o444);
}

describe.skipIf(sandbox === undefined)("repairing", { timeout: 60_000 }, () => {
  it("mends a tree in place: contents, modes, links, what is missing and what is too much", async () => {
    const before = lstatSync(file("/d/two")).ino;
    tamper(() => {
      write(file("/d/one"), "changed");
      rmSync(file("/d/link"));
      symlinkSync("elsewhere", file("/d/link"));
      writeFileSync(file("/d/extra"), "");
      rmSync(file("/d/e"), { recursive: true });
    }, file("/d"));
    expect(await found()).toEqual(["path-damaged tree"]);
    const { findings } = await store.verify();
    expect(await store.repair(findings)).toEqual({ repaired: [tree.path], changed: [], forgotten: [], problems: [] });
    expect(await found()).toEqual([]);
    expect(readFileSync(file("/d/one"), "utf8")).toBe("one\n");
    expect(lstatSync(file("/d")).mode & 0o777).toBe(0o555);
    // What was right was not touched: whoever has it open keeps it.
    expect(lstatSync(file("/d/two")).ino).toBe(before);
  });

  it("puts another kind of thing right, and a path that is gone back", async () => {
    removeTree(file(""));
    writeFileSync(file(""), "a file now");
    removeTree(file("", user));
    expect((await found()).sort()).toEqual(["path-damaged tree", "path-missing user"]);
    const { repaired } = await store.repair((await store.verify()).findings);
    expect([...repaired].sort()).toEqual([tree.path, user.path].sort());
    expect(await found()).toEqual([]);
  });

  it("finds who made a path when its registration is lost", async () => {
    const info = join(root, "nix/var/osmod/info", tree.path.slice(11));
    truncateSync(info);
    const fresh = open();
    expect(await found(fresh)).toEqual(["registration-broken tree"]);
    const { repaired, problems } = await fresh.repair((await fresh.verify()).findings);
    expect(problems).toEqual([]);
    expect(repaired).toEqual([tree.path]);
    expect(await found(fresh)).toEqual([]);
  });

  it("forgets a description that is damaged, and the next build writes it again", async () => {
    write(store.physical(tree.drvPath), "Derive(");
    const { forgotten } = await store.repair((await store.verify()).findings);
    expect([...forgotten].sort()).toEqual([tree.drvPath, user.drvPath].sort());
    expect(store.isValid(user.path)).toBe(true);
    await store.realise([user]);
    expect(store.isValid(tree.drvPath)).toBe(true);
    expect(await found()).toEqual([]);
  });

  it("makes inputs that were collected again, and keeps descriptions for that", async () => {
    store.addNamedRoot("kept", tree.path);
    const { removed } = await store.collectGarbage({ graceSeconds: -5 });
    expect(removed).toContain(user.path);
    expect(removed).not.toContain(tree.drvPath);
    expect(removed.some((path) => path.endsWith("-busybox"))).toBe(false);
    tamper(() => write(file("/big"), "x"));
    expect((await store.repair((await store.verify()).findings)).repaired).toEqual([tree.path]);
    expect(store.removeRoot("kept").path).toBe(tree.path);
  });
});

describe.skipIf(sandbox === undefined)("equal files", { timeout: 60_000 }, () => {
  it("become one file, but for their modes, and stay right", async () => {
    const before = store.diskUsage();
    const { joined, freed } = await store.optimise();
    expect(joined).toBe(1);
    expect(lstatSync(file("/big")).ino).toBe(lstatSync(file("/big", user)).ino);
    expect(lstatSync(file("/same", user)).mode & 0o777).toBe(0o555);
    expect(store.diskUsage()).toMatchObject({ disk: before.disk - freed, saved: before.saved + freed });
    expect(await found()).toEqual([]);
    expect(await store.optimise()).toMatchObject({ joined: 0 });
    expect(readdirSync(join(root, "nix/store")).filter((name) => name.startsWith(".tmp"))).toEqual([]);
  });

  it("that are damaged are damage of every path with them, and each gets its own back", async () => {
    await store.optimise();
    write(file("/big"), "damage");
    expect((await found()).sort()).toEqual(["path-damaged tree", "path-damaged user"]);
    const { repaired, changed } = await store.repair((await store.verify()).findings);
    expect(repaired).toHaveLength(2);
    expect(changed).toEqual([]);
    expect(await found()).toEqual([]);
  });

  it("count as free only when their last name goes", async () => {
    const { freed } = await store.optimise();
    store.addNamedRoot("kept", tree.path);
    const collected = await store.collectGarbage({ graceSeconds: -5, dryRun: true });
    expect(freed).toBeGreaterThan(0);
    expect(collected.freed).toBeLessThan(store.diskUsage().disk - freed);
  });
});

describe.skipIf(sandbox === undefined)("a loss of power", { timeout: 60_000 }, () => {
  /** The machine went down while something was unsynced: a mark of another boot, and files that are empty. */
  function powerCut(): void {
    const mark = join(root, "nix/var/osmod/unsynced", "17.1.1.otherrun.1");
    writeFileSync(mark, `${Math.floor(Date.now() / 1000) - 60}\n`);
    chmodSync(mark, 0o444);
    const old = new Date(Date.now() - 120_000);
    utimesSync(mark, old, old);
  }

  it("is noticed by the next build, which makes again what did not get to the disk", async () => {
    expect(readdirSync(join(root, "nix/var/osmod/unsynced"))).toEqual([]);
    truncate(file("/big"));
    truncate(join(root, "nix/var/osmod/info", user.drvPath.slice(11)));
    powerCut();
    const next = open();
    await next.realise([user]);
    expect(await found(next)).toEqual([]);
    expect(lstatSync(file("/big")).size).toBeGreaterThan(1000);
    expect(readdirSync(join(root, "nix/var/osmod/unsynced"))).toEqual([]);
  });

  it("does not let what refers to a lost path look complete", async () => {
    truncate(file("/d/one"));
    powerCut();
    const next = open();
    const started: string[] = [];
    await next.realise([user], { onEvent: (event) => void (event.type === "start" && started.push(event.drv.name)) });
    expect(started).toEqual(["tree", "user"]);
  });
});

function truncate(at: string): void {
  chmodSync(at, 0o644);
  truncateSync(at);
}

describe.skipIf(sandbox === undefined)("asking a store", { timeout: 60_000 }, () => {
  it("finds a path by whatever means it", () => {
    const base = tree.path.slice(11);
    for (const text of [tree.path, `${tree.path}/d/one`, base, base.slice(0, 6), file("/d"), "tree"])
      expect(store.find(text), text).toBe(tree.path);
    store.addRoot(join(place, "result"), user.path);
    expect(store.find(join(place, "result"))).toBe(user.path);
    expect(() => store.find("nothing")).toThrow("is called nothing");
    expect(() => store.find("")).toThrow("is called");
  });

  it("tells why one path needs another, with the file that says so", () => {
    expect(store.whyDepends(user.path, tree.path)).toMatchObject([{ from: user.path, to: tree.path, file: "uses" }]);
    expect(store.whyDepends(user.drvPath, tree.path)).toEqual([]);
    expect(store.whyDepends(tree.path, user.path)).toEqual([]);
  });

  it("tells what paths take, alone and together", () => {
    const [a, b] = store.usage([user.path, tree.path]);
    expect(a).toMatchObject({ paths: 2, shared: b?.closure });
    expect(b).toMatchObject({ paths: 1, own: 0, closure: b?.self });
    expect((a?.own ?? 0) + (a?.shared ?? 0)).toBe(a?.closure);
  });
});
