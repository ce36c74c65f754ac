/**
 * nginx: a web server and reverse proxy.
 *
 * The configuration is a file in the store, given to nginx by name, so that the unit changes when and only when the
 * configuration does. The daemon runs as its own user from the start; ports below 1024 come with a capability.
 */
import { declareOptions, define, defineModule, mkIf } from "../../../../lib/index.ts";
import type { Std } from "../../../index.ts";
import { usesSSL } from "./config.ts";
import { type NginxValue, renderNginxConfig } from "./main-config.ts";
import { nginxOptions } from "./server-options.ts";

export const options = declareOptions({ services: { nginx: nginxOptions } });

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

function portsOf(cfg: NginxValue): number[] {
  return Object.values(cfg.virtualHosts).flatMap((host) =>
    host.listen.length > 0
      ? host.listen.flatMap(({ port }) => (port === null ? [] : [port]))
      : [...(host.onlySSL ? [] : [cfg.defaultHTTPListenPort]), ...(usesSSL(host) ? [cfg.defaultSSLListenPort] : [])],
  );
}
