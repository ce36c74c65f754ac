/**
 * What a builder says.
 *
 * Its output goes straight into a file, both streams in the order they were written, and no byte of it through this
 * process. Whoever wants to see lines as they come gets them by looking into the file now and then.
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";

const LOOK_EVERY_MS = 150;

/** A line longer than this is cut, and a tail is looked for in this much of the file. */
const WINDOW = 64 * 1024;

/** Calls `onLine` with each line that is written to a file, until it is stopped. */
export class LogFollower {
  readonly #fd: number;
  readonly #onLine: (line: string) => void;
  readonly #timer: NodeJS.Timeout;
  #at = 0;
  #rest = "";

  constructor(file: string, onLine: (line: string) => void) {
    this.#fd = openSync(file, "r");
    this.#onLine = onLine;
    this.#timer = setInterval(() => this.#look(), LOOK_EVERY_MS);
  }

  /** Report what is left, the unfinished line too. */
  stop(): void {
    clearInterval(this.#timer);
    this.#look();
    if (this.#rest !== "") this.#onLine(this.#rest);
    closeSync(this.#fd);
  }

  #look(): void {
    const buffer = Buffer.alloc(WINDOW);
    for (;;) {
      const got = readSync(this.#fd, buffer, 0, WINDOW, this.#at);
      if (got === 0) return;
      this.#at += got;
      const lines = (this.#rest + buffer.toString("utf8", 0, got)).split("\n");
      this.#rest = lines.pop() ?? "";
      for (const line of lines) this.#onLine(line);
      if (this.#rest.length > WINDOW) {
        this.#onLine(this.#rest);
        this.#rest = "";
      }
    }
  }
}

/** The last lines of a file. */
export function lastLines(file: string, count: number): string[] {
  const fd = openSync(file, "r");
  try {
    const { size } = fstatSync(fd);
    const buffer = Buffer.alloc(Math.min(size, WINDOW));
    readSync(fd, buffer, 0, buffer.length, size - buffer.length);
    const lines = buffer.toString().replace(/\n$/, "").split("\n");
    return lines.length === 1 && lines[0] === "" ? [] : lines.slice(-count);
  } finally {
    closeSync(fd);
  }
}
