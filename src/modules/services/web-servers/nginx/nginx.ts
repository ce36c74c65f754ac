/**
 * nginx: a web server and reverse proxy.
 *
 * The configuration is a file in the store, given to nginx by name, so that the unit changes when and only when the
 * configuration does. The daemon runs as its own user from the start; ports below 1024 come with a capability.
 */
import {
  declareOptions,
  define,
  defineModule,
  mkEnableOption,
  mkIf,
  mkOption,
  t,
  type Values,
} from "../../../../lib/index.ts";
import type { Std } from "../../../index.ts";
import { packageType } from "../../../types.ts";
import { block, type HostDefaults, renderHost, renderUpstream, usesSSL } from "./config.ts";
import { upstreamOptions, virtualHostOptions } from "./options.ts";

const recommended = (what: string) =>
  mkOption({ type: t.bool, default: false, description: `Whether to use ${what}.`, example: true });
const lines = (description: string, example: string) => mkOption({ type: t.lines, default: "", description, example });

const nginxOptions = {
  enable: mkEnableOption("nginx, a web server and reverse proxy"),
  package: mkOption({
    type: packageType,
    defaultText: "pkgs.nginx",
    description: "The package to use.",
    example: "pkgs.nginx",
  }),
  user: mkOption({
    type: t.nonEmptyStr,
    default: "nginx",
    description: "User that nginx runs as.",
    example: "www-data",
  }),
  group: mkOption({
    type: t.nonEmptyStr,
    default: "nginx",
    description: "Group that nginx runs as.",
    example: "www-data",
  }),
  openFirewall: mkOption({
    type: t.bool,
    default: false,
    description: "Whether the ports that the virtual hosts listen at are open in the firewall.",
    example: true,
  }),
  recommendedGzipSettings: recommended("compression of what compresses well"),
  recommendedOptimisation: recommended("settings that save system calls and packets"),
  recommendedProxySettings: recommended("headers that tell servers behind the proxy what the client asked for"),
  recommendedTlsSettings: recommended("modern TLS settings"),
  proxyTimeout: mkOption({
    type: t.singleLineStr,
    default: "60s",
    description: "How long servers behind the proxy may take; used by `recommendedProxySettings`.",
    example: "20s",
  }),
  sslProtocols: mkOption({
    type: t.singleLineStr,
    default: "TLSv1.2 TLSv1.3",
    description: "Versions of TLS to speak.",
    example: "TLSv1.3",
  }),
  clientMaxBodySize: mkOption({
    type: t.strMatching("[0-9]+[kKmMgG]?"),
    default: "10m",
    description: "Largest request that is accepted.",
    example: "1g",
  }),
  serverTokens: mkOption({
    type: t.bool,
    default: false,
    description: "Whether answers say which version of nginx gives them.",
    example: true,
  }),
  defaultListenAddresses: mkOption({
    type: t.listOf(t.str),
    defaultText: '["0.0.0.0"], and "[::]" with IPv6',
    description: "Addresses that virtual hosts listen at.",
    example: ["10.0.0.12"],
  }),
  defaultHTTPListenPort: mkOption({
    type: t.port,
    default: 80,
    description: "Port that virtual hosts listen at.",
    example: 8080,
  }),
  defaultSSLListenPort: mkOption({
    type: t.port,
    default: 443,
    description: "Port that virtual hosts with TLS listen at.",
    example: 8443,
  }),
  logError: mkOption({
    type: t.singleLineStr,
    default: "stderr",
    description: "Where errors go to, and from which severity.",
    example: "stderr debug",
  }),
  appendConfig: lines("Further directives outside of all blocks.", "worker_processes auto;"),
  eventsConfig: lines("Directives of the `events` block.", "worker_connections 4096;"),
  commonHttpConfig: lines(
    "Directives at the start of the `http` block; the place for log formats.",
    "resolver 127.0.0.1;",
  ),
  appendHttpConfig: lines("Directives at the end of the `http` block.", "include /var/lib/sites/*.conf;"),
  streamConfig: lines("Directives of a `stream` block.", "server { listen 53 udp; proxy_pass 10.0.0.1:53; }"),
  config: lines("The whole configuration, in place of all other options.", "events { }\nhttp { }"),
  upstreams: mkOption({
    type: t.attrsOf(t.submodule(upstreamOptions)),
    default: {},
    description: "Groups of servers to pass requests to, by name.",
    example: { app: { servers: { "127.0.0.1:3000": {} } } },
  }),
  virtualHosts: mkOption({
    type: t.attrsOf(t.submodule(virtualHostOptions)),
    default: {},
    description: "Web sites, by name.",
    example: { "example.org": { root: "/srv/www" } },
  }),
};

