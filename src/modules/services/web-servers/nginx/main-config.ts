/**
 * The frame of nginx.conf: what stands around the virtual hosts. Pure.
 */
import type { Values } from "../../../../lib/index.ts";
import { block, type HostDefaults, renderHost, renderUpstream } from "./config.ts";
import type { nginxOptions } from "./server-options.ts";

/** `services.nginx`, as read. */
export type NginxValue = Values<Omit<typeof nginxOptions, "package">>;

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
