import { createHash } from "node:crypto";
import { lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Problem, ProblemError, renderProblems } from "../../src/problems/index.ts";
import { proxyFor } from "../../src/store/embedded/http.ts";
import {
  type BuildEvent,
  type Derivation,
  hashNar,
  narOfTree,
  openStore,
  type Store,
  StoreScope,
  sha256,
  toHex,
  toSri,
} from "../../src/store/index.ts";
import { directory, file } from "../helpers/sandbox.ts";

let place: string;
let store: Store;
let scope: StoreScope;
let server: Server;
let base: string;
let asked: string[];
let answer: (request: IncomingMessage, response: ServerResponse) => void;

beforeEach(async () => {
  place = mkdtempSync(join(tmpdir(), "osmod fetch "));
  store = openStore({ root: join(place, "root"), sandbox: { prepare: () => expect.unreachable() as never } });
  scope = new StoreScope();
  asked = [];
  answer = (_, response) => response.end("hello");
  server = createServer((request, response) => {
    asked.push(request.url ?? "");
    answer(request, response);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((done) => server.close(done));
  rmSync(place, { recursive: true, force: true });
});

function fetched(name: string, content: string | { narHash: string }, env: Record<string, string> = {}): Derivation {
  const fixed =
    typeof content === "string"
      ? { hash: toHex(sha256(content)), algo: "sha256" as const, mode: "flat" as const }
      : { hash: content.narHash, algo: "sha256" as const, mode: "recursive" as const };
  return scope.derivation({
    name,
    system: "builtin",
    builder: "builtin:fetchurl",
    env: { url: `${base}/${name}`, ...env },
    fixedOutput: fixed,
  });
}

async function problems(work: Promise<unknown>): Promise<readonly Problem[]> {
  try {
    await work;
  } catch (error) {
    if (error instanceof ProblemError) return error.problems;
    throw error;
  }
  throw new Error("nothing was thrown");
}
const leftovers = (): string[] => readdirSync(join(place, "root/nix/store")).filter((name) => name.startsWith(".tmp"));

describe("fetching", () => {
  it("keeps what has the right hash, and never asks again", async () => {
    const drv = fetched("a.txt", "hello");
    expect(store.plan([drv])).toEqual({ build: [], fetch: [drv], add: [] });
    const events: BuildEvent[] = [];
    await store.realise([drv], { onEvent: (event) => events.push(event) });
    await store.realise([drv]);
    expect(readFileSync(store.physical(drv.path), "utf8")).toBe("hello");
    expect(lstatSync(store.physical(drv.path))).toMatchObject({ mtimeMs: 1000 });
    expect(asked).toEqual(["/a.txt"]);
    expect(events.map((event) => event.type)).toEqual(["start", "fetch-progress", "fetch-progress", "done"]);
    expect(events[2]).toMatchObject({ received: 5, total: 5 });
  });

  it("keeps nothing of what has another hash, and shows both and the URL", async () => {
    const drv = fetched("a.txt", "expected");
    const [problem] = await problems(store.realise([drv]));
    expect(renderProblems([problem as Problem])).toBe(
      [
        "error: a.txt does not have the hash it must have [hash-mismatch]",
        `  expected  ${toSri(sha256("expected"))}`,
        `  got       ${toSri(sha256("hello"))}`,
        `  from      ${base}/a.txt`,
        "  fix: The server, or something on the way, gave another file than the one asked for. Try another mirror; if the file was replaced on purpose, take its new hash. Nothing of it was kept.",
      ].join("\n"),
    );
    expect(store.isValid(drv.path)).toBe(false);
    expect(leftovers()).toEqual([]);
  });

  it("does not ask twice for what is not there, and tells all that are missing", async () => {
    answer = (_, response) => response.writeHead(404).end();
    const found = await problems(
      store.realise(
        ["a", "b", "c"].map((name) => fetched(name, name)),
        { maxFetches: 1 },
      ),
    );
    expect(found.map((problem) => problem.code)).toEqual(["fetch-not-found", "fetch-not-found", "fetch-not-found"]);
    expect(found[0]?.message).toBe(`${base}/a is not there: the server answered 404`);
    expect(found[0]?.fix).toContain("snapshot");
    expect(asked).toEqual(["/a", "/b", "/c"]);
  });

  it("lets go of a connection whose answer nobody reads", async () => {
    const connections = new Set<number | undefined>();
    answer = (request, response) => {
      connections.add(request.socket.remotePort);
      response.writeHead(404).end("nothing here");
    };
    const names = Array.from({ length: 40 }, (_, n) => `file-${n}`);
    const found = await problems(store.realise(names.map((name) => fetched(name, name))));
    expect(found).toHaveLength(40);
    expect(connections.size).toBeLessThanOrEqual(16);
  });

  it("tries again when a server stumbles or a transfer breaks off", async () => {
    answer = (_, response) => {
      if (asked.length === 1) response.writeHead(503).end();
      else if (asked.length === 2) {
        response.writeHead(200, { "content-length": "5" }).write("he");
        setTimeout(() => response.destroy(), 20);
      } else response.end("hello");
    };
    const drv = fetched("a.txt", "hello");
    await store.realise([drv]);
    expect(asked).toHaveLength(3);
    expect(readFileSync(store.physical(drv.path), "utf8")).toBe("hello");
  });

  it("gives up with the URL, the reason and a way out when nothing answers", async () => {
    const drv = fetched("a.txt", "hello", { url: "http://127.0.0.1:1/a.txt" });
    const [problem, ...others] = await problems(store.realise([drv]));
    expect(others).toEqual([]);
    expect(problem?.code).toBe("fetch-failed");
    expect(problem?.message).toBe(
      "http://127.0.0.1:1/a.txt cannot be fetched: nothing answers at 127.0.0.1:1 (4 attempts)",
    );
    expect(problem?.fix).toContain("http_proxy");
  });

  it("follows redirects, but not for ever", async () => {
    answer = (request, response) =>
      request.url === "/real" ? response.end("hello") : response.writeHead(302, { location: "/real" }).end();
    await store.realise([fetched("a.txt", "hello")]);
    expect(asked).toEqual(["/a.txt", "/real"]);
    answer = (_, response) => response.writeHead(302, { location: "/again" }).end();
    const [problem] = await problems(store.realise([fetched("b.txt", "b")]));
    expect(problem?.message).toContain("more than 10 redirects");
  });

  it("asks the next of several URLs when one does not have it", async () => {
    answer = (request, response) => (request.url === "/two" ? response.end("hello") : response.writeHead(404).end());
    const drv = fetched("a.txt", "hello", { urls: `${base}/one ${base}/two` });
    await store.realise([drv]);
    expect(asked).toEqual(["/one", "/two"]);
  });

  it("takes the bytes as they come, whatever encoding they are in", async () => {
    answer = (request, response) => {
      expect(request.headers["accept-encoding"]).toBe("identity");
      response.writeHead(200, { "content-encoding": "gzip" }).end("hello");
    };
    await store.realise([fetched("a.gz", "hello")]);
  });

  it("makes files executable, and unpacks archives, when asked to", async () => {
    const program = toSri(hashNar(narOfTree(file("hello", true))).hash);
    const executable = fetched("prog", { narHash: program }, { executable: "1" });
    await store.realise([executable]);
    expect(lstatSync(store.physical(executable.path)).mode & 0o777).toBe(0o555);
    const tree = directory({ d: directory({ x: file("1") }) });
    const archive = Buffer.concat([...narOfTree(tree)]);
    answer = (_, response) => response.end(archive);
    const unpacked = fetched("tree", { narHash: toSri(sha256(archive)) }, { unpack: "1" });
    await store.realise([unpacked]);
    expect(readFileSync(`${store.physical(unpacked.path)}/d/x`, "utf8")).toBe("1");
    const evil = fetched("evil", { narHash: toSri(sha256("x")) }, { unpack: "1" });
    answer = (_, response) => response.end("not an archive");
    expect((await problems(store.realise([evil])))[0]?.code).toBe("nar-malformed");
    expect(leftovers()).toEqual([]);
  });

  it("says so when what is to be unpacked is damaged, and keeps nothing of it", async () => {
    const archive = Buffer.concat([...narOfTree(directory({ x: file("hello") }))]);
    const { hash } = hashNar([archive]);
    const bodies: Readonly<Record<string, Buffer>> = {
      "/a.nar": Buffer.from("no archive"),
      "/b.nar": archive.subarray(0, -8),
      "/c.nar.xz": Buffer.from("no xz"),
      "/d.nar.xz": Buffer.concat([Buffer.from("fd377a585a000004e6d6b446", "hex"), Buffer.alloc(100)]),
    };
    answer = (request, response) => response.end(bodies[request.url ?? ""]);
    for (const path of Object.keys(bodies)) {
      const drv = fetched(`x${path.length}`, { narHash: toSri(hash) }, { url: base + path, unpack: "1" });
      const error: unknown = await store.realise([drv]).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(ProblemError);
      expect(["nar-malformed", "compression-damaged"]).toContain((error as ProblemError).problems[0].code);
      expect(readdirSync(join(place, "root/nix/store")).filter((name) => !name.endsWith(".drv"))).toEqual([]);
    }
  });

  it("reads files of this machine", async () => {
    writeFileSync(join(place, "local file"), "hello");
    const url = pathToFileURL(join(place, "local file")).href;
    await store.realise([fetched("a.txt", "hello", { url })]);
    const [problem] = await problems(store.realise([fetched("b", "b", { url: `${url}2` })]));
    expect(problem?.code).toBe("fetch-not-found");
  });

  it("refuses what is no URL it knows", async () => {
    const [problem] = await problems(store.realise([fetched("a", "a", { url: "ftp://x/y" })]));
    expect(problem).toMatchObject({ code: "fetch-failed" });
    expect(problem?.message).toContain("no http, https or file URL");
  });

  it("stops at once when asked to, in the middle of a file", async () => {
    answer = (_, response) => void response.writeHead(200, { "content-length": "10" }).write("he");
    const stop = new AbortController();
    const onEvent = (event: BuildEvent): void => {
      if (event.type === "fetch-progress") stop.abort();
    };
    const [problem] = await problems(store.realise([fetched("a", "a")], { signal: stop.signal, onEvent }));
    expect(problem?.code).toBe("build-interrupted");
    expect(leftovers()).toEqual([]);
  });

  it("fetches a large file without holding it", async () => {
    const size = 32 * 1024 * 1024;
    const hash = createHash("sha256").update(Buffer.alloc(size)).digest("hex");
    answer = (_, response) => {
      for (let i = 0; i < 32; i++) response.write(Buffer.alloc(1024 * 1024));
      response.end();
    };
    const drv = scope.derivation({
      name: "big",
      system: "builtin",
      builder: "builtin:fetchurl",
      env: { url: `${base}/big` },
      fixedOutput: { hash, algo: "sha256", mode: "flat" },
    });
    await store.realise([drv]);
    expect(store.info(drv.path)?.narSize).toBe(size + 112);
  });
});

describe("the proxy", () => {
  const proxy = (url: string, env: Record<string, string>): string | undefined => proxyFor(new URL(url), env)?.href;

  it("is the one the environment names for the scheme", () => {
    const env = { http_proxy: "http://p:1", https_proxy: "q:2", no_proxy: "localhost,.internal" };
    expect(proxy("http://x/", env)).toBe("http://p:1/");
    expect(proxy("https://x/", env)).toBe("http://q:2/");
    expect(proxy("http://localhost:8/", env)).toBeUndefined();
    expect(proxy("https://a.internal/", env)).toBeUndefined();
    expect(proxy("https://ainternal/", env)).toBe("http://q:2/");
  });

  it("is none by default, nor when exempt altogether, nor from HTTP_PROXY", () => {
    expect(proxy("http://x/", {})).toBeUndefined();
    expect(proxy("http://x/", { http_proxy: "p:1", no_proxy: "*" })).toBeUndefined();
    expect(proxy("http://x/", { HTTP_PROXY: "p:1" })).toBeUndefined();
    expect(proxy("http://x/", { ALL_PROXY: "p:1" })).toBe("http://p:1/");
  });

  it("is asked instead of the server", async () => {
    process.env["http_proxy"] = base;
    try {
      await store.realise([fetched("a.txt", "hello", { url: "http://elsewhere.invalid/f" })]);
    } finally {
      delete process.env["http_proxy"];
    }
    expect(asked).toEqual(["http://elsewhere.invalid/f"]);
  });
});
