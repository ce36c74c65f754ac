/** The parsers of Debian's formats, and of the lock, against input that was made to hurt. */
import { gunzipSync, gzipSync } from "node:zlib";
import { beforeAll, describe, expect, it } from "vitest";
import { arMembers, readDeb } from "../../src/packages/deb.ts";
import { parseParagraphs, splitParagraphs } from "../../src/packages/deb822.ts";
import { formatLock, parseLock } from "../../src/packages/index.ts";
import { findMirrors, parseSources, parseSourcesList } from "../../src/packages/mirror.ts";
import { indexUniverse } from "../../src/packages/package-index.ts";
import { FIELD_NAMES, parseRecord, type RelationField, relationsOf } from "../../src/packages/record.ts";
import { parseRelations } from "../../src/packages/relation.ts";
import { checkRelease, parseRelease } from "../../src/packages/release.ts";
import { verifySigned } from "../../src/packages/signature.ts";
import { readTar, treeAt } from "../../src/packages/tar.ts";
import { compareVersions, versionSatisfies } from "../../src/packages/version.ts";
import { ungzip, unxz } from "../../src/packages/xz.ts";
import { hashNar, narOfTree, type Tree } from "../../src/store/index.ts";
import { FUZZ_TIMEOUT, realFiles, survives } from "../helpers/hostile.ts";
import { ar, deb, makeSigner, type Signer, sign, type TarEntry, tar } from "./support/archive.ts";
import { problemOf } from "./support/problems.ts";

const long = `usr/${"n".repeat(150)}`;
const pax = (...records: readonly string[]): string =>
  records
    .map((record) => {
      let length = record.length + 2;
      while (`${length} ${record}\n`.length !== length) length++;
      return `${length} ${record}\n`;
    })
    .join("");

const tars: readonly Buffer[] = [
  tar([
    { name: "./", type: "5", mode: 0o755 },
    { name: "./usr/bin/su", mode: 0o4755, body: "su" },
    { name: "./usr/bin/sulogin", type: "1", link: "./usr/bin/su" },
    { name: "./bin", type: "2", link: "usr/bin" },
  ]),
  tar([
    { name: "././@LongLink", type: "L", body: `${long}\0` },
    { name: "././@LongLink", type: "K", body: `${long}\0` },
    { name: "usr/cut", type: "2", link: "x" },
    { name: "x", type: "x", body: pax(`path=${long}/é`, "mtime=1.5") },
    { name: "usr/cut", body: "2" },
    { name: "g", type: "g", body: pax("comment=none") },
    { name: "dev/null", type: "3" },
  ]),
  tar([
    { name: "sparse", type: "S", body: "x".repeat(700) },
    { name: "x", type: "x", body: pax("GNU.sparse.major=1", "GNU.sparse.name=a", "size=5") },
    { name: "a", body: "12345" },
  ]),
];

/** Right checksums in every block that could be a header. */
function repairTar(bytes: Buffer): Buffer {
  for (let at = 0; at + 512 <= bytes.length; at += 512) {
    const header = bytes.subarray(at, at + 512);
    if (header.toString("latin1", 257, 262) !== "ustar") continue;
    header.write("        ", 148, "latin1");
    const sum = header.reduce((a, b) => a + b, 0);
    header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  }
  return bytes;
}

/** A short text with each kind of checksum, and two streams in one file. */
const XZ = [
  "/Td6WFoAAAFpIt42AgAhARYAAAB0L+WjAQAZUGFja2FnZTogd2ViClZlcnNpb246IDEuMAoAAAD6iM1OAAEuGn1F49aQQpkNAQAAAAABWVo=",
  "/Td6WFoAAATm1rRGAgAhARYAAAB0L+WjAQAZUGFja2FnZTogd2ViClZlcnNpb246IDEuMAoAAADT/ZU8FDEkyAABMhogGJQwH7bzfQEAAAAABFla",
  "/Td6WFoAAArh+wyhAgAhARYAAAB0L+WjAQAZUGFja2FnZTogd2ViClZlcnNpb246IDEuMAoAAABMFOFK1nr2Gkm0NzzTLcrp4HDCmrR9ISOCUCx2ea8QBwABShre63LXGJtLmgEAAAAAClla",
].map((text) => Buffer.from(text, "base64"));

const paragraphs = `Package: web
Version: 1:2.0~rc1+b1-3
Architecture: amd64
Essential: yes
Depends: libc6 (>= 2.38), default-mta | mail-transport-agent, python3:any,
 lib (<< 9)
Provides: httpd, httpd-cgi (= 1)
Multi-Arch: foreign
Description: a server
 of pages
 .
 and more
Filename: pool/main/w/web/web_2.0_amd64.deb
Size: 1234
SHA256: ${"ab".repeat(32)}

# comment
Package: lib
Version: 3
Architecture: all
Filename: pool/main/l/lib/lib_3_all.deb
Size: 1
SHA256: ${"cd".repeat(32)}
`;

