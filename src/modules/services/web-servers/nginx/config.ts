/**
 * From the options of nginx to nginx.conf. Pure.
 *
 * Values that are one word (names, paths) are quoted when they need it. Values that are several words by nature
 * (`tryFiles`, `return`) are taken as they are, but may not end their directive: a `;` or a brace in them would let one
 * option change the meaning of another.
 */
import type { Values } from "../../../../lib/index.ts";
import { fail } from "../../../../problems/index.ts";
import type { locationOptions, upstreamOptions, virtualHostOptions } from "./options.ts";

export type Location = Values<typeof locationOptions>;
export type VirtualHost = Values<typeof virtualHostOptions>;
export type Upstream = Values<typeof upstreamOptions>;
/** A place to listen at. */
export type Listen = VirtualHost["listen"][number];

/** What all hosts have in common. */
export interface HostDefaults {
  readonly addresses: readonly string[];
  readonly port: number;
  readonly sslPort: number;
  readonly recommendedProxySettings: boolean;
  /** Put passwords into a file in the store, and say where it is. */
  readonly passwordFile: (users: { readonly [name: string]: string }) => string;
}

/** Headers that tell the server behind a proxy what the client asked for. */
export const proxyHeaders = [
  "proxy_set_header Host $host;",
  "proxy_set_header X-Real-IP $remote_addr;",
  "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
  "proxy_set_header X-Forwarded-Proto $scheme;",
  "proxy_set_header X-Forwarded-Host $host;",
  "proxy_set_header X-Forwarded-Server $hostname;",
];

/** Write a block: a head, and indented lines between braces. */
export function block(head: string, lines: readonly string[]): string[] {
  return [
    `${head} {`,
    ...lines.flatMap((line) => line.split("\n")).map((line) => (line === "" ? "" : `  ${line}`)),
    "}",
  ];
}

