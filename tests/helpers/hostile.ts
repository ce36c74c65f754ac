/**
 * Hostile input for parsers: sound files, damaged in every way that files get damaged or forged.
 *
 *     await survives({ seeds: [sound], parse: (bytes) => readTar(bytes, "x") });
 *
 * A parser survives when each input gives a value or a `ProblemError` with a code, in time, and with memory in
 * proportion to the input. `OSMOD_FUZZ_RUNS` is the number of inputs for each parser (`npm run fuzz`: 10 000); files in
 * the directory `OSMOD_FUZZ_FILES` are damaged as well. An input that does not come back ends the process, and is left
 * in the temporary directory.
 */
import { readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import fc from "fast-check";
import { expect } from "vitest";
import { ProblemError } from "../../src/problems/index.ts";

/** Inputs for each parser. */
export const RUNS = Number(process.env["OSMOD_FUZZ_RUNS"] ?? 120);

/** Time for the tests of one parser: an input takes a few milliseconds, the slowest (OpenPGP) some twenty. */
export const FUZZ_TIMEOUT = 30_000 + RUNS * 60;

/** What to attack, and with what. */
export interface Target {
  /** Sound inputs, of which at least one kind per feature of the format. */
  readonly seeds: readonly Uint8Array[];
  /** Reads an input; may answer anything. */
  readonly parse: (bytes: Buffer) => unknown;
  /** Puts checksums right, so that damage gets past them. */
  readonly repair?: (bytes: Buffer) => Buffer;
  /** Words that mean something in the format. */
  readonly words?: readonly (string | Uint8Array)[];
  /** Called with what a parser answered; throws if that breaks a promise. */
  readonly check?: (value: unknown, input: Buffer) => void;
  /** Milliseconds for one input. */
  readonly limit?: number;
}

/** Damage the seeds {@link RUNS} times and see what the parser makes of them. */
export async function survives(target: Target): Promise<void> {
  const limit = target.limit ?? 3000;
  // Whatever the parser loads on first use does not count.
  for (const seed of target.seeds) await settled(target.parse, Buffer.from(seed));
  const watch = new Watchdog();
  try {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(target.seeds.length - 1),
        damages(target.words ?? []),
        fc.boolean(),
        async (n, d, fix) => {
          let input = d.reduce<Buffer>(apply, Buffer.from(target.seeds[n] as Uint8Array)).subarray(0, MAX_INPUT);
          if (fix && target.repair !== undefined) input = target.repair(Buffer.from(input));
          watch.begin(input);
          const before = memory();
          const begun = performance.now();
          const result = await settled(target.parse, input);
          const took = performance.now() - begun;
          if ("error" in result) {
            const { error } = result;
            if (!(error instanceof ProblemError)) throw new Error("not a problem", { cause: error });
            expect(error.problems[0].code).toMatch(/^[a-z0-9]+(-[a-z0-9]+)+$/);
            expect(error.message.length).toBeLessThan(20_000);
          } else target.check?.(result.value, input);
          expect(took).toBeLessThan(limit);
          expect(memory() - before).toBeLessThan(192 * 2 ** 20 + 40 * input.length);
        },
      ),
      { numRuns: RUNS },
    );
  } finally {
    await watch.end();
  }
}

/** Files of a real archive to damage, where a directory with some was given. */
export function realFiles(pattern: RegExp): Buffer[] {
  const directory = process.env["OSMOD_FUZZ_FILES"];
  if (directory === undefined) return [];
  return readdirSync(directory)
    .filter((name) => pattern.test(name))
    .map((name) => readFileSync(join(directory, name)));
}

/** Damage never makes an input larger than this. */
const MAX_INPUT = 4 * 2 ** 20;

type Damage =
  | { readonly kind: "flip"; readonly at: number; readonly byte: number }
  | { readonly kind: "cut"; readonly at: number }
  | { readonly kind: "remove"; readonly at: number; readonly length: number }
  | { readonly kind: "insert"; readonly at: number; readonly bytes: Word }
  | { readonly kind: "write"; readonly at: number; readonly bytes: Word }
  | { readonly kind: "splice"; readonly from: number; readonly to: number; readonly length: number }
  | { readonly kind: "repeat"; readonly at: number; readonly length: number; readonly times: number }
  | { readonly kind: "number"; readonly at: number; readonly text: string };

/** Bytes that are short when a failure is printed. */
class Word {
  readonly bytes: Buffer;
  constructor(bytes: Uint8Array) {
    this.bytes = Buffer.from(bytes);
  }
  /** What fast-check prints. */
  [fc.toStringMethod](): string {
    const text = JSON.stringify(this.bytes.toString("latin1"));
    return text.length <= 60 ? text : `${text.slice(0, 40)}… (${this.bytes.length} bytes)`;
  }
}

// biome-ignore format: a table
const ODD_NUMBERS = [
  "0", "00", "-1", "1", "7", "255", "2147483647", "4294967296", "1099511627776", "9007199254740993",
  "99999999999999999999999", "77777777777", "1e9", "1e-9", "0x10", "0.1", "NaN", "Infinity", " 5", "+5", "",
];

// biome-ignore format: a table
const ODD_BYTES = [
  "\0", "\0\0\0\0\0\0\0\0", "\n", "\n\n", "\r\n", "..", "../", "/../../", "/", "//", "/etc/passwd", "./", " ".repeat(300),
  "__proto__", "constructor", "{", "[", "(", '"', "\\", "\\u0000", "%2e%2e/", "a/".repeat(3000), "[".repeat(20_000),
  "\u{202e}", "\u{feff}", "e\u0301", "\u00e9", "\x1b[2J", "x".repeat(70_000), "\n".repeat(2000),
].map((text) => Buffer.from(text));

