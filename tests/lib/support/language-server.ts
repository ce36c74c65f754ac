/** A client of TypeScript's language server over stdio: what an editor does, in as few words as tests need. */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

/** What is asked for. */
export interface Position {
  readonly line: number;
  readonly character: number;
}
/** What is wrong. */
export interface Diagnostic {
  readonly range: { readonly start: Position };
  /** 1 for errors; unused names are hints. */
  readonly severity?: number;
  readonly message: string;
  readonly code?: number | string;
}
interface Message {
  readonly id?: number | string;
  readonly method?: string;
  readonly params?: unknown;
  readonly result?: unknown;
  readonly error?: { readonly message: string };
}

/** One server, with a project open in it. */
export class LanguageServer {
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  #buffer = Buffer.alloc(0);
  #next = 1;
  #version = 1;

  private constructor(process: ChildProcess) {
    this.#process = process;
    process.stdout?.on("data", (data: Buffer) => this.#receive(data));
    process.on("exit", () => {
      for (const { reject } of this.#waiting.values()) reject(new Error("the language server ended"));
    });
  }

  /** Start one for the project in a directory; `root` is where TypeScript is installed. */
  static async start(root: string, directory: string): Promise<LanguageServer> {
    const tsc = join(root, "node_modules/typescript/bin/tsc");
    const child = spawn(process.execPath, [tsc, "--lsp", "--stdio"], {
      cwd: directory,
      stdio: ["pipe", "pipe", "ignore"],
    });
    const server = new LanguageServer(child);
    const uri = pathToFileURL(directory).href;
    await server.ask("initialize", {
      processId: process.pid,
      rootUri: uri,
      workspaceFolders: [{ uri, name: "test" }],
      capabilities: { textDocument: { hover: { contentFormat: ["markdown"] }, diagnostic: {}, completion: {} } },
    });
    server.#tell("initialized", {});
    return server;
  }

  /** Open a file, or replace the text of an open one. */
  open(file: string, text: string): void {
    const uri = pathToFileURL(file).href;
    const version = this.#version++;
    if (version === 1) {
      this.#tell("textDocument/didOpen", { textDocument: { uri, languageId: "typescript", version, text } });
    } else {
      this.#tell("textDocument/didChange", { textDocument: { uri, version }, contentChanges: [{ text }] });
    }
  }

  /** The names offered at a position. */
  async completions(file: string, position: Position): Promise<string[]> {
    const result = (await this.ask("textDocument/completion", {
      textDocument: { uri: pathToFileURL(file).href },
      position,
    })) as { items: { label: string }[] } | { label: string }[] | null;
    const items = Array.isArray(result) ? result : (result?.items ?? []);
    return items.map(({ label }) => label.replace(/\?$/, ""));
  }

  /** What hovering over a position shows. */
  async hover(file: string, position: Position): Promise<string> {
    const result = (await this.ask("textDocument/hover", {
      textDocument: { uri: pathToFileURL(file).href },
      position,
    })) as { contents: { value: string } | string } | null;
    const contents = result?.contents ?? "";
    return typeof contents === "string" ? contents : contents.value;
  }

  /** The lines (from 0) that "go to definition" leads to. */
  async definitions(file: string, position: Position): Promise<number[]> {
    const result = (await this.ask("textDocument/definition", {
      textDocument: { uri: pathToFileURL(file).href },
      position,
    })) as { range: { start: Position } } | { range: { start: Position } }[] | null;
    return [result ?? []].flat().map(({ range }) => range.start.line);
  }

  /** What is wrong with a file. */
  async diagnostics(file: string): Promise<readonly Diagnostic[]> {
    const result = await this.ask("textDocument/diagnostic", { textDocument: { uri: pathToFileURL(file).href } });
    return (result as { items: Diagnostic[] }).items;
  }

  ask(method: string, params: unknown): Promise<unknown> {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#send({ id, method, params });
    });
  }

  async stop(): Promise<void> {
    await this.ask("shutdown", undefined);
    this.#tell("exit", undefined);
    this.#process.kill();
  }

  #tell(method: string, params: unknown): void {
    this.#send({ method, params });
  }

  #send(message: Message): void {
    const text = JSON.stringify({ jsonrpc: "2.0", ...message });
    this.#process.stdin?.write(`Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`);
  }

  #receive(data: Buffer): void {
    this.#buffer = Buffer.concat([this.#buffer, data]);
    for (;;) {
      const end = this.#buffer.indexOf("\r\n\r\n");
      const length = Number(/Content-Length: (\d+)/i.exec(this.#buffer.subarray(0, Math.max(end, 0)).toString())?.[1]);
      if (end < 0 || this.#buffer.length < end + 4 + length) return;
      const text = this.#buffer.subarray(end + 4, end + 4 + length).toString();
      this.#buffer = this.#buffer.subarray(end + 4 + length);
      this.#handle(JSON.parse(text) as Message);
    }
  }

  #handle(message: Message): void {
    if (message.method !== undefined) {
      // Whatever the server wants to know of its editor, there is nothing to tell.
      if (message.id !== undefined) this.#send({ id: message.id, result: null });
      return;
    }
    const waiting = this.#waiting.get(message.id as number);
    this.#waiting.delete(message.id as number);
    if (message.error === undefined) waiting?.resolve(message.result);
    else waiting?.reject(new Error(message.error.message));
  }
}
