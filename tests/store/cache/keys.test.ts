/** Signatures, against one that a real Nix made. */
import { describe, expect, it } from "vitest";
import {
  fingerprint,
  generateKeys,
  isSignedBy,
  parsePublicKey,
  parseSecretKey,
  publicKeyOf,
  signPath,
} from "../../../src/store/cache/keys.ts";
import { parseHash } from "../../../src/store/hash.ts";

const SECRET = "vector-1:k+rpP8fwaO6jNHxOVjiUu2owUF8WZsPNpJnRI0AhdR0lW4iS0IA+Sdbux/s/ilHKY9yDR2U4/sbhOxBClLHVvw==";
const PUBLIC = "vector-1:JVuIktCAPknW7sf7P4pRymPcg0dlOP7G4TsQQpSx1b8=";
const SIGNATURE = "vector-1:65AiJgCJn4lNXuRVZHFRYuE07Sr+5r7J0xXNZn4Vd5K0bST5gw5F8Ei/c3J1SEdDSqjafJ6b6pxthSBRc2q3Dw==";
const SIGNED = {
  path: "/nix/store/04fjyzfxwlw5j90cfqk84zhxmzikcs8r-t",
  narHash: parseHash("sha256-laJF65ZFtL/8F77P1/CzhiiLY/3elyeJd70jklh8y5I="),
  narSize: 168,
  references: ["/nix/store/qwdvhpvw8873xk6k5xwq2rcp4vcxav44-kvf"],
};

describe("signatures", () => {
  it("are Nix's", () => {
    expect(signPath(parseSecretKey(SECRET), SIGNED)).toBe(SIGNATURE);
    expect(publicKeyOf(parseSecretKey(`${SECRET}\n`))).toBe(PUBLIC);
    expect(isSignedBy([parsePublicKey(PUBLIC)], [SIGNATURE], SIGNED)).toBe(true);
  });

  it("cover path, hash, size and references, in whatever order these come", () => {
    const two = { ...SIGNED, references: ["/nix/store/b", "/nix/store/a", "/nix/store/b"] };
    expect(fingerprint(two)).toMatch(
      /^1;\/nix\/store\/04f.*-t;sha256:[0-9a-z]{52};168;\/nix\/store\/a,\/nix\/store\/b$/,
    );
    const key = [parsePublicKey(PUBLIC)];
    for (const change of [{ path: `${SIGNED.path}x` }, { narSize: 169 }, { references: [] }])
      expect(isSignedBy(key, [SIGNATURE], { ...SIGNED, ...change })).toBe(false);
  });

  it("do not count by another key, under another name, or when they are nonsense", () => {
    const other = parsePublicKey(generateKeys("vector-1").public);
    expect(isSignedBy([other], [SIGNATURE], SIGNED)).toBe(false);
    expect(isSignedBy([other, parsePublicKey(PUBLIC)], ["", ":", "vector-1:AAAA", SIGNATURE], SIGNED)).toBe(true);
    expect(isSignedBy([parsePublicKey(PUBLIC)], [SIGNATURE.replace("vector", "victor")], SIGNED)).toBe(false);
    expect(isSignedBy([], [SIGNATURE], SIGNED)).toBe(false);
  });
});

describe("keys", () => {
  it("are made in Nix's form", () => {
    const keys = generateKeys("cache.example.org-1");
    expect(keys.secret).toMatch(/^cache\.example\.org-1:[A-Za-z0-9+/]{86}==$/);
    expect(publicKeyOf(parseSecretKey(keys.secret))).toBe(keys.public);
    const signature = signPath(parseSecretKey(keys.secret), SIGNED);
    expect(isSignedBy([parsePublicKey(keys.public)], [signature], SIGNED)).toBe(true);
  });

  it("are refused when malformed, without being shown", () => {
    const halves = `vector-1:${Buffer.concat([Buffer.alloc(32, 1), Buffer.alloc(32, 2)]).toString("base64")}`;
    for (const text of ["", "vector-1", "vector-1:", "vector-1:!!!", ":AAAA", PUBLIC, halves, "a b:AAAA"]) {
      expect(() => parseSecretKey(text)).toThrow(
        expect.objectContaining({ problems: [expect.objectContaining({ code: "key-malformed" })] }),
      );
    }
    expect(() => parsePublicKey(SECRET)).toThrow(/public key "vector-1" cannot be used/);
    expect(() => parsePublicKey(SECRET)).not.toThrow(/k\+rpP8/);
    expect(() => generateKeys("two words")).toThrow(/name/);
  });
});
