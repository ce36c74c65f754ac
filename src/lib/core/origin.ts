/**
 * Origins: the file and line that something comes from.
 *
 * Every wrapper call, module and option remembers where it was written. Remembering has to be cheap, because it happens
 * for each `mkIf` of each module and is read only when something goes wrong: `Error.captureStackTrace` with one frame
 * keeps V8's own structured frame (about 4 µs), and only reading `.stack` formats it (another 8–20 µs).
 */
import type { Site } from "../../problems/index.ts";

/** What `Error.captureStackTrace` writes to. */
interface Captured {
  stack?: string;
}

/** The folder that this library is in. */
const library = new URL("..", import.meta.url).pathname;

/** A place in somebody's source. */
export class Origin {
  readonly #file: string | undefined;
  readonly #line: number | undefined;
  readonly #column: number | undefined;
  #captured: Captured | undefined;
  #parsed: { file: string; line?: number; column?: number } | undefined;

  constructor(file: string | undefined, line?: number, column?: number, captured?: Captured) {
    this.#file = file;
    this.#line = line;
    this.#column = column;
    this.#captured = captured;
  }

  /** The place that called `above`. `file`, when given, is shown instead of the calling file. */
  static capture(above: (...args: never[]) => unknown): Origin {
    const captured: Captured = {};
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = 1;
    Error.captureStackTrace(captured, above);
    Error.stackTraceLimit = limit;
    return new Origin(undefined, undefined, undefined, captured);
  }

  /** The innermost place outside of this library. Looks through the whole stack, so it is for when something is wrong. */
  static ofCaller(): Origin {
    const captured: Captured = {};
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = 1000;
    Error.captureStackTrace(captured);
    Error.stackTraceLimit = limit;
    const frames = (captured.stack ?? "").split("\n").slice(1);
    const frame = frames.find((line) => /:\d+:\d+\)?\s*$/.test(line) && !line.includes(library));
    const { file, line, column } = parseFrame(frame);
    return new Origin(file, line, column);
  }

  get file(): string {
    return this.#file ?? this.#parse().file;
  }
  get line(): number | undefined {
    return this.#file === undefined ? this.#parse().line : this.#line;
  }
  get column(): number | undefined {
    return this.#file === undefined ? this.#parse().column : this.#column;
  }

  /** `file:line`, for notes. */
  toString(): string {
    return this.line === undefined ? this.file : `${this.file}:${this.line}`;
  }

  /** This place as a part of a problem. */
  site(more: Omit<Site, "file" | "line" | "column"> = {}): Site {
    const { line, column } = this;
    return {
      file: this.file,
      ...(line === undefined ? {} : { line }),
      ...(column === undefined ? {} : { column }),
      ...more,
    };
  }

  #parse(): { file: string; line?: number; column?: number } {
    if (this.#parsed === undefined) {
      this.#parsed = parseFrame(this.#captured?.stack);
      this.#captured = undefined;
    }
    return this.#parsed;
  }
}

/** For what was made without any place, such as a module given as plain data. */
export const unknownOrigin: Origin = new Origin("<unknown-file>");

/** Read `file:line:column` from the one frame of a captured stack. */
function parseFrame(stack: string | undefined): { file: string; line?: number; column?: number } {
  const frame =
    stack === undefined ? null : /(?:\(|at |async )((?:file:\/\/)?[^()\s][^()]*?):(\d+):(\d+)\)?\s*$/m.exec(stack);
  if (frame === null) return { file: "<unknown-file>" };
  const [, file = "", line, column] = frame;
  return { file: toPath(file), line: Number(line), column: Number(column) };
}

function toPath(file: string): string {
  if (!file.startsWith("file://")) return file;
  try {
    return decodeURIComponent(new URL(file).pathname);
  } catch {
    return file;
  }
}
