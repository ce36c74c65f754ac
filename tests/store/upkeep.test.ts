import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ProblemError } from "../../src/problems/index.ts";
import { layoutOf } from "../../src/store/embedded/layout.ts";
import { BUILDING, COLLECTING, Locks } from "../../src/store/embedded/locks.ts";
import { type EmbeddedStore, openStore, type Source, StoreScope } from "../../src/store/index.ts";
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
    chmodSync(join(root, "nix/store/.tmp-1.1.1.x.1"), 0o500);
    writeFileSync(join(root, "nix/store", `${"0".repeat(32)}-half`), "");
    const { removed, freed } = await store.collectGarbage({ graceSeconds: -5 });
    expect(removed).toEqual([lonely.path]);
    expect(freed).toBe(120);
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

  it("and building exclude each other", async () => {
    await three();
    const locks = new Locks(layoutOf(root));
    const done = locks.announce(BUILDING, COLLECTING);
    expect(await problem(store.collectGarbage())).toBe("store-busy");
    done?.();
    const collected = locks.announce(COLLECTING, BUILDING);
    const late = scope.text("late", "3");
    expect(await problem(store.realise([late], { signal: AbortSignal.timeout(60) }))).toBe("build-interrupted");
    collected?.();
    await store.realise([late]);
    expect(store.isValid(late.path)).toBe(true);
  });
});

describe("a store that was tampered with", () => {
  it("finds what changed, and makes it again", async () => {
    const [inner, outer, lonely] = await three();
    chmodSync(store.physical(inner.path), 0o644);
    writeFileSync(store.physical(inner.path), "");
    expect(await store.verify()).toEqual([inner.path]);
    expect(store.isValid(inner.path)).toBe(false);
    await store.realise([inner, outer, lonely]);
    expect(await store.verify()).toEqual([]);
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
