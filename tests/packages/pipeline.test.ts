/**
 * The whole way: a signed archive, a lock, derivations, and trees in a store, built in a real sandbox.
 */
import { randomBytes } from "node:crypto";
import { existsSync, lstatSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { explainGone, hostSandbox, type PackageSet, withPackages } from "../../src/packages/index.ts";
import type { ProblemError } from "../../src/problems/index.ts";
import { openStore, type Store, type StoreObject, type StorePath } from "../../src/store/index.ts";
import { type TestSandbox, testSandbox } from "../helpers/sandbox.ts";
import { ar, deb, makeSigner, type Signer, type TarEntry, TestArchive, type TestPackage } from "./support/archive.ts";
import { problemOfAsync } from "./support/problems.ts";

let sandbox: TestSandbox | undefined;
let signer: Signer;
let archive: TestArchive;
let root: string;
let bootstrap: TestPackage[];
/** The host's xz as the packages that a lock would name, where it has one. */
let unpacker: TestPackage[];

const file = (name: string, body: string, mode = 0o644) => ({ name: `./${name}`, body, mode });
const packages: TestPackage[] = [
  {
    fields: { Package: "base-files" },
    entries: [
      { name: "./bin", type: "2", link: "usr/bin" },
      { name: "./etc/", type: "5", mode: 0o755 },
      { name: "./var/empty dir/", type: "5", mode: 0o755 },
      file("etc/issue", "Debian\n"),
    ],
  },
  {
    fields: { Package: "web", Depends: "lib, base-files", Version: "1.0" },
    entries: [
      file("usr/bin/web", "#!/bin/sh\necho web\n", 0o4755),
      file("usr/share/doc/web/copyright", "free"),
      file("usr/share/web/index", "hello"),
      file("etc/web/web.conf", "from web"),
      { name: "./usr/share/web/link", type: "2", link: "/etc/web/web.conf" },
      file("usr/lib/systemd/system/system-systemd\\x2dcryptsetup.slice", "odd"),
      file("usr/share/web/lib:amd64", "odd"),
    ],
  },
  {
    // Not usr-merged, and with a file of its own idea in place of web's.
    fields: { Package: "lib", Replaces: "web" },
    entries: [
      file("lib/lib.so.1", "so", 0o644),
      file("sbin/libtool", "x", 0o755),
      file("etc/web/web.conf", "from lib"),
    ],
  },
];

const dir = { name: "./d", type: "2", link: "/nix/store" };
const hostile: Readonly<Record<string, TestPackage["entries"]>> = {
  dots: [file("a/../../../../../../tmp/osmod-escaped", "x"), { name: "../../../tmp/osmod-escaped", body: "x" }],
  absolute: [
    { name: "/tmp/osmod-escaped", body: "x" },
    { name: "//nix/store/osmod-escaped", body: "x" },
  ],
  through: [dir, { name: "./d/osmod-escaped", body: "x" }],
  parent: [
    { name: "./d", type: "2", link: ".." },
    { name: "./d/osmod-escaped", body: "x" },
  ],
  hardlink: [
    { name: "./etc-passwd", type: "1", link: "/etc/passwd" },
    { name: "./etc-passwd", body: "x" },
  ],
  device: [{ name: "./mem", type: "3" }],
  pipe: [{ name: "./pipe", type: "6" }],
  replaced: [dir, { name: "./d/", type: "5", mode: 0o755 }, { name: "./d/osmod-escaped", body: "x" }],
  setuid: [file("su", "x", 0o6755)],
  garbage: [{ name: "./x", type: "Z", body: "x" }],
};

const needsSandbox = (context: { skip: (note: string) => void }) => {
  if (sandbox === undefined) context.skip("no sandbox on this machine");
};

function hostXz(): TestPackage[] {
  const library = "lib/x86_64-linux-gnu";
  const names = ["ld-linux-x86-64.so.2", "libc.so.6", "liblzma.so.5"];
  if (![...names.map((name) => `/${library}/${name}`), "/usr/bin/xz"].every(existsSync)) return [];
  const libraries = (wanted: readonly string[]) =>
    wanted.map((name) => ({
      name: `./usr/${library}/${name}`,
      body: readFileSync(`/${library}/${name}`),
      mode: 0o755,
    }));
  return [
    { fields: { Package: "libc6", Version: "2.0" }, entries: libraries(names.slice(0, 2)) },
    { fields: { Package: "liblzma5" }, entries: libraries(names.slice(2)) },
    {
      fields: { Package: "xz-utils", Depends: "liblzma5" },
      entries: [{ name: "./usr/bin/xz", body: readFileSync("/usr/bin/xz"), mode: 0o755 }],
    },
  ];
}

const options = () => ({
  lockFile: join(root, "osmod.lock.json"),
  root: join(root, "a store"),
  mirrors: { debian: archive.mirror },
  archive: { keyring: archive.keyring, now: new Date("2026-02-02"), allowExpired: false },
});
const lockText = () => readFileSync(join(root, "osmod.lock.json"), "utf8");
const indexRequests = () => archive.requests.filter((url) => url.includes("/dists/")).length;

beforeAll(async () => {
  process.env["OSMOD_DEBIAN_MIRROR"] = "";
  process.env["OSMOD_DEBIAN_SECURITY_MIRROR"] = "none";
  sandbox = await testSandbox();
  signer = await makeSigner();
  archive = new TestArchive(signer);
  await archive.serve();
  const busybox = sandbox === undefined ? "#!busybox" : readFileSync(sandbox.busybox);
  bootstrap = [
    { fields: { Package: "busybox-static" }, entries: [{ name: "./usr/bin/busybox", body: busybox, mode: 0o755 }] },
    { fields: { Package: "bubblewrap", Depends: "libc6" }, entries: [file("usr/bin/bwrap", "bwrap", 0o755)] },
    {
      fields: { Package: "libc6" },
      entries: [file("usr/lib/x86_64-linux-gnu/libc.so.6", "libc"), file("usr/share/doc/libc6/x", "")],
    },
  ];
  unpacker = hostXz();
}, 60_000);
afterAll(() => archive.close());
beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), "osmod-pipeline-"));
  await archive.publish([...bootstrap, ...packages]);
  return () => rmSync(root, { recursive: true, force: true });
});

