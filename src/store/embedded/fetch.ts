/**
 * `builtin:fetchurl`: the one builder that is part of the store.
 *
 * The variables are those of Nix's builder of that name: `url` says where the file is, `executable` that it gets the x
 * bit, `unpack` that it is a NAR (`.xz` is undone) to be unpacked. `urls`, when given, are tried in order. A transfer
 * that breaks is tried again a few times; what a server says it does not have is not asked for again.
 */
import { createHash, type Hash as Hasher } from "node:crypto";
import { chmodSync, closeSync, createReadStream, openSync, statSync, writeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { fail, ProblemError, problem, quoted } from "../../problems/index.ts";
import { unpackNarStream } from "../nar/unpack.ts";
import type { Derivation } from "../objects.ts";
import { fromXz } from "../xz.ts";
import { type Answer, get } from "./http.ts";
import { checkHash, fixedCheck, publish } from "./publish.ts";
import type { State } from "./state.ts";
import { removeTree } from "./trees.ts";

/** How to fetch. */
export interface FetchOptions {
  readonly signal: AbortSignal;
  readonly onProgress?: (received: number, total: number | undefined) => void;
}

const ATTEMPTS = 4;
const FIRST_PAUSE_MS = 250;
const PROGRESS_EVERY_MS = 100;

/** Download what a derivation asks for, check it, and publish it. */
export async function fetchUrl(state: State, drv: Derivation, options: FetchOptions): Promise<void> {
  const fixed = fixedCheck(drv);
  const urls = (drv.data.env.get("urls") || drv.data.env.get("url") || "").split(/\s+/).filter((url) => url !== "");
  if (fixed === undefined || urls.length === 0) {
    return fail({
      code: "derivation-invalid",
      message: `${drv.name} is fetched but has no ${fixed === undefined ? "hash" : "url"}`,
      fix: "A derivation with the builder `builtin:fetchurl` needs `fixedOutput` and the variable `url`.",
    });
  }
  const flag = (name: string): boolean => drv.data.env.get(name) === "1";
  const [file, tree] = [state.temporaries.next(), state.temporaries.next()];
  try {
    const { digest, url } = await firstThatHasIt(urls, file, fixed.hash.algo, options);
    let made = file;
    if (flag("unpack")) {
      await unpackNarStream(contents(file, url.endsWith(".xz")), tree);
      made = tree;
    }
    // Checked before anything else looks at the file; publishing checks again what was unpacked or made executable.
    else if (fixed.mode === "flat") checkHash({ ...fixed, url }, { algo: fixed.hash.algo, bytes: digest });
    if (flag("executable")) chmodSync(made, 0o755);
    await publish(state, [{ path: drv.outPath, temporary: made }], {
      candidates: [],
      deriver: drv.drvPath,
      signal: options.signal,
      ...(fixed.mode === "recursive" ? { fixed: { ...fixed, url } } : {}),
    });
  } finally {
    removeTree(file);
    removeTree(tree);
  }
}

async function firstThatHasIt(
  urls: readonly string[],
  file: string,
  algo: string,
  options: FetchOptions,
): Promise<{ digest: Uint8Array; url: string }> {
  let last: unknown;
  for (const url of urls) {
    try {
      return { digest: await download(url, file, algo, options), url };
    } catch (error) {
      options.signal.throwIfAborted();
      if (!(error instanceof ProblemError)) throw error;
      last = error;
    }
  }
  throw last;
}

async function download(url: string, file: string, algo: string, options: FetchOptions): Promise<Uint8Array> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await transfer(await open(url, options.signal), file, createHash(algo), options);
    } catch (error) {
      options.signal.throwIfAborted();
      if (error instanceof ProblemError || isLocal(error)) throw error;
      if (attempt === ATTEMPTS || !isTransient(error)) throw failed(url, error, attempt);
      await sleep(FIRST_PAUSE_MS * 2 ** (attempt - 1) * (0.5 + Math.random()), undefined, { signal: options.signal });
    }
  }
}

async function open(url: string, signal: AbortSignal): Promise<Answer> {
  const at = parseUrl(url);
  if (at.protocol === "file:") {
    const path = fileURLToPath(at);
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat === undefined) notFound(url, "there is no such file");
    const body = createReadStream(path);
    return {
      status: 200,
      body: body as AsyncIterable<Uint8Array>,
      discard: () => void body.destroy(),
      length: stat.size,
      url: at,
    };
  }
  const answer = await get(at, signal);
  if (answer.status === 200) return answer;
  answer.discard();
  if (answer.status === 404 || answer.status === 410) notFound(url, `the server answered ${answer.status}`);
  throw new StatusError(answer.status);
}

