/** What a binary cache says, read as if an enemy had written it. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ProblemError } from "../../../src/problems/index.ts";
import { parseCacheInfo, printCacheInfo } from "../../../src/store/cache/cache-info.ts";
import { parseNarInfo, printNarInfo } from "../../../src/store/cache/narinfo.ts";

const DIGITS = "5h6wj90cc9cj1djgijpq71y03ckjxg68";
const PATH = `/nix/store/${DIGITS}-hello`;

/** A narinfo with some lines changed; undefined takes a line out. */
function narinfo(changes: Readonly<Record<string, string | undefined>> = {}): string {
  const fields = {
    StorePath: PATH,
    URL: "nar/0hnanzwxnmxgg4h00vyjcqrq0gm2scdvwyj312jhyaj5hqv3xfrx.nar.br",
    Compression: "br",
    FileHash: "sha256:0hnanzwxnmxgg4h00vyjcqrq0gm2scdvwyj312jhyaj5hqv3xfrx",
    FileSize: "2626",
    NarHash: "sha256:0rpmm9y01cbzjnwam8q5j95xbxfz0wjay030nwfrfvrg9ycbgy5c",
    NarSize: "8944",
    References: `${DIGITS}-hello xafbcjyk75m3iixhrb8yqvcnynvdbazs-busybox`,
    Deriver: "6jwifxidfwsx50j4zhhcpw19v2abg242-hello.drv",
    Sig: "cache.example-1:AAAA",
    ...changes,
  };
  return Object.entries(fields)
    .flatMap(([name, value]) => (value === undefined ? [] : [`${name}: ${value}\n`]))
    .join("");
}

function codeOf(read: () => unknown): string | undefined {
  try {
    read();
    return undefined;
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    return error.problems[0].code;
  }
}

describe("a narinfo", () => {
  it("is printed as it was read", () => {
    const info = parseNarInfo(narinfo(), "x", PATH);
    expect(printNarInfo(info)).toBe(narinfo());
    expect(parseNarInfo(printNarInfo(info), "x")).toEqual(info);
  });

  it("may have what is not known, several signatures, and Windows's line ends", () => {
    const text = `${narinfo()}Sig: other:BBBB\nFuture: thing\n`.replaceAll("\n", "\r\n");
    expect(parseNarInfo(text, "x").signatures).toEqual(["cache.example-1:AAAA", "other:BBBB"]);
  });

  it.each([
    ["a way out of the cache", { URL: "../../etc/passwd" }],
    ["a way out further down", { URL: "nar/../../x.nar" }],
    ["a dot", { URL: "./x.nar" }],
    ["an absolute path", { URL: "/etc/passwd" }],
    ["another site", { URL: "https://elsewhere.example/x.nar" }],
    ["another site without a scheme", { URL: "//elsewhere.example/x.nar" }],
    ["an encoded way out", { URL: "%2e%2e/x.nar" }],
    ["a backslash", { URL: "nar\\..\\x" }],
    ["an empty URL", { URL: "" }],
    ["no URL", { URL: undefined }],
    ["no path", { StorePath: undefined }],
    ["another path", { StorePath: `/nix/store/${DIGITS}-other` }],
    ["a path that is none", { StorePath: "/etc/passwd" }],
    ["a path below a path", { StorePath: `${PATH}/bin` }],
    ["a reference with a slash", { References: `../${DIGITS}-x` }],
    ["a reference that is none", { References: "hello" }],
    ["a deriver that is none", { Deriver: "../x.drv" }],
    ["an unknown compression", { Compression: "lzip" }],
    ["bzip2, which is what none means", { Compression: "" }],
    ["a size with a sign", { NarSize: "-1" }],
    ["a size without end", { NarSize: "9".repeat(30) }],
    ["a size that is none", { NarSize: "1e9" }],
    ["a hash that is none", { NarHash: "sha256:xyz" }],
    ["a hash of another kind", { NarHash: "md5:d41d8cd98f00b204e9800998ecf8427e" }],
    ["no hash", { NarHash: undefined }],
  ])("is refused with %s", (_what, change) => {
    expect(codeOf(() => parseNarInfo(narinfo(change), "file", PATH))).toBe("narinfo-malformed");
  });

  it("is refused when a field comes twice, a line is none, or it is a page of a proxy", () => {
    for (const text of [`${narinfo()}NarSize: 1\n`, `${narinfo()}garbage\n`, "<html></html>", "", "\0\0"])
      expect(codeOf(() => parseNarInfo(text, "file", PATH))).toBe("narinfo-malformed");
    expect(codeOf(() => parseNarInfo(`${narinfo()}${"A: b\n".repeat(300_000)}`, "file"))).toBe("narinfo-malformed");
  });

  it("names the place and what to do", () => {
    try {
      parseNarInfo("<html>", "https://cache.example/x.narinfo");
    } catch (error) {
      const [found] = (error as ProblemError).problems;
      expect(found.message).toContain("https://cache.example/x.narinfo");
      expect(found.fix).toContain("proxy");
    }
  });

  it("never fails but by a problem, whatever is in it", () => {
    const line = fc.oneof(
      fc
        .constantFrom("StorePath", "URL", "NarHash", "References", "Sig", "CA")
        .chain((name) => fc.string().map((value) => `${name}: ${value}`)),
      fc.string(),
    );
    fc.assert(
      fc.property(fc.array(line), (lines) => {
        const code = codeOf(() => parseNarInfo(`${narinfo()}${lines.join("\n")}`, "x"));
        expect([undefined, "narinfo-malformed"]).toContain(code);
      }),
    );
  });
});

describe("nix-cache-info", () => {
  it("is read and printed", () => {
    expect(parseCacheInfo("StoreDir: /nix/store\n", "x")).toEqual({ priority: 50 });
    expect(parseCacheInfo(printCacheInfo({ priority: 7 }), "x")).toEqual({ priority: 7 });
  });

  it.each(["<html>", "StoreDir: /gnu/store\n", "Priority: soon\n", "Priority: -1\n"])("is refused: %j", (text) => {
    expect(codeOf(() => parseCacheInfo(text, "x"))).toBe("cache-info-malformed");
  });
});
