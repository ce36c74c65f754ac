/**
 * Commands in the guest, by its agent.
 *
 * The agent's own capture shows nothing before the end and keeps everything in memory. So a command writes into files of memory below
 * /run/osmod-exec, and these are read while they grow:
 *
 *     /run/osmod-exec/<id>.out  .err     what it says; what was read is given back every few megabytes
 *     /run/osmod-exec/<id>.status        its exit code, when it has ended; reading it tells of the end sooner and costs the guest
 *                                        less than `guest-exec-status`, each of which the agent writes to the journal
 *     /run/osmod-exec/<id>.in  .group    its input, and the path of its control group, which all its children belong to
 *
 * A command that writes faster than it is read is stopped (`cgroup.freeze`) until that is made up for. FIFOs would do so by
 * themselves, but the agent loses what it has read of one when there is not as much as it wanted.
 */
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { fail, ProblemError } from "../problems/index.ts";

/** How to run a command in the guest. */
export interface ExecOptions {
  /** Standard input. Default: empty. */
  readonly stdin?: Uint8Array | string;
  /** Set on top of the agent's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Ends the command, and all that it has started. */
  readonly signal?: AbortSignal;
  /** Given the bytes of standard output as they come, instead of collecting them. */
  readonly onStdout?: (bytes: Buffer) => void;
  /** Given the bytes of standard error as they come, instead of collecting them. */
  readonly onStderr?: (bytes: Buffer) => void;
  /** After so many seconds the command is ended, with the problem `guest-command-timeout`. Default: never. */
  readonly timeoutSeconds?: number;
}

/** What a command in the guest gave. */
export interface ExecResult {
  /** 128 and the signal's number, for a command that a signal ended. */
  readonly exitCode: number;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
}

/** What this file needs of the agent. */
interface Agent {
  call(command: string, args?: Readonly<Record<string, unknown>>): Promise<unknown>;
  open(path: string, mode: string): Promise<number>;
  read(handle: number, count?: number): Promise<{ readonly bytes: Buffer; readonly eof: boolean }>;
  readFile(path: string): Promise<Buffer>;
  writeFile(path: string, content: Uint8Array | string): Promise<void>;
}

const FOLDER = "/run/osmod-exec";
const FASTEST_POLL_MS = 5;
const SLOWEST_POLL_MS = 100;
/** How often the agent itself is asked: the status file is not written when the shell around the command is killed. */
const ASK_MS = 2000;
/** Bytes read after which the file's beginning is given back to the guest. */
const GIVE_BACK = 8 * 1024 * 1024;
/** Bytes not read yet at which the command has to wait, and at which it may go on. */
const TOO_MUCH = 16 * 1024 * 1024;
const SIGNALLED = 128;

/**
 * Runs in the guest: takes the command into a group of its own, and says how it ended. Arguments: the files' common beginning, how many
 * assignments follow, these, the command. It starts one program of its own, since each takes its time under emulation.
 */
const wrapper = `files=$1 count=$2
shift 2
unset INVOCATION_ID JOURNAL_STREAM MEMORY_PRESSURE_WATCH MEMORY_PRESSURE_WRITE RUNTIME_DIRECTORY SYSTEMD_EXEC_PID
read -r group < /proc/self/cgroup
group=/sys/fs/cgroup\${group#0::}/\${files##*/}
mkdir "$group" 2> /dev/null && echo $$ > "$group/cgroup.procs" && echo "$group" > "$files.group"
while [ "$count" -gt 0 ]; do export "$1"; shift; count=$((count - 1)); done
input=/dev/null
[ ! -e "$files.in" ] || input=$files.in
( exec "$@" < "$input" >> "$files.out" 2>> "$files.err" )
echo $? > "$files.status"`;