describe("evaluating with packages", () => {
  it("makes a lock of just what was used, and from then on asks no archive", async () => {
    const first = await withPackages(options(), (pkgs) => pkgs.web!.version);
    expect(first).toMatchObject({ value: "1.0", lockChanged: true });
    expect(Object.keys(first.lock?.packages ?? {}).sort()).toEqual(["bubblewrap", "busybox-static", "libc6", "web"]);
    const before = archive.requests.length;
    const again = await withPackages(options(), (pkgs) => pkgs.web!.version);
    expect(again).toMatchObject({ value: "1.0", lockChanged: false });
    expect(archive.requests.length).toBe(before);
  });

  it("keeps locked versions when something is added, and moves them on an update", async () => {
    await withPackages(options(), (pkgs) => pkgs.web!.version);
    const updates = [{ fields: { Package: "web", Version: "2.0", Depends: "lib" } }];
    await archive.publish([...bootstrap, ...packages], { updates });
    const both = (pkgs: PackageSet) => [pkgs.web!.version, pkgs["base-files"]!.version];
    const added = await withPackages(options(), both);
    expect(added).toMatchObject({ value: ["1.0", "1.0"], lockChanged: true });
    const updated = await withPackages({ ...options(), update: true }, (pkgs) => pkgs.web!.version);
    expect(updated).toMatchObject({ value: "2.0", lockChanged: true });
    expect(Object.keys(updated.lock?.packages ?? {})).not.toContain("base-files");
  });

  it("does not go back to an archive that is older than the lock", async () => {
    await withPackages(options(), (pkgs) => pkgs.web!.version);
    const text = lockText();
    const older = { release: { Date: "Mon, 05 Jan 2026 00:00:00 UTC" } };
    await archive.publish([...bootstrap, ...packages, { fields: { Package: "old", Version: "0.9" } }], older);
    for (const update of [false, true]) {
      const problem = await problemOfAsync(withPackages({ ...options(), update }, (pkgs) => pkgs["old"]!.version));
      expect(problem.code).toBe("archive-downgraded");
      expect(problem.fix).toContain("OSMOD_DEBIAN_ALLOW_EXPIRED=1");
    }
    expect(lockText()).toBe(text);
    const allowed = { ...options(), archive: { ...options().archive, allowExpired: true } };
    expect((await withPackages(allowed, (pkgs) => pkgs["old"]!.version)).value).toBe("0.9");
  });

  it("does not write the same lock again", async () => {
    await withPackages(options(), (pkgs) => pkgs.web!.version);
    const text = lockText();
    expect((await withPackages({ ...options(), update: true }, (pkgs) => pkgs.web!.version)).lockChanged).toBe(false);
    expect(lockText()).toBe(text);
    expect(text).not.toContain("127.0.0.1");
  });

  it("passes on a problem that has nothing to do with the lock", async () => {
    await withPackages(options(), (pkgs) => pkgs.web!.version);
    const before = indexRequests();
    await expect(
      withPackages(options(), () => {
        throw new Error("a bug");
      }),
    ).rejects.toThrow("a bug");
    expect(indexRequests()).toBe(before);
  });

  it("reads the archive even when the evaluation swallowed the problem", async () => {
    await withPackages(options(), (pkgs) => pkgs.web!.version);
    const swallow = (pkgs: PackageSet) => {
      try {
        return pkgs.lib!.version;
      } catch {
        return "swallowed";
      }
    };
    expect((await withPackages(options(), swallow)).value).toBe("1.0");
  });

  it("says what no archive has", async () => {
    const problem = await problemOfAsync(withPackages(options(), (pkgs) => pkgs["wep"]!.version));
    expect(problem).toMatchObject({ code: "package-unknown" });
    expect(problem.fix).toContain("web");
  });

  it("can be forbidden to touch the lock", async () => {
    const frozen = { ...options(), frozen: true };
    expect((await problemOfAsync(withPackages(frozen, () => 1))).code).toBe("package-not-locked");
    await withPackages(options(), (pkgs) => pkgs.web!.version);
    expect((await withPackages(frozen, (pkgs) => pkgs.web!.version)).value).toBe("1.0");
    const problem = await problemOfAsync(withPackages(frozen, (pkgs) => pkgs.lib!.version));
    expect(problem.notes).toEqual(["missing: lib"]);
  });
});

