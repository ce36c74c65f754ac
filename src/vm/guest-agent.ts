/**
 * A client of QEMU's guest agent: commands in the guest, and its files, over a socket of the host.
 *
 * The protocol is JSON, a message a line, and the other end may be in any state: not up yet, in the middle of a message that a
 * former client asked for, restored from a snapshot. `guest-sync-delimited` settles that: the byte 0xFF makes the agent forget half a
 * request, its reply begins with 0xFF as well, and only replies with ids of this connection count. A reply that stays away while a
 * later sync is answered will never come: the guest was started anew meanwhile.
 *
 * Commands and their outputs are in guest-exec.ts.
 */
import { randomInt } from "node:crypto";
import { createConnection, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { ProblemError, problem } from "../problems/index.ts";
import { type ExecOptions, type ExecResult, ExecSlots, execInGuest, runPlainly } from "./guest-exec.ts";

/** How to connect to a guest agent. */
export interface ConnectOptions {
  /** Ends the waiting for the guest. */
  readonly signal?: AbortSignal;
  /** @internal A connection that is there already ({@link openAgentSocket}). */
  readonly socket?: Socket;
}

interface Reply {
  readonly id?: number;
  readonly return?: unknown;
  readonly error?: { readonly class: string; readonly desc: string };
}
interface Call {
  readonly command: string;
  readonly resolve: (value: unknown) => void;
  readonly reject: (reason: unknown) => void;
}

/** Between two attempts to reach a QEMU that is not there yet. */
const RETRY_MS = 50;
/** After how long a sync is sent again, while connecting. */
const SYNC_MS = 2000;
/** After how long without a reply it is asked whether the agent still knows of the call. */
const STALLED_MS = 15_000;
/**
 * How many bytes of requests may be without an answer. The agent reads 4096 bytes at once, and of what it reads so it forgets whole requests when
 * there is more to come (seen with QEMU 10: of six requests of 1300 bytes each, sent together, one is answered). A larger one goes alone.
 */
const WINDOW = 4000;
/** Bytes of a file in one message. */
const CHUNK = 512 * 1024;
const DELIMITER = 0xff;

/**
 * A connection to the guest agent of a running virtual machine. The agent serves one connection at a time.
 *
 * @example
 * import { GuestAgent } from "osmod/vm";
 *
 * async function kernelOf(runtimeDirectory: string): Promise<string> {
 *   await using agent = await GuestAgent.connect(`${runtimeDirectory}/qga`);
 *   const { stdout } = await agent.exec(["uname", "-r"]);
 *   return stdout.toString();
 * }
 */
export class GuestAgent implements AsyncDisposable {
  readonly #socket: Socket;
  readonly #calls = new Map<number, Call>();
  /** Calls that wait for their turn, and the bytes of those that were sent. */
  #waiting: { readonly id: number; readonly text: string }[] = [];
  readonly #sent = new Map<number, number>();
  readonly #syncs = new Map<number, () => void>();
  readonly #slots = new ExecSlots(this);
  #nextId = randomInt(1, 2 ** 40);
  #pieces: Buffer[] = [];
  #reason: ProblemError | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    socket.on("close", () => this.#end());
    // A broken connection is reported by its calls.
    socket.on("error", () => {});
  }

  /**
   * Connect, and wait until the agent answers: for QEMU to make the socket, and for the guest to boot. Only `signal` ends
   * the waiting. Problem: `guest-agent-closed`, when the machine ends meanwhile.
   */
  static async connect(socketPath: string, options: ConnectOptions = {}): Promise<GuestAgent> {
    const { signal } = options;
    const socket = options.socket ?? (await openAgentSocket(socketPath, signal));
    const agent = new GuestAgent(socket);
    const abandon = () => socket.destroy();
    signal?.addEventListener("abort", abandon, { once: true });
    try {
      await agent.sync();
      return agent;
    } catch (error) {
      socket.destroy();
      signal?.throwIfAborted();
      throw error;
    } finally {
      signal?.removeEventListener("abort", abandon);
    }
  }

  /**
   * Find the beginning of a message again, on both ends. For a machine that was set back to a snapshot under this connection: what was
   * asked before it fails with `guest-agent-lost`.
   */
  async sync(): Promise<void> {
    this.#slots.forget();
    const before = [...this.#sent.keys()];
    const ids: number[] = [];
    let answered = false;
    try {
      while (!answered) {
        const id = this.#nextId++;
        ids.push(id);
        const reply = new Promise<void>((resolve) => {
          this.#syncs.set(id, () => {
            answered = true;
            resolve();
          });
        });
        if (this.#socket.destroyed) throw this.#closed("guest-sync-delimited");
        this.#socket.write(Buffer.of(DELIMITER));
        this.#socket.write(`${JSON.stringify({ execute: "guest-sync-delimited", arguments: { id } })}\n`);
        await unless(reply, SYNC_MS, this.#socket);
      }
    } finally {
      for (const id of ids) this.#syncs.delete(id);
    }
    for (const id of before) {
      this.#sent.delete(id);
      const call = this.#calls.get(id);
      this.#calls.delete(id);
      call?.reject(lost(call.command));
    }
    this.#send();
  }

  /** Resolves when the agent answers. */
  async ping(): Promise<void> {
    await this.call("guest-ping");
  }

  /**
   * Run a command: a text is one for `/bin/sh`, a list is a program and its arguments. What the command says is passed on while it
   * runs; bytes that `onStdout` or `onStderr` took are not in the result. A command that fails is no error here.
   *
   * Problems: `guest-command-timeout`; `guest-agent-lost` when the guest was started anew meanwhile.
   */
  exec(command: string | readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
    return execInGuest(this, command, options, this.#slots);
  }

  /** @internal Run a program that is quick and says little; see {@link runPlainly}. */
  run(words: readonly string[], stdin: string): Promise<Pick<ExecResult, "exitCode" | "stderr">> {
    return runPlainly(this, words, stdin);
  }

  /** @internal Open what the next command will write into. */
  prepare(): Promise<void> {
    return this.#slots.prepare();
  }

  /** The bytes of a file of the guest. Problem: `guest-agent-refused`, for example for a file that is not there. */
  async readFile(path: string): Promise<Buffer> {
    const handle = await this.open(path, "r");
    const chunks: Buffer[] = [];
    try {
      for (;;) {
        const { bytes, eof } = await this.read(handle);
        chunks.push(bytes);
        if (eof) return Buffer.concat(chunks);
      }
    } finally {
      await this.call("guest-file-close", { handle });
    }
  }

  /** Make or replace a file of the guest. Problem: `guest-agent-refused`. */
  async writeFile(path: string, content: Uint8Array | string): Promise<void> {
    const bytes = Buffer.from(content as Uint8Array);
    const handle = await this.open(path, "w");
    try {
      for (let offset = 0; offset < bytes.length; ) {
        const buf = bytes.subarray(offset, offset + CHUNK).toString("base64");
        const { count } = (await this.call("guest-file-write", { handle, "buf-b64": buf })) as { count: number };
        offset += count;
      }
      await this.call("guest-file-flush", { handle });
    } finally {
      await this.call("guest-file-close", { handle });
    }
  }

  /** End the connection, when what commands have left in the guest is cleaned up. */
  async close(): Promise<void> {
    await this.tidy();
    this.#socket.destroy();
  }

  /** @internal Clean up what commands have left in the guest, as long as it answers. */
  async tidy(): Promise<void> {
    await Promise.race([this.#slots.clear(), ended(this.#socket), sleep(SYNC_MS, undefined, { ref: false })]);
  }

  /** End the connection at once, because the guest cannot answer. What was asked, and is asked from now on, fails with the reason. */
  abandon(reason: ProblemError): void {
    this.#reason = reason;
    this.#socket.destroy();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** @internal Open a file of the guest; answers its handle. */
  async open(path: string, mode: string): Promise<number> {
    return (await this.call("guest-file-open", { path, mode })) as number;
  }

  /** @internal Read on in an open file. */
  async read(handle: number, count: number = CHUNK): Promise<{ readonly bytes: Buffer; readonly eof: boolean }> {
    const reply = (await this.call("guest-file-read", { handle, count })) as { "buf-b64"?: string; eof: boolean };
    return { bytes: Buffer.from(reply["buf-b64"] ?? "", "base64"), eof: reply.eof };
  }

  /**
   * Make one call of the agent's protocol, and get what it returns. Calls need not wait for each other; the agent answers in order.
   * Problem: `guest-agent-refused`, with the agent's own words.
   */
  async call(command: string, args?: Readonly<Record<string, unknown>>): Promise<unknown> {
    const id = this.#nextId++;
    const watch = setTimeout(() => void this.sync().catch(() => {}), STALLED_MS);
    watch.unref();
    try {
      return await new Promise((resolve, reject) => {
        if (this.#socket.destroyed) throw this.#closed(command);
        this.#calls.set(id, { command, resolve, reject });
        const request = { execute: command, ...(args === undefined ? {} : { arguments: args }), id };
        this.#waiting.push({ id, text: `${JSON.stringify(request)}\n` });
        this.#send();
      });
    } finally {
      clearTimeout(watch);
    }
  }

  /** Send what the window has place for. */
  #send(): void {
    let open = [...this.#sent.values()].reduce((sum, size) => sum + size, 0);
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      const size = Buffer.byteLength(next.text);
      if (open > 0 && open + size > WINDOW) return;
      this.#waiting.shift();
      this.#sent.set(next.id, size);
      open += size;
      this.#socket.write(next.text);
    }
  }

  #receive(chunk: Buffer): void {
    let rest = chunk;
    for (let at = rest.indexOf(10); at >= 0; at = rest.indexOf(10)) {
      this.#line(Buffer.concat([...this.#pieces, rest.subarray(0, at)]));
      this.#pieces = [];
      rest = rest.subarray(at + 1);
    }
    if (rest.length > 0) this.#pieces.push(rest);
  }

  #line(line: Buffer): void {
    const delimiter = line.lastIndexOf(DELIMITER);
    const reply = parse(line.subarray(delimiter + 1));
    if (reply === undefined) return;
    if (delimiter >= 0 && typeof reply.return === "number") this.#syncs.get(reply.return)?.();
    const call = reply.id === undefined ? undefined : this.#calls.get(reply.id);
    if (reply.id === undefined || call === undefined) return;
    this.#calls.delete(reply.id);
    this.#sent.delete(reply.id);
    this.#send();
    if (reply.error === undefined) call.resolve(reply.return);
    else call.reject(refused(call.command, reply.error));
  }

  #end(): void {
    for (const call of this.#calls.values()) call.reject(this.#closed(call.command));
    this.#calls.clear();
  }

  #closed(command: string): ProblemError {
    return this.#reason ?? closed(command);
  }
}

/** What a line says; nothing for the remains of a message to somebody else. */
function parse(line: Buffer): Reply | undefined {
  try {
    return JSON.parse(line.toString("utf8")) as Reply;
  } catch {
    return undefined;
  }
}

/**
 * The connection alone, to a socket that may not be there yet. A guest whose memory is loaded after that finds it as it was saved; the agent of
 * one that has lost it meanwhile sleeps for a tenth of a second before it looks again.
 */
export async function openAgentSocket(path: string, signal?: AbortSignal): Promise<Socket> {
  for (;;) {
    signal?.throwIfAborted();
    const socket = createConnection(path);
    const failure = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
      socket.once("connect", () => resolve(undefined));
      socket.once("error", resolve);
    });
    if (failure === undefined) return socket;
    if (failure.code !== "ENOENT" && failure.code !== "ECONNREFUSED") throw failure;
    await sleep(RETRY_MS, undefined, signal === undefined ? {} : { signal }).catch(() => {});
  }
}

