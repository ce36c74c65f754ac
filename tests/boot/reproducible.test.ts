/** One machine built in two empty stores, at different times, gives the same paths with the same content. */
import { readdirSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { openStore } from "../../src/store/index.ts";
import { Installed } from "../helpers/installed.ts";

const first = new Installed("first", { ownStore: true });
const second = new Installed("second", { ownStore: true });

afterAll(() => {
  first.remove();
  second.remove();
});

it("gives identical paths and identical NAR hashes in two empty stores", async () => {
  const one = await build(first);
  const two = await build(second, readFileSync(join(first.home, "machine/osmod.lock.json"), "utf8"));
  expect(two.result).toBe(one.result);
  expect(two.paths).toEqual(one.paths);
  expect([...one.paths.keys()].length).toBeGreaterThan(100);
});

async function build(home: Installed, lock?: string) {
  const directory = home.copy("examples/minimal", "machine");
  if (lock !== undefined) writeFileSync(join(directory, "osmod.lock.json"), lock);
  home.giveAll(directory);
  const { code, stderr } = await home.osmod(["build-vm"], { cwd: directory });
  expect(code, stderr).toBe(0);
  const store = openStore({
    root: home.storeRoot,
    sandbox: { prepare: () => Promise.reject(new Error("nothing is built here")) },
  });
  const names = readdirSync(join(home.storeRoot, "nix/store")).filter((name) => /^[0-9a-z]{32}-/.test(name));
  const paths = new Map(
    names
      .map((name) => `/nix/store/${name}`)
      .flatMap((path) => {
        const info = store.info(path);
        return info === undefined ? [] : [[path, info.narHash] as const];
      }),
  );
  return { result: realpathSync(join(directory, "result")).split("/nix/store/")[1], paths };
}