describe("the bootstrap", () => {
  it("unpacks bubblewrap and what it needs beside the store, once", async (context) => {
    needsSandbox(context);
    const { source, mirrors } = await withPackages(options(), () => 1);
    const at = join(root, "a store");
    const prefix = await hostSandbox({ root: at, source, mirrors }).prepare();
    expect(prefix[0]).toMatch(/usr\/lib64\/ld-linux-x86-64\.so\.2$/);
    expect(readFileSync(prefix.at(-1)!, "utf8")).toBe("bwrap");
    expect(lstatSync(prefix.at(-1)!).mode & 0o111).not.toBe(0);
    const place = join(at, "nix/var/osmod/bootstrap");
    expect(readdirSync(place)).toHaveLength(1);
    expect(readdirSync(join(place, readdirSync(place)[0]!, "usr"))).toEqual(["bin", "lib", "lib64"]);
    expect(readdirSync(join(place, readdirSync(place)[0]!, "usr/lib/x86_64-linux-gnu"))).toEqual(["libc.so.6"]);
    const before = archive.requests.length;
    expect(await hostSandbox({ root: at, source, mirrors }).prepare()).toEqual(prefix);
    expect(archive.requests.length).toBe(before);
  });

  it("refuses a package file that was tampered with", async () => {
    const { source, mirrors } = await withPackages(options(), () => 1);
    const filename = source.find("bubblewrap").filename;
    archive.write(filename, Buffer.concat([archive.read(filename).subarray(0, -1), Buffer.from("x")]));
    const prepare = hostSandbox({ root: join(root, "a store"), source, mirrors });
    expect((await problemOfAsync(prepare.prepare())).code).toBe("hash-mismatch");
    archive.remove(filename);
    const gone = await problemOfAsync(prepare.prepare());
    expect(gone).toMatchObject({ code: "fetch-not-found" });
    expect(gone.fix).toContain("osmod lock --update");
    expect(gone.fix).toContain("OSMOD_DEBIAN_MIRROR");
  });
});