const release = `Origin: Debian
Suite: stable
Version: 13.7
Codename: trixie
Date: Sat, 12 Sep 2026 07:55:41 UTC
Valid-Until: Sat, 19 Sep 2026 07:55:41 UTC
Acquire-By-Hash: yes
Components: main
MD5Sum:
 d41d8cd98f00b204e9800998ecf8427e 0 main/binary-amd64/Packages
SHA256:
 ${"ab".repeat(32)} 1234 main/binary-amd64/Packages
 ${"cd".repeat(32)}      567 main/binary-amd64/Packages.xz
`;

const lock = formatLock({
  version: 1,
  suites: [
    {
      archive: "debian",
      suite: "trixie",
      version: "13.7",
      date: "Sat, 12 Sep 2026 07:55:41 UTC",
      sha256: "c".repeat(64),
    },
  ],
  bootstrap: { busybox: { version: "1.37", sha256: "b".repeat(64), narHash: `sha256-${"A".repeat(43)}=` } },
  packages: {
    web: {
      name: "web",
      version: "1:2.0-3",
      architecture: "amd64",
      archive: "debian",
      filename: "pool/main/w/web.deb",
      size: 12,
      sha256: "a".repeat(64),
      depends: "lib (>= 1) | x",
      essential: true,
    },
  },
});

let signer: Signer;
let signed: Buffer;
beforeAll(async () => {
  signer = await makeSigner();
  signed = Buffer.from(await sign(release, signer));
});

