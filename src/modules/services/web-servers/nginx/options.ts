/**
 * Options of nginx's virtual hosts, their locations, and upstreams.
 */
import { mkOption, t } from "../../../../lib/index.ts";
import { directive } from "../../../system/boot/systemd/unit-types.ts";

const optional = (description: string, example: string) =>
  mkOption({ type: t.nullOr(t.singleLineStr), default: null, description, example });
const flag = (description: string, standard = false) =>
  mkOption({ type: t.bool, default: standard, description, example: !standard });
const basicAuth = {
  basicAuth: mkOption({
    type: t.attrsOf(t.str),
    default: {},
    description:
      "Users and their passwords, as clear text. They end up, readable by everybody, in the store: use `basicAuthFile` " +
      "for passwords that matter.",
    example: { guest: "guest" },
  }),
  basicAuthFile: mkOption({
    type: t.nullOr(t.path),
    default: null,
    description: "File of the machine with users and hashed passwords, as htpasswd writes it.",
    example: "/var/lib/secrets/htpasswd",
  }),
};

/** Options of `services.nginx.virtualHosts.<name>.locations.<path>`. */
export const locationOptions = {
  ...basicAuth,
  proxyPass: optional(
    "Address of the server that answers, with `recommendedProxySettings` if those are on.",
    "http://127.0.0.1:3000",
  ),
  proxyWebsockets: flag("Whether WebSocket connections are passed on as well."),
  recommendedProxySettings: mkOption({
    type: t.nullOr(t.bool),
    default: null,
    description:
      "Whether the headers of `services.nginx.recommendedProxySettings` are set here; `null` follows that option.",
    example: false,
  }),
  root: mkOption({
    type: t.nullOr(t.path),
    default: null,
    description: "Directory that requests are answered from; the request's path is appended.",
    example: "/srv/www",
  }),
  alias: mkOption({
    type: t.nullOr(t.path),
    default: null,
    description: "Directory that takes the place of the location's path.",
    example: "/srv/images",
  }),
  index: optional("Files to answer requests for directories with.", "index.html"),
  tryFiles: optional("Files to look for one after the other, and what to do if there is none.", "$uri $uri/ =404"),
  return: mkOption({
    type: t.nullOr(t.either(t.singleLineStr, t.ints.between(100, 599))),
    default: null,
    description: "Status, with an address or a text, to answer every request with.",
    example: "301 https://example.org$request_uri",
  }),
  extraConfig: mkOption({
    type: t.lines,
    default: "",
    description: "Further directives of the location.",
    example: "expires 1h;",
  }),
  priority: mkOption({
    type: t.int,
    default: 1000,
    description: "Place among the locations: lower comes first. Matters for locations that are regular expressions.",
    example: 900,
  }),
};

/** Options of `services.nginx.virtualHosts.<name>`. */
export const virtualHostOptions = {
  ...basicAuth,
  serverName: mkOption({
    type: t.nullOr(t.singleLineStr),
    default: null,
    defaultText: "<name>",
    description: "Name that requests ask for; `_` for none.",
    example: "example.org",
  }),
  serverAliases: mkOption({
    type: t.listOf(t.singleLineStr),
    default: [],
    description: "Further names.",
    example: ["www.example.org"],
  }),
  default: flag("Whether this host answers requests for names that no host has."),
  listen: mkOption({
    type: t.listOf(
      t.submodule({
        addr: mkOption({ type: t.str, description: "Address; `unix:` and a path for a socket.", example: "127.0.0.1" }),
        port: mkOption({ type: t.nullOr(t.port), default: null, description: "Port.", example: 8080 }),
        ssl: flag("Whether TLS is spoken."),
        extraParameters: mkOption({
          type: t.listOf(t.singleLineStr),
          default: [],
          description: "Further parameters of the `listen` directive.",
          example: ["backlog=1024"],
        }),
      }),
    ),
    default: [],
    description: "Where to listen; empty for port 80, and 443 with TLS, of all addresses.",
    example: [{ addr: "127.0.0.1", port: 8080 }],
  }),
  addSSL: flag("Whether the host also speaks TLS."),
  onlySSL: flag("Whether the host speaks TLS only."),
  forceSSL: flag("Whether requests without TLS are sent on to TLS."),
  sslCertificate: mkOption({
    type: t.nullOr(t.path),
    default: null,
    description: "File of the machine with the certificate and its chain.",
    example: "/var/lib/acme/example.org/fullchain.pem",
  }),
  sslCertificateKey: mkOption({
    type: t.nullOr(t.path),
    default: null,
    description: "File of the machine with the certificate's private key.",
    example: "/var/lib/acme/example.org/key.pem",
  }),
  sslTrustedCertificate: mkOption({
    type: t.nullOr(t.path),
    default: null,
    description: "File with the certificates that answers about revocation are checked against.",
    example: "/etc/ssl/certs/ca-certificates.crt",
  }),
  http2: flag("Whether TLS connections may speak HTTP/2.", true),
  globalRedirect: optional("Host that every request is sent on to.", "new.example.org"),
  root: locationOptions.root,
  locations: mkOption({
    type: t.attrsOf(t.submodule(locationOptions)),
    default: {},
    description: "What to do with requests, by path: a prefix, `= /exact`, `~ regular expression`, `@name`.",
    example: { "/": { proxyPass: "http://127.0.0.1:3000" } },
  }),
  extraConfig: mkOption({
    type: t.lines,
    default: "",
    description: "Further directives of the host.",
    example: "access_log off;",
  }),
};

/** Options of `services.nginx.upstreams.<name>`. */
export const upstreamOptions = {
  servers: mkOption({
    type: t.attrsOf(
      t.freeform({ backup: flag("Whether the server is only asked when the others are down.") }, directive),
    ),
    default: {},
    description: "Servers, by address; their settings are parameters of the `server` directive.",
    example: { "127.0.0.1:3000": { weight: 2 }, "127.0.0.1:3001": { backup: true } },
  }),
  extraConfig: mkOption({
    type: t.lines,
    default: "",
    description: "Further directives of the upstream.",
    example: "keepalive 16;",
  }),
};