/** Run a command. `afterwards` is given what is still done when the command has ended. */
export async function execInGuest(
  agent: Agent,
  command: string | readonly string[],
  options: ExecOptions,
  afterwards: (work: Promise<unknown>) => void,
): Promise<ExecResult> {
  const { signal, timeoutSeconds } = options;
  signal?.throwIfAborted();
  const words = typeof command === "string" ? ["/bin/sh", "-c", command] : command;
  const files = `${FOLDER}/${randomBytes(6).toString("hex")}`;
  const environment = Object.entries(options.env ?? {}).map(([name, value]) => `${name}=${value}`);

  // 1. The files, then the command.
  if (options.stdin !== undefined) await agent.writeFile(`${files}.in`, options.stdin);
  const [out, err, status] = await Promise.all(
    ["out", "err", "status"].map((name) => agent.open(`${files}.${name}`, "w+")),
  );
  if (out === undefined || err === undefined || status === undefined) throw new Error("three files give three handles");
  const stdout = new Output(agent, out, `${files}.out`, options.onStdout);
  const stderr = new Output(agent, err, `${files}.err`, options.onStderr);
  try {
    const arg = ["-c", wrapper, "osmod", files, String(environment.length), ...environment, ...words];
    const { pid } = (await agent.call("guest-exec", { path: "/bin/sh", arg })) as { pid: number };
    const running = new Running(agent, files, pid, status);

    // 2. Read until it has ended.
    const deadline = timeoutSeconds === undefined ? Number.POSITIVE_INFINITY : Date.now() + timeoutSeconds * 1000;
    let pause = FASTEST_POLL_MS;
    for (;;) {
      // Asked together, answered in this order: when the code is there, all that the command said can be read.
      const [exitCode, some, other] = await Promise.all([running.exitCode(), stdout.read(), stderr.read()]);
      if (exitCode !== undefined) {
        await Promise.all([stdout.drain(), stderr.drain()]);
        return { exitCode, stdout: stdout.collected(), stderr: stderr.collected() };
      }
      if (signal?.aborted === true || Date.now() > deadline) {
        await running.kill();
        if (signal?.aborted === true) throw signal.reason;
        await Promise.all([stdout.drain(), stderr.drain()]);
        timedOut(words, timeoutSeconds ?? 0, stdout.tail(), stderr.tail());
      }
      await running.throttle(Math.max(await stdout.behind(), await stderr.behind()));
      pause = some || other ? FASTEST_POLL_MS : Math.min(SLOWEST_POLL_MS, pause * 1.5);
      if (!stdout.more && !stderr.more) await wait(Math.min(pause, deadline - Date.now() + 1), signal);
    }
  } finally {
    afterwards(cleanUp(agent, files, [out, err, status]));
  }
}

/** One of the two outputs. */
class Output {
  /** Whether the last read came back full, so that there is more at once. */
  more = false;
  readonly #agent: Agent;
  readonly #handle: number;
  readonly #path: string;
  readonly #pass: ((bytes: Buffer) => void) | undefined;
  readonly #chunks: Buffer[] = [];
  #last: Buffer = Buffer.alloc(0);
  #read = 0;
  #givenBack = 0;

  constructor(agent: Agent, handle: number, path: string, pass: ((bytes: Buffer) => void) | undefined) {
    this.#agent = agent;
    this.#handle = handle;
    this.#path = path;
    this.#pass = pass;
  }

