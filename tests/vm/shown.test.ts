/** What is kept of a machine with its memory. That a machine goes on with it is seen in tests/boot/switch. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { QmpClient } from "../../src/vm/qmp.ts";
import type { RunningVm } from "../../src/vm/running.ts";
import { keepPaths, keepShown, shownBefore } from "../../src/vm/shown.ts";

const path = (digit: string, name: string) => `/nix/store/${digit.repeat(32)}-${name}`;

describe("what a machine was shown", () => {
  const home = mkdtempSync(join(tmpdir(), "osmod shown "));
  const launcher = join(home, path("a", "run-web-vm"));
  const image = join(home, path("b", "store-image"), "store.erofs");
  const running = { runtime: join(home, "run"), launcher } as RunningVm;
  const qmp = (files: readonly string[]) =>
    ({ command: async () => files.map((file, i) => ({ "node-name": `store-${i}`, file })) }) as unknown as QmpClient;

  beforeAll(() => {
    mkdirSync(running.runtime);
    mkdirSync(join(launcher, "share/osmod"), { recursive: true });
    writeFileSync(join(launcher, "share/osmod/store-paths"), `path ${path("c", "system")}\n`);
  });
  afterAll(() => rmSync(home, { recursive: true }));

  it("is not there when nothing was kept", () => {
    expect(shownBefore(join(home, "nothing"))).toBeUndefined();
    keepPaths(join(home, "nothing"), () => expect.unreachable());
  });

  it("is the launcher that ran, its images, and what the guest saw of a share", async () => {
    writeFileSync(
      join(running.runtime, "store-paths"),
      `path ${path("c", "system")}\npath ${path("d", "system")}\nlink ${path("e", "link")} ${path("d", "system")}\n`,
    );
    const kept = join(home, "saved");
    await keepShown(running, qmp([image]), kept, ["-m", "512"]);
    const shown = shownBefore(kept);
    expect(shown?.launcher).toBe(launcher);
    expect(shown?.env["OSMOD_VM_GENERATION"]).toBe("own");
    expect(shown?.args).toEqual(["-m", "512"]);
    expect(shown?.once.join(" ")).toContain(image);

    const links = new Map<string, string>();
    keepPaths(kept, (link, target) => links.set(target, link));
    expect([...links.keys()]).toEqual([path("a", "run-web-vm"), path("d", "system"), path("b", "store-image")]);
    for (const link of links.values()) expect(link.startsWith(join(kept, "roots"))).toBe(true);
  });

  it("needs no share", async () => {
    rmSync(join(running.runtime, "store-paths"));
    const kept = join(home, "image alone");
    await keepShown(running, qmp([]), kept, []);
    expect(shownBefore(kept)?.once).toEqual([]);
  });
});
