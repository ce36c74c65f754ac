/**
 * HTTP, as much as downloads need: GET, redirects, proxies from the environment, time limits.
 *
 * Node's `fetch` is not used because it offers no proxies before Node 24 and undoes content encodings, which would
 * change the bytes that are hashed.
 */
import http, { type IncomingMessage, type RequestOptions } from "node:http";
import https from "node:https";
import { connect as connectTls } from "node:tls";

/** A response whose body has not been read. */
export interface Answer {
  readonly status: number;
  readonly body: AsyncIterable<Uint8Array>;
  /** Let go of a body that nobody will read, so that its connection serves others. */
  readonly discard: () => void;
  /** Length of the body, when the server tells. */
  readonly length?: number;
  /** Where redirects led. */
  readonly url: URL;
}

const MAX_REDIRECTS = 10;

/** Silence of this length ends a transfer. */
const IDLE_MS = 30_000;

const AGENTS = {
  http: new http.Agent({ keepAlive: true, maxSockets: 16 }),
  https: new https.Agent({ keepAlive: true, maxSockets: 16 }),
};

/** GET a URL, following redirects. Connection errors are thrown as Node throws them. */
export async function get(url: URL, signal: AbortSignal): Promise<Answer> {
  let at = url;
  for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
    const message = await request(at, signal);
    const status = message.statusCode ?? 0;
    const { location } = message.headers;
    if (status >= 300 && status < 400 && status !== 304 && location !== undefined) {
      message.resume();
      at = new URL(location, at);
      continue;
    }
    const length = message.headers["content-length"];
    const discard = (): void => void message.resume();
    return { status, body: message, discard, url: at, ...(length === undefined ? {} : { length: Number(length) }) };
  }
  throw Object.assign(new Error(`more than ${MAX_REDIRECTS} redirects`), { code: "ERR_REDIRECTS" });
}

/** The proxy that the environment names for a URL, as curl reads it. */
export function proxyFor(url: URL, env: Readonly<Record<string, string | undefined>> = process.env): URL | undefined {
  const either = (name: string): string | undefined => env[name] || env[name.toUpperCase()] || undefined;
  // Upper-case HTTP_PROXY is ignored, as by curl: a CGI program gets it from a request's header.
  const named = url.protocol === "https:" ? either("https_proxy") : env["http_proxy"] || undefined;
  const proxy = named ?? either("all_proxy");
  if (proxy === undefined) return undefined;
  const exempt = (either("no_proxy") ?? "").split(/[\s,]+/).filter((entry) => entry !== "");
  const host = url.hostname.toLowerCase();
  for (const entry of exempt) {
    const name = entry.toLowerCase().replace(/^\*?\./, "");
    if (entry === "*" || host === name || host.endsWith(`.${name}`)) return undefined;
  }
  return new URL(proxy.includes("://") ? proxy : `http://${proxy}`);
}

async function request(url: URL, signal: AbortSignal): Promise<IncomingMessage> {
  const headers: Record<string, string> = { "user-agent": "osmod", accept: "*/*", "accept-encoding": "identity" };
  const proxy = proxyFor(url);
  if (url.protocol === "https:") {
    if (proxy === undefined) return send(https, url, { agent: AGENTS.https, headers }, signal);
    const socket = await tunnel(proxy, url, signal);
    return send(https, url, { agent: false, headers, createConnection: () => socket }, signal);
  }
  if (proxy === undefined) return send(http, url, { agent: AGENTS.http, headers }, signal);
  const options = {
    agent: AGENTS.http,
    path: url.href,
    headers: { ...headers, host: url.host, ...authorization(proxy) },
  };
  return send(http, proxy, options, signal);
}

function send(
  module: typeof http | typeof https,
  url: URL,
  options: RequestOptions,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const sent = module.request(url, { ...options, signal }, resolve);
    sent.once("error", reject);
    sent.setTimeout(IDLE_MS, () => sent.destroy(timeout()));
    sent.end();
  });
}

/** A TLS connection to the URL's host through a proxy. */
async function tunnel(proxy: URL, url: URL, signal: AbortSignal): Promise<ReturnType<typeof connectTls>> {
  const target = `${url.hostname}:${url.port || "443"}`;
  return new Promise((resolve, reject) => {
    const options = {
      method: "CONNECT",
      path: target,
      headers: { host: target, ...authorization(proxy) },
      agent: false,
    };
    const sent = http.request(proxy, { ...options, signal });
    sent.once("error", reject);
    sent.setTimeout(IDLE_MS, () => sent.destroy(timeout()));
    sent.once("connect", (answer, socket) => {
      if (answer.statusCode === 200) resolve(connectTls({ socket, servername: url.hostname }));
      else reject(new Error(`the proxy ${proxy.host} answered ${answer.statusCode} to CONNECT ${target}`));
    });
    sent.end();
  });
}

function authorization(proxy: URL): Record<string, string> {
  if (proxy.username === "") return {};
  const pair = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
  return { "proxy-authorization": `Basic ${Buffer.from(pair).toString("base64")}` };
}

function timeout(): Error {
  return Object.assign(new Error(`nothing came for ${IDLE_MS / 1000} seconds`), { code: "ETIMEDOUT" });
}
