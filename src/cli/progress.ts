/**
 * What a build shows while it runs: one line that changes on a terminal, plain lines otherwise, all on stderr.
 *
 *     [ 41/270] fetching 8 (31.2 MB, 9.4 MB/s), building 2: unpack-nginx-1.26.3
 *
 * The plan's size is the denominator, so the number only grows. Nothing is printed when nothing is to be done.
 */
import type { BuildEvent, Plan } from "../store/index.ts";

const REDRAW_MS = 80;

/** Receives a build's events; `end` leaves the terminal clean. */
export interface Progress {
  readonly onEvent: (event: BuildEvent) => void;
  readonly end: () => void;
}

/** Choose the display that fits the stream. */
export function showProgress(plan: Plan, stream: NodeJS.WriteStream = process.stderr): Progress {
  const total = plan.fetch.length + plan.build.length;
  if (total === 0) return { onEvent: () => {}, end: () => {} };
  if (stream.isTTY !== true || process.env["TERM"] === "dumb") return plainLines(total, stream);
  return liveLine(total, new Set(plan.fetch.map((drv) => drv.drvPath)), stream);
}

/** Only a build's warnings: which caches, paths of theirs, or machines cannot be used, and why. */
export function showWarnings(stream: NodeJS.WriteStream = process.stderr): Progress["onEvent"] {
  const refused = new Set<string>();
  return (event) => {
    if (isWarning(event)) sayOnce(refused, event, stream);
  };
}

function plainLines(total: number, stream: NodeJS.WriteStream): Progress {
  let done = 0;
  const started = Date.now();
  stream.write(`${total} to do\n`);
  let copied = 0;
  const refused = new Set<string>();
  return {
    onEvent: (event) => {
      if (event.type === "substitute") copied += 1;
      if (isWarning(event)) sayOnce(refused, event, stream);
      if (event.type !== "done") return;
      done += 1;
      stream.write(`[${String(done).padStart(String(total).length)}/${total}] ${event.drv.name}\n`);
    },
    end: () => stream.write(`${summary(done, total, copied)} in ${seconds(Date.now() - started)}\n`),
  };
}

function liveLine(total: number, fetches: ReadonlySet<string>, stream: NodeJS.WriteStream): Progress {
  const started = Date.now();
  const running = new Map<string, { name: string; fetch: boolean }>();
  const received = new Map<string, number>();
  const refused = new Set<string>();
  let done = 0;
  let copied = 0;
  let drawn = 0;
  const draw = (): void => {
    const now = Date.now();
    if (now - drawn < REDRAW_MS) return;
    drawn = now;
    const bytes = [...received.values()].reduce((sum, n) => sum + n, 0);
    const fetching = [...running.values()].filter((job) => job.fetch).length;
    const building = [...running.values()].filter((job) => !job.fetch);
    const parts = [
      fetching > 0
        ? `fetching ${fetching} (${megabytes(bytes)}, ${megabytes(bytes / ((now - started) / 1000))}/s)`
        : "",
      copied > 0 ? `copied ${copied}` : "",
      building.length > 0 ? `building ${building.length}: ${building[0]?.name}` : "",
    ].filter((part) => part !== "");
    const line = `[${String(done).padStart(String(total).length)}/${total}] ${parts.join(", ")}`;
    stream.write(`\r\u001b[K${line.slice(0, Math.max(20, (stream.columns || 80) - 1))}`);
  };
  const timer = setInterval(draw, REDRAW_MS);
  timer.unref();
  return {
    onEvent: (event) => {
      if (event.type === "add") return;
      if (isWarning(event)) {
        stream.write("\r\u001b[K");
        return sayOnce(refused, event, stream);
      }
      if (event.type === "substitute") {
        copied += 1;
        return draw();
      }
      const id = event.drv.drvPath;
      if (event.type === "start") running.set(id, { name: event.drv.name, fetch: fetches.has(id) });
      else if (event.type === "fetch-progress") received.set(id, event.received);
      else if (event.type === "done" || event.type === "fail") {
        running.delete(id);
        if (event.type === "done") done += 1;
      }
      draw();
    },
    end: () => {
      clearInterval(timer);
      stream.write(`\r\u001b[K${summary(done, total, copied)} in ${seconds(Date.now() - started)}\n`);
    },
  };
}

/** What was copied stands for everything below it, which is then neither fetched nor built. */
function summary(done: number, total: number, copied: number): string {
  return copied === 0 ? `${done} of ${total} done` : `${done} done and ${copied} copied from caches`;
}

type Warning = Extract<BuildEvent, { readonly problem: unknown }>;

function isWarning(event: BuildEvent): event is Warning {
  return event.type === "cache-refused" || event.type === "machine-refused";
}

/** A cache or machine that does not answer does so for every path. */
function sayOnce(said: Set<string>, { problem: { message, fix } }: Warning, stream: NodeJS.WriteStream): void {
  if (said.has(message)) return;
  said.add(message);
  stream.write(`warning: ${message}\n${said.size === 1 && fix !== undefined ? `  fix: ${fix}\n` : ""}`);
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