describe("hostile input", { timeout: FUZZ_TIMEOUT }, () => {
  const words = [
    "ustar\u000000",
    "././@LongLink",
    "../x",
    "/x",
    "12 path=../x\n",
    "1 a=b\n",
    "1e-9 path=x\n",
    "S",
    "x",
    "L",
    "K",
    "g",
  ];

  it("is a tree out of a tar, or a problem", async () => {
    await survives({
      seeds: [...tars, ...realFiles(/\.tar$/)],
      words,
      repair: repairTar,
      parse: (bytes) => {
        const tree = readTar(bytes, "x");
        // What cannot be stored has to be told, too.
        hashNar(narOfTree(tree));
        return tree;
      },
      check: (tree) => expect((tree as Tree).type).toBe("directory"),
    });
  });

  it("is a list of members out of an ar, or a problem", async () => {
    const seed = ar([
      ["debian-binary", Buffer.from("2.0\n")],
      ["data.tar", Buffer.from("x")],
    ]);
    await survives({ seeds: [seed], words: ["!<arch>\n", "`\n"], parse: (bytes) => [...arMembers(bytes, "x")] });
  });

  it("is a tree out of a package, or a problem", async () => {
    const whole = deb([{ name: "./usr/bin/web", body: "#!/bin/sh\n" }]);
    const plain = ar([["data.tar", tars[0] as Buffer]]);
    const packed = ar([["data.tar.gz", gzipSync(tars[1] as Buffer)]]);
    await survives({
      seeds: [whole, plain, packed, ar([["data.tar.xz", XZ[0] as Buffer]]), ...realFiles(/\.deb$/)],
      words,
      parse: (bytes) => readDeb(bytes, "x.deb"),
    });
  });

  it("is unpacked from gzip and xz, or a problem", async () => {
    const seeds = [...XZ, ...realFiles(/\.xz$/)];
    await survives({
      seeds,
      words: [Buffer.from("fd377a585a00", "hex"), Buffer.from("YZ")],
      parse: (b) => unxz(b, "x", 1_000_000),
    });
    const gz = gzipSync(paragraphs.repeat(20));
    expect(gunzipSync(gz).length).toBeGreaterThan(0);
    await survives({ seeds: [gz, ...realFiles(/\.gz$/)], parse: (bytes) => ungzip(bytes, "x", 1_000_000) });
  });

  it("is control data, or a problem", async () => {
    await survives({
      seeds: [Buffer.from(paragraphs), Buffer.from(release)],
      words: ["\n", " \n", "\n.", ":", "\n#", "\nPackage: ", "\nSize: "],
      parse: (bytes) => {
        const text = bytes.toString();
        splitParagraphs(text, (start, end) => expect(end).toBeGreaterThan(start));
        return parseParagraphs(text, "x");
      },
    });
  });

  it("is a universe of packages, or a problem", async () => {
    await survives({
      seeds: [Buffer.from(paragraphs), Buffer.from(paragraphs.split("\n\n")[0] as string), ...realFiles(/^Packages/)],
      words: ["\nProvides: ", "\nEssential: yes\n", "\nDepends: a | b (>= 1", "\nPackage: web\n", "a | ", "(>= 1), "],
      parse: (bytes) => {
        const text = bytes.toString("latin1");
        const universe = indexUniverse([{ text, archive: "debian", label: "x" }]);
        for (const name of universe.names()) universe.find(name);
        universe.essential();
        universe.providers("httpd");
        const record = parseRecord(text, "debian", "x");
        for (const field of Object.keys(FIELD_NAMES) as RelationField[]) relationsOf(record, field);
        return record;
      },
    });
  });

  it("is a relation, or a problem", async () => {
    await survives({
      seeds: ["libc6 (>= 2.38), default-mta | mail-transport-agent, python3:any", "a(<<1),b (= 1:2-3~)"].map((t) =>
        Buffer.from(t),
      ),
      words: ["(", ")", "|", ",", " | ".repeat(2000), "a, ".repeat(5000), "(>= 1)", ":any"],
      parse: (bytes) => parseRelations(bytes.toString(), "x"),
    });
  });

  it("is a version in an order", async () => {
    await survives({
      seeds: ["1:2.0~rc1+b1-3|2.0", "0|00", "20260101-1~deb13u1|20260101-1"].map((t) => Buffer.from(t)),
      words: ["~", ":", "-", "0".repeat(5000), "a1".repeat(5000)],
      parse: (bytes) => {
        const [a = "", b = ""] = bytes.toString().split("|");
        expect(Math.sign(compareVersions(a, b))).toBe(-Math.sign(compareVersions(b, a)) || 0);
        expect(compareVersions(a, a)).toBe(0);
        return versionSatisfies(a, ">=", b);
      },
    });
  });

  it("is a release, or a problem", async () => {
    await survives({
      seeds: [Buffer.from(release)],
      words: ["\nSHA256:\n", "\nValid-Until: never", "\nDate: ", `\n ${"0".repeat(64)} 1 ../x`],
      parse: (bytes) => {
        const parsed = parseRelease(bytes.toString(), "Release");
        checkRelease(parsed, "trixie", "Release", new Date("2026-09-15"));
        return parsed;
      },
    });
  });

  it("is a signed text, or a problem; nothing changed is ever taken for signed", async () => {
    // What a signature of a text does not cover: line ends, blanks at the end of a line.
    const plain = (text: string) => text.replace(/[ \t\r]+$/gm, "").trimEnd();
    await survives({
      seeds: [signed],
      words: [
        "-----BEGIN PGP SIGNATURE-----\n",
        "-----END PGP SIGNATURE-----\n",
        "- ",
        "Hash: MD5\n",
        "Hash: SHA1\n",
        "\n=AAAA\n",
      ],
      parse: (bytes) => verifySigned(bytes, [signer.publicKey], "InRelease"),
      check: (text) => expect(plain(text as string)).toBe(plain(release)),
      limit: 6000,
    });
  });

  it("is a lock, or a problem", async () => {
    await survives({
      seeds: [Buffer.from(lock), ...realFiles(/lock\.json$/)],
      words: ['"__proto__": {', '"packages": ', '{"a":', "[", '"version": 2', "%2f..", "null", "1e400"],
      parse: (bytes) => parseLock(bytes.toString(), "osmod.lock.json"),
      check: (value) => parseLock(formatLock(value as ReturnType<typeof parseLock>), "osmod.lock.json"),
    });
  });

  it("is a list of apt's sources", async () => {
    const list =
      "deb [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] https://a.invalid/debian trixie main # x\n";
    const sources =
      "Types: deb deb-src\nURIs: https://a.invalid/debian/\nSuites: trixie trixie-updates\nComponents: main\nSigned-By:\n -----BEGIN\n .\n x\n";
    await survives({
      seeds: [Buffer.from(list), Buffer.from(sources)],
      words: ["deb ", "[", "]", " ".repeat(5000), "/".repeat(50_000), "#"],
      parse: (bytes) => [parseSourcesList(bytes.toString()), parseSources(bytes.toString(), "x")],
    });
  });
});

