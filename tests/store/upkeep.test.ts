import { execFileSync, spawn } from "node:child_process";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ProblemError } from "../../src/problems/index.ts";
import { collectGarbage } from "../../src/store/embedded/collect.ts";
import { layoutOf } from "../../src/store/embedded/layout.ts";
import { COLLECTING, Locks } from "../../src/store/embedded/locks.ts";
import { thisOwner } from "../../src/store/embedded/owner.ts";
import { announceUse } from "../../src/store/embedded/running.ts";
import { openState } from "../../src/store/embedded/state.ts";
import { type EmbeddedStore, hashPath, openStore, type Source, StoreScope, toSri } from "../../src/store/index.ts";
import { file } from "../helpers/sandbox.ts";

let place: string;
let root: string;
let store: EmbeddedStore;
let scope: StoreScope;

beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), "osmod upkeep "));
  root = join(place, "root");
  store = openStore({ root, sandbox: { prepare: () => expect.unreachable() as never } });
  scope = new StoreScope();
});
afterEach(() => {
  execFileSync("chmod", ["-R", "u+w", place]);
  rmSync(place, { recursive: true, force: true });
});

async function problem(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    if (error instanceof ProblemError) return error.problems[0].code;
    throw error;
  }
  return "nothing was thrown";
}

/** Two texts, one naming the other, and a third that nobody names. */
async function three(): Promise<readonly [Source, Source, Source]> {
  const inner = scope.text("inner", "1");
  const outer = scope.text("outer", inner.path);
  const lonely = scope.text("lonely", "2");
  await store.realise([outer, lonely]);
  return [inner, outer, lonely];
}

describe("roots", () => {
  it("are links to the physical place that can be made again and again", async () => {
    const [inner, outer] = await three();
    const link = join(place, "new folder/result");
    store.addRoot(link, inner.path);
    store.addRoot(link, outer.path);
    expect(readlinkSync(link)).toBe(store.physical(outer.path));
    expect(readdirSync(join(root, "nix/var/osmod/gcroots"))).toHaveLength(1);
  });

  it("never replace what is no link", async () => {
    const [inner] = await three();
    writeFileSync(join(place, "result"), "mine");
    expect(() => store.addRoot(join(place, "result"), inner.path)).toThrow("something else is there");
  });
});

