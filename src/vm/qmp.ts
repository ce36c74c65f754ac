/**
 * A client of QMP, QEMU's control protocol: JSON messages, one a line, over a socket.
 *
 * QEMU greets, the client answers `qmp_capabilities`, and from then on every command gets a reply with its id; events
 * come in between. See QEMU's own documentation for the commands.
 */
import { createConnection, type Socket } from "node:net";
import { ProblemError, problem } from "../problems/index.ts";

/** Something that happened in the machine, such as `SHUTDOWN`, `RESET`, `STOP`. */
export interface QmpEvent {
  readonly event: string;
  readonly data?: unknown;
}

interface Reply {
  readonly id?: number;
  readonly return?: unknown;
  readonly error?: { readonly class: string; readonly desc: string };
  readonly event?: string;
  readonly data?: unknown;
  readonly QMP?: unknown;
}
interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (reason: unknown) => void;
}

/** Whether QEMU has stopped the machine because the host has no room for what it writes. */
export function isOutOfSpace({ event, data }: QmpEvent): boolean {
  return event === "BLOCK_IO_ERROR" && (data as { nospace?: boolean } | undefined)?.nospace === true;
}

/** A connection to a running QEMU. */
export class QmpClient {
  readonly #socket: Socket;
  readonly #pending = new Map<number, Pending>();
  readonly #listeners = new Set<(event: QmpEvent) => void>();
  #nextId = 1;
  #rest = "";
  /** Resolves when the connection has ended, from either side. */
  readonly closed: Promise<void>;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding("utf8");
    socket.on("data", (chunk: string) => this.#receive(chunk));
    this.closed = new Promise((resolve) => {
      socket.on("close", () => {
        this.#end();
        resolve();
      });
    });
    // A broken connection is reported by its commands.
    socket.on("error", () => {});
  }

  /** Connect and leave the negotiation mode. */
  static async connect(path: string): Promise<QmpClient> {
    const socket = createConnection(path);
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    const client = new QmpClient(socket);
    await client.command("qmp_capabilities");
    return client;
  }

  /** Run a command and get what it returns. A refusal is the problem `qmp-command-failed`. */
  command(name: string, args?: Readonly<Record<string, unknown>>): Promise<unknown> {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      if (this.#socket.destroyed) {
        reject(closed(name));
        return;
      }
      this.#pending.set(id, { resolve, reject: (reason) => reject(reason ?? closed(name)) });
      this.#socket.write(
        `${JSON.stringify({ execute: name, ...(args === undefined ? {} : { arguments: args }), id })}\n`,
      );
    });
  }

  /** Run a command of the monitor for people, and get what it prints; for what QMP has no command. */
  async monitor(line: string): Promise<string> {
    return String(await this.command("human-monitor-command", { "command-line": line }));
  }

  /** Call a function at every event; answers what ends that. */
  onEvent(listener: (event: QmpEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  close(): void {
    this.#socket.destroy();
  }

  #receive(chunk: string): void {
    const lines = (this.#rest + chunk).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line.trim() !== "") this.#handle(JSON.parse(line) as Reply);
    }
  }

  #handle(reply: Reply): void {
    if (reply.event !== undefined) {
      for (const listener of this.#listeners) listener({ event: reply.event, data: reply.data });
      return;
    }
    const pending = reply.id === undefined ? undefined : this.#pending.get(reply.id);
    if (reply.id === undefined || pending === undefined) return;
    this.#pending.delete(reply.id);
    if (reply.error === undefined) pending.resolve(reply.return);
    else pending.reject(refused(reply.error));
  }

  #end(): void {
    for (const pending of this.#pending.values()) pending.reject(undefined);
    this.#pending.clear();
  }
}

function closed(command: string): ProblemError {
  return new ProblemError([
    problem({
      code: "qmp-closed",
      message: `the virtual machine ended before it answered ${command}`,
      fix: "Look at the machine's console for the reason.",
    }),
  ]);
}

function refused(error: { readonly class: string; readonly desc: string }): ProblemError {
  return new ProblemError([
    problem({
      code: "qmp-command-failed",
      message: `QEMU refused a command: ${error.desc}`,
      notes: [`class of the error: ${error.class}`],
      fix: "See QEMU's QMP reference for the command's arguments.",
    }),
  ]);
}
