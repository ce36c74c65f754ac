/** The shop of `first.ts` after a change: `osmod switch second.ts` makes the running machine be this one. */
import { define, defineMachine } from "osmod";

export default defineMachine({
  config: ({ pkgs }) =>
    define({
      networking: { hostName: "shop" },
      users: {
        users: {
          root: { initialPassword: "root" },
          ada: { isNormalUser: true, description: "Ada, who keeps the till" },
        },
      },
      environment: {
        etc: { "shop.conf": { text: "currency=florin\n" } },
        systemPackages: () => [pkgs["tree"]!],
      },
      systemd: {
        services: {
          clock: { wantedBy: ["multi-user.target"], script: "exec sleep infinity" },
          till: {
            wantedBy: ["multi-user.target"],
            environment: { GREETING: "good evening" },
            script: 'echo "$GREETING" > /run/greeting; exec sleep infinity',
          },
          prices: {
            wantedBy: ["multi-user.target"],
            script: "cp /etc/shop.conf /run/prices; exec sleep infinity",
            reload: "cp /etc/shop.conf /run/prices",
            reloadTriggers: ["currency=florin"],
          },
          // New: it is started.
          newsletter: {
            wantedBy: ["multi-user.target"],
            serviceConfig: { User: "ada" },
            script: "exec sleep infinity",
          },
        },
      },
      system: { stateVersion: "13" },
    }),
});
