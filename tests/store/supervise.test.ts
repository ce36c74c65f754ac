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

it("ends with a supervisor that is killed before the sandbox is there, with all that it has started", async () => {
  // Stands for bubblewrap before it has asked the kernel to die with its parent; with a child in its group, as that one has.
  const starting = ["/bin/sh", "-c", 'sh -c "sleep 60; :" "$0" & sleep 60; :', `of ${place}`, "x"];
  const script = resolve(import.meta.dirname, "fixtures/supervise.mjs");
  for (const group of [false, true]) {
    const node = spawn(process.execPath, [script, ...starting], {
      stdio: ["ignore", "pipe", "inherit"],
      detached: true,
    });
    await new Promise((ready) => node.stdout.once("data", ready));
    // Node itself, and two.
    await expect.poll(() => ours().length, { timeout: 10_000 }).toBe(3);
    process.kill(group ? -(node.pid as number) : (node.pid as number), "SIGKILL");
    await expect.poll(ours, { timeout: 10_000 }).toEqual([]);
  }
}, 60_000);

it("leaves alone what has ended before", async () => {
  const script = resolve(import.meta.dirname, "fixtures/supervise.mjs");
  const node = spawn(process.execPath, [script, "/bin/sh", "-c", "exit 3"], { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  node.stdout.setEncoding("utf8").on("data", (part: string) => {
    text += part;
  });
  await new Promise((end) => node.once("close", end));
  expect(text).toBe("started\nended 3\n");
});

it("does not begin a builder for a process that is gone", () => {
  const argv = limited(["echo", "begun"]);
  const run = (words: readonly string[]) => spawnSync(words[0] as string, words.slice(1), { encoding: "utf8" });
  expect(run(argv)).toMatchObject({ status: 0, stdout: "begun\n" });
  expect(run(["sh", "-c", '"$@"; exit $?', "sh", ...argv])).toMatchObject({ status: 125, stdout: "" });
});
