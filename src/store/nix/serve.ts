/**
 * A session with `nix-store --serve --write`, which is how Nix itself puts paths into the store of another machine.
 *
 * Of the ways into Nix's store it is the one that keeps every path and works for everybody. An export stream
 * (`--import`) carries no content address, so a daemon takes it from trusted users only; `--add` knows no `.drv` with
 * references; evaluating an expression would have Nix make the derivation anew and need one command for each. Here each
 * object comes with its content address, from which any store can see that the path is right, and one process takes
 * them all, keeping what it was given from being collected as long as it lives.
 */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { ProblemError } from "../../problems/index.ts";
import { parseHash, toHex } from "../hash.ts";
import type { StorePath } from "../path.ts";
import { failed, type NixEnvironment, notStarted } from "./command.ts";
import { number, string, strings, WireReader, write } from "./wire.ts";

const CLIENT_MAGIC = 0x390c9deb;
const SERVER_MAGIC = 0x5452eecb;
/** 2.6, which every Nix since 2.4 understands. */
const VERSION = 0x206;

const QUERY_VALID_PATHS = 1;
const ADD_TO_STORE_NAR = 9;

/** An object and what proves its path. */
export interface Addition {
  readonly path: StorePath;
  /** SRI. */
  readonly narHash: string;
  readonly narSize: number;
  readonly references: readonly StorePath[];
  /** `text:sha256:…` or `fixed:r:sha256:…`, in base 32. */
  readonly contentAddress: string;
}

/** One session. Every method may throw `nix-failed`; the session is of no use then. */
export class NixSession {
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #reader: WireReader;
  readonly #closed: Promise<void>;

  /** Begin; the signal ends it. Problems: `nix-missing`, `nix-failed`. */
  static async open(env: NixEnvironment, signal: AbortSignal | undefined): Promise<NixSession> {
    const session = new NixSession(env, signal);
    await write(session.#child.stdin, Buffer.concat([number(CLIENT_MAGIC), number(VERSION)]));
    if ((await session.#reader.number()) !== SERVER_MAGIC) throw new Error("nix-store --serve does not answer as Nix");
    await session.#reader.number();
    return session;
  }

  private constructor(env: NixEnvironment, signal: AbortSignal | undefined) {
    this.#child = spawn("nix-store", ["--serve", "--write"], {
      env: { ...env },
      stdio: ["pipe", "pipe", "pipe"],
      ...(signal === undefined ? {} : { signal }),
    });
    this.#reader = new WireReader(this.#child.stdout);
    let words = "";
    this.#child.stderr.setEncoding("utf8").on("data", (text: string) => {
      words = (words + text).slice(-16_384);
    });
    // Writing to a process that ended is told by its end.
    this.#child.stdin.on("error", () => {});
    this.#closed = new Promise((resolve) => {
      this.#child.once("error", (error) => this.#reader.end(notStarted(error)));
      this.#child.once("close", (_code, killedBy) => {
        this.#reader.end(new ProblemError([failed("nix-store --serve", words, killedBy)]));
        resolve();
      });
    });
  }

  /** Which of the paths are valid. They are kept from being collected until the session ends. */
  async valid(paths: readonly StorePath[]): Promise<ReadonlySet<StorePath>> {
    await write(
      this.#child.stdin,
      Buffer.concat([number(QUERY_VALID_PATHS), number(1), number(0), strings([...paths])]),
    );
    return new Set(await this.#reader.strings());
  }

  /** Add an object whose references are valid. */
  async add(addition: Addition, archive: Iterable<Uint8Array>): Promise<void> {
    const { path, narHash, narSize, references, contentAddress } = addition;
    const deriver = "";
    const [registrationTime, ultimate] = [0, 0];
    const head = [
      number(ADD_TO_STORE_NAR),
      string(path),
      string(deriver),
      string(toHex(parseHash(narHash, "sha256"))),
      strings(references),
      number(registrationTime),
      number(narSize),
      number(ultimate),
      strings([]),
      string(contentAddress),
    ];
    await write(this.#child.stdin, Buffer.concat(head));
    for (const chunk of archive) await write(this.#child.stdin, chunk);
    const added = await this.#reader.number();
    if (added !== 1) throw new ProblemError([failed("nix-store --serve", `error: ${path} was not taken`)]);
  }

  /** End the session and wait until it has ended. */
  async close(): Promise<void> {
    this.#child.stdin.end();
    await this.#closed;
  }
}
