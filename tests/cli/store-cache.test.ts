/** The verbs of two words that deal with binary caches, as a user runs them. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openStore, StoreScope } from "../../src/store/index.ts";

const main = resolve(import.meta.dirname, "../../dist/cli/main.js");

describe("osmod store", { timeout: 60_000 }, () => {
  const directory = mkdtempSync(join(tmpdir(), "osmod store "));
  const note = new StoreScope().text("note", "a text\n");
  const osmod = (args: readonly string[], env: Record<string, string> = {}) =>
    spawnSync(process.execPath, [main, ...args], {
      cwd: directory,
      encoding: "utf8",
      env: { PATH: process.env["PATH"] ?? "", HOME: directory, OSMOD_STORE_ROOT: join(directory, "store"), ...env },
    });

  beforeAll(async () => {
    const store = openStore({ root: join(directory, "store"), sandbox: { prepare: async () => [] }, substituters: [] });
    await store.realise([note]);
    store.addRoot(join(directory, "result"), note.path);
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  it("makes a key that only its owner can read, and replaces none", () => {
    const made = osmod(["store", "key", "generate", "test-1"]);
    expect(made.status, made.stderr).toBe(0);
    expect(made.stdout).toMatch(/^test-1:[A-Za-z0-9+/]{43}=\n$/);
    expect(statSync(join(directory, "test-1.secret")).mode & 0o777).toBe(0o600);
    const before = readFileSync(join(directory, "test-1.secret"), "utf8");
    const again = osmod(["store", "key", "generate", "test-1"]);
    expect(again.status).toBe(1);
    expect(again.stderr).toContain("key-unwritable");
    expect(readFileSync(join(directory, "test-1.secret"), "utf8")).toBe(before);
    expect(osmod(["store", "key", "public", "test-1.secret"]).stdout).toBe(made.stdout);
  });

  it("exports ./result, and imports it into another store", () => {
    osmod(["store", "key", "generate", "test-2"]);
    const exported = osmod(["store", "export", "--to", "cache", "--sign", "test-2.secret"]);
    expect(exported.status, exported.stderr).toBe(0);
    expect(exported.stdout).toMatch(/^1 paths written to cache/);
    const imported = osmod(["store", "import", "--from", "cache", note.path], {
      OSMOD_STORE_ROOT: join(directory, "other"),
    });
    expect(imported.status, imported.stderr).toBe(0);
    expect(imported.stdout).toBe("1 paths copied from cache\n");
    expect(readFileSync(join(directory, "other", note.path), "utf8")).toBe("a text\n");
  });

  it("says that an export is not signed, and what it cannot export", () => {
    expect(osmod(["store", "export", "--to", "plain"]).stderr).toContain("not signed");
    symlinkSync("/usr", join(directory, "elsewhere"));
    const refused = osmod(["store", "export", "--to", "plain", "elsewhere"]);
    expect(refused.status).toBe(1);
    expect(refused.stderr).toContain("store-path-unknown");
    expect(osmod(["store", "export", "--to", "plain", "--sign", "absent"]).stderr).toContain("key-unreadable");
  });

  it("ends with 2 for what the verbs do not understand", () => {
    for (const args of [
      ["store", "export"],
      ["store", "import"],
      ["store", "key"],
      ["store", "key", "generate"],
      ["store", "nonsense"],
      ["store", "export", "--to", "x", "--store", "guix"],
    ]) {
      expect(osmod(args).status, args.join(" ")).toBe(2);
    }
    expect(osmod(["store", "import", "--from", "cache", "--store", "nix"]).stderr).toContain("nix copy --from");
    expect(osmod(["store", "export", "--to", "x"], { OSMOD_STORE: "guix" }).stderr).toContain("OSMOD_STORE");
  });
});
