/**
 * Commands in the guest, by its agent.
 *
 * The agent's own capture shows nothing before the end and keeps everything in memory. So a command writes into files of memory below
 * /run/osmod-exec, and these are read while they grow:
 *
 *     /run/osmod-exec/<slot>.out  .err     what it says; what was read is given back every few megabytes
 *     /run/osmod-exec/<slot>.status        a line for each command that ended: its exit code, and whether it has left processes behind;
 *                                          reading it tells of the end sooner and costs the guest less than `guest-exec-status`
 *     /run/osmod-exec/<slot>.in  .group    a large input, and the path of its control group, which all its children belong to
 *     /run/osmod-exec/busybox              the shell around each command: of memory, so that it is there before the store is
 *
 * Under emulation each process takes a tenth of a second and each request some milliseconds. So the files stay open and are written on by
 * the next command, unless something of the last one can still write into them.
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
/** The shell of {@link wrapper}, and what there is instead in a guest of another origin. */
export const GUEST_SHELL = `${FOLDER}/busybox`;
const OTHER_SHELL = "/bin/sh";
/** Bytes of an input that is given to the agent with the command. */
const SMALL_INPUT = 64 * 1024;
const FASTEST_POLL_MS = 5;
const SLOWEST_POLL_MS = 100;
/** The pause before a command's end is asked for again, as a part of the time that it has taken so far. */
const POLL_PART = 0.06;
/** The same as so many times what the last such question took: an emulated guest has one processor for its answers and the command. */
const POLL_QUESTIONS = 3;
/** How often the agent itself is asked: nothing is written down when the shell around the command is killed. */
const ASK_MS = 2000;
/** Bytes read after which the file's beginning is given back to the guest. */
const GIVE_BACK = 8 * 1024 * 1024;
/** Bytes of output after which files are not used again, but removed. */
const LARGE_OUTPUT = 1024 * 1024;
/** Bytes not read yet at which the command has to wait, and at which it may go on. */
const TOO_MUCH = 16 * 1024 * 1024;
const SIGNALLED = 128;

/**
 * Runs in the guest: takes the command into a group of its own, and says how it ended. Arguments: the files' common beginning, how many
 * assignments follow, where the input is (`-`: here), these, the command. busybox takes its own programs for those of the guest unless it
 * gets a path, so the program is looked for.
 */
const wrapper = `files=$1 count=$2 input=$3
shift 3
unset INVOCATION_ID JOURNAL_STREAM MEMORY_PRESSURE_WATCH MEMORY_PRESSURE_WRITE RUNTIME_DIRECTORY SYSTEMD_EXEC_PID
read -r own < /proc/self/cgroup
group=/sys/fs/cgroup\${own#0::}/\${files##*/} left=1
if [ -d "$group" ] || mkdir "$group" 2> /dev/null; then echo "$group" > "$files.group"; else group=; fi
while [ "$count" -gt 0 ]; do export "$1"; shift; count=$((count - 1)); done
(
  read -r self _ < /proc/self/stat
  [ -z "$group" ] || echo "$self" > "$group/cgroup.procs"
  program=$1
  shift
  case $program in */*) ;; *)
    IFS=:
    for folder in $PATH; do
      if [ -f "$folder/$program" ] && [ -x "$folder/$program" ]; then program=$folder/$program; break; fi
    done
    unset IFS ;;
  esac
  case $program in */*) ;; *) echo "$program: not found" >> "$files.err"; exit 127 ;; esac
  [ "$input" = - ] || exec < "$input"
  exec "$program" "$@" >> "$files.out" 2>> "$files.err"
)
code=$?
[ -z "$group" ] || read -r _ left < "$group/cgroup.events"
echo "$code $left" >> "$files.status"`;

/** Run a command. */
export async function execInGuest(
  agent: Agent,
  command: string | readonly string[],
  options: ExecOptions,
  slots: ExecSlots,
): Promise<ExecResult> {
  const { signal, timeoutSeconds, stdin } = options;
  signal?.throwIfAborted();
  const words = typeof command === "string" ? ["/bin/sh", "-c", command] : command;
  const environment = Object.entries(options.env ?? {}).map(([name, value]) => `${name}=${value}`);
  const input = stdin === undefined ? undefined : Buffer.from(stdin as Uint8Array);

  // 1. Where it writes, then the command.
  const slot = await slots.take();
  const { files, stdout, stderr } = slot;
  stdout.listen(options.onStdout);
  stderr.listen(options.onStderr);
  const large = input !== undefined && input.length > SMALL_INPUT;
  if (large) await agent.writeFile(`${files}.in`, input);
  const from = input === undefined ? "/dev/null" : large ? `${files}.in` : "-";
  const arg = ["-c", wrapper, "osmod", files, String(environment.length), from, ...environment, ...words];
  const pid = await slots.start(arg, from === "-" ? input : undefined);
  const running = new Running(agent, files, pid, slot.status);

  // 2. Read until it has ended.
  const began = Date.now();
  const deadline = timeoutSeconds === undefined ? Number.POSITIVE_INFINITY : began + timeoutSeconds * 1000;
  const streams = options.onStdout !== undefined || options.onStderr !== undefined;
  let readAt = began;
  for (;;) {
    const asked = Date.now();
    const exitCode = await running.exitCode();
    const answered = Date.now() - asked;
    if (exitCode !== undefined) {
      await Promise.all([stdout.drain(), stderr.drain()]);
      await slots.giveBack(slot, running.reusable);
      return { exitCode, stdout: stdout.collected(), stderr: stderr.collected() };
    }
    if (signal?.aborted === true || Date.now() > deadline) {
      await running.kill();
      if (signal?.aborted !== true) await Promise.all([stdout.drain(), stderr.drain()]);
      await slots.giveBack(slot, false);
      if (signal?.aborted === true) throw signal.reason;
      timedOut(words, timeoutSeconds ?? 0, stdout.tail(), stderr.tail());
    }
    if (streams || stdout.more || stderr.more || Date.now() - readAt >= SLOWEST_POLL_MS) {
      readAt = Date.now();
      await Promise.all([stdout.read(), stderr.read()]);
      await running.throttle(Math.max(await stdout.behind(), await stderr.behind()));
    }
    const pause = pauseAfter(began, answered);
    if (!stdout.more && !stderr.more) await wait(Math.min(pause, deadline - Date.now() + 1), signal);
  }
}

