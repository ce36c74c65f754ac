/** `osmod test`: run tests of machines by the vitest of the project, and let somebody operate their machines in between. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { vitestOf, vitestOptions } from "../testing/index.ts";
import { parse, type Syntax } from "./arguments.ts";
import type { Verb } from "./verbs.ts";

const options = {
  interactive: { type: "boolean", short: "i", default: false },
  log: { type: "boolean", default: false },
  console: { type: "boolean", default: false },
  "test-name-pattern": { type: "string", short: "t" },
} as const;

const syntax: Syntax<typeof options> = {
  usage: "osmod test [options] [file.test.ts ...]",
  details: [
    "Runs tests that use osmod/testing, with the vitest of the project in the current directory.",
    "",
    "-i, --interactive               stop when a test's machines are up, and operate them by hand",
    "    --log                       print each step of the machines",
    "    --console                   print each step, and what the machines' consoles show",
    "-t, --test-name-pattern REGEX   only the tests whose names match",
  ],
  options,
};

/** Run the tests; ends as vitest does. */
export const run: Verb = async (argv, signal) => {
  const parsed = parse(syntax, argv);
  if (parsed === undefined) return 0;
  const { values, positionals } = parsed;
  const pattern = values["test-name-pattern"];
  const words = [
    join(vitestOf("."), "vitest.mjs"),
    "run",
    ...vitestOptions,
    ...(pattern === undefined ? [] : [`--testNamePattern=${pattern}`]),
    ...positionals,
  ];
  const log = values.console ? { OSMOD_TEST_LOG: "console" } : values.log ? { OSMOD_TEST_LOG: "steps" } : {};
  if (!values.interactive) return ended(start(words, log, signal));
  const directory = mkdtempSync(join(tmpdir(), "osmod-test-"));
  const socket = join(directory, "terminal");
  const server = await lendTerminal(socket);
  try {
    return await ended(start(words, { ...log, OSMOD_TEST_INTERACTIVE: socket }, signal));
  } finally {
    server.close();
    rmSync(directory, { recursive: true, force: true });
  }
};

function start(words: readonly string[], env: Readonly<Record<string, string>>, signal: AbortSignal): ChildProcess {
  const child = spawn(process.execPath, [...words], {
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, ...env },
  });
  signal.addEventListener("abort", () => child.kill("SIGTERM"), { once: true });
  return child;
}

function ended(child: ChildProcess): Promise<number> {
  return new Promise((resolveWith, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolveWith(code ?? 1));
  });
}

/** Give this terminal to whoever connects, one at a time. */
async function lendTerminal(path: string): Promise<Server> {
  const { stdin, stdout } = process;
  const server = createServer((socket) => {
    if (stdin.isTTY) stdin.setRawMode(true);
    const type = (chunk: Buffer) => void socket.write(chunk);
    stdin.on("data", type);
    stdin.resume();
    socket.on("data", (chunk) => void stdout.write(chunk));
    socket.on("error", () => {});
    socket.on("close", () => {
      if (stdin.isTTY) stdin.setRawMode(false);
      stdin.off("data", type);
      stdin.pause();
    });
  });
  await new Promise<void>((listening) => server.listen(path, listening));
  return server;
}
