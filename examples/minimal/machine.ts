/** The smallest machine worth booting: a name, and a root that can log in at the console. */
import { defineMachine } from "osmod";

export default defineMachine({
  config: {
    networking: { hostName: "minimal" },
    users: { users: { root: { initialPassword: "root" } } },
    fileSystems: { "/": { device: "/dev/disk/by-label/minimal-root", fsType: "ext4" } },
    system: { stateVersion: "13" },
  },
});