const RAW_BYTES = [
  Buffer.from([0xff]),
  Buffer.from([0xc0, 0xaf]),
  Buffer.from([0xed, 0xa0, 0x80]),
  Buffer.from([0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
  Buffer.alloc(8, 0xff),
  Buffer.alloc(12, 0xff),
  Buffer.alloc(512),
  Buffer.alloc(1024),
  ...[2n ** 31n, 2n ** 32n, 2n ** 40n, 2n ** 53n, 2n ** 63n].map((size) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(size);
    return bytes;
  }),
];

/** Positions are fractions of the input, so that they fit whatever came before. */
function damages(words: readonly (string | Uint8Array)[]): fc.Arbitrary<readonly Damage[]> {
  const at = fc.double({ min: 0, max: 1, noNaN: true });
  const known = [...ODD_BYTES, ...RAW_BYTES, ...words.map((word) => Buffer.from(word as string))];
  const bytes = fc
    .oneof(fc.constantFrom<Uint8Array>(...known), fc.uint8Array({ minLength: 1, maxLength: 16 }))
    .map((some) => new Word(some));
  const length = fc.oneof(fc.integer({ min: 1, max: 16 }), fc.integer({ min: 1, max: 2000 }));
  const one: fc.Arbitrary<Damage> = fc.oneof(
    fc.record({ kind: fc.constant("flip" as const), at, byte: fc.integer({ min: 0, max: 255 }) }),
    fc.record({ kind: fc.constant("cut" as const), at }),
    fc.record({ kind: fc.constant("remove" as const), at, length }),
    fc.record({ kind: fc.constant("insert" as const), at, bytes }),
    fc.record({ kind: fc.constant("write" as const), at, bytes }),
    fc.record({ kind: fc.constant("splice" as const), from: at, to: at, length }),
    fc.record({ kind: fc.constant("repeat" as const), at, length, times: fc.integer({ min: 1, max: 400 }) }),
    fc.record({ kind: fc.constant("number" as const), at, text: fc.constantFrom(...ODD_NUMBERS) }),
  );
  return fc.array(one, { minLength: 1, maxLength: 4 });
}

function apply(bytes: Buffer, damage: Damage): Buffer {
  const place = (fraction: number): number => Math.floor(fraction * Math.max(0, bytes.length - 1));
  switch (damage.kind) {
    case "flip": {
      if (bytes.length === 0) return bytes;
      const copy = Buffer.from(bytes);
      copy[place(damage.at)] = damage.byte;
      return copy;
    }
    case "cut":
      return bytes.subarray(0, place(damage.at));
    case "remove":
      return replaced(bytes, place(damage.at), damage.length, Buffer.alloc(0));
    case "insert":
      return replaced(bytes, place(damage.at), 0, damage.bytes.bytes);
    case "write":
      return replaced(bytes, place(damage.at), damage.bytes.bytes.length, damage.bytes.bytes);
    case "splice":
      return replaced(
        bytes,
        place(damage.to),
        0,
        bytes.subarray(place(damage.from), place(damage.from) + damage.length),
      );
    case "repeat": {
      const part = bytes.subarray(place(damage.at), place(damage.at) + damage.length);
      return replaced(bytes, place(damage.at), 0, Buffer.concat(Array.from({ length: damage.times }, () => part)));
    }
    case "number": {
      // The nearest number from there on.
      const text = bytes.toString("latin1");
      const digits = /[0-9]+/g;
      digits.lastIndex = place(damage.at);
      const found = digits.exec(text);
      return found === null ? bytes : replaced(bytes, found.index, found[0].length, Buffer.from(damage.text));
    }
  }
}

function replaced(bytes: Buffer, at: number, length: number, by: Uint8Array): Buffer {
  return Buffer.concat([bytes.subarray(0, at), by, bytes.subarray(at + length)]);
}

async function settled(parse: Target["parse"], input: Buffer): Promise<{ value: unknown } | { error: unknown }> {
  try {
    return { value: await parse(input) };
  } catch (error) {
    return { error };
  }
}

/** What was reserved and not yet given back; collections in between only make it smaller. */
function memory(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** Ends this process when one input takes more than half a minute, which nothing within the process could. */
class Watchdog {
  readonly #shared = new SharedArrayBuffer(8 + MAX_INPUT);
  readonly #state = new Int32Array(this.#shared, 0, 2);
  readonly #worker = new Worker(WATCH, { eval: true, workerData: { shared: this.#shared, directory: tmpdir() } });

  begin(input: Buffer): void {
    new Uint8Array(this.#shared, 8).set(input);
    this.#state[1] = input.length;
    Atomics.add(this.#state, 0, 1);
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }
}

const WATCH = `
const { workerData: { shared, directory } } = require("node:worker_threads");
const fs = require("node:fs");
const state = new Int32Array(shared, 0, 2);
let seen = -1, since = Date.now();
setInterval(() => {
  const now = Atomics.load(state, 0);
  if (now !== seen) { seen = now; since = Date.now(); return; }
  if (now === 0 || Date.now() - since < 30000) return;
  const file = directory + "/osmod-fuzz-hang-" + process.pid;
  fs.writeFileSync(file, Buffer.from(new Uint8Array(shared, 8, state[1])));
  fs.writeSync(2, "an input does not come back: " + file + "\\n");
  process.kill(process.pid, "SIGKILL");
}, 1000);
`;
