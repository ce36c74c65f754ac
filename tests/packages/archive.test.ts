import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type ReadArchiveOptions, readArchive } from "../../src/packages/index.ts";
import { debianKeyring, verifySigned } from "../../src/packages/signature.ts";
import { makeSigner, type Signer, sign, TestArchive } from "./support/archive.ts";
import { problemOfAsync } from "./support/problems.ts";

const web = { fields: { Package: "web", Depends: "lib" } };
const lib = { fields: { Package: "lib" } };

let signer: Signer;
let archive: TestArchive;
const now = new Date("2026-02-02");
const read = (options: Partial<ReadArchiveOptions> = {}) =>
  readArchive({ mirrors: { debian: archive.mirror }, keyring: archive.keyring, now, allowExpired: false, ...options });
const release = "dists/trixie/InRelease";

beforeAll(async () => {
  signer = await makeSigner();
  archive = new TestArchive(signer);
  await archive.serve();
});
afterAll(() => archive.close());
beforeEach(() => archive.publish([web, lib]));

describe("an archive", () => {
  it("is read from its signed release down to the packages", async () => {
    const index = await read();
    expect(index.suites).toMatchObject([
      { archive: "debian", suite: "trixie", date: "Sun, 01 Feb 2026 00:00:00 UTC" },
      { archive: "debian", suite: "trixie-updates" },
    ]);
    expect(index.universe.find("web")).toMatchObject({ version: "1.0", depends: "lib", archive: "debian" });
  });

  it("has newer versions of its updates suite win", async () => {
    await archive.publish([lib], { updates: [{ fields: { Package: "lib", Version: "1.1" } }] });
    expect((await read()).universe.find("lib")?.version).toBe("1.1");
  });

  it("can be a directory", async () => {
    const index = await read({ mirrors: { debian: `file://${archive.directory}` } });
    expect(index.universe.find("lib")?.version).toBe("1.0");
  });

  it("is asked for its index once, as long as the cached copy is sound", async () => {
    const cacheDirectory = mkdtempSync(join(tmpdir(), "osmod-cache-"));
    const indexes = () => archive.requests.filter((url) => url.includes("by-hash")).length;
    await read({ cacheDirectory });
    const before = indexes();
    await read({ cacheDirectory });
    expect(indexes()).toBe(before);
    for (const file of readdirSync(join(cacheDirectory, "indexes")))
      writeFileSync(join(cacheDirectory, "indexes", file), "x");
    expect((await read({ cacheDirectory })).universe.find("lib")?.version).toBe("1.0");
    expect(indexes()).toBe(before + 2);
    rmSync(cacheDirectory, { recursive: true });
  });
});

describe("an archive is refused", () => {
  it("when its release is not signed", async () => {
    archive.write(release, "Codename: trixie\n");
    const problem = await problemOfAsync(read());
    expect(problem.code).toBe("archive-unsigned");
    expect(problem.message).toContain("is not a signed message");
  });

  it("when somebody else signed it", async () => {
    const text = archive
      .read(release)
      .toString()
      .split("\n\n")
      .slice(1)
      .join("\n\n")
      .split("-----BEGIN PGP SIGNATURE")[0]!;
    archive.write(release, await sign(text, await makeSigner("Mallory")));
    const problem = await problemOfAsync(read());
    expect(problem).toMatchObject({ code: "archive-unsigned" });
    expect(problem.message).toContain("not signed by a key of Debian's archive");
  });

  it("when the release was changed after it was signed", async () => {
    archive.write(release, archive.read(release).toString().replace("Components: main", "Components: evil"));
    expect((await problemOfAsync(read())).code).toBe("archive-tampered");
  });

  it("when text stands outside of what was signed", async () => {
    const text = archive.read(release).toString();
    archive.write(release, text.replace("\nHash: SHA512\n", "\nHash: SHA512\nCodename: evil\n"));
    expect(["archive-tampered", "archive-unsigned"]).toContain((await problemOfAsync(read())).code);
    archive.write(release, text + "\nCodename: evil\n");
    const index = await read().catch(() => undefined);
    expect(index?.suites[0]?.suite ?? "trixie").toBe("trixie");
  });

  it("when its release is past its time, unless that is allowed", async () => {
    await archive.publish([lib], { release: { "Valid-Until": "Sun, 01 Feb 2026 12:00:00 UTC" } });
    const problem = await problemOfAsync(read());
    expect(problem).toMatchObject({ code: "archive-expired" });
    expect(problem.fix).toContain("OSMOD_DEBIAN_ALLOW_EXPIRED=1");
    expect((await read({ allowExpired: true })).universe.find("lib")?.version).toBe("1.0");
  });

  it("when it passes one suite off as another", async () => {
    archive.write(release, archive.read("dists/trixie-updates/InRelease"));
    expect((await problemOfAsync(read())).code).toBe("archive-wrong-suite");
  });

  it("when its index is not the one that was signed", async () => {
    const directory = "dists/trixie/main/binary-amd64/by-hash/SHA256";
    for (const file of readdirSync(join(archive.directory, directory))) {
      archive.write(`${directory}/${file}`, gzipSync("Package: web\nVersion: 6.6.6\n"));
    }
    expect((await problemOfAsync(read())).code).toBe("hash-mismatch");
  });

  it("when the address does not lead to one", async () => {
    const wrong = await problemOfAsync(read({ mirrors: { debian: `${archive.mirror}/nothing` } }));
    expect(wrong.code).toBe("archive-malformed");
    expect(wrong.fix).toContain("OSMOD_DEBIAN_MIRROR");
    const nobody = await problemOfAsync(read({ mirrors: { debian: "http://127.0.0.1:1" } }));
    expect(nobody.code).toBe("mirror-unreachable");
    expect(nobody.fix).toContain("OSMOD_DEBIAN_MIRROR");
    expect((await problemOfAsync(read({ mirrors: {} }))).code).toBe("mirror-unknown");
  });
});

describe("Debian's keys", () => {
  it("are shipped, and can be read", async () => {
    const keyring = await debianKeyring();
    expect(keyring.length).toBeGreaterThanOrEqual(3);
    const stranger = await sign("Codename: trixie\n", signer);
    expect((await problemOfAsync(verifySigned(Buffer.from(stranger), keyring, "InRelease"))).code).toBe(
      "archive-unsigned",
    );
  });
});
