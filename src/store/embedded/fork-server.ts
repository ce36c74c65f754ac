/**
 * A small process beside this one that starts builders, for whoever has many to start.
 *
 * Starting a process copies the tables of all memory of the one that starts it, and what either then writes to is copied as well:
 * some ten milliseconds each when a package index has been read, of which the new one needs nothing. A process that has loaded
 * nothing else starts them in one. It takes as long to start as a few builders; so the first few are started here.
 */
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { type Ended, type Supervised, supervise } from "./supervise.ts";

/** From here on, another process starts builders. */
const MANY = 8;

/** What the process is told. @internal */
export type Order = { readonly id: number; readonly start: Supervised } | { readonly id: number; readonly kill: true };

/** What it answers: a program's end, or what Node said when it could not be started. @internal */
export type Report =
  | { readonly id: number; readonly ended: Ended }
  | { readonly id: number; readonly code: string | undefined; readonly message: string };

/** Finds who starts the next builder. */
export class Supervisors {
  #started = 0;
  #server: ForkServer | undefined;

  /** Run from TypeScript sources there is no other process: Node cannot run that file. */
  next(): typeof supervise {
    this.#started += 1;
    if (this.#started < MANY || !import.meta.url.endsWith(".js")) return supervise;
    this.#server ??= new ForkServer();
    return this.#server.ready ? this.#server.supervise : supervise;
  }

  /** End the other process. */
  close(): void {
    this.#server?.close();
    this.#server = undefined;
  }
}

/** A program that runs there. */
interface Running {
  readonly resolve: (ended: Ended) => void;
  readonly reject: (error: Error) => void;
}

class ForkServer {
  readonly #process: ChildProcess;
  readonly #running = new Map<number, Running>();
  #count = 0;
  #ready = false;

  constructor() {
    const program = fileURLToPath(new URL("./fork-server-process.js", import.meta.url));
    // In a session of its own: what ends this process with its group is for this one to hear, and to end builders in order.
    this.#process = fork(program, {
      cwd: "/",
      env: {},
      execArgv: [],
      stdio: ["ignore", "ignore", "ignore", "ipc"],
      detached: true,
    });
    this.#process.once("spawn", () => {
      this.#ready = true;
    });
    this.#process.on("message", (report: Report) => this.#hear(report));
    this.#process.on("error", () => this.#gone(null));
    this.#process.once("exit", (_, signal) => this.#gone(signal));
  }

  /** False before it runs, and when it is gone. */
  get ready(): boolean {
    return this.#ready;
  }

  readonly supervise: typeof supervise = (supervised, signal) => {
    const id = ++this.#count;
    const kill = (): void => this.#tell({ id, kill: true });
    signal.addEventListener("abort", kill);
    return new Promise<Ended>((resolve, reject) => {
      this.#running.set(id, { resolve, reject });
      this.#tell({ id, start: supervised });
      if (signal.aborted) kill();
    }).finally(() => signal.removeEventListener("abort", kill));
  };

  close(): void {
    if (this.#process.connected) this.#process.disconnect();
  }

  #tell(order: Order): void {
    if (this.#process.connected) this.#process.send(order, () => {});
  }

  #hear(report: Report): void {
    const running = this.#running.get(report.id);
    this.#running.delete(report.id);
    if ("ended" in report) running?.resolve(report.ended);
    else running?.reject(Object.assign(new Error(report.message), { code: report.code }));
  }

  /** Its builders ended with it. */
  #gone(signal: NodeJS.Signals | null): void {
    this.#ready = false;
    for (const running of this.#running.values()) running.resolve([null, signal ?? "SIGKILL"]);
    this.#running.clear();
  }
}
