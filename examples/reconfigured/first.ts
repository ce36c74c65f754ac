/** A small shop, as it is started. `second.ts` is what it becomes while it runs. */
import { define, defineMachine } from "osmod";

export default defineMachine({
  config: define({
    networking: { hostName: "shop" },
    users: { users: { root: { initialPassword: "root" } } },
    environment: { etc: { "shop.conf": { text: "currency=crown\n" } } },
    systemd: {
      services: {
        // The same in both: it runs on.
        clock: { wantedBy: ["multi-user.target"], script: "exec sleep infinity" },
        // Its text changes: it is restarted.
        till: {
          wantedBy: ["multi-user.target"],
          environment: { GREETING: "good morning" },
          script: 'echo "$GREETING" > /run/greeting; exec sleep infinity',
        },
        // Only what it reads changes: it is reloaded, and its process stays.
        prices: {
          wantedBy: ["multi-user.target"],
          script: "cp /etc/shop.conf /run/prices; exec sleep infinity",
          reload: "cp /etc/shop.conf /run/prices",
          reloadTriggers: ["currency=crown"],
        },
        // It will be gone.
        cellar: { wantedBy: ["multi-user.target"], script: "exec sleep infinity" },
      },
    },
    system: { stateVersion: "13" },
  }),
});
