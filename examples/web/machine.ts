/** A web server: nginx with one page, openssh with a key, a user. `npm start` builds and boots it. */
import { define, defineMachine } from "osmod";

/** Replace it with your own public key: `ssh -p 2222 alice@localhost`. */
const aliceKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEHMVNkCEQw2FBLdcqxbQtMvG/qHavWzOjU0geDL5NaE alice@example";

export default defineMachine({
  config: ({ config, pkgs }) =>
    define({
      networking: { hostName: "web", firewall: { allowedTCPPorts: [80] } },

      services: {
        nginx: {
          enable: true,
          virtualHosts: {
            localhost: {
              default: true,
              root: () => `${pkgs.writeTree("page", { "index.html": { text: page(config.networking.hostName) } })}`,
            },
          },
        },
        openssh: { enable: true, settings: { PasswordAuthentication: false } },
      },

      users: {
        users: {
          root: { initialPassword: "root" },
          alice: {
            isNormalUser: true,
            description: "Alice",
            extraGroups: ["wheel"],
            initialPassword: "alice",
            openssh: { authorizedKeys: { keys: [aliceKey] } },
          },
        },
      },

      // Heeded by the virtual machine only.
      virtualisation: {
        forwardPorts: [
          { from: "host", host: { port: 8080 }, guest: { port: 80 } },
          { from: "host", host: { port: 2222 }, guest: { port: 22 } },
        ],
      },

      // The real machine's disk. It does not exist in the virtual machine, which replaces this table by its own.
      fileSystems: { "/": { device: "/dev/disk/by-label/web-root", fsType: "ext4" } },

      system: { stateVersion: "13" },
    }),
});

function page(host: string): string {
  return `<!doctype html>
<html lang="en">
  <title>${host}</title>
  <h1>It works!</h1>
  <p>This page is served by nginx on ${host}, a machine made of TypeScript modules.</p>
</html>
`;
}
