import { mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createLayout, defaultRoot, type Layout, layoutOf } from "../../src/store/embedded/layout.ts";
import { Locks } from "../../src/store/embedded/locks.ts";
import { ownerLives, thisOwner } from "../../src/store/embedded/owner.ts";
import { ranks } from "../../src/store/embedded/ranks.ts";
import { Slots } from "../../src/store/embedded/slots.ts";
import { BASE32_ALPHABET, type Derivation, StoreScope, sandboxArgv } from "../../src/store/index.ts";
import { ReferenceScanner } from "../../src/store/nar/references.ts";

const digits = fc.string({ unit: fc.constantFrom(...BASE32_ALPHABET.split("")), minLength: 32, maxLength: 32 });

describe("the reference scanner", () => {
  it("finds exactly what a plain search finds, however the bytes are cut", () => {
    const piece = fc.oneof(
      digits,
      fc.string({ unit: fc.constantFrom(..."e0az-/".split("")), maxLength: 40 }),
      fc.constant("0".repeat(40)),
    );
    fc.assert(
      fc.property(
        fc.array(digits, { maxLength: 4 }),
        fc.array(piece, { maxLength: 6 }),
        fc.integer({ min: 1, max: 70 }),
        (hashes, pieces, size) => {
          const text = [...pieces, ...hashes.slice(1)].join("");
          const scanner = new ReferenceScanner(hashes);
          for (let at = 0; at < text.length; at += size) scanner.push(Buffer.from(text.slice(at, at + size)));
          expect([...scanner.found].sort()).toEqual([...new Set(hashes.filter((hash) => text.includes(hash)))].sort());
        },
      ),
      { numRuns: 300 },
    );
  });
});

const spec = {
  tool: ["ld.so", "bwrap"],
  store: "/r/s p/store",
  build: "/r/s p/build",
  etc: "/r/etc",
  inputs: [
    { path: "/nix/store/a-x", physical: "/r/a-x" },
    { path: "/nix/store/b-l", physical: "/r/b-l", symlink: "../y" },
  ],
  env: new Map([["A", "1 2"]]),
  network: false,
  builder: "/nix/store/a-x/bin/sh",
  args: ["-c", "--"],
  filter: 4,
};

describe("the sandbox's argv", () => {
  it("shows the inputs, read-only, in a store of its own, and ends in the builder's own arguments", () => {
    const argv = sandboxArgv(spec);
    const text = argv.join("|");
    expect(argv.slice(0, 2)).toEqual(["ld.so", "bwrap"]);
    expect(text).toContain(
      "|--bind|/r/s p/store|/nix/store|--ro-bind|/r/a-x|/nix/store/a-x|--symlink|../y|/nix/store/b-l|",
    );
    expect(text).toContain("|--setenv|A|1 2|--|/nix/store/a-x/bin/sh|-c|--");
    expect(text).toContain("|--uid|1000|--gid|100|--cap-drop|ALL|");
  });

  it("gives the network to fixed outputs only", () => {
    expect(sandboxArgv(spec)).toContain("--unshare-net");
    expect(sandboxArgv(spec)).not.toContain("/etc/resolv.conf");
    expect(sandboxArgv({ ...spec, network: true })).not.toContain("--unshare-net");
    expect(sandboxArgv({ ...spec, network: true })).toContain("/etc/resolv.conf");
  });
});

describe("the sandbox of a builder that asks for KVM", () => {
  it("shows it, if there is one", () => {
    expect(sandboxArgv({ ...spec, kvm: true }).join("|")).toContain(
      "|--dev|/dev|--dev-bind-try|/dev/kvm|/dev/kvm|--proc|",
    );
    expect(sandboxArgv(spec)).not.toContain("/dev/kvm");
  });
});

describe("the default root", () => {
  it("is what the environment says, in order", () => {
    expect(defaultRoot({ OSMOD_STORE_ROOT: "/a b", XDG_DATA_HOME: "/x" })).toBe("/a b");
    expect(defaultRoot({ XDG_DATA_HOME: "/x" })).toBe("/x/osmod");
    expect(defaultRoot({ XDG_DATA_HOME: "relative" })).toMatch(/\/\.local\/share\/osmod$/);
    expect(defaultRoot({})).toMatch(/\/\.local\/share\/osmod$/);
  });
});