describe("collecting garbage", () => {
  it("keeps what a root reaches, and nothing else", async () => {
    const [inner, outer, lonely] = await three();
    store.addRoot(join(place, "result"), outer.path);
    mkdirSync(join(root, "nix/store/.tmp-1.1.1.x.1/d"), { recursive: true });
    utimesSync(join(root, "nix/store/.tmp-1.1.1.x.1"), 1, 1);
    chmodSync(join(root, "nix/store/.tmp-1.1.1.x.1"), 0o500);
    writeFileSync(join(root, "nix/store", `${"0".repeat(32)}-half`), "");
    const { removed, litter } = await store.collectGarbage({ graceSeconds: -5 });
    expect(removed).toEqual([lonely.path]);
    expect(litter).toBe(2);
    expect(
      readdirSync(join(root, "nix/store"))
        .map((name) => `/nix/store/${name}`)
        .sort(),
    ).toEqual([inner.path, outer.path].sort());
    expect(store.isValid(lonely.path)).toBe(false);
    rmSync(join(place, "result"));
    expect((await store.collectGarbage({ graceSeconds: -5 })).removed).toHaveLength(2);
    expect(readdirSync(join(root, "nix/var/osmod/gcroots"))).toEqual([]);
    await store.realise([outer]);
    expect(store.closure([outer.path])).toHaveLength(2);
  });

  it("spares what was just made", async () => {
    await three();
    expect((await store.collectGarbage()).removed).toEqual([]);
  });

  it("waits for no build, and a build waits for it", async () => {
    await three();
    const collected = new Locks(layoutOf(root)).exclusive(COLLECTING);
    expect(await problem(store.collectGarbage())).toBe("store-busy");
    const late = scope.text("late", "3");
    expect(await problem(store.realise([late], { signal: AbortSignal.timeout(60) }))).toBe("build-interrupted");
    collected?.();
    await store.realise([late]);
    expect(store.isValid(late.path)).toBe(true);
  });

  it("leaves what a running build uses, made or not", async () => {
    const [inner, outer, lonely] = await three();
    const state = openState(layoutOf(root));
    const half = `/nix/store/${"1".repeat(32)}-half`;
    writeFileSync(store.physical(half), "");
    const end = announceUse(state, [outer.path, half]);
    expect((await store.collectGarbage({ graceSeconds: -5 })).removed).toEqual([lonely.path]);
    expect(existsSync(store.physical(half))).toBe(true);
    expect(store.running()).toEqual([{ kind: "build", pid: process.pid, paths: [outer.path, half] }]);
    end();
    const rest = await store.collectGarbage({ graceSeconds: -5 });
    expect(rest).toMatchObject({ litter: 1, removed: expect.arrayContaining([inner.path, outer.path]) });
  });

  it("leaves what a virtual machine runs from, and forgets machines that are gone", async () => {
    const [inner, outer] = await three();
    mkdirSync(join(root, "nix/var/osmod/running"), { recursive: true });
    const note = (owner: string) => join(root, "nix/var/osmod/running", `vm.${owner}.1`);
    writeFileSync(note(thisOwner()), `${outer.path}\n`);
    const [pid, start, , boot] = thisOwner().split(".");
    writeFileSync(note([pid, "1", ...thisOwner().split(".").slice(2)].join(".")), `${inner.path}\n`);
    expect(store.running()).toHaveLength(1);
    expect((await store.collectGarbage({ graceSeconds: -5 })).removed).toHaveLength(1);
    expect(readdirSync(join(root, "nix/var/osmod/running"))).toHaveLength(1);
    rmSync(note(thisOwner()));
    writeFileSync(note([pid, start, "17", boot].join(".")), `${inner.path}\n`);
    expect((await store.collectGarbage({ graceSeconds: -5 })).removed).toEqual([outer.path]);
  });

  it("leaves what any process has open", async () => {
    const [, , lonely] = await three();
    const child = spawn("sleep", ["60"], { env: { PATH: process.env["PATH"], HELD: store.physical(lonely.path) } });
    await new Promise((resolve) => child.once("spawn", resolve));
    expect((await store.collectGarbage({ graceSeconds: -5 })).removed).not.toContain(lonely.path);
    child.kill();
    await new Promise((resolve) => child.once("close", resolve));
    expect((await store.collectGarbage({ graceSeconds: -5 })).removed).toEqual([lonely.path]);
  });

  it("says what it would remove, and removes it only when meant", async () => {
    const [, , lonely] = await three();
    const would = await store.collectGarbage({ graceSeconds: -5, dryRun: true });
    expect(would.removed).toHaveLength(3);
    expect(would.freed).toBe(3 * 4096);
    expect(store.isValid(lonely.path)).toBe(true);
    expect(await store.collectGarbage({ graceSeconds: -5 })).toMatchObject({ freed: would.freed });
  });
});

describe("a tree that is added", () => {
  it("has the modes and the time of a store, whatever the umask and the original's", async () => {
    const tree = join(place, "tree");
    mkdirSync(join(tree, "below"), { recursive: true });
    writeFileSync(join(tree, "below/plain"), "1", { mode: 0o666 });
    writeFileSync(join(tree, "below/program"), "2", { mode: 0o700 });
    writeFileSync(join(tree, "big"), Buffer.alloc(600_000, 7));
    symlinkSync("nowhere", join(tree, "link"));
    const { hash } = hashPath(tree);
    const source = scope.source({ name: "tree", narHash: toSri(hash), provide: async () => tree });
    const before = process.umask(0o077);
    try {
      await store.realise([source]);
    } finally {
      process.umask(before);
    }
    const at = store.physical(source.path);
    const look = (name: string) => {
      const { mode, mtimeMs } = lstatSync(join(at, name));
      return [(mode & 0o7777).toString(8), mtimeMs];
    };
    for (const name of ["", "below", "below/program"]) expect(look(name), name).toEqual(["555", 1000]);
    for (const name of ["below/plain", "big"]) expect(look(name), name).toEqual(["444", 1000]);
    expect(look("link")[1]).toBe(1000);
    expect((await store.verify()).findings).toEqual([]);
    expect(hashPath(at).hash).toEqual(hash);
  });
});

