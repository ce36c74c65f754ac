/**
 * Asking the Nix that is installed: one short command, its answer, and the words when it fails.
 */
import { spawnSync } from "node:child_process";
import { type Problem, ProblemError, problem } from "../../problems/index.ts";

/** Environment of the commands; decides with Nix's own configuration which store they speak of. */
export type NixEnvironment = Readonly<Record<string, string | undefined>>;

const MOST_OUTPUT = 1024 * 1024 * 1024;

/** Run a program of Nix to its end and answer what it printed. Problems: `nix-missing`, `nix-failed`. */
export function nix(program: "nix" | "nix-store", args: readonly string[], env: NixEnvironment): string {
  const { error, status, signal, stdout, stderr } = spawnSync(program, [...args], {
    env: { ...env },
    encoding: "utf8",
    maxBuffer: MOST_OUTPUT,
    stdio: ["ignore", "pipe", "pipe"],
  });
  if (error !== undefined) throw notStarted(error);
  if (status !== 0) throw new ProblemError([failed(args[0] ?? "", stderr, signal)]);
  return stdout;
}

/** What became of starting a program of Nix. */
export function notStarted(error: Error): Error {
  if ((error as NodeJS.ErrnoException).code !== "ENOENT") return error;
  const found = problem({
    code: "nix-missing",
    message: "the store was to be Nix's, and no Nix is installed: there is no program nix-store",
    fix: "Install it (Debian: apt-get install nix-bin), put it on the PATH, or leave out --store nix and OSMOD_STORE.",
  });
  return new ProblemError([found], { cause: error });
}

/** Nix's own words as a problem. */
export function failed(what: string, stderr: string, signal?: NodeJS.Signals | null): Problem {
  const lines = plain(stderr)
    .split("\n")
    .filter((line) => line.trim() !== "");
  const first = lines.find((line) => line.startsWith("error:")) ?? lines[0];
  const ended = signal === undefined || signal === null ? "failed" : `was ended by ${signal}`;
  return problem({
    code: "nix-failed",
    message: `Nix ${ended} (${what})${first === undefined ? "" : `: ${first.replace(/^error:\s*/, "")}`}`,
    notes: lines.filter((line) => line !== first).slice(-20),
    fix: "The words are Nix's own; NIX_REMOTE and nix.conf decide which store it used. Without --store nix osmod builds by itself.",
  });
}

/** A text without the colours that Nix gives it. */
export function plain(text: string): string {
  return text.replaceAll(COLOUR, "");
}

const COLOUR = new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*[A-Za-z]`, "g");
