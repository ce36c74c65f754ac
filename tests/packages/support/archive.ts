/** A small Debian archive, made up and signed on the spot, and a server for it. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import * as openpgp from "openpgp";

export interface TarEntry {
  readonly name: string;
  readonly type?: string;
  readonly mode?: number;
  readonly body?: string | Uint8Array;
  readonly link?: string;
}

/** A ustar archive of the entries, as they are: nothing is checked, that is for the reader. */
export function tar(entries: readonly TarEntry[], end = true): Buffer {
  const blocks: Buffer[] = [];
  for (const entry of entries) {
    const body = Buffer.from(entry.body ?? "");
    const header = Buffer.alloc(512);
    header.write(entry.name, 0, 100);
    header.write((entry.mode ?? 0o644).toString(8).padStart(7, "0"), 100);
    header.write("0000000", 108);
    header.write("0000000", 116);
    header.write(body.length.toString(8).padStart(11, "0"), 124);
    header.write("00000000000", 136);
    header.write("        ", 148);
    header.write(entry.type ?? "0", 156);
    header.write(entry.link ?? "", 157, 100);
    header.write("ustar\u000000", 257);
    const sum = header.reduce((a, b) => a + b, 0);
    header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
    blocks.push(header, body, Buffer.alloc((512 - (body.length % 512)) % 512));
  }
  if (end) blocks.push(Buffer.alloc(1024));
  return Buffer.concat(blocks);
}

/** An `ar` archive. */
export function ar(members: readonly (readonly [name: string, body: Uint8Array])[]): Buffer {
  const parts: Buffer[] = [Buffer.from("!<arch>\n")];
  for (const [name, body] of members) {
    parts.push(
      Buffer.from(
        `${name.padEnd(16)}${"0".padEnd(12)}${"0".padEnd(6)}${"0".padEnd(6)}${"100644".padEnd(8)}${String(body.length).padEnd(10)}\`\n`,
      ),
    );
    parts.push(Buffer.from(body), Buffer.alloc(body.length % 2, "\n"));
  }
  return Buffer.concat(parts);
}

/** A package file with these entries as its data; like real ones it lists every directory. `xz` by the program of that name. */
export function deb(given: readonly TarEntry[], compression: "gz" | "xz" = "gz"): Buffer {
  const directories = new Set<string>(["./"]);
  for (const { name } of given) {
    const parts = name.replace(/\/$/, "").split("/");
    for (let n = 2; n < parts.length; n++) directories.add(`${parts.slice(0, n).join("/")}/`);
  }
  const listed = new Set(given.map((entry) => entry.name));
  const entries = [
    ...[...directories].filter((name) => !listed.has(name)).map((name) => ({ name, type: "5", mode: 0o755 })),
    ...given,
  ];
  return ar([
    ["debian-binary", Buffer.from("2.0\n")],
    ["control.tar.gz", gzipSync(tar([]))],
    [
      `data.tar.${compression}`,
      compression === "gz" ? gzipSync(tar(entries)) : execFileSync("xz", ["-c"], { input: tar(entries) }),
    ],
  ]);
}

export type Fields = { readonly [field: string]: string };

/** A package for {@link TestArchive}: control fields, and what is in it. */
export interface TestPackage {
  readonly fields: Fields & { readonly Package: string };
  readonly entries?: readonly TarEntry[];
  readonly compression?: "gz" | "xz";
  /** Instead of one made of the entries. */
  readonly file?: Uint8Array;
}

export interface Signer {
  readonly privateKey: openpgp.PrivateKey;
  readonly publicKey: string;
}

/** A key to sign with. `days` after the first of January 2026 it expires. */
export async function makeSigner(name = "Test archive", days?: number): Promise<Signer> {
  const made = await openpgp.generateKey({
    userIDs: [{ name, email: "archive@test.invalid" }],
    format: "object",
    date: new Date("2026-01-01"),
    ...(days === undefined ? {} : { keyExpirationTime: days * 24 * 3600 }),
  });
  return { privateKey: made.privateKey, publicKey: made.publicKey.armor() };
}

export async function sign(text: string, signer: Signer, date = new Date("2026-02-01")): Promise<string> {
  const message = await openpgp.createCleartextMessage({ text });
  return openpgp.sign({ message, signingKeys: signer.privateKey, date });
}

