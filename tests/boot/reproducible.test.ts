/**
 * Every example built twice, in two empty stores, gives the same paths with the same content, byte for byte.
 *
 * The two builds have nothing in common but the lock: another user builds in another place, at another time by the
 * clock, with another umask, time zone, language and host name, and one processor in place of all.
 */
import { copyFileSync, readdirSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openStore } from "../../src/store/index.ts";
import { type Finished, Installed } from "../helpers/installed.ts";

const EXAMPLES = ["minimal", "web"] as const;

const first = new Installed("first", { ownStore: true });
const second = new Installed("the second of two", { ownStore: true, id: 54_987 });

/** What was built: for each example its result, and for all of a store the hash of each path. */
interface Built {
  readonly results: Readonly<Record<string, string | undefined>>;
  readonly paths: ReadonlyMap<string, string>;
  readonly damaged: readonly string[];
}

let one: Built;
let two: Built;

beforeAll(async () => {
  one = await build(first, "machine", (example, directory) => {
    const env = { LANG: "C", TZ: "UTC" };
    return first.osmod(["build-vm", `${example}.ts`, "--out-link", example], { cwd: directory, env });
  });
});

beforeAll(async () => {
  const lock = readFileSync(join(first.home, "machine/osmod.lock.json"), "utf8");
  const busybox = join(second.home, "busybox");
  copyFileSync(first.busybox, busybox);
  // 400 days and some hours ahead; what Node does with certificates goes by the system's own clock.
  const clock = join(second.home, "clock.mjs");
  writeFileSync(clock, "const now = Date.now; Date.now = () => now() + 34_567_890_123;\n");
  second.giveAll(second.home);
  two = await build(
    second,
    "somewhere else/ünd deeper",
    (example, directory) => {
      const script = `hostname another-host && umask 077 && exec "$0" taskset 1 "$@"`;
      const osmod = [process.execPath, second.main, "build-vm", `${example}.ts`, "--out-link", example];
      const words = ["unshare", "-r", "-u", busybox, "sh", "-c", script, busybox, ...osmod];
      const env = { LANG: "tr_TR.UTF-8", LC_ALL: "tr_TR.UTF-8", TZ: "Pacific/Kiritimati", USER: "somebody" };
      return second.run(busybox, words, {
        cwd: directory,
        env: { ...env, NODE_OPTIONS: `--import "${clock.replaceAll('"', '\\"')}"` },
      });
    },
    lock,
  );
});

afterAll(() => {
  first.remove();
  second.remove();
});

describe("two builds of the examples", () => {
  it.each(EXAMPLES)("give %s the same path", (example) => {
    expect(one.results[example]).toMatch(/^[0-9a-z]{32}-/);
    expect(two.results[example]).toBe(one.results[example]);
  });

  it("give every path of the store the same content", () => {
    expect([...one.paths.keys()].length).toBeGreaterThan(300);
    const different = [...one.paths].filter(([path, hash]) => two.paths.get(path) !== hash).map(([path]) => path);
    expect(different).toEqual([]);
    expect(two.paths).toEqual(one.paths);
  });

  it("are what was registered, read again from disk", () => {
    expect(one.damaged).toEqual([]);
    expect(two.damaged).toEqual([]);
  });
});

async function build(
  home: Installed,
  place: string,
  run: (example: string, directory: string) => Promise<Finished>,
  lock?: string,
): Promise<Built> {
  // One directory for all: they share the lock, and so everything that they have in common.
  const directory = home.makeDirectory(join(home.home, place));
  for (const example of EXAMPLES) {
    copyFileSync(
      join(home.copy(`examples/${example}`, `copy of ${example}`), "machine.ts"),
      join(directory, `${example}.ts`),
    );
  }
  if (lock !== undefined) writeFileSync(join(directory, "osmod.lock.json"), lock);
  home.giveAll(directory);
  const results: { [example: string]: string | undefined } = {};
  for (const example of EXAMPLES) {
    const { code, stderr } = await run(example, directory);
    expect(code, stderr).toBe(0);
    results[example] = realpathSync(join(directory, example)).split("/nix/store/")[1];
  }
  const store = openStore({
    root: home.storeRoot,
    sandbox: { prepare: () => Promise.reject(new Error("nothing is built here")) },
  });
  const paths = new Map<string, string>();
  for (const name of readdirSync(join(home.storeRoot, "nix/store"))) {
    const info = store.info(`/nix/store/${name}`);
    if (info !== undefined) paths.set(info.path, `${info.narHash} ${info.narSize} ${info.references.join(" ")}`);
  }
  return { results, paths, damaged: (await store.verify()).findings.map(({ place }) => place) };
}
