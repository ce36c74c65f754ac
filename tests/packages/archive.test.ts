import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type ReadArchiveOptions, readArchive } from "../../src/packages/index.ts";
import { indexUniverse } from "../../src/packages/package-index.ts";
import { debianKeyring, verifySigned } from "../../src/packages/signature.ts";
import { makeSigner, revoke, type Signer, sign, signBySha1, TestArchive } from "./support/archive.ts";
import { problemOf, problemOfAsync } from "./support/problems.ts";

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

/** The text of a suite's release, as it was signed. */
function signedText(suite = "trixie"): string {
  const message = archive.read(`dists/${suite}/InRelease`).toString();
  const text = message.split("\n\n").slice(1).join("\n\n").split("-----BEGIN PGP SIGNATURE")[0] ?? "";
  return text.replace(/^- /gm, "");
}

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

  it("when the key that signed it has expired since, unless that is allowed", async () => {
    const short = await makeSigner("Old archive", 60);
    archive.write(release, await sign(signedText(), short));
    archive.write("dists/trixie-updates/InRelease", await sign(signedText("trixie-updates"), short));
    const keyring = [short.publicKey];
    expect((await read({ keyring })).universe.find("lib")?.version).toBe("1.0");
    const later = new Date("2026-04-01");
    const problem = await problemOfAsync(read({ keyring, now: later }));
    expect(problem.code).toBe("archive-key-invalid");
    expect(problem.notes[0]).toContain("expired");
    expect((await read({ keyring, now: later, allowExpired: true })).universe.find("lib")?.version).toBe("1.0");
  });

  it("when a thief of an expired key dates the signature back", async () => {
    const short = await makeSigner("Old archive", 10);
    const keyring = [short.publicKey, signer.publicKey];
    archive.write(release, await sign(signedText(), short, new Date("2026-01-05")));
    expect((await problemOfAsync(read({ keyring }))).code).toBe("archive-key-invalid");
  });

  it("when the key that signed it was revoked, whatever is allowed", async () => {
    const keyring = [await revoke(signer)];
    const problem = await problemOfAsync(read({ keyring }));
    expect(problem.code).toBe("archive-key-invalid");
    expect(problem.notes[0]).toContain("revoked");
    expect((await problemOfAsync(read({ keyring, allowExpired: true }))).code).toBe("archive-key-invalid");
  });

  it("when it was changed and signed by somebody else", async () => {
    const other = await makeSigner("Somebody");
    archive.write(release, (await sign(signedText(), other)).replace("Suite: stable", "Suite: unstable"));
    expect((await problemOfAsync(read())).code).toBe("archive-unsigned");
    expect((await problemOfAsync(read({ keyring: [other.publicKey, signer.publicKey] }))).code).toBe(
      "archive-tampered",
    );
    expect((await problemOfAsync(read({ keyring: [] }))).code).toBe("archive-unsigned");
  });

  it("when it is signed by SHA-1", async () => {
    const { signed, publicKey } = await signBySha1(signedText());
    expect(signed).toContain("Hash: SHA1");
    archive.write(release, signed);
    const problem = await problemOfAsync(read({ keyring: [publicKey, signer.publicKey] }));
    expect(problem.code).toBe("archive-tampered");
    expect(problem.notes[0]).toMatch(/sha1/i);
  });

  it("when it is signed tomorrow, or made after tomorrow", async () => {
    archive.write(release, await sign(signedText(), signer, new Date("2026-02-03")));
    expect((await problemOfAsync(read())).code).toBe("archive-tampered");
    await archive.publish([lib], { release: { Date: "Thu, 05 Feb 2026 00:00:00 UTC" } });
    const problem = await problemOfAsync(read());
    expect(problem.code).toBe("archive-not-yet-valid");
    expect(problem.fix).toContain("clock");
  });

  it("when its dates are none", async () => {
    for (const Date of ["yesterday", "2026", "", "Sun, 99 Feb 2026 00:00:00 UTC", "Sun, 01 Feb 2026 00:00:00 +1400"]) {
      await archive.publish([lib], { release: { Date } });
      expect((await problemOfAsync(read())).code).toBe("archive-malformed");
    }
    await archive.publish([lib], { release: { "Valid-Until": "never" } });
    expect((await problemOfAsync(read())).code).toBe("archive-malformed");
  });

  it("when it is older than what the lock was made from, unless that is allowed", async () => {
    const made = (await read()).suites;
    await archive.publish([lib], { release: { Date: "Sat, 31 Jan 2026 23:59:59 UTC" } });
    const problem = await problemOfAsync(read({ notBefore: made }));
    expect(problem.code).toBe("archive-downgraded");
    expect(problem.message).toContain("31 Jan");
    expect(problem.notes[0]).toContain("01 Feb");
    expect((await read({ notBefore: made, allowExpired: true })).suites[0]?.date).toContain("31 Jan");
    await archive.publish([lib], { release: { Date: "Sun, 01 Feb 2026 00:00:00 UTC" } });
    expect((await read({ notBefore: made })).suites).toHaveLength(2);
  });

  it("when it names its indexes, or its packages, by weak hashes only", async () => {
    const text = signedText().replace(/^SHA256:/m, "MD5Sum:");
    archive.write(release, await sign(text, signer));
    const problem = await problemOfAsync(read());
    expect(problem.code).toBe("archive-weak-hashes");
    expect(problem.message).toContain("md5sum");
    await archive.publish([
      { fields: { Package: "lib", SHA256: "", MD5sum: "d41d8cd98f00b204e9800998ecf8427e" } },
      web,
    ]);
    const paragraph = (await read()).universe;
    expect(problemOf(() => paragraph.find("lib")).code).toBe("archive-malformed");
    const weak = "Package: lib\nVersion: 1\nArchitecture: amd64\nFilename: pool/l.deb\nSize: 1\nMD5sum: 0\nSHA1: 0\n";
    const universe = indexUniverse([{ text: weak, archive: "debian", label: "x" }]);
    expect(problemOf(() => universe.find("lib")).code).toBe("archive-weak-hashes");
  });

  it("when its index is that of another suite, or has another size than it should", async () => {
    await archive.publish([lib], { updates: [{ fields: { Package: "lib", Version: "0.1" } }] });
    const path = (suite: string) => `dists/${suite}/main/binary-amd64/by-hash/SHA256`;
    const [mine = ""] = readdirSync(join(archive.directory, path("trixie"))).filter((name) =>
      signedText().includes(name),
    );
    const [other = ""] = readdirSync(join(archive.directory, path("trixie-updates"))).filter((name) =>
      signedText("trixie-updates").includes(name),
    );
    archive.write(`${path("trixie")}/${mine}`, archive.read(`${path("trixie-updates")}/${other}`));
    expect((await problemOfAsync(read())).code).toBe("hash-mismatch");
    await archive.publish([lib]);
    archive.write(
      `${path("trixie")}/${mine}`,
      Buffer.concat([archive.read(`${path("trixie")}/${mine}`), Buffer.alloc(9)]),
    );
    expect((await problemOfAsync(read())).code).toBe("hash-mismatch");
    // The packed index is the right one, and what is in it is not what the release says.
    await archive.publish([lib]);
    const size = / (\d+) main\/binary-amd64\/Packages$/m;
    for (const wrong of ["1", "999999"]) {
      archive.write(release, await sign(signedText().replace(size, ` ${wrong} main/binary-amd64/Packages`), signer));
      expect(["hash-mismatch", "compression-damaged"]).toContain((await problemOfAsync(read())).code);
      await archive.publish([lib]);
    }
    archive.write(
      release,
      await sign(signedText().replace(size, " 99999999999999 main/binary-amd64/Packages"), signer),
    );
    expect((await problemOfAsync(read())).message).toContain("are allowed");
  });

  it("when two hashes are given for one index", async () => {
    const line = ` ${"0".repeat(64)} 1 main/binary-amd64/Packages\n`;
    archive.write(
      release,
      await sign(
        signedText().replace(/^SHA256:[^\n]*\n/m, (field) => field + line),
        signer,
      ),
    );
    expect((await problemOfAsync(read())).code).toBe("archive-malformed");
  });

  it("when its packages are for another kind of machine", async () => {
    await archive.publish([{ fields: { Package: "lib", Architecture: "arm64" } }]);
    const { universe } = await read();
    expect(problemOf(() => universe.find("lib")).code).toBe("archive-wrong-architecture");
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
