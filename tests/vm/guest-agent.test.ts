/** The guest agent's client against a server that plays QEMU and a guest whose commands run on this host. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ProblemError } from "../../src/problems/index.ts";
import { GuestAgent } from "../../src/vm/index.ts";
import { FakeAgent } from "./fake-agent.ts";

// Every command is some processes, which take their time on a busy machine.
vi.setConfig({ testTimeout: 30_000 });

let directory: string;
let server: FakeAgent;
let agent: GuestAgent;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "osmod-qga-"));
  server = new FakeAgent(directory);
});
afterEach(async () => {
  await agent?.close();
  server.close();
  rmSync(directory, { recursive: true, force: true });
});
const connect = async () => {
  await server.listen();
  agent = await GuestAgent.connect(server.socket);
};
const problemOf = async (work: Promise<unknown>) => {
  const error = await work.catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(ProblemError);
  return (error as ProblemError).problems[0];
};

describe("connecting", () => {
  it("waits for the socket, and for a guest that boots", async () => {
    server.deaf = true;
    const connecting = GuestAgent.connect(server.socket);
    await new Promise((resolve) => setTimeout(resolve, 80));
    await server.listen();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(server.calls).toEqual([]);
    server.wake();
    agent = await connecting;
    await agent.ping();
    expect(server.calls).toEqual(["guest-sync-delimited", "guest-ping"]);
  });

  it("is not misled by what a former client left behind", async () => {
    server.stale = Buffer.from('"eof": true}}\n{"return": {"half": "a message');
    await connect();
    await agent.ping();
  });

  it("is ended by its signal", async () => {
    server.deaf = true;
    await server.listen();
    const reason = new Error("enough");
    const controller = new AbortController();
    const connecting = GuestAgent.connect(server.socket, { signal: controller.signal });
    setTimeout(() => controller.abort(reason), 30);
    await expect(connecting).rejects.toBe(reason);
    await expect(
      GuestAgent.connect(join(directory, "none"), { signal: AbortSignal.timeout(30) }),
    ).rejects.toHaveProperty("name", "TimeoutError");
  });
});

describe("calls", () => {
  beforeEach(connect);

  it("are told apart in whatever pieces their replies come", async () => {
    server.pieces = 5;
    expect(await Promise.all([agent.call("echo", { n: 1 }), agent.call("echo", { n: 2 })])).toEqual([
      { n: 1 },
      { n: 2 },
    ]);
  });

  it("are all answered, however many there are and however large they are", async () => {
    const sizes = [1300, 1300, 1300, 1300, 1300, 1300, 9000, 10, 10, 3000, 3000];
    const texts = sizes.map((size, n) => `${n}${"x".repeat(size)}`);
    const answers = await Promise.all(texts.map((text) => agent.call("echo", { text })));
    expect(answers).toEqual(texts.map((text) => ({ text })));
  });

  it("make a refusal a problem with the agent's words", async () => {
    const problem = await problemOf(agent.call("refuse"));
    expect(problem?.code).toBe("guest-agent-refused");
    expect(problem?.message).toContain("refuse: not today");
  });

  it("do not wait for a machine that has ended", async () => {
    const waiting = problemOf(agent.call("hang"));
    setTimeout(() => server.hangUp(), 20);
    expect((await waiting)?.code).toBe("guest-agent-closed");
    expect((await problemOf(agent.ping()))?.code).toBe("guest-agent-closed");
  });

  it("are lost when the guest was set back meanwhile, and later ones are not", async () => {
    const waiting = problemOf(agent.call("hang"));
    await agent.sync();
    expect((await waiting)?.code).toBe("guest-agent-lost");
    await agent.ping();
  });
});

describe("files", () => {
  beforeEach(connect);

  it("of any size and content go in and out", async () => {
    const content = Buffer.from(Array.from({ length: 1_300_000 }, (_, i) => (i * 7) % 256));
    await agent.writeFile(join(directory, "file"), content);
    expect((await agent.readFile(join(directory, "file"))).equals(content)).toBe(true);
    await agent.writeFile(join(directory, "empty"), "");
    expect(await agent.readFile(join(directory, "empty"))).toHaveLength(0);
    expect(server.open.size).toBe(0);
  });

  it("that are not there are a problem", async () => {
    expect((await problemOf(agent.readFile(join(directory, "none"))))?.code).toBe("guest-agent-refused");
  });
});

describe("commands", () => {
  beforeEach(connect);

  it("give their exit code and both outputs, byte for byte", async () => {
    const { exitCode, stdout, stderr } = await agent.exec("printf 'a\\0\\377b'; printf 'wrong' >&2; exit 3");
    expect(exitCode).toBe(3);
    expect(stdout).toEqual(Buffer.from([97, 0, 255, 98]));
    expect(stderr.toString()).toBe("wrong");
  });

  it("are lists of words as well, which no shell looks at", async () => {
    const { stdout } = await agent.exec(["printf", "%s|", "a b", "$HOME", "'", ""]);
    expect(stdout.toString()).toBe("a b|$HOME|'||");
  });

  it("have an input and an environment", async () => {
    const { stdout } = await agent.exec('cat; printf %s "$WORD"', {
      stdin: Buffer.from([1, 0, 2]),
      env: { WORD: "it's = $x" },
    });
    expect(stdout).toEqual(Buffer.from("\u0001\0\u0002it's = $x"));
    expect((await agent.exec("cat")).stdout).toHaveLength(0);
  });

  it("end with 127 when there is no such program, and with 128 and more by a signal", async () => {
    expect((await agent.exec(["no-such-program"])).exitCode).toBe(127);
    expect((await agent.exec("kill -TERM $$")).exitCode).toBe(143);
  });

  it("pass on what they say while they run", async () => {
    const seen: string[] = [];
    await agent.exec("mkfifo go");
    const { stdout } = await agent.exec("echo first; read -r line < go; echo $line", {
      onStdout: (bytes) => {
        seen.push(bytes.toString());
        if (seen.length === 1) void agent.exec("echo second > go");
      },
    });
    expect(seen).toEqual(["first\n", "second\n"]);
    expect(stdout).toHaveLength(0);
  });

  it("may say more than fits a message, and leave nothing behind", async () => {
    let bytes = 0;
    await agent.exec("head -c 20000000 /dev/zero", { onStdout: (chunk) => (bytes += chunk.length) });
    expect(bytes).toBe(20_000_000);
    await agent.close();
    expect(server.leftovers()).toEqual([]);
    expect(server.open.size).toBe(0);
  });

  it("are ended by their signal, and by their time", async () => {
    const controller = new AbortController();
    const running = agent.exec("echo begun; exec sleep 60", {
      signal: controller.signal,
      onStdout: () => controller.abort(new Error("enough")),
    });
    await expect(running).rejects.toThrow("enough");
    const problem = await problemOf(agent.exec("echo so far; exec sleep 60", { timeoutSeconds: 0.2 }));
    expect(problem?.code).toBe("guest-command-timeout");
    expect(problem?.message).toContain("so far; exec sleep 60");
    expect(problem?.notes).toContain("so far");
    expect(server.running()).toBe(0);
  });

  it("that end without a word, shell and all, are noticed", async () => {
    const { exitCode } = await agent.exec("kill -KILL $PPID; exec sleep 5");
    expect(exitCode).toBe(137);
  });
});

describe("what need not wait for files", () => {
  beforeEach(connect);

  it("is a quick program that the agent runs alone", async () => {
    const script = 'read -r word; echo "got $word" >&2; exit 3';
    const { exitCode, stderr } = await agent.run(["/bin/sh", "-c", script], "it\n");
    expect({ exitCode, stderr: stderr.toString() }).toEqual({ exitCode: 3, stderr: "got it\n" });
    expect((await agent.run(["/bin/sh", "-c", "kill -KILL $$"], "")).exitCode).toBe(137);
    expect((await problemOf(agent.run([join(directory, "none")], "")))?.code).toBe("guest-agent-refused");
    expect(server.calls).not.toContain("guest-file-open");
    expect(server.leftovers()).toEqual([]);
  });

  it("is a command whose files are open already", async () => {
    await agent.prepare();
    server.calls.length = 0;
    expect((await agent.exec("echo said")).stdout.toString()).toBe("said\n");
    expect(server.calls).not.toContain("guest-file-open");
    await agent.close();
    expect(server.leftovers()).toEqual([]);
  });

  it("and where they cannot be opened, the command says so", async () => {
    rmSync(join(directory, "osmod-exec"), { recursive: true });
    await agent.prepare();
    expect((await problemOf(agent.exec("echo said")))?.code).toBe("guest-agent-refused");
    mkdirSync(join(directory, "osmod-exec"));
  });
});
