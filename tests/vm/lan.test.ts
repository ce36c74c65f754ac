/** The switch between virtual machines, with plain connections for machines. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ProblemError } from "../../src/problems/index.ts";
import { VirtualLan } from "../../src/vm/index.ts";

const everybody = "ff:ff:ff:ff:ff:ff";
let directory: string;
let lan: VirtualLan;
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "osmod-lan-"));
  lan = await VirtualLan.listen(join(directory, "lan"));
});
afterEach(async () => {
  await lan.close();
  rmSync(directory, { recursive: true, force: true });
});

describe("a virtual LAN", () => {
  it("takes a frame to all others until it knows where its destination is", async () => {
    const [a, b, c] = [await node("a"), await node("b"), await node("c")];
    a.send("0a", everybody, "who is b?");
    expect(await b.next()).toBe("who is b?");
    expect(await c.next()).toBe("who is b?");
    b.send("0b", "00:00:00:00:00:0a", "I am");
    expect(await a.next()).toBe("I am");
    a.send("0a", "00:00:00:00:00:0b", "only for b");
    a.send("0a", everybody, "for all");
    expect(await b.next()).toBe("only for b");
    expect(await c.next()).toBe("for all");
  });

  it("puts frames together that arrive in pieces, and several that arrive at once", async () => {
    const [a, b] = [await node("a"), await node("b")];
    const bytes = Buffer.concat([frame("0a", everybody, "one"), frame("0a", everybody, "two")]);
    for (const byte of bytes) {
      a.socket.write(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect([await b.next(), await b.next()]).toEqual(["one", "two"]);
  });

  it("lets nothing through to or from a machine that is blocked", async () => {
    const [a, b, c] = [await node("a"), await node("b"), await node("c")];
    lan.block("b");
    expect(lan.isBlocked("b")).toBe(true);
    b.send("0b", everybody, "lost");
    a.send("0a", everybody, "first");
    expect(await c.next()).toBe("first");
    await new Promise((resolve) => setTimeout(resolve, 50));
    lan.unblock("b");
    a.send("0a", everybody, "second");
    expect(await b.next()).toBe("second");
    expect(await c.next()).toBe("second");
  });

  it("ends a connection that speaks something else", async () => {
    const stranger = connect(lan.path);
    const closed = new Promise((resolve) => stranger.once("close", resolve));
    stranger.write("GET / HTTP/1.1\r\n\r\n");
    stranger.resume();
    await closed;
    expect(lan.connections).toBe(0);
  });

  it("leaves nothing behind, and may be made again at once", async () => {
    await lan.attach("a");
    await lan.close();
    expect(readdirSync(directory)).toEqual([]);
    lan = await VirtualLan.listen(join(directory, "lan"));
  });

  it("says when there can be no socket", async () => {
    const problem = await VirtualLan.listen(join(directory, "absent/lan")).catch((error: unknown) => error);
    expect((problem as ProblemError).has("lan-not-made")).toBe(true);
    const long = await VirtualLan.listen(join(directory, "x".repeat(120))).catch((error: unknown) => error);
    expect(long).toBeInstanceOf(ProblemError);
  });
});

/** A frame with the length before it; addresses are short for 00:00:00:00:00:xx. */
function frame(from: string, to: string, text: string): Buffer {
  const address = (short: string) =>
    Buffer.from(short.length === 2 ? `0000000000${short}` : short.replaceAll(":", ""), "hex");
  const body = Buffer.concat([address(to), address(from), Buffer.from("88b5", "hex"), Buffer.from(text)]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length);
  return Buffer.concat([length, body]);
}

/** A machine on the LAN: sends frames, and gives the texts of those that arrive. */
async function node(name: string) {
  const socket: Socket = connect(await lan.attach(name));
  await new Promise((resolve) => socket.once("connect", resolve));
  const before = lan.connections;
  for (let i = 0; i < 100 && lan.connections === before - 1; i += 1) await new Promise((r) => setImmediate(r));
  let pending = Buffer.alloc(0);
  const arrived: string[] = [];
  const waiting: ((text: string) => void)[] = [];
  socket.on("data", (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk]);
    while (pending.length >= 4 && pending.length >= 4 + pending.readUInt32BE(0)) {
      const end = 4 + pending.readUInt32BE(0);
      const text = pending.toString("utf8", 18, end);
      pending = pending.subarray(end);
      const next = waiting.shift();
      if (next === undefined) arrived.push(text);
      else next(text);
    }
  });
  return {
    socket,
    send: (from: string, to: string, text: string) => socket.write(frame(from, to, text)),
    next: (): Promise<string> => {
      const text = arrived.shift();
      return text === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(text);
    },
  };
}
