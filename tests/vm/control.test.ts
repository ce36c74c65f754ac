/** Steering machines: QMP against a server that plays QEMU, and starting one through a launcher of stand-ins. */

import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ProblemError } from "../../src/problems/index.ts";
import { QmpClient, type QmpEvent, startVm } from "../../src/vm/index.ts";
import { FakeStore } from "./fake-store.ts";
import { plain } from "./machines.ts";

describe("a QMP client", () => {
  let directory: string;
  let server: Server;
  let peer: Socket;
  const seen: string[] = [];
  let sending = Promise.resolve();

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), "osmod-qmp-"));
    seen.length = 0;
    server = createServer((socket) => {
      peer = socket;
      socket.write('{"QMP": {"version": {}, "capabilities": []}}\r\n');
      socket.on("data", (chunk) => answer(socket, chunk.toString()));
    });
    await new Promise<void>((resolve) => server.listen(join(directory, "qmp"), resolve));
  });
  afterEach(() => {
    peer?.destroy();
    server.close();
    rmSync(directory, { recursive: true, force: true });
  });

  it("leaves the negotiation and gives what commands return, in whatever pieces it comes", async () => {
    const client = await QmpClient.connect(join(directory, "qmp"));
    expect(await Promise.all([client.command("query-status"), client.command("query-name", { of: "it" })])).toEqual([
      { did: "query-status" },
      { did: "query-name", with: { of: "it" } },
    ]);
    expect(seen).toEqual(["qmp_capabilities", "query-status", "query-name"]);
    client.close();
  });

  it("makes a refusal a problem with QEMU's words", async () => {
    const client = await QmpClient.connect(join(directory, "qmp"));
    const error = await client.command("refuse").catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ProblemError);
    expect((error as ProblemError).has("qmp-command-failed")).toBe(true);
    expect((error as ProblemError).message).toContain("no such command");
    client.close();
  });

  it("tells of events", async () => {
    const client = await QmpClient.connect(join(directory, "qmp"));
    const event = new Promise<QmpEvent>((resolve) => client.onEvent(resolve));
    peer.write('{"event": "SHUTDOWN", "data": {"guest": true}}\r\n');
    expect(await event).toEqual({ event: "SHUTDOWN", data: { guest: true } });
    client.close();
  });

  it("does not wait for a machine that has ended", async () => {
    const client = await QmpClient.connect(join(directory, "qmp"));
    const waiting = client.command("hang").catch((reason: unknown) => reason);
    setTimeout(() => peer.destroy(), 20);
    expect(((await waiting) as ProblemError).has("qmp-closed")).toBe(true);
    expect(((await client.command("late").catch((r: unknown) => r)) as ProblemError).has("qmp-closed")).toBe(true);
  });

  function answer(socket: Socket, text: string): void {
    for (const line of text.split("\n").filter((l) => l !== "")) {
      const { execute, id, arguments: args } = JSON.parse(line) as { execute: string; id: number; arguments?: unknown };
      seen.push(execute);
      if (execute === "hang") continue;
      const reply =
        execute === "refuse"
          ? { error: { class: "CommandNotFound", desc: "no such command" }, id }
          : { return: { did: execute, ...(args === undefined ? {} : { with: args }) }, id };
      const message = `${JSON.stringify(reply)}\r\n`;
      sending = sending.then(async () => {
        socket.write(message.slice(0, 7));
        await new Promise((resolve) => setTimeout(resolve, 5));
        socket.write(message.slice(7));
      });
    }
  }
});

describe("startVm", () => {
  let store: FakeStore;
  beforeEach(() => {
    store = new FakeStore(plain);
  });
  afterEach(() => store.remove());

  it("says what the launcher said when the machine does not start", async () => {
    writeFileSync(join(store.work, "web.qcow2"), "raw");
    const error = await startVm({ launcher: store.launcher, cwd: store.work, env: { OSMOD_ACCEL: "xen" } }).catch(
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(ProblemError);
    const problem = (error as ProblemError).problems[0];
    expect(problem.code).toBe("vm-not-started");
    expect(problem.notes.join("\n")).toContain("OSMOD_ACCEL is xen");
  });

  it("says so when there is no launcher", async () => {
    const error = await startVm({ launcher: join(store.work, "none") }).catch((reason: unknown) => reason);
    expect((error as ProblemError).has("vm-not-started")).toBe(true);
    expect(readdirSync(store.work)).toEqual([]);
  });
});
