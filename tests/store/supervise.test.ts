import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { limited } from "../../src/store/embedded/limits.ts";

let place: string;
beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), "osmod-supervise-"));
});
afterEach(() => {
  rmSync(place, { recursive: true, force: true });
});

/** Processes that were started with the test's directory among their words. */
function ours(): string[] {
  return readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "latin1").includes(`\0of ${place}\0`);
    } catch {
      return false;
    }
  });
}

/** Stands for bubblewrap before it has asked the kernel to die with its parent; with a child in its group, as that one has. */
const starting = () => ["/bin/sh", "-c", 'sh -c "sleep 60; :" "$0" & sleep 60; :', `of ${place}`, "x"];

const script = resolve(import.meta.dirname, "fixtures/supervise.mjs");

it.each(["here", "there"])(
  "ends with a supervisor %s that is killed before the sandbox is there, with all that it has started",
  async (where) => {
    for (const group of [false, true]) {
      const node = spawn(process.execPath, [script, where, ...starting()], {
        stdio: ["ignore", "pipe", "inherit"],
        detached: true,
      });
      await new Promise((ready) => node.stdout.once("data", ready));
      // Node itself, and two.
      await expect.poll(() => ours().length, { timeout: 10_000 }).toBe(3);
      process.kill(group ? -(node.pid as number) : (node.pid as number), "SIGKILL");
      await expect.poll(ours, { timeout: 10_000 }).toEqual([]);
    }
  },
  60_000,
);

/** Start the fixture; what it says, when it has ended. */
function start(...words: readonly string[]): { readonly node: ChildProcess; readonly said: Promise<string> } {
  const node = spawn(process.execPath, [script, ...words], { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  node.stdout.setEncoding("utf8").on("data", (part: string) => {
    text += part;
  });
  return { node, said: new Promise((end) => node.once("close", () => end(text))) };
}

it.each(["here", "there"])("leaves alone what has ended before (%s)", async (where) => {
  expect(await start(where, "/bin/sh", "-c", "exit 3").said).toBe("started\nended 3\n");
});

it.each(["here", "there"])("says why a program cannot be started (%s)", async (where) => {
  for (const words of [["@200000"], Array.from({ length: 60 }, () => "@100000")])
    expect(await start(where, "/bin/true", ...words).said).toBe("started\nended E2BIG\n");
});

it.each(["here", "there"])(
  "stops a program with all that it has started (%s)",
  async (where) => {
    const { node, said } = start(where, ...starting());
    await expect.poll(() => ours().length, { timeout: 10_000 }).toBe(3);
    node.kill("SIGTERM");
    expect(await said).toBe("started\nended null\n");
    expect(ours()).toEqual([]);
  },
  60_000,
);

it("has builders end with what starts them", async () => {
  const { node, said } = start("there", ...starting());
  await expect.poll(() => ours().length, { timeout: 10_000 }).toBe(3);
  const parents = ours().map((pid) =>
    Number(/^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1]),
  );
  const between = parents.find((pid) => readFileSync(`/proc/${pid}/cmdline`, "latin1").includes("fork-server-process"));
  process.kill(between as number, "SIGKILL");
  expect(await said).toBe("started\nended null\n");
  await expect.poll(ours, { timeout: 10_000 }).toEqual([]);
  expect(node.exitCode).toBe(0);
}, 60_000);

it("does not begin a builder for a process that is gone", () => {
  const argv = limited(["echo", "begun"]);
  const run = (words: readonly string[]) => spawnSync(words[0] as string, words.slice(1), { encoding: "utf8" });
  expect(run(argv)).toMatchObject({ status: 0, stdout: "begun\n" });
  expect(run(["sh", "-c", '"$@"; exit $?', "sh", ...argv])).toMatchObject({ status: 125, stdout: "" });
});
