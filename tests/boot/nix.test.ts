/** A whole machine realised by a real Nix: the same paths with the same content, and binary caches between the two. */
import { existsSync, readFileSync, readlinkSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type EmbeddedStore, openNixStore, openStore, type Store } from "../../src/store/index.ts";
import { Installed } from "../helpers/installed.ts";
import { OtherMachine, sshServer } from "../helpers/machine.ts";
import { hasNix, runNix, TestFolder } from "../helpers/nix.ts";

describe.skipIf(!hasNix)("the minimal machine by Nix", () => {
  const home = new Installed("nix");
  const folder = new TestFolder();
  const nixEnv = folder.nix("nix root", ["max-jobs = 2"]);
  let directory: string;
  let embedded: EmbeddedStore;
  let nix: Store;
  let top: string;

  beforeAll(async () => {
    directory = home.copy("examples/minimal", "machine");
    const built = await home.osmod(["build"], { cwd: directory });
    expect(built.code, built.stderr).toBe(0);
    embedded = openStore({
      root: home.storeRoot,
      sandbox: { prepare: () => Promise.reject(new Error("built already")) },
    });
    nix = openNixStore({ env: nixEnv });
    top = `/nix/store/${realpathSync(join(directory, "result")).split("/nix/store/")[1]}`;
    // Nix wants its users to have names, so this part runs as whoever runs the tests.
    runNix(
      { ...nixEnv, ...environment() },
      process.execPath,
      home.main,
      "build",
      "--store",
      "nix",
      "-o",
      join(folder.path, "by-nix"),
      join(directory, "machine.ts"),
    );
  });
  afterAll(() => {
    home.remove();
    folder.remove();
  });

  /** What the command needs besides Nix's settings. */
  const environment = () => {
    const { OSMOD_DEBIAN_MIRROR, OSMOD_DEBIAN_SECURITY_MIRROR } = process.env;
    return Object.fromEntries(
      Object.entries({ OSMOD_DEBIAN_MIRROR, OSMOD_DEBIAN_SECURITY_MIRROR }).flatMap(([name, value]) =>
        value === undefined ? [] : [[name, value]],
      ),
    ) as Record<string, string>;
  };

  it("has the same paths, archives and references as in the embedded store, those of every derivation too", () => {
    const drv = embedded.info(top)?.deriver ?? "";
    expect(nix.info(top)?.deriver).toBe(drv);
    const paths = nix.closure([top, drv]);
    expect(paths.length).toBeGreaterThan(200);
    const facts = (store: Store) =>
      paths.map((path) => {
        const info = store.info(path);
        return [path, info?.narHash, info?.narSize, info?.references];
      });
    expect(facts(nix)).toEqual(facts(embedded));
    // Packages and downloads are no part of the closure, but Nix made them all the same.
    const outputs = paths
      .filter((path) => path.endsWith(".drv"))
      .flatMap((path) =>
        [...readFileSync(nix.physical(path), "utf8").matchAll(/\("out","([^"]+)"/g)].map((match) => match[1] ?? ""),
      );
    expect(outputs.length).toBeGreaterThan(200);
    nix.closure(outputs);
    expect(outputs.map((path) => [path, nix.info(path)?.narHash])).toEqual(
      outputs.map((path) => [path, embedded.info(path)?.narHash]),
    );
  });

  it.skipIf(sshServer === undefined)("is built on another machine, all of it, with the same content", async () => {
    const machine = await OtherMachine.start(folder, "machine", folder.nix("builder's root"));
    try {
      const sender = { ...folder.nix("sender's root", [`builders = ${machine.builder()}`]), ...machine.client };
      const link = join(folder.path, "from-afar");
      const words = ["build", "--store", "nix", "-j", "0", "-o", link, join(directory, "machine.ts")];
      runNix({ ...sender, ...environment() }, process.execPath, home.main, ...words);
      const here = openNixStore({ env: sender });
      expect(readlinkSync(link)).toBe(here.physical(top));
      const closure = embedded.closure([top]);
      expect(here.closure([top])).toEqual(closure);
      const hashes = closure.map((path) => embedded.info(path)?.narHash);
      expect(closure.map((path) => here.info(path)?.narHash)).toEqual(hashes);
      // What was made is on the machine that made it, too.
      const there = openNixStore({ env: machine.env });
      expect(closure.map((path) => there.info(path)?.narHash)).toEqual(hashes);
    } finally {
      await machine.stop();
    }
  });

  it("is linked, and kept from Nix's collector", () => {
    expect(readlinkSync(join(folder.path, "by-nix"))).toBe(nix.physical(top));
    runNix(nixEnv, "nix-store", "--gc");
    expect(existsSync(join(folder.path, "by-nix", "init")) || existsSync(nix.physical(top))).toBe(true);
    for (const path of embedded.closure([top])) expect(existsSync(nix.physical(path)), path).toBe(true);
  });

  it("fills an empty Nix from a cache that osmod wrote and signed, and an empty store of osmod's as well", async () => {
    const key = await home.osmod(["store", "key", "generate", "test.example-1"], { cwd: directory });
    expect(key.code, key.stderr).toBe(0);
    const publicKey = key.stdout.trim();
    const cache = home.makeDirectory(join(home.home, "cache"));
    const exported = await home.osmod(["store", "export", "--to", cache, "--sign", "test.example-1.secret"], {
      cwd: directory,
    });
    expect(exported.code, exported.stderr).toBe(0);

    const url = `file://${folder.path}/cache`;
    runNix({ PATH: nixEnv["PATH"] ?? "" }, "cp", "-r", cache, `${folder.path}/cache`);
    const second = folder.nix("second nix", [`substituters = ${url}`, `trusted-public-keys = ${publicKey}`]);
    runNix(second, "nix-store", "--realise", top);
    const closure = embedded.closure([top]);
    const empty = openNixStore({ env: second });
    expect(empty.closure([top])).toEqual(closure);
    expect(closure.map((path) => empty.info(path)?.narHash)).toEqual(
      closure.map((path) => embedded.info(path)?.narHash),
    );

    // A laptop: no package is fetched, no builder runs.
    const laptop = {
      OSMOD_STORE_ROOT: home.makeDirectory(join(home.home, "laptop store")),
      OSMOD_SUBSTITUTERS: new URL(`file://${encodeURI(cache)}`).href,
      OSMOD_TRUSTED_PUBLIC_KEYS: publicKey,
    };
    const again = await home.osmod(["build", "-o", "copied"], { cwd: directory, env: laptop });
    expect(again.code, again.stderr).toBe(0);
    expect(again.stderr).toContain(`0 done and ${closure.length} copied from caches`);
    const unsigned = await home.osmod(["store", "import", "--from", cache], {
      cwd: directory,
      env: { OSMOD_STORE_ROOT: home.makeDirectory(join(home.home, "stranger's store")) },
    });
    expect(unsigned.code).toBe(1);
    expect(unsigned.stderr).toContain("signature-untrusted");
  });
});
