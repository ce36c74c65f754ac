/**
 * The text of a `.drv` file: an ATerm, in the one spelling that hashes depend on.
 *
 *     Derive([("out","/nix/store/…","","")],[("/nix/store/….drv",["out"])],["/nix/store/…"],
 *            "x86_64-linux","/nix/store/…/busybox",["sh","-c","…"],[("name","hello"),…])
 *
 * Outputs, input derivations, their output names, sources and environment are sorted by bytes; arguments keep their
 * order. Only `"`, `\`, newline, return and tab are escaped. The parser takes exactly what the printer writes (and any
 * order), and answers everything else with a problem that tells the position.
 */
import { fail, quoted } from "../problems/index.ts";
import { byteOrder } from "./order.ts";

/** One output as a `.drv` file tells it. */
export interface DerivationOutput {
  /** The output's path; empty in the masked form that output paths are computed from. */
  readonly path: string;
  /** `sha256`, `r:sha256`, …; empty unless the output is fixed. */
  readonly hashAlgo: string;
  /** The hash in hex; empty unless the output is fixed. */
  readonly hash: string;
}

/** What a `.drv` file says, as plain data. */
export interface DerivationData {
  readonly outputs: ReadonlyMap<string, DerivationOutput>;
  /** Which outputs of which `.drv` the builder may read. */
  readonly inputDerivations: ReadonlyMap<string, readonly string[]>;
  readonly inputSources: readonly string[];
  readonly system: string;
  readonly builder: string;
  readonly args: readonly string[];
  readonly env: ReadonlyMap<string, string>;
}

/** Print a derivation. */
export function printDerivation(drv: DerivationData): string {
  const outputs = sorted(drv.outputs).map(([name, o]) => tuple(name, o.path, o.hashAlgo, o.hash));
  const inputs = sorted(drv.inputDerivations).map(
    ([path, names]) => `(${quote(path)},${list(strings(sortedSet(names)))})`,
  );
  const env = sorted(drv.env).map(([name, value]) => tuple(name, value));
  return `Derive(${[
    list(outputs),
    list(inputs),
    list(strings(sortedSet(drv.inputSources))),
    quote(drv.system),
    quote(drv.builder),
    list(strings(drv.args)),
    list(env),
  ].join(",")})`;
}

/** Read a derivation; text that is not one is the problem `derivation-malformed`. */
export function parseDerivation(text: string): DerivationData {
  const input = new Input(text);
  input.expect("Derive(");
  const outputs = input.map(() => {
    const path = input.string();
    input.expect(",");
    const hashAlgo = input.string();
    input.expect(",");
    return { path, hashAlgo, hash: input.string() };
  });
  input.expect(",");
  const inputDerivations = input.map(() => input.list(() => input.string()));
  input.expect(",");
  const inputSources = input.list(() => input.string());
  input.expect(",");
  const system = input.string();
  input.expect(",");
  const builder = input.string();
  input.expect(",");
  const args = input.list(() => input.string());
  input.expect(",");
  const env = input.map(() => input.string());
  input.expect(")");
  input.end();
  return { outputs, inputDerivations, inputSources, system, builder, args, env };
}

/** A cursor over the text; every method consumes what it names or throws. */
class Input {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  expect(token: string): void {
    if (!this.#text.startsWith(token, this.#at)) this.#malformed(`expected ${JSON.stringify(token)}`);
    this.#at += token.length;
  }

  end(): void {
    if (this.#at !== this.#text.length) this.#malformed("expected the end of the file");
  }

  string(): string {
    this.expect('"');
    // Most strings have no escape at all: take the run up to the next quote or backslash in one slice.
    let value = "";
    for (;;) {
      const stop = this.#run();
      value += this.#text.slice(this.#at, stop);
      const ended = this.#text[stop] === '"';
      this.#at = stop + 1;
      if (ended) return value;
      value += this.#escaped();
    }
  }

  list<T>(item: () => T): T[] {
    this.expect("[");
    const items: T[] = [];
    if (this.#take("]")) return items;
    do items.push(item());
    while (this.#take(","));
    this.expect("]");
    return items;
  }

  /** A list of tuples whose first member is the key; a key may come once. */
  map<T>(value: () => T): Map<string, T> {
    const result = new Map<string, T>();
    this.list(() => {
      this.expect("(");
      const key = this.string();
      if (result.has(key)) this.#malformed(`${quoted(key)} comes twice`);
      this.expect(",");
      result.set(key, value());
      this.expect(")");
    });
    return result;
  }

  #run(): number {
    for (let i = this.#at; i < this.#text.length; i++) {
      const c = this.#text.charCodeAt(i);
      if (c === 34 || c === 92) return i;
    }
    return this.#malformed("a string does not end");
  }

  #escaped(): string {
    const c = this.#text[this.#at++];
    if (c === undefined) return this.#malformed("a string does not end");
    return { n: "\n", r: "\r", t: "\t" }[c] ?? c;
  }

  #take(token: string): boolean {
    if (!this.#text.startsWith(token, this.#at)) return false;
    this.#at += token.length;
    return true;
  }

  #malformed(why: string): never {
    return fail({
      code: "derivation-malformed",
      message: `not a derivation: ${why} at character ${this.#at}`,
      notes: [`${JSON.stringify(this.#text.slice(this.#at, this.#at + 40))} stands there`],
      fix: "The file is damaged or was not written by a store; remove it and build again.",
    });
  }
}

const ESCAPES: Readonly<Record<string, string>> = { '"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t" };

const ESCAPED = /["\\\n\r\t]/;

function quote(text: string): string {
  // Paths and names, which are most strings, hold nothing to escape.
  if (!ESCAPED.test(text)) return `"${text}"`;
  return `"${text.replace(/["\\\n\r\t]/g, (c) => ESCAPES[c] as string)}"`;
}

function tuple(...members: readonly string[]): string {
  return `(${strings(members).join(",")})`;
}

function strings(items: readonly string[]): string[] {
  return items.map(quote);
}

function list(items: readonly string[]): string {
  return `[${items.join(",")}]`;
}

function sorted<T>(map: ReadonlyMap<string, T>): [string, T][] {
  return [...map].sort(([a], [b]) => byteOrder(a, b));
}

function sortedSet(items: readonly string[]): string[] {
  return [...new Set(items)].sort(byteOrder);
}