/** Quote one word, if nginx would take it for anything else. */
export function word(value: string): string {
  return /^[^\s"'\\{};#]+$/.test(value) ? value : `"${value.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}

/** Write an upstream. */
export function renderUpstream(name: string, upstream: Upstream): string[] {
  const parameters = (server: Upstream["servers"][string]): string =>
    Object.entries(server)
      .filter(([, value]) => value !== null && value !== false)
      .map(([key, value]) => (value === true ? ` ${key}` : ` ${key}=${String(value)}`))
      .join("");
  return block(`upstream ${word(name)}`, [
    ...Object.entries(upstream.servers).map(([address, server]) => `server ${word(address)}${parameters(server)};`),
    ...text(upstream.extraConfig),
  ]);
}

/** Write the server blocks of a virtual host: one, or two when requests without TLS are sent on. */
export function renderHost(name: string, host: VirtualHost, defaults: HostDefaults): string[] {
  const option = `services.nginx.virtualHosts.${JSON.stringify(name)}`;
  const listens = host.listen.length > 0 ? host.listen : standardListens(host, defaults);
  const names = [`server_name ${[host.serverName ?? name, ...host.serverAliases].map(word).join(" ")};`];
  const plain = listens.filter((listen) => !listen.ssl);
  const listenLines = (all: readonly Listen[]) =>
    all.map((listen) => `listen ${listenArguments(listen, host.default)};`);
  const redirect = host.forceSSL
    ? block("server", [
        ...listenLines(plain),
        ...names,
        ...block("location /", ["return 301 https://$host$request_uri;"]),
      ])
    : [];
  return [
    ...redirect,
    ...block("server", [
      ...listenLines(host.forceSSL ? listens.filter((listen) => listen.ssl) : listens),
      ...names,
      ...(usesSSL(host) ? sslLines(host) : []),
      ...(host.root === null ? [] : [`root ${word(host.root)};`]),
      ...(host.globalRedirect === null
        ? []
        : block("location /", [
            `return 301 ${usesSSL(host) ? "https" : "$scheme"}://${checked(option, host.globalRedirect)}$request_uri;`,
          ])),
      ...authLines(host, defaults),
      ...Object.entries(host.locations)
        .sort(([a, first], [b, second]) => first.priority - second.priority || (a < b ? -1 : 1))
        .flatMap(([path, location]) => renderLocation(option, path, location, defaults)),
      ...text(host.extraConfig),
    ]),
  ];
}

/** True when a host speaks TLS. */
export function usesSSL(host: {
  readonly addSSL: boolean;
  readonly onlySSL: boolean;
  readonly forceSSL: boolean;
}): boolean {
  return host.addSSL || host.onlySSL || host.forceSSL;
}

function renderLocation(host: string, path: string, location: Location, defaults: HostDefaults): string[] {
  const option = `${host}.locations.${JSON.stringify(path)}`;
  const [, modifier = "", rest = ""] = /^(=|~\*|~|\^~)?\s*(.*)$/s.exec(path) ?? [];
  const headers = location.recommendedProxySettings ?? defaults.recommendedProxySettings;
  return block(`location ${modifier === "" ? "" : `${modifier} `}${word(rest)}`, [
    ...(location.proxyPass === null
      ? []
      : [
          `proxy_pass ${word(location.proxyPass)};`,
          ...(location.proxyWebsockets
            ? [
                "proxy_http_version 1.1;",
                "proxy_set_header Upgrade $http_upgrade;",
                "proxy_set_header Connection $connection_upgrade;",
              ]
            : []),
          ...(headers ? proxyHeaders : []),
        ]),
    ...(location.root === null ? [] : [`root ${word(location.root)};`]),
    ...(location.alias === null ? [] : [`alias ${word(location.alias)};`]),
    ...(location.index === null ? [] : [`index ${checked(`${option}.index`, location.index)};`]),
    ...(location.tryFiles === null ? [] : [`try_files ${checked(`${option}.tryFiles`, location.tryFiles)};`]),
    ...(location.return === null ? [] : [`return ${checked(`${option}.return`, String(location.return))};`]),
    ...authLines(location, defaults),
    ...text(location.extraConfig),
  ]);
}

function standardListens(host: VirtualHost, defaults: HostDefaults): readonly Listen[] {
  return defaults.addresses.flatMap((addr) => [
    ...(host.onlySSL ? [] : [{ addr, port: defaults.port, ssl: false, extraParameters: [] }]),
    ...(usesSSL(host) ? [{ addr, port: defaults.sslPort, ssl: true, extraParameters: [] }] : []),
  ]);
}

function listenArguments(listen: Listen, isDefault: boolean): string {
  const address = listen.addr.includes(":") && !/^(\[|unix:)/.test(listen.addr) ? `[${listen.addr}]` : listen.addr;
  return [
    word(listen.port === null ? address : `${address}:${listen.port}`),
    ...(isDefault ? ["default_server"] : []),
    ...(listen.ssl ? ["ssl"] : []),
    ...listen.extraParameters.map(word),
  ].join(" ");
}

function sslLines(host: VirtualHost): string[] {
  const file = (directive: string, path: string | null) => (path === null ? [] : [`${directive} ${word(path)};`]);
  return [
    ...(host.http2 ? ["http2 on;"] : []),
    ...file("ssl_certificate", host.sslCertificate),
    ...file("ssl_certificate_key", host.sslCertificateKey),
    ...file("ssl_trusted_certificate", host.sslTrustedCertificate),
  ];
}

function authLines(
  place: { readonly basicAuth: { readonly [name: string]: string }; readonly basicAuthFile: string | null },
  defaults: HostDefaults,
): string[] {
  const file =
    place.basicAuthFile ?? (Object.keys(place.basicAuth).length === 0 ? null : defaults.passwordFile(place.basicAuth));
  return file === null ? [] : ["auth_basic secured;", `auth_basic_user_file ${word(file)};`];
}

/** Let several words pass unless they would end the directive they are the arguments of. */
function checked(option: string, words: string): string {
  const unquoted = words.replace(/"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|\$\{\w+\}/gs, "");
  if (/[;{}"'\n\r]/.test(unquoted)) {
    fail({
      code: "nginx-value-ends-directive",
      option,
      message: `${option} would end its directive: ${JSON.stringify(words)}`,
      notes: ["A semicolon, a brace or a lone quote stands outside of quotes."],
      fix: "Quote the text that holds it, or write whole directives in extraConfig.",
    });
  }
  return words;
}

function text(lines: string): string[] {
  return lines.trim() === "" ? [] : [lines.trimEnd()];
}