  /** Read once; true when there was something. */
  async read(): Promise<boolean> {
    const { bytes, eof } = await this.#agent.read(this.#handle);
    this.more = !eof;
    if (bytes.length === 0) return false;
    this.#read += bytes.length;
    this.#last = bytes;
    if (this.#pass === undefined) this.#chunks.push(bytes);
    else this.#pass(bytes);
    if (this.#read - this.#givenBack >= GIVE_BACK) this.#giveBack();
    return true;
  }

  async drain(): Promise<void> {
    do await this.read();
    while (this.more);
  }

  collected(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  /** The end of what was said. */
  tail(): string {
    return Buffer.concat([...this.#chunks.slice(-2, -1), this.#last])
      .subarray(-4096)
      .toString();
  }

  /** How many bytes there are that were not read yet; asked only when a read came back full. */
  async behind(): Promise<number> {
    if (!this.more) return 0;
    const seek = async (offset: number, whence: string) =>
      (await this.#agent.call("guest-file-seek", { handle: this.#handle, offset, whence })) as { position: number };
    const [end] = await Promise.all([seek(0, "end"), seek(this.#read, "set")]);
    return end.position - this.#read;
  }

  /** Let the guest have the memory of what was read; the writer's place in the file stays. */
  #giveBack(): void {
    const length = this.#read - this.#givenBack;
    const arg = ["-p", "-o", String(this.#givenBack), "-l", String(length), this.#path];
    this.#givenBack = this.#read;
    // A guest without this program only needs more memory.
    void runQuietly(this.#agent, "fallocate", arg).catch(() => {});
  }
}

/** The command itself. */
class Running {
  readonly #agent: Agent;
  readonly #files: string;
  readonly #pid: number;
  readonly #status: number;
  #text = "";
  #asked = Date.now();
  #frozen = false;
  #over = false;

  constructor(agent: Agent, files: string, pid: number, status: number) {
    this.#agent = agent;
    this.#files = files;
    this.#pid = pid;
    this.#status = status;
  }

  /** The exit code, once there is one. */
  async exitCode(): Promise<number | undefined> {
    this.#text += (await this.#agent.read(this.#status, 16)).bytes.toString();
    if (this.#text.endsWith("\n")) {
      // The agent keeps what it knows of a process until it is asked for the end.
      void this.#ask().catch(() => {});
      return Number(this.#text);
    }
    if (Date.now() - this.#asked < ASK_MS) return undefined;
    this.#asked = Date.now();
    return this.#ask();
  }

  async #ask(): Promise<number | undefined> {
    if (this.#over) return undefined;
    const reply = (await this.#agent.call("guest-exec-status", { pid: this.#pid })) as {
      exited: boolean;
      exitcode?: number;
      signal?: number;
    };
    this.#over ||= reply.exited;
    if (!reply.exited) return undefined;
    // The wrapper ends with 0 when it has written down how the command ended.
    if (reply.exitcode === 0) {
      this.#text += (await this.#agent.read(this.#status, 16)).bytes.toString();
      if (this.#text.endsWith("\n")) return Number(this.#text);
    }
    return reply.exitcode ?? SIGNALLED + (reply.signal ?? 0);
  }

  /** Stop the command while too much is unread, and let it go on when that is made up for. */
  async throttle(behind: number): Promise<void> {
    const freeze = this.#frozen ? behind > 0 : behind > TOO_MUCH;
    if (freeze === this.#frozen) return;
    this.#frozen = freeze;
    await this.#control("cgroup.freeze", freeze ? "1" : "0");
  }

  /** End the command and its children at once. */
  async kill(): Promise<void> {
    if (!(await this.#control("cgroup.kill", "1"))) await runQuietly(this.#agent, "kill", ["-KILL", String(this.#pid)]);
    const deadline = Date.now() + ASK_MS;
    while (!this.#over && Date.now() < deadline) {
      if ((await this.#ask()) === undefined && !this.#over) await sleep(FASTEST_POLL_MS);
    }
  }

  async #control(file: string, text: string): Promise<boolean> {
    try {
      const group = (await this.#agent.readFile(`${this.#files}.group`)).toString().trim();
      await this.#agent.writeFile(`${group}/${file}`, text);
      return true;
    } catch (error) {
      if (error instanceof ProblemError && error.has("guest-agent-refused")) return false;
      throw error;
    }
  }
}

/** Nothing of a command is left: its files, its group, and groups of former ones whose last process has ended since. */
async function cleanUp(agent: Agent, files: string, handles: readonly number[]): Promise<void> {
  try {
    await Promise.all(handles.map((handle) => agent.call("guest-file-close", { handle })));
    const script = `rm -f "$1".*; read -r own < /proc/self/cgroup; rmdir "/sys/fs/cgroup\${own#0::}"/*/ 2> /dev/null; :`;
    await runQuietly(agent, "/bin/sh", ["-c", script, "osmod", files]);
  } catch {
    // A guest that is gone has nothing to clean up.
  }
}

/** Run a program to its end, whatever comes of it. */
async function runQuietly(agent: Agent, path: string, arg: readonly string[]): Promise<void> {
  try {
    const { pid } = (await agent.call("guest-exec", { path, arg })) as { pid: number };
    for (let pause = FASTEST_POLL_MS; ; pause = Math.min(SLOWEST_POLL_MS, pause * 2)) {
      await sleep(pause);
      const { exited } = (await agent.call("guest-exec-status", { pid })) as { exited: boolean };
      if (exited) return;
    }
  } catch (error) {
    if (!(error instanceof ProblemError && error.has("guest-agent-refused"))) throw error;
  }
}

async function wait(ms: number, signal: AbortSignal | undefined): Promise<void> {
  await sleep(Math.max(0, ms), undefined, signal === undefined ? {} : { signal }).catch(() => {});
}

function timedOut(words: readonly string[], seconds: number, stdout: string, stderr: string): never {
  const lines = (title: string, text: string) =>
    text.trim() === "" ? [] : [`${title}:`, ...text.trimEnd().split("\n").slice(-20)];
  fail({
    code: "guest-command-timeout",
    message: `a command in the guest did not end within ${seconds} s: ${words[0] === "/bin/sh" ? words.at(-1) : words.join(" ")}`,
    notes: [...lines("standard output ends with", stdout), ...lines("standard error ends with", stderr)],
    fix: "Give it more time, or find out what it waits for.",
  });
}
