/** Binary caches, written and read by the embedded store, by a real Nix, and by whoever wishes ill. */
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { ProblemError } from "../../../src/problems/index.ts";
import {
  type BuildEvent,
  type Derivation,
  type EmbeddedStore,
  exportToCache,
  generateKeys,
  hashNar,
  narOfTree,
  openStore,
  parseSecretKey,
  StoreScope,
  toBase32,
} from "../../../src/store/index.ts";
import { hasNix, runNix, TestFolder } from "../../helpers/nix.ts";
import { busyboxSource, file, testSandbox } from "../../helpers/sandbox.ts";

const sandbox = await testSandbox();
const keys = generateKeys("test.example-1");
const never = { prepare: () => Promise.reject(new Error("nothing is to be built here")) };

describe.skipIf(sandbox === undefined)("binary caches", { timeout: 120_000 }, () => {
  const folder = new TestFolder();
  const cache = join(folder.path, "cache");
  let count = 0;
  let builder: EmbeddedStore;
  let top: Derivation;
  let download: Derivation;
  let closure: readonly string[];

  beforeAll(async () => {
    const scope = new StoreScope();
    const busybox = busyboxSource(scope, sandbox?.busybox ?? "");
    const note = scope.text("note", "a text\n");
    const referring = scope.text("referring", `see ${note}\n`);
    const script = (name: string, text: string) =>
      scope.derivation({
        name,
        system: "x86_64-linux",
        builder: `${busybox}/bin/busybox`,
        args: ["sh", "-ec", text],
        env: { PATH: `${busybox}/bin` },
      });
    const origin = join(folder.path, "download");
    writeFileSync(origin, "hello\n");
    download = scope.derivation({
      name: "download",
      system: "builtin",
      builder: "builtin:fetchurl",
      env: { url: `file://${encodeURI(origin)}` },
      fixedOutput: {
        algo: "sha256",
        hash: "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03",
        mode: "flat",
      },
    });
    const inner = script(
      "inner",
      `mkdir $out; seq 1 20000 > $out/numbers; chmod +x $out/numbers; echo ${note} > $out/x; ln -s x $out/l`,
    );
    top = script("top", `mkdir $out; echo ${inner} ${download} ${referring} $out > $out/all`);
    builder = openStore({ root: join(folder.path, "builder"), sandbox: sandbox!.tool, substituters: [] });
    await builder.realise([top]);
    closure = builder.closure([top.path]);
    const exported = await exportToCache(builder, [top.path], cache, { sign: parseSecretKey(keys.secret) });
    expect(exported).toMatchObject({ paths: closure, written: closure.length });
  });
  afterAll(() => folder.remove());

  const emptyStore = (substituters: string[] = [], trustedPublicKeys: string[] = []) =>
    openStore({ root: join(folder.path, `store ${++count}`), sandbox: never, substituters, trustedPublicKeys });
  const damagedCache = (change: (directory: string) => void) => {
    const directory = join(folder.path, `damaged ${++count}`);
    cpSync(cache, directory, { recursive: true });
    change(directory);
    return directory;
  };
  const narinfoOf = (directory: string, path: string) => join(directory, `${path.slice(11, 43)}.narinfo`);
  const edit = (path: string, from: string | RegExp, to: string) => (directory: string) => {
    const name = narinfoOf(directory, path);
    const text = readFileSync(name, "utf8");
    expect(text).toMatch(from);
    writeFileSync(name, text.replace(from, to));
  };
  const visible = (store: EmbeddedStore) =>
    readdirSync(join(store.root, "nix/store")).filter((name) => !name.startsWith(".tmp"));

  it("give an empty store the same paths with the same content", async () => {
    const store = emptyStore();
    const copied = await store.importFrom(cache, undefined, { trustedPublicKeys: [keys.public] });
    expect(copied.sort()).toEqual(closure);
    for (const path of closure) {
      const { registrationTime: _, ...info } = store.info(path)!;
      const { registrationTime: __, ...original } = builder.info(path)!;
      expect(info).toEqual(original);
    }
    expect((await store.verify()).findings).toEqual([]);
    expect(await store.importFrom(cache, [top.path], { trustedPublicKeys: [] })).toEqual([]);
  });

  it("hold what is there: a second export writes nothing, and only signs", async () => {
    const unsigned = join(folder.path, "unsigned");
    expect((await exportToCache(builder, [top.path], unsigned)).written).toBe(closure.length);
    const before = readFileSync(narinfoOf(unsigned, top.path), "utf8");
    expect(before).not.toContain("Sig:");
    expect((await exportToCache(builder, [top.path], unsigned, { sign: parseSecretKey(keys.secret) })).written).toBe(0);
    const after = readFileSync(narinfoOf(unsigned, top.path), "utf8");
    expect(after.match(/^Sig: test\.example-1:/gm)).toHaveLength(1);
    expect(after).toBe(readFileSync(narinfoOf(cache, top.path), "utf8"));
    expect(readdirSync(join(unsigned, "nar")).filter((name) => name.startsWith("."))).toEqual([]);
  });

  it("say of what proves itself what it is", () => {
    const addresses = closure.map(
      (path) => /^CA: (\S+):sha256:/m.exec(readFileSync(narinfoOf(cache, path), "utf8"))?.[1],
    );
    const byName = Object.fromEntries(closure.map((path, i) => [path.slice(44), addresses[i]]));
    expect(byName).toEqual({
      download: "fixed",
      inner: undefined,
      note: "text",
      referring: "text",
      top: undefined,
    });
  });

  describe("are not believed", () => {
    const refused = async (store: EmbeddedStore, from: string, options = {}) => {
      const error = await store.importFrom(from, [top.path], options).then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      if (!(error instanceof ProblemError)) throw error ?? new Error("it was imported");
      return error.problems[0];
    };
    const trusted = { trustedPublicKeys: [keys.public] };

    it("without a signature, by an unknown key, or by a wrong one", async () => {
      const store = emptyStore();
      expect(await refused(store, cache)).toMatchObject({ code: "signature-untrusted" });
      expect((await refused(store, cache)).message).toContain("signed by test.example-1, and no key is trusted");
      const impostor = { trustedPublicKeys: [generateKeys("test.example-1").public] };
      expect((await refused(store, cache, impostor)).message).toContain("the signature by test.example-1 is wrong");
      const unsigned = damagedCache(edit(top.path, /^Sig: .*\n/m, ""));
      expect((await refused(store, unsigned, trusted)).message).toContain("nobody signed it");
      expect(visible(store)).toEqual([]);
      expect(await store.importFrom(unsigned, [top.path], { ...trusted, allowUnsigned: true })).toHaveLength(
        closure.length,
      );
    });

    it("when a signed fact was changed", async () => {
      const store = emptyStore();
      for (const change of [
        edit(top.path, /^References: \S+ /m, "References: "),
        edit(top.path, /^NarSize: /m, "NarSize: 1"),
        edit(top.path, /^NarHash: sha256:\S+/m, `NarHash: sha256:${"0".repeat(52)}`),
      ])
        expect(await refused(store, damagedCache(change), trusted)).toMatchObject({ code: "signature-untrusted" });
      expect(visible(store)).toEqual([]);
    });

    it("when an archive is another's, longer, cut off, or no archive", async () => {
      const url = (path: string) => /^URL: (\S+)$/m.exec(readFileSync(narinfoOf(cache, path), "utf8"))?.[1] ?? "";
      const [own, other] = [url(top.path), url(closure.find((path) => path !== top.path)!)];
      const bomb = gzipSync(Buffer.alloc(50_000_000));
      const replaced = (at: string, compression: string, contents: string | Uint8Array) => {
        edit(top.path, "Compression: br", `Compression: ${compression}`)(at);
        writeFileSync(join(at, own), contents);
      };
      const cases: [string, (directory: string) => void][] = [
        ["hash-mismatch", (at) => cpSync(join(at, other), join(at, own))],
        ["archive-damaged", (at) => writeFileSync(join(at, own), readFileSync(join(at, own)).subarray(0, 50))],
        ["archive-damaged", (at) => writeFileSync(join(at, own), "no archive")],
        ["nar-malformed", (at) => replaced(at, "none", "no archive")],
        ["hash-mismatch", (at) => replaced(at, "gzip", bomb)],
      ];
      for (const [code, change] of cases) {
        const store = emptyStore();
        const found = await refused(store, damagedCache(change), trusted);
        expect(found.code).toBe(code);
        expect(found.fix).toBeDefined();
        expect(store.isValid(top.path)).toBe(false);
        expect(visible(store).some((name) => name.endsWith("-top"))).toBe(false);
      }
    });

    it("about a path that would prove itself and does not", async () => {
      const wrong = narOfTree(file("something else\n"));
      const nar = Buffer.concat([...wrong]);
      const { hash } = hashNar([nar]);
      const directory = damagedCache((at) => {
        writeFileSync(join(at, "nar/wrong.nar"), nar);
        edit(download.path, /^URL: .*$/m, "URL: nar/wrong.nar")(at);
        edit(download.path, /^Compression: .*$/m, "Compression: none")(at);
        edit(download.path, /^NarHash: .*$/m, `NarHash: sha256:${toBase32(hash)}`)(at);
        edit(download.path, /^NarSize: .*$/m, `NarSize: ${nar.length}`)(at);
      });
      const store = emptyStore();
      const error = await store.importFrom(directory, [download.path]).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ problems: [{ code: "hash-mismatch" }] });
      expect(visible(store)).toEqual([]);
      expect(await store.importFrom(cache, [download.path])).toEqual([download.path]);
    });

    it("when references run in a circle or lead nowhere", async () => {
      const inner = closure.find((path) => path.endsWith("-inner"))!;
      const all = { ...trusted, allowUnsigned: true };
      const circle = damagedCache(edit(inner, /^References: .*$/m, `References: ${top.path.slice(11)}`));
      expect(await refused(emptyStore(), circle, all)).toMatchObject({ code: "narinfo-malformed" });
      const nowhere = damagedCache(edit(inner, /^References: .*$/m, `References: ${"0".repeat(32)}-nowhere`));
      expect(await refused(emptyStore(), nowhere, all)).toMatchObject({ code: "cache-path-missing" });
    });

    it("when they are no caches", async () => {
      const empty = mkdtempSync(join(folder.path, "empty "));
      expect(await refused(emptyStore(), empty)).toMatchObject({ code: "cache-unreachable" });
      expect(await refused(emptyStore(), "ftp://cache.example")).toMatchObject({ code: "cache-unreachable" });
      writeFileSync(join(empty, "nix-cache-info"), "<html>");
      expect(await refused(emptyStore(), empty)).toMatchObject({ code: "cache-info-malformed" });
    });
  });

  describe("as substituters", () => {
    let server: Server;
    let url: string;
    let asked: string[];
    beforeAll(async () => {
      server = createServer((request, response) => {
        asked.push(request.url ?? "");
        try {
          response.end(readFileSync(join(cache, request.url ?? "")));
        } catch {
          response.writeHead(404).end("not found");
        }
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    });
    beforeEach(() => {
      asked = [];
    });
    afterAll(() => server.close());

    it("spare building everything, over HTTP, in a store that could not build", async () => {
      const store = emptyStore([url], [keys.public]);
      const events: BuildEvent[] = [];
      await store.realise([top], { onEvent: (event) => events.push(event) });
      expect(store.closure([top.path])).toEqual(closure);
      const copied = events.flatMap((event) => (event.type === "substitute" ? [event.path] : []));
      expect(copied.sort()).toEqual(closure);
      expect(events.every((event) => event.type === "substitute")).toBe(true);
      expect(asked.filter((path) => path.endsWith(".narinfo"))).toHaveLength(closure.length);
    });

    it("are asked by a plan, of the targets first, then of what those are made from", async () => {
      const store = emptyStore([cache], [keys.public]);
      const plan = await store.planWithCaches([top]);
      expect(plan).toMatchObject({ build: [], fetch: [], add: [] });
      expect(plan.copy?.map(({ path }) => path)).toEqual(closure);
      expect(plan.copy?.find(({ path }) => path === top.path)?.narSize).toBe(builder.info(top.path)?.narSize);
      expect(existsSync(store.root)).toBe(false);

      const part = damagedCache((directory) => rmSync(narinfoOf(directory, top.path)));
      const rest = await emptyStore([part], [keys.public]).planWithCaches([top]);
      expect(rest.build.map((drv) => drv.name)).toEqual(["top"]);
      expect(rest.fetch).toEqual([]);
      expect(rest.copy?.map(({ path }) => path.slice(44)).sort()).toEqual(["download", "inner", "note"]);

      const refused: BuildEvent[] = [];
      const none = emptyStore([cache], []);
      const own = await none.planWithCaches([top], { onEvent: (event) => refused.push(event) });
      expect(own.build.map((drv) => drv.name)).toEqual(["inner", "top"]);
      expect(own.copy?.map(({ path }) => path.slice(44))).toEqual(["download"]);
      expect(refused.map((event) => event.type)).toContain("cache-refused");
    });

    it("are done without, and say why, when they are not trusted or not there", async () => {
      const root = join(folder.path, `store ${++count}`);
      const store = openStore({
        root,
        sandbox: sandbox!.tool,
        substituters: ["http://127.0.0.1:9", url],
        trustedPublicKeys: [],
      });
      const events: BuildEvent[] = [];
      await store.realise([top], { onEvent: (event) => events.push(event) });
      expect(store.info(top.path)?.narHash).toBe(builder.info(top.path)?.narHash);
      const codes = events.flatMap((event) => (event.type === "cache-refused" ? [event.problem.code] : []));
      expect(codes).toContain("cache-unreachable");
      expect(codes).toContain("signature-untrusted");
      // The download proves itself, and is copied all the same.
      expect(events).toContainEqual(expect.objectContaining({ type: "substitute", path: download.path }));
    });

    it("with a key that is none are a problem before anything is made", async () => {
      const store = emptyStore([url], ["no key"]);
      await expect(store.realise([top])).rejects.toMatchObject({ problems: [{ code: "key-malformed" }] });
    });
  });

  describe.skipIf(!hasNix)("and a real Nix", () => {
    it("takes what osmod wrote and signed, and nothing unsigned", () => {
      const env = folder.nix("nix one", ["trusted-public-keys ="]);
      const copy = (...options: string[]) =>
        runNix(env, "nix", "copy", ...options, "--from", `file://${cache}`, top.path);
      expect(() => copy()).toThrow(/lacks a valid signature/);
      copy("--option", "trusted-public-keys", keys.public);
      expect(runNix(env, "nix-store", "-qR", top.path).trim().split("\n").sort()).toEqual(closure);
      runNix(env, "nix-store", "--verify", "--check-contents");
    });

    it.each(["xz", "gzip", "br", "none"])("writes with %s what osmod takes by Nix's signature", async (compression) => {
      const env = folder.nix("nix two", [`trusted-public-keys = ${keys.public}`]);
      runNix(env, "nix", "copy", "--from", `file://${cache}`, top.path);
      const [secret, open] = [join(folder.path, `${compression}.secret`), join(folder.path, `${compression}.public`)];
      runNix(env, "nix-store", "--generate-binary-cache-key", "nix.example-1", secret, open);
      runNix(env, "nix", "store", "sign", "-k", secret, "-r", top.path);
      const written = join(folder.path, `by-nix-${compression}`);
      runNix(env, "nix", "copy", "--to", `file://${written}?compression=${compression}`, top.path);
      const store = emptyStore();
      const copied = await store.importFrom(written, undefined, { trustedPublicKeys: [readFileSync(open, "utf8")] });
      expect(copied.sort()).toEqual(closure);
      expect((await store.verify()).findings).toEqual([]);
    });
  });
});