export const options = declareOptions({ services: { nginx: nginxOptions } });

type NginxValue = Values<Omit<typeof nginxOptions, "package">>;

/** Write nginx.conf. */
export function renderNginxConfig(cfg: NginxValue, passwordFile: HostDefaults["passwordFile"]): string {
  if (cfg.config !== "") return `${frame(cfg)}${cfg.config.trimEnd()}\n`;
  const defaults: HostDefaults = {
    addresses: cfg.defaultListenAddresses,
    port: cfg.defaultHTTPListenPort,
    sslPort: cfg.defaultSSLListenPort,
    recommendedProxySettings: cfg.recommendedProxySettings,
    passwordFile,
  };
  const http = [
    "include /etc/nginx/mime.types;",
    "default_type application/octet-stream;",
    "types_hash_max_size 4096;",
    "access_log /var/log/nginx/access.log;",
    ...["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
      (kind) => `${kind}_temp_path /var/cache/nginx/${kind};`,
    ),
    ...given(cfg.commonHttpConfig),
    ...(cfg.recommendedOptimisation
      ? ["sendfile on;", "tcp_nopush on;", "tcp_nodelay on;", "keepalive_timeout 65;"]
      : []),
    `ssl_protocols ${cfg.sslProtocols};`,
    ...(cfg.recommendedTlsSettings
      ? [
          "ssl_session_timeout 1d;",
          "ssl_session_cache shared:SSL:10m;",
          "ssl_session_tickets off;",
          "ssl_prefer_server_ciphers off;",
        ]
      : []),
    ...(cfg.recommendedGzipSettings ? gzip : []),
    ...(cfg.recommendedProxySettings
      ? [
          "proxy_redirect off;",
          `proxy_connect_timeout ${cfg.proxyTimeout};`,
          `proxy_send_timeout ${cfg.proxyTimeout};`,
          `proxy_read_timeout ${cfg.proxyTimeout};`,
          "proxy_http_version 1.1;",
        ]
      : []),
    ...block("map $http_upgrade $connection_upgrade", ["default upgrade;", "'' close;"]),
    `client_max_body_size ${cfg.clientMaxBodySize};`,
    `server_tokens ${cfg.serverTokens ? "on" : "off"};`,
    ...Object.entries(cfg.upstreams).flatMap(([name, upstream]) => renderUpstream(name, upstream)),
    ...Object.entries(cfg.virtualHosts).flatMap(([name, host]) => renderHost(name, host, defaults)),
    ...given(cfg.appendHttpConfig),
  ];
  return [
    frame(cfg).trimEnd(),
    ...block("events", given(cfg.eventsConfig)),
    ...block("http", http),
    ...(cfg.streamConfig === "" ? [] : block("stream", [cfg.streamConfig.trimEnd()])),
    ...given(cfg.appendConfig),
    "",
  ].join("\n");
}