/** The files that a command writes to. */
interface Slot {
  /** Their common beginning. */
  readonly files: string;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly status: number;
}

/** The slots of a connection. */
export class ExecSlots {
  readonly #agent: Agent;
  readonly #name = randomBytes(6).toString("hex");
  #shell = [GUEST_SHELL, "sh"];
  #free: Slot[] = [];
  #made = 0;

  constructor(agent: Agent) {
    this.#agent = agent;
  }

  /** One that nobody else writes to. */
  async take(): Promise<Slot> {
    const slot = this.#free.pop();
    if (slot !== undefined) {
      try {
        // A guest that was started anew knows nothing of it.
        await this.#agent.read(slot.status, 1);
        return slot;
      } catch (error) {
        if (!refused(error)) throw error;
        this.forget();
      }
    }
    const files = `${FOLDER}/${this.#name}-${this.#made++}`;
    const open = (name: string) => this.#agent.open(`${files}.${name}`, "w+");
    const [out, err, status] = await Promise.all([open("out"), open("err"), open("status")]);
    return {
      files,
      stdout: new Output(this.#agent, out, `${files}.out`),
      stderr: new Output(this.#agent, err, `${files}.err`),
      status,
    };
  }

  /** Have one at hand for the next command. What is in the way of that is told by that one. */
  async prepare(): Promise<void> {
    await this.take().then(
      (slot) => this.#free.push(slot),
      () => {},
    );
  }

  /** What is to become of a slot whose command has ended. */
  async giveBack(slot: Slot, reusable: boolean): Promise<void> {
    const { files, stdout, stderr, status } = slot;
    const large = stdout.length + stderr.length > LARGE_OUTPUT;
    if (reusable && !large) {
      this.#free.push(slot);
      return;
    }
    for (const handle of [stdout.handle, stderr.handle, status]) {
      void this.#agent.call("guest-file-close", { handle }).catch(() => {});
    }
    // What is left of a small one waits for the end of the connection.
    if (!large) return;
    try {
      await finished(this.#agent, await this.start(["-c", 'rm -f "$1".*', "osmod", files], undefined));
    } catch {
      // A guest that is gone has nothing to remove.
    }
  }

  /** The guest is not the one in which they were made. */
  forget(): void {
    this.#free = [];
  }

  /** Start the shell around a command; answers its process. */
  async start(arg: readonly string[], input: Buffer | undefined): Promise<number> {
    const [path, ...applet] = this.#shell;
    const data = input === undefined ? {} : { "input-data": input.toString("base64") };
    try {
      const reply = await this.#agent.call("guest-exec", { path, arg: [...applet, ...arg], ...data });
      return (reply as { pid: number }).pid;
    } catch (error) {
      if (path === OTHER_SHELL || !refused(error)) throw error;
      this.#shell = [OTHER_SHELL];
      return this.start(arg, input);
    }
  }

  /** Remove what commands have left in the guest. */
  async clear(): Promise<void> {
    if (this.#made === 0) return;
    const script = `rm -f "$1"-*; read -r own < /proc/self/cgroup; rmdir "/sys/fs/cgroup\${own#0::}"/*/ 2> /dev/null; :`;
    try {
      const handles = this.#free.flatMap(({ stdout, stderr, status }) => [stdout.handle, stderr.handle, status]);
      await Promise.all(handles.map((handle) => this.#agent.call("guest-file-close", { handle })));
      await finished(this.#agent, await this.start(["-c", script, "osmod", `${FOLDER}/${this.#name}`], undefined));
    } catch {
      // A guest that is gone has nothing to clean up.
    }
  }
}

/** One of the two outputs of a command after another. */
class Output {
  /** Whether the last read came back full, so that there is more at once. */
  more = false;
  readonly handle: number;
  readonly #agent: Agent;
  readonly #path: string;
  #pass: ((bytes: Buffer) => void) | undefined;
  #chunks: Buffer[] = [];
  #last: Buffer = Buffer.alloc(0);
  #read = 0;
  #givenBack = 0;

  constructor(agent: Agent, handle: number, path: string) {
    this.#agent = agent;
    this.handle = handle;
    this.#path = path;
  }

  /** How many bytes there have been. */
  get length(): number {
    return this.#read;
  }

  /** From here on it is another command's. */
  listen(pass: ((bytes: Buffer) => void) | undefined): void {
    this.#pass = pass;
    this.#chunks = [];
    this.#last = Buffer.alloc(0);
    this.more = false;
  }

  /** Read once. */
  async read(): Promise<void> {
    const { bytes, eof } = await this.#agent.read(this.handle);
    this.more = !eof;
    if (bytes.length === 0) return;
    this.#read += bytes.length;
    this.#last = bytes;
    if (this.#pass === undefined) this.#chunks.push(bytes);
    else this.#pass(bytes);
    if (this.#read - this.#givenBack >= GIVE_BACK) this.#giveBack();
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
      (await this.#agent.call("guest-file-seek", { handle: this.handle, offset, whence })) as { position: number };
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
  #alone = false;

  constructor(agent: Agent, files: string, pid: number, status: number) {
    this.#agent = agent;
    this.#files = files;
    this.#pid = pid;
    this.#status = status;
  }

  /** Whether nothing of the command is left that could still write. */
  get reusable(): boolean {
    return this.#alone && !this.#frozen;
  }

  /** The exit code, once there is one. */
  async exitCode(): Promise<number | undefined> {
    const code = await this.#written();
    if (code !== undefined) {
      // The agent keeps what it knows of a process until it is asked for the end.
      void this.#ask().catch(() => {});
      return code;
    }
    if (Date.now() - this.#asked < ASK_MS) return undefined;
    this.#asked = Date.now();
    return this.#ask();
  }

  /** What the wrapper has written down. */
  async #written(): Promise<number | undefined> {
    this.#text += (await this.#agent.read(this.#status, 16)).bytes.toString();
    if (!this.#text.endsWith("\n")) return undefined;
    const [code, left] = this.#text.split(" ").map(Number);
    this.#alone = left === 0;
    return code;
  }

  async #ask(): Promise<number | undefined> {
    if (this.#over) return undefined;
    const reply = (await this.#agent.call("guest-exec-status", { pid: this.#pid })) as Ended;
    this.#over ||= reply.exited;
    if (!reply.exited) return undefined;
    // The wrapper ends with 0 when it has written down how the command ended.
    if (reply.exitcode === 0) {
      const code = await this.#written();
      if (code !== undefined) return code;
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
      if (refused(error)) return false;
      throw error;
    }
  }
}

/** Run a program to its end, whatever comes of it. */
async function runQuietly(agent: Agent, path: string, arg: readonly string[]): Promise<void> {
  try {
    const { pid } = (await agent.call("guest-exec", { path, arg })) as { pid: number };
    await finished(agent, pid);
  } catch (error) {
    if (!refused(error)) throw error;
  }
}

/**
 * Run a program that is quick and says little, by the agent alone: without files to be opened, a shell around it, and a group of its own.
 * Nothing ends it, and what it leaves running goes on. Problem: `guest-agent-refused`, for example for a program that is not there.
 */
export async function runPlainly(
  agent: Agent,
  [path = "", ...arg]: readonly string[],
  stdin: string,
): Promise<Pick<ExecResult, "exitCode" | "stderr">> {
  const input = Buffer.from(stdin).toString("base64");
  const request = { path, arg, "input-data": input, "capture-output": true };
  const { pid } = (await agent.call("guest-exec", request)) as { pid: number };
  const { exitcode, signal = 0, "err-data": said = "" } = await finished(agent, pid);
  return { exitCode: exitcode ?? SIGNALLED + signal, stderr: Buffer.from(said, "base64") };
}

/** What the agent says of a process that has ended. */
interface Ended {
  readonly exited: boolean;
  readonly exitcode?: number;
  readonly signal?: number;
  readonly "err-data"?: string;
}

async function finished(agent: Agent, pid: number): Promise<Ended> {
  const began = Date.now();
  for (let pause = FASTEST_POLL_MS; ; pause = pauseAfter(began)) {
    await sleep(pause);
    const status = (await agent.call("guest-exec-status", { pid })) as Ended;
    if (status.exited) return status;
  }
}

/** How long to wait before the end of what was begun then is asked for again; `answered`: how long the last such question took. */
function pauseAfter(began: number, answered = 0): number {
  const pause = Math.max(FASTEST_POLL_MS, (Date.now() - began) * POLL_PART, answered * POLL_QUESTIONS);
  return Math.min(SLOWEST_POLL_MS, pause);
}

/** Whether the agent did not do what it was asked. */
export function refused(error: unknown): error is ProblemError {
  return error instanceof ProblemError && error.has("guest-agent-refused");
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
