/** Two machines on one LAN: a web server, and a client that keeps a copy of its page as long as the server cannot be reached. */
import { define, defineMachine } from "osmod";

export const server = defineMachine({
  config: ({ pkgs }) =>
    define({
      networking: { firewall: { allowedTCPPorts: [80] } },
      services: {
        nginx: {
          enable: true,
          virtualHosts: {
            server: {
              default: true,
              root: () => `${pkgs.writeTree("news", { "index.html": { text: "the news of today\n" } })}`,
            },
          },
        },
      },
      system: { stateVersion: "13" },
    }),
});

export const client = defineMachine({
  config: ({ pkgs }) =>
    define({
      environment: { systemPackages: [pkgs["curl"]!] },
      systemd: {
        services: {
          news: {
            description: "Fetch the news",
            serviceConfig: {
              Type: "oneshot",
              StateDirectory: "news",
              ExecStart: "/usr/bin/curl -fsS --max-time 10 -o /var/lib/news/page http://server/",
            },
          },
        },
      },
      system: { stateVersion: "13" },
    }),
});