/** The module that runs nginx. */
export default defineModule<Std>({
  key: "services/web-servers/nginx",
  options,
  defaults: ({ config, pkgs }) =>
    define({
      services: {
        nginx: {
          package: () => pkgs["nginx"]!,
          defaultListenAddresses: () => ["0.0.0.0", ...(config.networking.enableIPv6 ? ["[::]"] : [])],
        },
      },
    }),
  config: ({ config, pkgs }) => {
    const cfg = config.services.nginx;
    const hosts = () => Object.entries(cfg.virtualHosts);
    const file = () => {
      const passwordFile = (users: { readonly [name: string]: string }): string =>
        `${pkgs.writeText(
          "nginx-htpasswd",
          Object.entries(users)
            .map(([name, password]) => `${name}:{PLAIN}${password}\n`)
            .join(""),
        )}`;
      return `${pkgs.writeText("nginx.conf", renderNginxConfig(cfg, passwordFile))}`;
    };
    return mkIf(() => cfg.enable, {
      environment: { systemPackages: () => [cfg.package] },
      networking: {
        firewall: {
          allowedTCPPorts: mkIf(
            () => cfg.openFirewall,
            () => portsOf(cfg),
          ),
        },
      },
      users: {
        users: mkIf(() => cfg.user === "nginx", {
          nginx: { isSystemUser: true, group: () => cfg.group, home: "/var/cache/nginx", description: "nginx" },
        }),
        groups: mkIf(() => cfg.group === "nginx", { nginx: {} }),
      },
      systemd: {
        services: {
          nginx: {
            description: "nginx, web server and reverse proxy",
            documentation: ["man:nginx(8)"],
            wantedBy: ["multi-user.target"],
            after: ["network.target", "nss-lookup.target"],
            stopIfChanged: false,
            serviceConfig: {
              // The parent leaves when the configuration is read and the ports are open: only then nginx counts as up.
              Type: "forking",
              PIDFile: "/run/nginx/nginx.pid",
              ExecStart: () => `/usr/sbin/nginx -e stderr -c ${file()}`,
              ExecReload: () => [`/usr/sbin/nginx -e stderr -t -q -c ${file()}`, "/usr/bin/kill -HUP $MAINPID"],
              KillSignal: "SIGQUIT",
              TimeoutStopSec: 5,
              KillMode: "mixed",
              Restart: "on-failure",
              RestartSec: 10,
              User: () => cfg.user,
              Group: () => cfg.group,
              RuntimeDirectory: "nginx",
              RuntimeDirectoryMode: "0750",
              CacheDirectory: "nginx",
              LogsDirectory: "nginx",
              LogsDirectoryMode: "0750",
              UMask: "0027",
              AmbientCapabilities: "CAP_NET_BIND_SERVICE",
              CapabilityBoundingSet: "CAP_NET_BIND_SERVICE",
              NoNewPrivileges: true,
              ProtectSystem: "strict",
              ProtectHome: true,
              PrivateTmp: true,
            },
          },
        },
      },
      assertions: () =>
        hosts().flatMap(([name, host]) => [
          {
            assertion: [host.addSSL, host.onlySSL, host.forceSSL].filter(Boolean).length <= 1,
            message: `services.nginx.virtualHosts.${JSON.stringify(name)}: addSSL, onlySSL and forceSSL exclude each other; keep one.`,
          },
          {
            assertion: !usesSSL(host) || (host.sslCertificate !== null && host.sslCertificateKey !== null),
            message: `services.nginx.virtualHosts.${JSON.stringify(name)} speaks TLS but has no certificate; set sslCertificate and sslCertificateKey.`,
          },
          ...Object.entries(host.locations).map(([path, location]) => ({
            assertion: location.root === null || location.alias === null,
            message: `services.nginx.virtualHosts.${JSON.stringify(name)}.locations.${JSON.stringify(path)}: root and alias exclude each other; keep one.`,
          })),
        ]),
    });
  },
});

const gzip = [
  "gzip on;",
  "gzip_proxied any;",
  "gzip_comp_level 5;",
  "gzip_vary on;",
  "gzip_min_length 256;",
  "gzip_types application/atom+xml application/javascript application/json application/manifest+json application/wasm " +
    "application/xml font/otf font/ttf image/svg+xml text/css text/javascript text/plain text/xml;",
];

function frame(cfg: NginxValue): string {
  return `pid /run/nginx/nginx.pid;\nerror_log ${cfg.logError};\n`;
}

function given(text: string): string[] {
  return text.trim() === "" ? [] : [text.trimEnd()];
}

function portsOf(cfg: NginxValue): number[] {
  return Object.values(cfg.virtualHosts).flatMap((host) =>
    host.listen.length > 0
      ? host.listen.flatMap(({ port }) => (port === null ? [] : [port]))
      : [...(host.onlySSL ? [] : [cfg.defaultHTTPListenPort]), ...(usesSSL(host) ? [cfg.defaultSSLListenPort] : [])],
  );
}
