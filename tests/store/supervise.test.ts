import { spawn, spawnSync } from "node:child_process";
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

const script = resolve(import.meta.dirname, "fixtures/supervise.mjs");

it.each(["here", "there"])(
  "ends with a supervisor %s that is killed before the sandbox is there, with all that it has started",
  async (where) => {
    // Stands for bubblewrap before it has asked the kernel to die with its parent; with a child in its group, as that one has.
    const starting = ["/bin/sh", "-c", 'sh -c "sleep 60; :" "$0" & sleep 60; :', `of ${place}`, "x"];
    for (const group of [false, true]) {
      const node = spawn(process.execPath, [script, where, ...starting], {
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

/** What the fixture says. */
async function told(where: string, ...argv: readonly string[]): Promise<string> {
  const node = spawn(process.execPath, [script, where, ...argv], { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  node.stdout.setEncoding("utf8").on("data", (part: string) => {
    text += part;
  });
  await new Promise((end) => node.once("close", end));
  return text;
}

it.each(["here", "there"])("leaves alone what has ended before (%s)", async (where) => {
  expect(await told(where, "/bin/sh", "-c", "exit 3")).toBe("started\nended 3\n");
});

it.each(["here", "there"])("says why a program cannot be started (%s)", async (where) => {
  for (const words of [["@200000"], Array.from({ length: 60 }, () => "@100000")])
    expect(await told(where, "/bin/true", ...words)).toBe("started\nended E2BIG\n");
});

it("has what starts builders end with them when that is killed", async () => {
  const node = spawn(process.execPath, [script, "there", "/bin/sh", "-c", "sleep 60; :", `of ${place}`, "x"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  node.stdout.setEncoding("utf8").on("data", (part: string) => {
    text += part;
  });
  const ended = new Promise((end) => node.once("close", end));
  await expect.poll(() => ours().length, { timeout: 10_000 }).toBe(2);
  const builder = ours().find((pid) => pid !== String(node.pid)) as string;
  const parent = /^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${builder}/status`, "latin1"))?.[1];
  process.kill(Number(parent), "SIGKILL");
  await ended;
  expect(text).toBe("started\nended null\n");
  await expect.poll(ours, { timeout: 10_000 }).toEqual([]);
}, 60_000);

it("does not begin a builder for a process that is gone", () => {
  const argv = limited(["echo", "begun"]);
  const run = (words: readonly string[]) => spawnSync(words[0] as string, words.slice(1), { encoding: "utf8" });
  expect(run(argv)).toMatchObject({ status: 0, stdout: "begun\n" });
  expect(run(["sh", "-c", '"$@"; exit $?', "sh", ...argv])).toMatchObject({ status: 125, stdout: "" });
});