/** A key that signs by SHA-1, as old ones did, and what it signs. */
export async function signBySha1(text: string): Promise<{ readonly signed: string; readonly publicKey: string }> {
  const { privateKey, publicKey } = await openpgp.generateKey({
    type: "rsa",
    rsaBits: 2048,
    userIDs: [{ name: "Old archive" }],
    format: "object",
    date: new Date("2026-01-01"),
  });
  const weak = openpgp.enums.hash.sha1;
  for (const user of privateKey.users) for (const own of user.selfCertifications) own.preferredHashAlgorithms = [weak];
  const message = await openpgp.createCleartextMessage({ text });
  const config = {
    preferredHashAlgorithm: weak,
    rejectMessageHashAlgorithms: new Set<openpgp.enums.hash>(),
    nonDeterministicSignaturesViaNotation: false,
  };
  const date = new Date("2026-02-01");
  return {
    signed: await openpgp.sign({ message, signingKeys: privateKey, date, config }),
    publicKey: publicKey.armor(),
  };
}

/** The public key of a signer who has lost the private one. */
export async function revoke(signer: Signer): Promise<string> {
  const { publicKey } = await openpgp.revokeKey({
    key: signer.privateKey,
    reasonForRevocation: { flag: openpgp.enums.reasonForRevocation.keyCompromised },
    date: new Date("2026-03-01"),
    format: "armored",
  });
  return publicKey;
}

const hash = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

export class TestArchive {
  readonly directory = mkdtempSync(join(tmpdir(), "osmod-archive-"));
  readonly requests: string[] = [];
  readonly #signer: Signer;
  #server: Server | undefined;
  mirror = "";

  constructor(signer: Signer) {
    this.#signer = signer;
  }

  get keyring(): readonly string[] {
    return [this.#signer.publicKey];
  }

  /** Publish packages as the suites trixie and trixie-updates (which is empty unless given). */
  async publish(
    packages: readonly TestPackage[],
    options: { readonly release?: Fields; readonly updates?: readonly TestPackage[] } = {},
  ): Promise<void> {
    await this.#suite("trixie", packages, options.release ?? {});
    await this.#suite("trixie-updates", options.updates ?? [], {});
  }

  write(path: string, bytes: Uint8Array | string): void {
    const file = join(this.directory, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, bytes);
  }

  read(path: string): Buffer {
    return readFileSync(join(this.directory, path));
  }

  remove(path: string): void {
    rmSync(join(this.directory, path));
  }

  async serve(): Promise<string> {
    const server = createServer((request, response) => {
      this.requests.push(request.url ?? "");
      const file = join(this.directory, decodeURIComponent(request.url ?? ""));
      if (statSync(file, { throwIfNoEntry: false })?.isFile() !== true) {
        response.writeHead(404).end("no such file");
        return;
      }
      response.end(readFileSync(file));
    });
    this.#server = server;
    await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
    this.mirror = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    return this.mirror;
  }

  async close(): Promise<void> {
    this.#server?.closeAllConnections();
    await new Promise((done) => (this.#server === undefined ? done(undefined) : this.#server.close(done)));
    rmSync(this.directory, { recursive: true, force: true });
  }

  async #suite(suite: string, packages: readonly TestPackage[], release: Fields): Promise<void> {
    const paragraphs = packages.map(({ fields, entries, compression, file }) => {
      const all: { [field: string]: string } = { Version: "1.0", Architecture: "amd64", ...fields };
      const bytes = file ?? deb(entries ?? [], compression);
      const filename = `pool/main/${all["Package"]}_${all["Version"]}_${all["Architecture"]}.deb`;
      this.write(filename, bytes);
      Object.assign(all, { Filename: filename, Size: String(bytes.length), SHA256: hash(bytes), ...fields });
      return Object.entries(all)
        .map(([field, value]) => `${field}: ${value}\n`)
        .join("");
    });
    const index = Buffer.from(paragraphs.join("\n"));
    const packed = gzipSync(index);
    const base = `dists/${suite}/main/binary-amd64`;
    this.write(`${base}/by-hash/SHA256/${hash(packed)}`, packed);
    const fields: { [field: string]: string } = {
      Origin: "Test",
      Suite: "stable",
      Codename: suite,
      Date: "Sun, 01 Feb 2026 00:00:00 UTC",
      "Acquire-By-Hash": "yes",
      Architectures: "amd64",
      Components: "main",
      SHA256: `\n ${hash(index)} ${index.length} main/binary-amd64/Packages\n ${hash(packed)} ${packed.length} main/binary-amd64/Packages.gz`,
      ...release,
    };
    const text = Object.entries(fields)
      .map(([field, value]) => `${field}: ${value}\n`)
      .join("");
    this.write(`dists/${suite}/InRelease`, await sign(text, this.#signer));
  }
}
