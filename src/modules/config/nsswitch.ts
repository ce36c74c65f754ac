/**
 * `/etc/nsswitch.conf`: where names of accounts, hosts and services are looked up, in order.
 */
import { declareOptions, define, defineModule, mkAfter, mkBefore, mkMerge, mkOption, t } from "../../lib/index.ts";
import type { Std } from "../index.ts";

const database = (what: string, example: readonly string[]) =>
  mkOption({
    type: t.listOf(t.str),
    default: [],
    description: `Sources for ${what}, tried in this order; place yours with mkBefore or mkAfter.`,
    example,
  });

export const options = declareOptions({
  system: {
    nssDatabases: {
      passwd: database("accounts", ["ldap"]),
      group: database("groups", ["ldap"]),
      shadow: database("passwords", ["ldap"]),
      hosts: database("host names", ["mdns4_minimal [NOTFOUND=return]"]),
      services: database("services", ["ldap"]),
    },
  },
});

export default defineModule<Std>({
  key: "config/nsswitch",
  options,
  config: ({ config }) => {
    const db = config.system.nssDatabases;
    return define({
      system: {
        nssDatabases: {
          passwd: mkMerge([mkBefore(["files"]), mkAfter(["systemd"])]),
          group: mkMerge([mkBefore(["files"]), mkAfter(["systemd"])]),
          shadow: mkMerge([mkBefore(["files"]), mkAfter(["systemd"])]),
          hosts: mkMerge([mkBefore(["files"]), mkAfter(["myhostname", "dns"])]),
          services: mkBefore(["files"]),
        },
      },
      environment: {
        etc: {
          "nsswitch.conf": {
            text: () =>
              [
                `passwd: ${db.passwd.join(" ")}`,
                `group: ${db.group.join(" ")}`,
                `shadow: ${db.shadow.join(" ")}`,
                "gshadow: files",
                `hosts: ${db.hosts.join(" ")}`,
                "networks: files",
                "protocols: files",
                `services: ${db.services.join(" ")}`,
                "ethers: files",
                "rpc: files",
                "",
              ].join("\n"),
          },
        },
      },
    });
  },
});
