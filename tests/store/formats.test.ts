import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ProblemError } from "../../src/problems/index.ts";
import {
  BASE32_ALPHABET,
  checkName,
  compressHash,
  type DerivationData,
  decodeBase32,
  encodeBase32,
  parseDerivation,
  parseHash,
  parseStorePath,
  placeholder,
  printDerivation,
  sha256,
  toBase32,
  toHex,
  toSri,
} from "../../src/store/index.ts";

const EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

function problemOf(work: () => unknown): { code: string; message: string; fix: string | undefined } {
  try {
    work();
  } catch (error) {
    if (error instanceof ProblemError) {
      const [{ code, message, fix }] = error.problems;
      return { code, message, fix };
    }
    throw error;
  }
  throw new Error("nothing was thrown");
}

describe("base 32", () => {
  it("writes what Nix writes", () => {
    expect(toBase32(sha256(""))).toBe("0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73");
    expect(encodeBase32(new Uint8Array())).toBe("");
    expect(encodeBase32(new Uint8Array([0x1f]))).toBe("0z");
  });

  it("reads back what it wrote, for any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        const text = encodeBase32(bytes);
        expect(Array.from(text).every((digit) => BASE32_ALPHABET.includes(digit))).toBe(true);
        expect(decodeBase32(text)).toEqual(bytes);
      }),
    );
  });

  it("never accepts two spellings of the same bytes", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...BASE32_ALPHABET.split("")), maxLength: 60 }), (text) => {
        try {
          expect(encodeBase32(decodeBase32(text))).toBe(text);
        } catch (error) {
          expect(error).toBeInstanceOf(ProblemError);
        }
      }),
    );
  });

  it("names the digit that is none", () => {
    expect(problemOf(() => decodeBase32("0e"))).toMatchObject({
      code: "hash-malformed",
      message: '"0e" is not a base-32 hash: "e" is not one of its digits',
    });
  });
});

describe("hashes", () => {
  it("are read in hex, base 32, base 64 and SRI, with or without the algorithm in front", () => {
    const sri = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    const base32 = "0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73";
    for (const text of [EMPTY, base32, sri.slice(7)]) {
      expect(toHex(parseHash(text, "sha256"))).toBe(EMPTY);
      expect(toHex(parseHash(`sha256:${text}`))).toBe(EMPTY);
    }
    expect(toSri(parseHash(sri))).toBe(sri);
  });

  it("are refused with the reason", () => {
    expect(problemOf(() => parseHash(EMPTY)).message).toContain("names no algorithm");
    expect(problemOf(() => parseHash("sha3-AAAA")).message).toContain('"sha3" is not a known algorithm');
    expect(problemOf(() => parseHash("sha512-47DEQpj8", "sha256")).message).toContain("sha512 hash where sha256");
    expect(problemOf(() => parseHash("abc", "sha256")).message).toContain("64 hex digits, 52 base-32 or 44 base-64");
    expect(problemOf(() => parseHash(`sha256-${EMPTY}`)).message).toContain("must be base 64");
  });

  it("are folded by exclusive or", () => {
    expect(compressHash(new Uint8Array([1, 2, 3, 4, 5]), 2)).toEqual(new Uint8Array([1 ^ 3 ^ 5, 2 ^ 4]));
  });

  it("give the placeholder that Nix gives", () => {
    expect(placeholder("out")).toBe("/1rz4g4znpzjwh1xymhjpm42vipw92pr73vdgl6xs1hycac8kf2n9");
  });
});

describe("store paths", () => {
  it("are split in hash and name, and nothing else is one", () => {
    const path = "/nix/store/sl7jwdgx1lk79shwjw6sv4q16kiq3524-hello-1.0";
    expect(parseStorePath(path)).toEqual({ hash: "sl7jwdgx1lk79shwjw6sv4q16kiq3524", name: "hello-1.0" });
    for (const other of [`${path}/bin`, path.slice(1), path.replace("sl7", "eee"), "/nix/store/../etc", `${path}\n`])
      expect(parseStorePath(other)).toBeUndefined();
  });

  it.each([
    ["", "it is empty"],
    ["a/b", 'it holds "/"'],
    ["naïve", 'it holds "ï"'],
    ["..", "a dot that stands alone"],
    [".-x", "a dot that stands alone"],
    ["x".repeat(212), "longer than 211"],
  ])("refuse the name %j", (name, why) => {
    const problem = problemOf(() => checkName(name));
    expect(problem.code).toBe("store-name-invalid");
    expect(problem.message).toContain(why);
  });
});

describe("derivations as text", () => {
  const text = fc.string({ unit: "binary", maxLength: 20 });
  const texts = fc.array(text, { maxLength: 5 });
  const map = <T>(value: fc.Arbitrary<T>) =>
    fc.array(fc.tuple(text, value), { maxLength: 5 }).map((list) => new Map(list));
  const data: fc.Arbitrary<DerivationData> = fc.record({
    outputs: map(fc.record({ path: text, hashAlgo: text, hash: text })),
    inputDerivations: map(fc.uniqueArray(text, { maxLength: 4 })),
    inputSources: fc.uniqueArray(text, { maxLength: 4 }),
    system: text,
    builder: text,
    args: texts,
    env: map(text),
  });

  it("are read back as they were printed, and printed the same again", () => {
    fc.assert(
      fc.property(data, (drv) => {
        const printed = printDerivation(drv);
        const read = parseDerivation(printed);
        expect(read.args).toEqual(drv.args);
        expect(read.env).toEqual(
          new Map([...drv.env].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))),
        );
        expect(new Set(read.inputSources)).toEqual(new Set(drv.inputSources));
        expect(printDerivation(read)).toBe(printed);
      }),
    );
  });

  it("are refused, never crashed on, when damaged", () => {
    fc.assert(
      fc.property(data, fc.nat(), fc.nat(), fc.string({ maxLength: 4 }), (drv, at, cut, junk) => {
        const printed = printDerivation(drv);
        const from = at % (printed.length + 1);
        const damaged = printed.slice(0, from) + junk + printed.slice(from + (cut % 5));
        try {
          parseDerivation(damaged);
        } catch (error) {
          expect(error).toBeInstanceOf(ProblemError);
          expect((error as ProblemError).has("derivation-malformed")).toBe(true);
        }
      }),
    );
  });

  it("say where they stop making sense", () => {
    const good = printDerivation({
      outputs: new Map(),
      inputDerivations: new Map(),
      inputSources: [],
      system: "s",
      builder: "b",
      args: [],
      env: new Map([["a", "b"]]),
    });
    expect(good).toBe('Derive([],[],[],"s","b",[],[("a","b")])');
    expect(problemOf(() => parseDerivation(good.slice(0, -3))).message).toMatch(/a string does not end|expected/);
    expect(problemOf(() => parseDerivation(`${good} `)).message).toContain(
      "expected the end of the file at character 39",
    );
    expect(problemOf(() => parseDerivation(good.replace('("a","b")', '("a","b"),("a","c")'))).message).toContain(
      '"a" comes twice',
    );
    expect(problemOf(() => parseDerivation("DrvWithVersion(")).message).toContain('expected "Derive("');
    expect(problemOf(() => parseDerivation("")).code).toBe("derivation-malformed");
  });
});