describe("in a store", () => {
  /** Evaluate, build, and give the place of the result. */
  async function build(
    evaluate: (pkgs: PackageSet) => StoreObject,
    log: string[] = [],
  ): Promise<{ at: string; store: Store }> {
    const { value } = await withPackages(options(), evaluate);
    const store = openStore({ root: join(root, "a store"), sandbox: sandbox!.tool });
    await store.realise([value], { onEvent: (event) => void (event.type === "log" && log.push(event.line)) });
    return { at: store.physical(value.path), store };
  }
  const read = (...path: string[]) => readFileSync(join(...path), "utf8");

  it("a package's tree is what its archive has, without setuid", async (context) => {
    needsSandbox(context);
    const { at } = await build((pkgs) => pkgs.web!);
    expect(lstatSync(join(at, "usr/bin/web")).mode & 0o7777).toBe(0o555);
    expect(readlinkSync(join(at, "usr/share/web/link"))).toBe("/etc/web/web.conf");
    expect(read(at, "usr/lib/systemd/system/system-systemd\\x2dcryptsetup.slice")).toBe("odd");
    expect(read(at, "usr/share/web/lib:amd64")).toBe("odd");
    expect(read(at, "usr/share/doc/web/copyright")).toBe("free");
  }, 30_000);

  it("a package of an archive with xz is unpacked by that, to the same tree; a lock from before keeps its paths", async (context) => {
    needsSandbox(context);
    if (unpacker.length === 0) return context.skip("no xz on this machine");
    const packed = packages.map((entry) => ({ ...entry, compression: "xz" as const }));
    await archive.publish([...bootstrap, ...packed]);
    const before = await build((pkgs) => pkgs.web!.unpacked);
    expect(lockText()).not.toContain('"unpacker"');
    await archive.publish([...bootstrap, ...unpacker, ...packed]);
    const kept = await build((pkgs) => [pkgs.web!.unpacked, pkgs["base-files"]!.unpacked][0]!);
    expect(kept.at).toBe(before.at);
    expect(lockText()).toContain('"base-files"');

    rmSync(join(root, "osmod.lock.json"));
    const now = await build((pkgs) => pkgs.web!.unpacked);
    expect(lockText()).toContain('"unpacker": ["libc6","liblzma5","xz-utils"]');
    expect(now.at).not.toBe(before.at);
    const [own, former] = [now, before].map(({ at, store }) => store.info(`/nix/store/${basename(at)}` as StorePath));
    expect(own?.narHash).toBe(former?.narHash);
    expect(own?.references).toEqual([]);
    // What only the lock names is found by the lock alone.
    const known = lockText();
    await archive.publish([...bootstrap, ...packed]);
    expect((await build((pkgs) => pkgs.web!.unpacked)).at).toBe(now.at);
    expect(lockText()).toBe(known);
  }, 30_000);

  it("a package whose xz file is cut off is no tree", async (context) => {
    if (sandbox === undefined) return context.skip("no sandbox on this machine");
    if (unpacker.length === 0) return context.skip("no xz on this machine");
    const body = randomBytes(300_000).toString("base64");
    const whole = deb([file("usr/share/big", body)], "xz");
    const at = whole.indexOf("data.tar.xz");
    const data = whole.subarray(at + 60, whole.length - 100_000);
    await archive.publish([
      ...bootstrap,
      ...unpacker,
      { fields: { Package: "cut" }, file: ar([["data.tar.xz", data]]) },
    ]);
    const { value } = await withPackages(options(), (pkgs) => pkgs["cut"]!.unpacked);
    const store = openStore({ root: join(root, "a store"), sandbox: sandbox.tool });
    expect((await problemOfAsync(store.realise([value]))).code).toBe("builder-failed");
    expect(store.info(value.outPath)).toBeUndefined();
  }, 30_000);

  it.for(["gz", "xz"] as const)(
    "a hostile package's tree, of a %s file, is its own, or no tree at all",
    { timeout: 60_000 },
    async (compression, context) => {
      if (sandbox === undefined) return context.skip("no sandbox on this machine");
      if (compression === "xz" && unpacker.length === 0) return context.skip("no xz on this machine");
      const names = Object.keys(hostile);
      await archive.publish([
        ...bootstrap,
        ...(compression === "xz" ? unpacker : []),
        ...names.map((name) => ({ fields: { Package: name }, entries: hostile[name] as TarEntry[], compression })),
      ]);
      const { pkgs } = await withPackages(options(), (set) => names.map((name) => set[name]!.path));
      const own = openStore({ root: join(root, "a store"), sandbox: sandbox.tool });
      for (const name of names) {
        const error: unknown = await own.realise([pkgs[name] as StoreObject]).catch((thrown: unknown) => thrown);
        if (error !== undefined) {
          expect((error as ProblemError).problems[0].code, name).toMatch(/^(builder-failed|nar-file-special)$/);
        } else {
          for (const entry of readdirSync(own.physical(pkgs[name]!.path), { recursive: true, withFileTypes: true })) {
            const at = join(entry.parentPath, entry.name);
            expect(lstatSync(at).mode & 0o7000, at).toBe(0);
            expect(entry.isFile() || entry.isDirectory() || entry.isSymbolicLink(), at).toBe(true);
          }
        }
      }
      for (const place of [root, "/tmp", "/nix/store"]) expect(existsSync(join(place, "osmod-escaped"))).toBe(false);
      expect(readdirSync(join(root, "a store/nix/store")).filter((name) => !/^[0-9a-z]{32}-/.test(name))).toEqual([]);
      expect((await own.verify()).findings).toEqual([]);
    },
  );

  it("a merged tree is one usr-merged root with everything in its place", async (context) => {
    needsSandbox(context);
    const log: string[] = [];
    const { at } = await build((pkgs) => pkgs.mergedTree("system-path", [pkgs.web!]), log);
    for (const dir of ["bin", "sbin", "lib", "lib64"]) expect(readlinkSync(join(at, dir))).toBe(`usr/${dir}`);
    expect(read(at, "usr/lib/lib.so.1")).toBe("so");
    expect(read(at, "usr/sbin/libtool")).toBe("x");
    expect(read(at, "usr/share/web/index")).toBe("hello");
    expect(read(at, "etc/issue")).toBe("Debian\n");
    expect(lstatSync(join(at, "var/empty dir")).isDirectory()).toBe(true);
    expect(readdirSync(join(at, "usr/share"))).toEqual(["web"]);
    // Both have it; the one that says it replaces the other's files wins, and nothing needs to be said.
    expect(read(at, "etc/web/web.conf")).toBe("from lib");
    expect(log).toEqual([]);
  }, 30_000);

  it("a merged tree tells which files differ between packages", async (context) => {
    needsSandbox(context);
    const [, , lib] = packages;
    const plain = { fields: { Package: "lib" }, entries: lib!.entries! };
    await archive.publish([...bootstrap, ...packages.slice(0, 2), plain]);
    const log: string[] = [];
    const { at } = await build((pkgs) => pkgs.mergedTree("system-path", [pkgs.web!]), log);
    expect(read(at, "etc/web/web.conf")).toBe("from web");
    expect(log.join("\n")).toMatch(
      /^note: etc\/web\/web\.conf differs between \S+-lib-1\.0 and \S+-web-1\.0; the latter's is taken$/,
    );
  }, 30_000);

  it("a merged tree leaves out and adds what it is told to", async (context) => {
    needsSandbox(context);
    const { at } = await build((pkgs) =>
      pkgs.mergedTree("system-path", [pkgs.web!], {
        exclude: ["lib"],
        excludePaths: ["usr/share/web/i*", "etc/issue"],
        finish: 'echo done >"$out/etc/finished"',
      }),
    );
    expect(readdirSync(join(at, "usr/share/web")).sort()).toEqual(["lib:amd64", "link"]);
    expect(readdirSync(join(at, "etc")).sort()).toEqual(["finished", "web"]);
    expect(read(at, "usr/share/doc/web/copyright")).toBe("free");
    expect(readdirSync(join(at, "usr/lib"))).toEqual(["systemd"]);
  }, 30_000);

  it("an empty merged tree is a root with nothing in it", async (context) => {
    needsSandbox(context);
    const { at } = await build((pkgs) => pkgs.mergedTree("nothing", []));
    expect(readdirSync(at).sort()).toEqual(["bin", "lib", "lib64", "sbin", "usr"]);
  }, 30_000);

  it("texts, trees, links and commands come out as written", async (context) => {
    needsSandbox(context);
    const odd = 'it\'s "$odd" \\n `x` %s\n\ttab ü\n';
    const { at, store } = await build((pkgs) => {
      const text = pkgs.writeText("text", odd);
      const script = pkgs.writeScript("script", "#!/bin/sh\n");
      const tree = pkgs.writeTree("tree", {
        "a b/c'd": { text: odd },
        empty: { text: "" },
        "bin/x": { text: "#!/bin/sh\n", mode: "0555" },
        link: { symlink: "a b" },
        copied: { source: pkgs.web! },
        "copied/usr/added": { text: "more" },
        long: { text: "y".repeat(200_000) },
      });
      const run = pkgs.runCommand(
        "run",
        { env: { greeting: "hi there" }, tree: pkgs.mergedTree("t", [pkgs.web!]) },
        'run web 2>"$TMPDIR/err" || echo "$greeting $?" >"$out"',
      );
      return pkgs.linkFarm("all", { text, script, "deep/tree": tree, run });
    });
    const target = (path: string) => store.physical(readlinkSync(join(at, path)));
    expect(read(target("text"))).toBe(odd);
    expect(lstatSync(target("script")).mode & 0o777).toBe(0o555);
    const tree = target("deep/tree");
    expect(read(tree, "a b/c'd")).toBe(odd);
    expect(read(tree, "empty")).toBe("");
    expect(lstatSync(join(tree, "bin/x")).mode & 0o777).toBe(0o555);
    expect(readlinkSync(join(tree, "link"))).toBe("a b");
    expect(read(tree, "copied/usr/added")).toBe("more");
    expect(read(tree, "long")).toHaveLength(200_000);
    // The tree has no shell for the script that web is.
    expect(read(target("run"))).toBe("hi there 127\n");
  }, 30_000);

  it("a package that the archive has dropped is a problem with its ways out", async (context) => {
    needsSandbox(context);
    const { source } = await withPackages(options(), (pkgs) => `${pkgs.web}`);
    archive.remove(source.find("web").filename);
    const building = build((pkgs) => pkgs.web!).catch((error: unknown) => Promise.reject(explainGone(error, "lock")));
    const problem = await problemOfAsync(building);
    expect(problem).toMatchObject({ code: "fetch-not-found" });
    expect(problem.fix).toContain("osmod lock --update");
  }, 30_000);
});
