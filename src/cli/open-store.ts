/** The store for verbs that need no machine, and the words and numbers they share. */
import { findMirrors, formerSandbox } from "../packages/index.ts";
import { fail } from "../problems/index.ts";
import { defaultRoot, type EmbeddedStore, openStore } from "../store/index.ts";

/** Open the store; should something be built, it is isolated by what a former build unpacked. */
export function theStore(): EmbeddedStore {
  const root = defaultRoot();
  return openStore({ root, sandbox: formerSandbox(root) });
}

/** Where else a package's file may be fetched from: the mirrors of today, which need not be those of the build. */
export function todaysMirrors(url: string): readonly string[] {
  const file = /\/pool\/.*$/.exec(url)?.[0];
  if (file === undefined) return [];
  return Object.values(findMirrors()).flatMap((mirror: string | undefined) => (mirror ? [`${mirror}${file}`] : []));
}

const UNITS = ["B", "kB", "MB", "GB", "TB"] as const;

/** A number of bytes for people: `81.5 MB`. */
export function size(bytes: number): string {
  let [value, unit] = [bytes, 0];
  for (; value >= 1000 && unit < UNITS.length - 1; unit++) value /= 1000;
  return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit]}`;
}

/** `1 path`, `2 paths`. */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };

/** A time like `7d` in seconds, or a `usage` problem that names the option. */
export function duration(option: string, text: string): number {
  const [, number, unit = "d"] = /^(\d+)([smhdw])?$/.exec(text) ?? [];
  if (number !== undefined) return Number(number) * (SECONDS[unit] as number);
  return fail({
    code: "usage",
    message: `--${option} takes a time, and got ${JSON.stringify(text)}`,
    fix: `for example: --${option} 7d (s, m, h, d or w)`,
  });
}

/** One line that changes, on a terminal; nothing elsewhere. `end` leaves the line clean. */
export function ticker(stream: NodeJS.WriteStream = process.stderr): { say(line: string): void; end(): void } {
  const live = stream.isTTY === true && process.env["TERM"] !== "dumb";
  let drawn = 0;
  return {
    say(line) {
      const now = Date.now();
      if (!live || now - drawn < 80) return;
      drawn = now;
      stream.write(`\r\u001b[K${line.slice(0, Math.max(20, (stream.columns || 80) - 1))}`);
    },
    end() {
      if (live) stream.write("\r\u001b[K");
    },
  };
}

/** Print data for programs. */
export function printJson(data: unknown): void {
  process.stdout.write(`${JSON.stringify(data, null, 2)}\n`);
}
