/** A guest's serial console as a test sees it: wait for text, log in, run commands and get their output and exit code. */
import type { Readable, Writable } from "node:stream";

/** What a command in the guest gave. */
export interface Outcome {
  readonly output: string;
  readonly code: number;
}

/** Talks to a guest over the two ends of its serial line. */
export class GuestConsole {
  /** All that the guest has printed. */
  transcript = "";
  readonly #input: Writable;
  readonly #waiting = new Set<() => void>();
  #closed = false;
  #seen = 0;
  #count = 0;

  constructor(input: Writable, output: Readable) {
    this.#input = input;
    output.setEncoding("utf8");
    output.on("data", (chunk: string) => {
      this.transcript += chunk;
      this.#wake();
    });
    output.on("close", () => {
      this.#closed = true;
      this.#wake();
    });
  }

  /** Resolves with what was printed up to and including the next match; rejects with the console's last lines. */
  async waitFor(pattern: RegExp, seconds = 240): Promise<string> {
    const deadline = Date.now() + seconds * 1000;
    for (;;) {
      const rest = this.transcript.slice(this.#seen);
      const match = pattern.exec(rest);
      if (match !== null) {
        const end = match.index + match[0].length;
        this.#seen += end;
        return rest.slice(0, end);
      }
      if (this.#closed) throw new Error(`the console closed before ${pattern}:\n${this.#tail()}`);
      if (Date.now() > deadline) throw new Error(`no ${pattern} within ${seconds} s:\n${this.#tail()}`);
      await this.#change(deadline);
    }
  }

  /** Type a line. */
  send(line: string): void {
    this.#input.write(`${line}\n`);
  }

  /**
   * Log in at the prompt, silence echo and prompt, so that {@link run} reads outputs alone, and wait until all has started that starts at boot: the prompt is
   * there before.
   */
  async login(user: string, password: string, seconds = 240): Promise<void> {
    await this.waitFor(/login: /, seconds);
    this.send(user);
    await this.waitFor(/Password: /);
    this.send(password);
    // A slow boot may go on writing behind the prompt.
    await this.waitFor(/[#$] /);
    this.send(
      "stty -echo; export TERM=dumb PAGER=cat; PS1=; PS2=; bind 'set enable-bracketed-paste off' 2>/dev/null; echo rea''dy",
    );
    await this.waitFor(/ready\r?\n/);
    await this.run("systemctl is-system-running --wait", seconds);
  }

  /** Run a command in the shell that {@link login} opened. */
  async run(command: string, seconds = 120): Promise<Outcome> {
    this.#count += 1;
    const mark = `end-of-command-${this.#count}`;
    this.send(`{ ${command}\n} 2>&1; echo "${mark.slice(0, 3)}""${mark.slice(3)}:$?"`);
    const text = await this.waitFor(new RegExp(`${mark}:(\\d+)\\r?\\n`), seconds);
    const match = new RegExp(`${mark}:(\\d+)\\r?\\n$`).exec(text);
    return { output: text.slice(0, match?.index).replaceAll("\r", ""), code: Number(match?.[1]) };
  }

  /** Run a command that must succeed, and give its output. */
  async succeed(command: string, seconds = 120): Promise<string> {
    const { output, code } = await this.run(command, seconds);
    if (code !== 0) throw new Error(`${command} ended with ${code}:\n${output}`);
    return output;
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }

  #change(deadline: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, Math.max(0, deadline - Date.now()));
      this.#waiting.add(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  #tail(): string {
    return this.transcript.split("\n").slice(-30).join("\n");
  }
}
