import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Group } from "../../src/lib/index.ts";
import type { Std } from "../../src/modules/index.ts";
import { machine, problemOf } from "./support/rendered.ts";
import { judge, tool } from "./support/tools.ts";

type Nginx = Group<Std["services"]["nginx"]>;
const nginx = (settings: Nginx) => machine({ services: { nginx: { enable: true, ...settings } } });

/** The nginx.conf of a machine. */
function conf(settings: Nginx): string {
  const m = nginx(settings);
  return m.written(
    /ExecStart=\/usr\/sbin\/nginx -e stderr -c (\S+)$/m.exec(m.unitFiles()["nginx.service"] ?? "")?.[1] ?? "",
  );
}
/** The same from the first `server` on, without indentation. */
const servers = (settings: Nginx): string => {
  const text = conf(settings).replaceAll(/^ +/gm, "");
  return text.slice(text.indexOf("server {"));
};

describe("nginx", () => {
  it("runs as its own user with a configuration in the store", () => {
    const m = nginx({});
    const unit = m.unitFiles()["nginx.service"] ?? "";
    expect(unit).toContain("User=nginx\nGroup=nginx\nRuntimeDirectory=nginx\n");
    expect(m.unitFiles()["multi-user.target.wants/nginx.service"]).toBe("→ ../nginx.service");
    expect(m.config.users.users["nginx"]).toMatchObject({ isSystemUser: true, group: "nginx" });
    expect(m.config.environment.systemPackages.map((one) => one.name)).toContain("nginx");
    expect(machine({}).unitFiles()["nginx.service"]).toBeUndefined();
  });

  it("leaves accounts that others define to them", () => {
    const m = nginx({ user: "www-data", group: "www-data" });
    expect(m.config.users.users["nginx"]).toBeUndefined();
    expect(m.unitFiles()["nginx.service"]).toContain("User=www-data\n");
  });

  it("is changed by a change of its configuration only", () => {
    const unit = (root: string) => nginx({ virtualHosts: { a: { root } } }).unitFiles()["nginx.service"];
    expect(unit("/a")).toBe(unit("/a"));
    expect(unit("/a")).not.toBe(unit("/b"));
  });

  it("serves files of a virtual host", () => {
    expect(
      servers({
        virtualHosts: {
          "example.org": {
            default: true,
            serverAliases: ["www.example.org", "*.example.net"],
            root: "/srv/my www",
            locations: {
              "/": { index: "index.html", tryFiles: "$uri $uri/ =404" },
              "/images/": { alias: "/srv/images/" },
            },
            extraConfig: "access_log off;",
          },
        },
      }),
    ).toBe(
      [
        "server {",
        "listen 0.0.0.0:80 default_server;",
        "listen [::]:80 default_server;",
        "server_name example.org www.example.org *.example.net;",
        'root "/srv/my www";',
        "location / {",
        "index index.html;",
        "try_files $uri $uri/ =404;",
        "}",
        "location /images/ {",
        "alias /srv/images/;",
        "}",
        "access_log off;",
        "}",
        "}",
        "",
      ].join("\n"),
    );
  });

  it("passes requests on, with headers and upgrades when told to", () => {
    const text = servers({
      recommendedProxySettings: true,
      upstreams: {
        app: {
          servers: { "10.0.0.1:3000": { weight: 2 }, "10.0.0.2:3000": { backup: true } },
          extraConfig: "keepalive 16;",
        },
      },
      virtualHosts: {
        a: {
          locations: {
            "/": { proxyPass: "http://app", proxyWebsockets: true },
            "/raw": { proxyPass: "http://app", recommendedProxySettings: false },
          },
        },
      },
    });
    expect(text).toContain(
      "location / {\nproxy_pass http://app;\nproxy_http_version 1.1;\nproxy_set_header Upgrade $http_upgrade;\n",
    );
    expect(text).toContain("location /raw {\nproxy_pass http://app;\n}\n");
    const whole = conf({
      upstreams: { app: { servers: { "10.0.0.1:3000": { weight: 2 }, "10.0.0.2:3000": { backup: true } } } },
    });
    expect(whole).toContain(
      "upstream app {\n    server 10.0.0.1:3000 weight=2;\n    server 10.0.0.2:3000 backup;\n  }\n",
    );
  });

  it("orders locations by priority, then by name", () => {
    const text = servers({
      virtualHosts: {
        a: { locations: { "/b": { return: 200 }, "/a": { return: 200 }, "~ \\.php$": { priority: 900, return: 403 } } },
      },
    });
    expect(text.match(/location .*(?= \{)/g)).toEqual(['location ~ "\\\\.php$"', "location /a", "location /b"]);
  });

  it("speaks TLS beside plain text, instead of it, or sends everybody there", () => {
    const tls = { sslCertificate: "/c.pem", sslCertificateKey: "/k.pem" };
    const host = (more: object) =>
      servers({ virtualHosts: { a: { ...tls, ...more } }, defaultListenAddresses: ["0.0.0.0"] });
    expect(host({ addSSL: true })).toContain(
      "server {\nlisten 0.0.0.0:80;\nlisten 0.0.0.0:443 ssl;\nserver_name a;\nhttp2 on;\nssl_certificate /c.pem;\nssl_certificate_key /k.pem;\n",
    );
    expect(host({ onlySSL: true, http2: false })).toContain(
      "server {\nlisten 0.0.0.0:443 ssl;\nserver_name a;\nssl_certificate",
    );
    expect(host({ forceSSL: true })).toContain(
      "server {\nlisten 0.0.0.0:80;\nserver_name a;\nlocation / {\nreturn 301 https://$host$request_uri;\n}\n}\nserver {\nlisten 0.0.0.0:443 ssl;\n",
    );
  });

  it("asks for passwords", () => {
    const m = nginx({
      virtualHosts: { a: { basicAuth: { guest: "secret" }, locations: { "/x": { basicAuthFile: "/run/pw" } } } },
    });
    const text = m.written(/-c (\S+)$/m.exec(m.unitFiles()["nginx.service"] ?? "")?.[1] ?? "");
    const file = /auth_basic_user_file (\/nix\/store\/\S+);/.exec(text)?.[1] ?? "";
    expect(m.written(file)).toBe("guest:{PLAIN}secret\n");
    expect(text).toContain("auth_basic_user_file /run/pw;");
  });

  it("opens the ports of its hosts only when told to", () => {
    const hosts = {
      a: { listen: [{ addr: "0.0.0.0", port: 8080 }] },
      b: { onlySSL: true, sslCertificate: "/c", sslCertificateKey: "/k" },
    };
    expect(nginx({ virtualHosts: hosts }).config.networking.firewall.allowedTCPPorts).toEqual([]);
    expect(nginx({ virtualHosts: hosts, openFirewall: true }).config.networking.firewall.allowedTCPPorts).toEqual([
      443, 8080,
    ]);
  });

  it("takes text at every level, or all of it", () => {
    const text = conf({
      commonHttpConfig: "# common",
      appendHttpConfig: "# last of http",
      eventsConfig: "worker_connections 10;",
      streamConfig: "# stream",
      appendConfig: "# end",
    });
    expect(text).toMatch(
      /events {\n {2}worker_connections 10;\n}\nhttp {\n[\s\S]*# common[\s\S]*# last of http\n}\nstream {\n {2}# stream\n}\n# end\n$/,
    );
    expect(conf({ config: "events { }\n" })).toBe("pid /run/nginx/nginx.pid;\nerror_log stderr;\nevents { }\n");
  });
});

describe("values", () => {
  it("are quoted where nginx would take them apart", () => {
    const text = servers({
      virtualHosts: {
        "~^(?<name>.{3})$": { root: '/srv/"x"; y\\z', locations: { "= /a b": { proxyPass: "http://10.0.0.1/x{y}" } } },
      },
    });
    expect(text).toContain(
      'server_name "~^(?<name>.{3})$";\nroot "/srv/\\"x\\"; y\\\\z";\nlocation = "/a b" {\nproxy_pass "http://10.0.0.1/x{y}";\n',
    );
  });

  it("may hold what ends a directive inside of quotes", () => {
    expect(servers({ virtualHosts: { a: { locations: { "/": { return: "200 'a; {b}'" } } } } })).toContain(
      "return 200 'a; {b}';\n",
    );
    expect(servers({ virtualHosts: { a: { locations: { "/": { tryFiles: "$uri ${uri}.html =404" } } } } })).toContain(
      "${uri}.html",
    );
  });

  it.each([
    ["tryFiles", { tryFiles: "$uri; root /etc" }],
    ["return", { return: "200; } server { listen 81" }],
    ["index", { index: "a' b" }],
  ])("cannot end their directive: %s", (name, location) => {
    const found = problemOf(() => conf({ virtualHosts: { a: { locations: { "/": location } } } }));
    expect(found).toMatchObject({
      code: "nginx-value-ends-directive",
      option: `services.nginx.virtualHosts."a".locations."/".${name}`,
    });
    expect(found.fix).toContain("extraConfig");
  });

  it("a host with TLS needs a certificate", () => {
    expect(nginx({ virtualHosts: { "a.org": { addSSL: true } } }).failedAssertions()).toContain(
      'services.nginx.virtualHosts."a.org" speaks TLS but has no certificate; set sslCertificate and sslCertificateKey.',
    );
  });

  it("contradictions are refused", () => {
    const failed = nginx({
      virtualHosts: { a: { addSSL: true, forceSSL: true, locations: { "/x": { root: "/a", alias: "/b" } } } },
    }).failedAssertions();
    expect(failed).toContain(
      'services.nginx.virtualHosts."a": addSSL, onlySSL and forceSSL exclude each other; keep one.',
    );
    expect(failed).toContain(
      'services.nginx.virtualHosts."a".locations."/x": root and alias exclude each other; keep one.',
    );
  });

  it.each([
    ["clientMaxBodySize", { clientMaxBodySize: "10 MB" }],
    ["virtualHosts\\..*listen.*port", { virtualHosts: { a: { listen: [{ addr: "0.0.0.0", port: 99999 }] } } }],
    ["virtualHosts\\..*root", { virtualHosts: { a: { root: "srv" } } }],
  ])("a bad %s is told with its path", (path, settings) => {
    expect(() => conf(settings as never)).toThrow(new RegExp(`services\\.nginx\\.${path}`));
  });
});

describe("nginx's own judgement", () => {
  const program = tool("nginx");
  it.skipIf(program === undefined)("understands what is written here", () => {
    const text = conf({
      recommendedGzipSettings: true,
      recommendedOptimisation: true,
      recommendedProxySettings: true,
      recommendedTlsSettings: true,
      eventsConfig: "worker_connections 64;",
      upstreams: { app: { servers: { "127.0.0.1:3000": { weight: 2 }, "127.0.0.2:3000": { backup: true } } } },
      virtualHosts: {
        "~^(?<name>.{3})$": {
          default: true,
          listen: [
            { addr: "127.0.0.1", port: 18080 },
            { addr: "::1", port: 18080 },
          ],
          root: '/srv/"x"; y\\z',
          basicAuth: { guest: "secret" },
          locations: {
            "/": { tryFiles: "$uri $uri/ =404", index: "index.html" },
            "~ \\.ph{1}p$": { proxyPass: "http://app", proxyWebsockets: true },
            "= /a b": { return: "200 'a; {b}'" },
            "/old": { return: 301 },
          },
        },
      },
    });
    const answer = judge(program!, { "mime.types": "types { text/html html; }", "nginx.conf": "" }, (directory) => {
      const local = text
        .replaceAll("/etc/nginx/", `${directory}/`)
        .replaceAll("/var/cache/nginx", directory)
        .replaceAll("/var/log/nginx", directory)
        .replaceAll("/run/nginx", directory)
        .replaceAll(/auth_basic_user_file .*/g, `auth_basic_user_file ${directory}/pw;`);
      return ["-e", "stderr", "-t", "-q", "-g", "daemon off;", "-c", writeConf(directory, local)];
    });
    expect(answer).toEqual({ status: 0, output: "" });
  });
});

function writeConf(directory: string, text: string): string {
  const file = join(directory, "nginx.conf");
  writeFileSync(file, text);
  return file;
}