describe("a collection that ends in the middle", () => {
  it("leaves no valid path that refers to an invalid one, wherever it ends", async () => {
    const texts = chain(scope, 6);
    for (let calls = 0; calls < texts.length; calls++) {
      await store.realise(texts);
      const state = openState(layoutOf(root));
      const forget = state.infos.forgetLater.bind(state.infos);
      let left = calls;
      state.infos.forgetLater = async (path) => {
        if (left-- <= 0) throw new Error("no more");
        await forget(path);
      };
      await expect(collectGarbage(state, { graceSeconds: -5 })).rejects.toThrow("no more");
      expect(state.infos.all()).toHaveLength(texts.length - calls);
      const { findings } = await store.verify();
      expect(findings.filter(({ litter }) => !litter)).toEqual([]);
      expect(findings).toHaveLength(calls);
    }
    expect((await store.collectGarbage({ graceSeconds: -5 })).litter).toBe(texts.length - 1);
    expect((await store.verify()).checked).toBe(0);
  });

  it("goes on with nothing after a failure, and is over when it says so", async () => {
    await store.realise(Array.from({ length: 50 }, (_, i) => scope.text(`text-${i}`, "1")));
    const asked: string[] = [];
    const onRemove = (path: string) => {
      asked.push(path);
      if (asked.length === 3) throw new Error("enough");
    };
    await expect(store.collectGarbage({ graceSeconds: -5, onRemove })).rejects.toThrow("enough");
    const left = readdirSync(join(root, "nix/store")).length;
    expect(left).toBe(50 - asked.length + 1);
    expect(await store.collectGarbage({ graceSeconds: -5 })).toMatchObject({ removed: [], litter: left });
  });
});

/** Texts of which each names the one before. */
function chain(scope: StoreScope, length: number): Source[] {
  const texts: Source[] = [];
  for (let i = 0; i < length; i++) texts.push(scope.text(`link-${i}`, texts.at(-1)?.path ?? ""));
  return texts;
}

describe("a store that was tampered with", () => {
  it("finds what changed, changes nothing by looking, and forgets what only a build can make", async () => {
    const [inner, outer, lonely] = await three();
    chmodSync(store.physical(inner.path), 0o644);
    writeFileSync(store.physical(inner.path), "");
    const { findings, checked } = await store.verify();
    expect(findings).toMatchObject([{ code: "path-damaged", path: inner.path, litter: false }]);
    expect(checked).toBe(3);
    expect(store.isValid(inner.path)).toBe(true);
    // A text has no deriver; what refers to it goes as well, or nobody would notice that it is gone.
    const { forgotten, repaired } = await store.repair(findings);
    expect([...forgotten].sort()).toEqual([inner.path, outer.path].sort());
    expect(repaired).toEqual([]);
    await store.realise([outer, lonely]);
    expect((await store.verify()).findings).toEqual([]);
    expect(readFileSync(store.physical(inner.path), "utf8")).toBe("1");
  });

  it("finds everything else that is not as it should be", async () => {
    const [inner, outer, lonely] = await three();
    store.addRoot(join(place, "result"), outer.path);
    rmSync(store.physical(inner.path));
    writeFileSync(join(root, "nix/var/osmod/info", lonely.path.slice(11)), "{");
    writeFileSync(join(root, "nix/store/litter"), "");
    mkdirSync(join(root, "nix/store/.tmp-1.1.1.x.1"));
    utimesSync(join(root, "nix/store/.tmp-1.1.1.x.1"), 1, 1);
    const fresh = openStore({ root, sandbox: { prepare: async () => [] } });
    const codes = async () => (await fresh.verify()).findings.map(({ code }) => code).sort();
    expect(await codes()).toEqual(
      ["path-missing", "reference-missing", "registration-broken", "object-unregistered", "temporary-left"].sort(),
    );
    await fresh.repair((await fresh.verify()).findings);
    expect(new Set(await codes())).toEqual(new Set(["object-unregistered", "root-dangling", "temporary-left"]));
    await fresh.realise([outer, lonely]);
    await fresh.collectGarbage({ graceSeconds: 600 });
    expect(await codes()).toEqual([]);
  });

  it("takes a path that is gone for invalid, whatever was registered", async () => {
    const [inner] = await three();
    rmSync(store.physical(inner.path));
    expect(store.isValid(inner.path)).toBe(false);
    expect(store.info(inner.path)).toBeUndefined();
    expect(() => store.closure([inner.path])).toThrow("is not in the store");
  });

  it("replaces what lies unregistered at a path's place, whatever it is", async () => {
    const source = scope.source({
      name: "f",
      narHash: "sha256-d6xi4mKdjkX2JFicDIv5niSzpyI0m/Hnm8GGAIU04kY=",
      provide: async () => file(""),
    });
    mkdirSync(join(store.physical(source.path), "deep"), { recursive: true });
    await store.realise([source]);
    expect(lstatSync(store.physical(source.path)).isFile()).toBe(true);
  });

  it("says so when what it knows cannot be read", async () => {
    const [inner] = await three();
    writeFileSync(join(root, "nix/var/osmod/info", inner.path.slice(11)), "{");
    const fresh = openStore({ root, sandbox: { prepare: async () => [] } });
    expect(() => fresh.info(inner.path)).toThrow("cannot be read");
    expect(existsSync(store.physical(inner.path))).toBe(true);
  });
});