async function transfer(answer: Answer, file: string, hasher: Hasher, options: FetchOptions): Promise<Uint8Array> {
  const fd = openSync(file, "w", 0o644);
  try {
    let received = 0;
    let told = 0;
    for await (const chunk of answer.body) {
      hasher.update(chunk);
      for (let done = 0; done < chunk.length; ) done += writeSync(fd, chunk, done);
      received += chunk.length;
      const now = performance.now();
      if (now - told < PROGRESS_EVERY_MS) continue;
      told = now;
      options.onProgress?.(received, answer.length);
    }
    if (answer.length !== undefined && received !== answer.length)
      throw Object.assign(new Error(`it ended after ${received} of ${answer.length} bytes`), { code: "ECONNRESET" });
    options.onProgress?.(received, answer.length);
    return hasher.digest();
  } finally {
    closeSync(fd);
  }
}

async function* contents(file: string, compressed: boolean): AsyncGenerator<Uint8Array> {
  const raw = createReadStream(file);
  if (!compressed) return yield* raw as AsyncIterable<Uint8Array>;
  try {
    yield* fromXz(raw as AsyncIterable<Uint8Array>);
  } catch (error) {
    notXz(error);
  }
}

function notXz(error: unknown): never {
  fail(
    {
      code: "compression-damaged",
      message: `what was fetched cannot be unpacked: ${error instanceof Error ? error.message : String(error)}`,
      fix: "The file is damaged, or no xz file; get it from elsewhere.",
    },
    error,
  );
}

function parseUrl(url: string): URL {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed !== undefined && ["http:", "https:", "file:"].includes(parsed.protocol)) return parsed;
  return fail({
    code: "fetch-failed",
    message: `${quoted(url)} cannot be fetched: it is no http, https or file URL`,
    fix: "Correct the variable `url` of the derivation.",
  });
}

/** A status that is neither success nor absence. */
class StatusError extends Error {
  readonly status: number;
  constructor(status: number) {
    super(`the server answered ${status}`);
    this.status = status;
  }
}

function isTransient(error: unknown): boolean {
  if (error instanceof StatusError) return error.status >= 500 || error.status === 408 || error.status === 429;
  const { code } = error as { code?: string };
  // A name that does not exist, a circle of redirects or a certificate that does not fit will not change in a second.
  return code === undefined || !(["ENOTFOUND", "ERR_REDIRECTS"].includes(code) || /ERR_TLS|CERT/.test(code));
}

/** True for errors of our own disk. */
function isLocal(error: unknown): boolean {
  return ["ENOSPC", "EDQUOT", "EACCES", "EROFS", "EIO"].includes((error as { code?: string }).code ?? "");
}

function notFound(url: string, why: string): never {
  return fail({
    code: "fetch-not-found",
    message: `${url} is not there: ${why}`,
    fix: "The file was moved or superseded. Use a mirror or dated snapshot that still has it, or move on to the version that replaced it.",
  });
}

function failed(url: string, error: unknown, attempts: number): ProblemError {
  const tried = attempts === 1 ? "" : ` (${attempts} attempts)`;
  const message = `${url} cannot be fetched: ${reason(error)}${tried}`;
  const fix =
    "Check the network, and http_proxy or https_proxy if this machine needs a proxy; then run the same command again (what was fetched is kept), or choose another mirror.";
  return new ProblemError([problem({ code: "fetch-failed", message, fix })], { cause: error });
}

function reason(error: unknown): string {
  const { code, hostname, address, port, message } = error as {
    code?: string;
    hostname?: string;
    address?: string;
    port?: number;
    message?: string;
  };
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") return `the name ${hostname} cannot be resolved`;
  if (code === "ECONNREFUSED") return `nothing answers at ${address}:${port}`;
  if (code === "ENETUNREACH" || code === "EHOSTUNREACH") return "the network cannot be reached";
  // Happy eyeballs gathers one error per address and says nothing itself.
  if (error instanceof AggregateError && error.errors.length > 0) return reason(error.errors[0]);
  return message || code || String(error);
}
