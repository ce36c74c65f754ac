/** The scripts that block in the guest, run by this host's bash; systemd is played by two scripts. */
import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import * as scripts from "../../src/testing/guest-scripts.ts";

vi.setConfig({ testTimeout: 30_000 });

let directory: string;
let server: Server | undefined;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "osmod-scripts-"));
});
afterEach(() => {
  server?.close();
  rmSync(directory, { recursive: true, force: true });
});

const started: ChildProcess[] = [];
function start(script: string, ...words: string[]): { readonly ended: Promise<number | null>; isOver(): boolean } {
  const child = spawn("bash", ["-c", script, "osmod", ...words], {
    stdio: "ignore",
    env: { PATH: `${directory}:${process.env["PATH"]}`, STATE: join(directory, "state") },
  });
  started.push(child);
  let over = false;
  const ended = new Promise<number | null>((resolve) =>
    child.once("close", (code) => {
      over = true;
      resolve(code);
    }),
  );
  return { ended, isOver: () => over };
}
afterEach(() => {
  for (const child of started.splice(0)) child.kill("SIGKILL");
});
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const listen = (where: number | string) =>
  new Promise<number>((resolve) => {
    server = createServer((socket) => socket.destroy()).listen(where, () => {
      const address = server?.address();
      resolve(typeof address === "object" && address !== null ? address.port : 0);
    });
  });

describe("ports, sockets and files", () => {
  it("are waited for until they are there", async () => {
    const path = join(directory, "with a blank");
    const file = start(scripts.waitForFile, path);
    const socket = start(scripts.waitForOpenUnixSocket, join(directory, "socket"));
    await pause(200);
    expect([file.isOver(), socket.isOver()]).toEqual([false, false]);
    writeFileSync(path, "");
    await listen(join(directory, "socket"));
    expect(await Promise.all([file.ended, socket.ended])).toEqual([0, 0]);
  });

  it("ports open and close", async () => {
    const port = String(await listen(0));
    expect(await start(scripts.waitForOpenPort, "127.0.0.1", port).ended).toBe(0);
    const closing = start(scripts.waitForClosedPort, "127.0.0.1", port);
    await pause(200);
    expect(closing.isOver()).toBe(false);
    server?.close();
    expect(await closing.ended).toBe(0);
  });
});

describe("units", () => {
  const tool = (name: string, text: string) => {
    writeFileSync(join(directory, name), `#!/bin/sh\n${text}`);
    chmodSync(join(directory, name), 0o755);
  };
  /** `ActiveState Job` of the unit, and how many other jobs there are. */
  const state = (active: string, job = "", jobs = "") =>
    writeFileSync(join(directory, "state"), `ActiveState=${active}\nJob=${job}\n#${jobs}\n`);
  beforeEach(() => {
    tool(
      "systemctl",
      'case $1 in show) grep -v "^#" "$STATE" ;; list-jobs) sed -n "s/^#//p" "$STATE" | grep . ; exit 0 ;; esac\n',
    );
    // Follows until the state changes, like the journal that tells of it.
    tool(
      "journalctl",
      'case $* in *--show-cursor*) echo "-- cursor: s=1" ;; *--follow*) old=$(cat "$STATE"); echo "$*" >> "$STATE.args"; while [ "$(cat "$STATE")" = "$old" ]; do sleep 0.05; done; echo Started; exec sleep 60 ;; esac\n',
    );
  });

  it("that are active, failed, or started by nobody end the wait at once", async () => {
    state("active");
    expect(await start(scripts.waitForUnit, "a.service").ended).toBe(0);
    state("failed");
    expect(await start(scripts.waitForUnit, "a.service").ended).toBe(scripts.unitStates.failed);
    state("inactive");
    expect(await start(scripts.waitForUnit, "a.service").ended).toBe(scripts.unitStates.inactive);
  });

  it("that have a job are waited for by what the journal says of them", async () => {
    state("inactive", "12", "12 a.service start waiting");
    const waiting = start(scripts.waitForUnit, "a.service");
    await pause(400);
    expect(waiting.isOver()).toBe(false);
    state("activating", "12");
    await pause(400);
    expect(waiting.isOver()).toBe(false);
    state("active");
    const began = Date.now();
    expect(await waiting.ended).toBe(0);
    expect(Date.now() - began).toBeLessThan(4000);
  });

  it("that nobody has asked for yet are waited for while anything else is to be started", async () => {
    state("inactive", "", "13 other.service start running");
    const waiting = start(scripts.waitForUnit, "a.service");
    await pause(400);
    expect(waiting.isOver()).toBe(false);
    state("inactive");
    expect(await waiting.ended).toBe(scripts.unitStates.inactive);
  });
});