/** Wait for something, but not for longer than this, nor than the socket is open. */
async function unless(work: Promise<void>, ms: number, socket: Socket): Promise<void> {
  const timer = new AbortController();
  await Promise.race([
    work,
    ended(socket, timer.signal),
    sleep(ms, undefined, { signal: timer.signal }).catch(() => {}),
  ]);
  timer.abort();
}

function ended(socket: Socket, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => resolve();
    if (socket.destroyed) return done();
    socket.once("close", done);
    signal?.addEventListener("abort", () => socket.off("close", done), { once: true });
  });
}

function refused(
  command: string,
  { class: kind, desc }: { readonly class: string; readonly desc: string },
): ProblemError {
  return new ProblemError([
    problem({
      code: "guest-agent-refused",
      message: `the guest agent refused ${command}: ${desc}`,
      notes: kind === "GenericError" ? [] : [`class of the error: ${kind}`],
      fix: "See the reference of QEMU's guest agent for the command, and the guest's journal (unit qemu-guest-agent).",
    }),
  ]);
}

function lost(command: string): unknown {
  return new ProblemError([
    problem({
      code: "guest-agent-lost",
      message: `the guest was started anew, or set back, before it answered ${command}`,
      fix: "Look at the machine's console for the reason, and ask again.",
    }),
  ]);
}

function closed(command: string): ProblemError {
  return new ProblemError([
    problem({
      code: "guest-agent-closed",
      message: `the connection to the guest agent ended before it answered ${command}`,
      fix: "Look at the machine's console for the reason.",
    }),
  ]);
}
