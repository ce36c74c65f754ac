/**
 * A guest agent for tests: speaks the protocol over a socket, and its guest is a directory of this host. The paths of the real guest
 * that the client uses (/run/osmod-exec, its own control group) are moved into that directory.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, fstatSync, mkdirSync, openSync, readdirSync, readSync, writeSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";

interface Arguments {
  readonly id: number;
  readonly handle: number;
  readonly path: string;
  readonly mode: string;
  readonly count?: number;
  readonly "buf-b64": string;
  readonly "input-data"?: string;
  readonly "capture-output"?: boolean;
  readonly offset: number;
  readonly whence: string;
  readonly arg: readonly string[];
  readonly pid: number;
}

/** Bytes that the agent reads at once. */
const READ = 4096;

/** One agent, for one client. */
export class FakeAgent {
  readonly socket: string;
  /** Names of the calls that came, in order. */
  readonly calls: string[] = [];
  /** Open files: their position by handle. */
  readonly open = new Map<number, number>();
  /** The guest is not up: nothing is read. */
  deaf = false;
  /** Bytes that are on the way when a client comes. */
  stale = Buffer.alloc(0);
  /** Replies come in pieces of so many bytes. */
  pieces = 0;
  readonly #directory: string;
  readonly #server: Server;
  readonly #children = new Map<number, ChildProcess>();
  /** What processes said on standard error, where that was asked for. */
  readonly #said = new Map<number, Buffer[]>();
  #peer: Socket | undefined;
  #sending = Promise.resolve();

  constructor(directory: string) {
    this.#directory = directory;
    this.socket = join(directory, "qga");
    mkdirSync(join(directory, "osmod-exec"));
    this.#server = createServer((socket) => this.#serve(socket));
  }

  listen(): Promise<void> {
    return new Promise((resolve) => this.#server.listen(this.socket, resolve));
  }

  /** The guest is up now. */
  wake(): void {
    this.deaf = false;
    this.#peer?.resume();
  }

  hangUp(): void {
    this.#peer?.destroy();
  }

  close(): void {
    for (const child of this.#children.values()) child.kill("SIGKILL");
    this.#peer?.destroy();
    this.#server.close();
  }

  running(): number {
    return [...this.#children.values()].filter((child) => child.exitCode === null && child.signalCode === null).length;
  }

  /** What commands have left behind. */
  leftovers(): string[] {
    return readdirSync(join(this.#directory, "osmod-exec"));
  }

  #serve(socket: Socket): void {
    this.#peer = socket;
    socket.on("error", () => {});
    if (this.stale.length > 0) socket.write(this.stale);
    let rest = Buffer.alloc(0);
    socket.on("data", (chunk: Buffer) => {
      for (let from = 0; from < chunk.length; from += READ) {
        rest = Buffer.concat([rest, chunk.subarray(from, from + READ)]);
        // As the real one does: whole requests in a read after which there is more are forgotten.
        const forgetful = from + READ < chunk.length;
        for (let at = rest.indexOf(10); at >= 0; at = rest.indexOf(10)) {
          if (!forgetful) this.#answer(socket, rest.subarray(0, at));
          rest = rest.subarray(at + 1);
        }
      }
    });
    if (this.deaf) socket.pause();
  }

  #answer(socket: Socket, line: Buffer): void {
    const delimiter = line.lastIndexOf(0xff);
    if (delimiter >= 0) this.#send(socket, '{"error": {"class": "GenericError", "desc": "JSON parse error"}}\n');
    const request = JSON.parse(line.subarray(delimiter + 1).toString()) as {
      execute: string;
      id?: number;
      arguments?: Arguments;
    };
    this.calls.push(request.execute);
    if (request.execute === "hang") return;
    const id = request.id === undefined ? {} : { id: request.id };
    try {
      const value = this.#do(request.execute, request.arguments ?? ({} as Arguments));
      const text = `${JSON.stringify({ return: value ?? {}, ...id })}\n`;
      if (request.execute === "guest-sync-delimited") this.#send(socket, Buffer.from([0xff]));
      this.#send(socket, text);
    } catch (error) {
      const desc = error instanceof Error ? error.message : String(error);
      this.#send(socket, `${JSON.stringify({ error: { class: "GenericError", desc }, ...id })}\n`);
    }
  }

  #send(socket: Socket, data: string | Buffer): void {
    const bytes = Buffer.from(data as string);
    const size = this.pieces || bytes.length;
    this.#sending = this.#sending.then(async () => {
      for (let at = 0; at < bytes.length; at += size) {
        socket.write(bytes.subarray(at, at + size));
        if (size < bytes.length) await new Promise((resolve) => setTimeout(resolve, 1));
      }
    });
  }

  #do(command: string, args: Arguments): unknown {
    const { handle, path } = args;
    switch (command) {
      case "guest-sync-delimited":
        return args.id;
      case "guest-ping":
        return {};
      case "echo":
        return args;
      case "guest-file-open": {
        const fd = openSync(this.#inside(path), args.mode);
        this.open.set(fd, 0);
        return fd;
      }
      case "guest-file-close":
        this.open.delete(handle);
        closeSync(handle);
        return {};
      case "guest-file-flush":
        return {};
      case "guest-file-read": {
        const buffer = Buffer.alloc(args.count ?? 4096);
        const count = readSync(handle, buffer, 0, buffer.length, this.open.get(handle) ?? 0);
        this.open.set(handle, (this.open.get(handle) ?? 0) + count);
        const text = buffer.subarray(0, count).toString("base64");
        return { count, eof: count < buffer.length, ...(count === 0 ? {} : { "buf-b64": text }) };
      }
      case "guest-file-write":
        return { count: writeSync(handle, Buffer.from(args["buf-b64"], "base64")), eof: false };
      case "guest-file-seek": {
        const position = args.whence === "end" ? fstatSync(handle).size : args.offset;
        this.open.set(handle, position);
        return { position, eof: false };
      }
      case "guest-exec": {
        const child = spawn(
          path,
          args.arg.map((word) => this.#inside(word)),
          {
            stdio: ["pipe", "ignore", args["capture-output"] === true ? "pipe" : "ignore"],
            cwd: this.#directory,
          },
        );
        child.stdin?.on("error", () => {}).end(Buffer.from(args["input-data"] ?? "", "base64"));
        const pid = child.pid ?? 0;
        child.on("error", () => {});
        if (pid === 0) throw new Error(`Failed to execute child process ${path}`);
        const said: Buffer[] = [];
        child.stderr?.on("data", (bytes: Buffer) => said.push(bytes));
        this.#children.set(pid, child);
        this.#said.set(pid, said);
        return { pid };
      }
      case "guest-exec-status": {
        const child = this.#children.get(args.pid);
        if (child === undefined) throw new Error("PID does not exist");
        const runs = child.exitCode === null && child.signalCode === null;
        if (runs || child.stderr?.readableEnded === false) return { exited: false };
        this.#children.delete(args.pid);
        const said = Buffer.concat(this.#said.get(args.pid) ?? []);
        const output = said.length === 0 ? {} : { "err-data": said.toString("base64") };
        return { exited: true, ...(child.exitCode === null ? { signal: 9 } : { exitcode: child.exitCode }), ...output };
      }
      default:
        throw new Error("not today");
    }
  }

  /** No group of processes is made here: ending one falls back to ending the process. */
  #inside(text: string): string {
    return text
      .replaceAll("/run/osmod-exec", join(this.#directory, "osmod-exec"))
      .replaceAll("/sys/fs/cgroup", join(this.#directory, "no-groups"));
  }
}
