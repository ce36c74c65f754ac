/** The verbs that look after the store: what they print, and how they end. */
import { chmodSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { run as log } from "../../src/cli/log.ts";
import { duration, size } from "../../src/cli/open-store.ts";
import { run as pathInfo } from "../../src/cli/path-info.ts";
import { run as du } from "../../src/cli/store-du.ts";
import { run as gc } from "../../src/cli/store-gc.ts";
import { run as optimise } from "../../src/cli/store-optimise.ts";
import { run as root } from "../../src/cli/store-root.ts";
import { run as verify } from "../../src/cli/store-verify.ts";
import { type Verb, verbs } from "../../src/cli/verbs.ts";
import { run as whyDepends } from "../../src/cli/why-depends.ts";
import { removeTree } from "../../src/store/embedded/trees.ts";
import { openStore, type Source, type Store, StoreScope } from "../../src/store/index.ts";

let place: string;
let store: Store;
let inner: Source;
let outer: Source;

beforeEach(async () => {
  place = mkdtempSync(join(tmpdir(), "osmod verbs "));
  vi.stubEnv("OSMOD_STORE_ROOT", join(place, "root"));
  store = openStore({ sandbox: { prepare: async () => [] } });
  const scope = new StoreScope();
  inner = scope.text("inner-1.0", "the same text");
  outer = scope.text("outer", `see ${inner.path}`);
  await store.realise([outer, scope.text("other", "the same text")]);
});
afterEach(() => {
  vi.unstubAllEnvs();
  removeTree(place);
});

/** Run a verb in this process. */
async function said(verb: Verb, ...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  const texts = { out: "", err: "" };
  const take = (into: keyof typeof texts) => (chunk: unknown) => {
    texts[into] += String(chunk);
    return true;
  };
  const stdout = vi.spyOn(process.stdout, "write").mockImplementation(take("out"));
  const stderr = vi.spyOn(process.stderr, "write").mockImplementation(take("err"));
  try {
    const code = await verb(argv, new AbortController().signal);
    return { code, ...texts };
  } finally {
    stdout.mockRestore();
    stderr.mockRestore();
  }
}

function damage(): void {
  chmodSync(store.physical(inner.path), 0o644);
  writeFileSync(store.physical(inner.path), "");
}

describe("store verify", () => {
  it("ends with 0 and a sum when there is no damage", async () => {
    expect(await said(verify)).toEqual({ code: 0, out: "3 paths hashed, 432 B: no damage\n", err: "" });
  });

  it("ends with 1, and names the path, its hashes and the way out", async () => {
    damage();
    const { code, out, err } = await said(verify);
    expect(code).toBe(1);
    expect(out).toContain("1 finding of damage");
    expect(err).toContain(`error: ${inner.path} is not what was registered [path-damaged]`);
    expect(err).toMatch(/registered {2}sha256-.*\n.*found {7}sha256-/);
    expect(err).toContain("fix: Run `osmod store verify --repair`");
    const { findings } = JSON.parse((await said(verify, "--json")).out);
    expect(findings).toMatchObject([{ code: "path-damaged", path: inner.path, litter: false }]);
  });

  it("says what only a build can bring back, and is content once it did", async () => {
    damage();
    const { code, out } = await said(verify, "--repair");
    expect(code).toBe(1);
    expect(out).toContain("2 paths cannot be made from what the store has");
    await store.realise([outer]);
    expect((await said(verify)).code).toBe(0);
  });
});

describe("store gc", () => {
  it("lists, then removes, and keeps what has a name", async () => {
    expect((await said(root, "add", "outer")).out).toContain(`keeps ${outer.path}`);
    expect((await said(gc)).out).toMatch(/^removed 0 paths, 0 B\n1 path made within 10m stay/);
    expect((await said(gc, "--dry-run", "--older-than", "0s")).out).toMatch(/-other\nwould remove 1 path, 4\.1 kB\n$/);
    expect((await said(gc, "--older-than", "0s")).out).toMatch(/-other\nremoved 1 path, 4\.1 kB\n$/);
    expect(store.isValid(outer.path)).toBe(true);
  });

  it("takes times with a unit", async () => {
    expect(["90s", "2m", "3h", "1d", "1w", "2"].map((text) => duration("x", text))).toEqual([
      90, 120, 10_800, 86_400, 604_800, 172_800,
    ]);
    await expect(said(gc, "--older-than", "soon")).rejects.toThrow("--older-than takes a time");
  });
});

describe("store root", () => {
  it("adds by name, lists links as well, and removes either", async () => {
    store.addRoot(join(place, "result"), inner.path);
    await said(root, "add", "--name", "kept", outer.path);
    const { out } = await said(root, "list");
    expect(out).toContain(`link ${join(place, "result")}  ${inner.path}\n`);
    expect(out).toContain(`name kept  ${outer.path}\n`);
    await said(root, "remove", "kept");
    await said(root, "remove", join(place, "result"));
    expect((await said(root, "list")).out).toBe("nothing is kept\n");
    await expect(said(root, "remove", "kept")).rejects.toThrow("there is no root kept");
    await expect(said(root, "add", "--name", "../up", outer.path)).rejects.toThrow("cannot be the name of a root");
    await expect(said(root, "ad", "x")).rejects.toThrow(`no action "ad"`);
  });
});

describe("asking the store", () => {
  it("du: closure, own and shared", async () => {
    const { paths, store: whole } = JSON.parse((await said(du, "--json", "outer", "inner")).out);
    expect(paths[0]).toMatchObject({ path: outer.path, paths: 2 });
    expect(paths[1]).toMatchObject({ path: inner.path, own: 0 });
    expect(whole.paths).toBe(3);
    expect((await said(du, "outer")).out).toMatch(/closure +own +shared +paths\n/);
  });

  it("optimise: what was joined", async () => {
    expect((await said(optimise)).out).toBe("3 files looked at, 1 file joined, 4.1 kB free\n");
  });

  it("path-info: by any way to say a path", async () => {
    const { out } = await said(pathInfo, "inner");
    expect(out).toContain(inner.path);
    expect(out).toContain(store.info(inner.path)?.narHash);
    const data = JSON.parse((await said(pathInfo, "--json", "--closure", outer.path)).out);
    expect(Object.keys(data)).toEqual([inner.path, outer.path].sort());
    expect(data[outer.path].references).toEqual([inner.path]);
    await expect(said(pathInfo)).rejects.toThrow("needs a path");
  });

  it("why-depends: the chain, or 1", async () => {
    const { code, out } = await said(whyDepends, "outer", "inner");
    expect(code).toBe(0);
    expect(out).toBe(`${outer.path}\n  .: …see ${inner.path}…\n  → ${inner.path}\n`);
    expect(await said(whyDepends, "inner", "outer")).toMatchObject({ code: 1 });
  });

  it("log: says when there is none", async () => {
    await expect(said(log, "inner")).rejects.toThrow("the store has no log for inner");
    await expect(said(log, "nothing")).rejects.toThrow("is called nothing");
  });
});

it("every verb of the table is in the README or the manual", () => {
  const docs = ["docs/manual.md", "docs/running.md"].map((file) => join(import.meta.dirname, "../..", file));
  const text = docs.map((file) => readFileSync(file, "utf8")).join("");
  for (const verb of verbs.keys()) if (verb !== "version") expect(text, verb).toContain(verb.split(" ").at(-1));
});

it("sizes are for people", () => {
  expect([0, 999, 1000, 81_500_000, 2e12].map(size)).toEqual(["0 B", "999 B", "1.0 kB", "81.5 MB", "2.0 TB"]);
});