describe("what once got through", () => {
  const gnu = (name: string, more: readonly TarEntry[] = [{ name: "x", body: "1" }]) =>
    tar([{ name: "././@LongLink", type: "L", body: `${name}\0` }, ...more]);
  const records = (body: string) =>
    tar([
      { name: "x", type: "x", body },
      { name: "a", body: "1" },
    ]);
  const refused = (bytes: Buffer, why: string) => {
    const problem = problemOf(() => readTar(bytes, "x"));
    expect(problem.code).toBe("package-damaged");
    expect(problem.message).toContain(why);
    expect(problem.message.length).toBeLessThan(400);
  };

  it("a path so deep that no walk over the tree would come back", () => {
    refused(gnu("a/".repeat(100_000)), "too long");
    refused(gnu("n".repeat(256)), "too long");
    refused(gnu("a/".repeat(2000)), "nested too deep");
    const deep = readTar(gnu("a/".repeat(256)), "x");
    expect(hashNar(narOfTree(deep)).size).toBeGreaterThan(256 * 8);
  });

  it("a pax record whose length is a part of a byte, or less than itself", () => {
    for (const length of ["1e-9", "0.5", "0", "1", "3", "-9", "0x9", "99999999999", ""])
      refused(records(`${length} path=b\n`), "pax header");
  });

  it("a sparse file, whose contents are not what they seem; another size; a name for all files", () => {
    refused(records(pax("GNU.sparse.major=1", "GNU.sparse.name=b")), "sparse");
    refused(records(pax("size=0")), "two sizes");
    refused(records(pax("size=1e3")), "where a size should be");
    refused(tar([{ name: "g", type: "g", body: pax("path=b") }, { name: "a" }]), "one name to all files");
    expect(treeAt(readTar(records(pax("size=1", "path=b")), "x"), "b")).toMatchObject({ type: "regular" });
  });

  it("one name for two files, a link in place of a directory, names that are not UTF-8", () => {
    refused(tar([{ name: "a" }, { name: "./a" }]), "comes twice");
    refused(
      tar([
        { name: "d/", type: "5" },
        { name: "d", type: "2", link: "/etc" },
      ]),
      "comes twice",
    );
    refused(
      tar([
        { name: "d", type: "2", link: "/etc" },
        { name: "d/", type: "5" },
      ]),
      "comes twice",
    );
    const odd = tar([{ name: "aXb" }, { name: "aYb" }]);
    for (let at = odd.indexOf("aXb"); at >= 0; at = odd.indexOf("aXb")) odd[at + 1] = 0xff;
    refused(repairTar(odd), "is not UTF-8");
    // Told apart by their bytes, as in the store.
    const both = readTar(tar([{ name: "\u00e9" }, { name: "e\u0301" }, { name: "A" }, { name: "a" }]), "x");
    expect(both.type === "directory" && both.entries.size).toBe(4);
  });

  it("a size of a tebibyte", () => {
    const huge = tar([{ name: "a", body: "1" }]);
    Buffer.from([0x80, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0]).copy(huge, 124);
    refused(repairTar(huge), "ends within a file");
    Buffer.alloc(12, 0xff).copy(huge, 124);
    refused(repairTar(huge), "too large");
  });

  it("text that takes a pattern forever", () => {
    const begun = performance.now();
    const field = `a${" ".repeat(400_000)}b`;
    const record = parseRecord(paragraphs.split("\n\n")[0]?.replace("libc6", field) ?? "", "debian", "x");
    expect(record.depends).toContain("a  ");
    parseSourcesList(`deb http://a.invalid${"/".repeat(400_000)}x trixie main`);
    findMirrors({ env: { OSMOD_DEBIAN_MIRROR: `http://a.invalid${"/".repeat(400_000)}x` } });
    expect(performance.now() - begun).toBeLessThan(2000);
  });

  it("a lock that is nested without end, or prints without end", () => {
    const nested = `{"version": ${"[".repeat(200_000)}${"]".repeat(200_000)}}`;
    expect(problemOf(() => parseLock(nested, "x")).code).toBe("lock-malformed");
    const named = problemOf(() => parseLock(`{"version": 1, "packages": {"${"N".repeat(1_000_000)}": 1}}`, "x"));
    expect(named.message.length).toBeLessThan(300);
  });

  it("a file name that becomes another one in an address", () => {
    const paragraph = (name: string) =>
      (paragraphs.split("\n\n")[0] as string).replace(/^Filename: .*$/m, `Filename: ${name}`);
    for (const name of [
      "pool/%2e%2e/x",
      "pool/%2E./x",
      "pool%2fx",
      "pool/..",
      "../x",
      "/x",
      "pool/./x",
      "a\\b",
      "a%5Cb",
      "a?b",
      "a#b",
    ])
      expect(problemOf(() => parseRecord(paragraph(name), "debian", "x")).code, name).toBe("archive-malformed");
    expect(parseRecord(paragraph("pool/main/a_1%3a2.deb"), "debian", "x").filename).toBe("pool/main/a_1%3a2.deb");
  });
});
