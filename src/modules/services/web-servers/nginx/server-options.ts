/**
 * Options of `services.nginx` itself.
 */
import { mkEnableOption, mkOption, t } from "../../../../lib/index.ts";
import { packageType } from "../../../types.ts";
import { upstreamOptions, virtualHostOptions } from "./options.ts";

const recommended = (what: string) =>
  mkOption({ type: t.bool, default: false, description: `Whether to use ${what}.`, example: true });
const lines = (description: string, example: string) => mkOption({ type: t.lines, default: "", description, example });

/** Options of `services.nginx`. */
export const nginxOptions = {
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