describe("claims", () => {
  const path = "/nix/store/sl7jwdgx1lk79shwjw6sv4q16kiq3524-hello";
  const other = "/nix/store/112as9psr3c48pwxwbr7nqyp8knqvxyz-other";
  const never = new AbortController().signal;
  let place: string;
  let layout: Layout;

  beforeEach(() => {
    place = mkdtempSync(join(tmpdir(), "osmod-locks-"));
    layout = layoutOf(place);
    createLayout(layout);
  });
  afterEach(() => {
    rmSync(place, { recursive: true, force: true });
  });
  const claim = (owner: string): string => join(layout.locks, `${path.slice(11, 43)}.${owner}.1`);

  it("let one in at a time, from any number of stores and callers", async () => {
    const stores = [new Locks(layout), new Locks(layout), new Locks(layout)];
    let inside = 0;
    let most = 0;
    const work = async (): Promise<void> => {
      most = Math.max(most, ++inside);
      await sleep(2);
      inside--;
    };
    await Promise.all(stores.flatMap((locks) => [1, 2, 3].map(() => locks.with([path, other], never, work))));
    expect(most).toBe(1);
    expect(readdirSync(layout.locks)).toEqual([]);
  });

  it("are let go when the work fails", async () => {
    const locks = new Locks(layout);
    await expect(locks.with([path], never, () => Promise.reject(new Error("x")))).rejects.toThrow("x");
    expect(await locks.with([path], never, async () => "in")).toBe("in");
  });

  it("of a dead process are taken over, those of a living one are not", async () => {
    const [, , namespace, boot] = thisOwner().split(".");
    writeFileSync(claim(`4194303.1.${namespace}.${boot}`), "");
    // A process that has our id now, but was started at another time.
    writeFileSync(claim(`${process.pid}.1.${namespace}.${boot}`), "");
    const locks = new Locks(layout);
    expect(await locks.with([path], never, async () => "in")).toBe("in");
    expect(readdirSync(layout.locks)).toEqual([]);
    writeFileSync(claim(thisOwner()), "");
    await expect(locks.with([path], AbortSignal.timeout(100), async () => "in")).rejects.toThrow();
  });

  it("of another machine or container hold as long as they are touched", () => {
    const owner = "1.1.4026531000.elsewhere";
    writeFileSync(claim(owner), "");
    expect(ownerLives(owner, claim(owner))).toBe(true);
    const old = new Date(Date.now() - 120_000);
    utimesSync(claim(owner), old, old);
    expect(ownerLives(owner, claim(owner))).toBe(false);
  });
});

describe("slots", () => {
  it("are handed on in order, and freed by failures", async () => {
    const slots = new Slots(1);
    const order: number[] = [];
    const jobs = [1, 2, 3].map((n) =>
      slots.use(async () => {
        order.push(n);
        await sleep(1);
        if (n === 1) throw new Error("first");
      }),
    );
    const results = await Promise.allSettled(jobs);
    expect(results.map((result) => result.status)).toEqual(["rejected", "fulfilled", "fulfilled"]);
    expect(order).toEqual([1, 2, 3]);
  });

  it("go to the lowest rank that waits, and can be left early", async () => {
    const slots = new Slots(1);
    const order: string[] = [];
    const job = (name: string, rank: number) => slots.use(async () => void order.push(name), rank);
    let leave = (): void => {};
    const first = slots.use(async (early) => {
      leave = early;
      await sleep(5);
      order.push("first is done");
    });
    const others = [job("late", 2), job("soon", 1), job("soon, but came later", 1)];
    leave();
    leave();
    await Promise.all([first, ...others]);
    expect(order).toEqual(["soon", "soon, but came later", "late", "first is done"]);
  });

  it("tell when one is left that nobody waits for", async () => {
    const order: string[] = [];
    const slots = new Slots(2, () => order.push("spare"));
    const job = (name: string) => slots.use(async () => void order.push(name));
    await Promise.all(["a", "b", "c"].map(job));
    // The first one's is c's, the second one's nobody's.
    expect(order).toEqual(["a", "b", "spare", "c", "spare"]);
  });
});

describe("ranks", () => {
  it("begin with small groups, each complete before the next", () => {
    const scope = new StoreScope();
    const drv = (name: string, ...inputs: Derivation[]) =>
      scope.derivation({ name, system: "x", builder: "/b", args: inputs.map((input) => input.path) });
    const kernel = drv("kernel");
    const modules = drv("modules", kernel);
    const libraries = ["a", "b", "c", "d"].map((name) => drv(name));
    const tree = drv("tree", ...libraries);
    const order = [...ranks([drv("system", tree, modules)]).keys()].map(({ name }) => name);
    expect(order).toEqual(["kernel", "modules", "a", "b", "c", "d", "tree", "system"]);
  });
});
