/**
 * Names and addresses: /etc/hosts and /etc/resolv.conf.
 */
import {
  declareOptions,
  define,
  defineModule,
  mkAfter,
  mkDefault,
  mkIf,
  mkMerge,
  mkOption,
  t,
} from "../../lib/index.ts";
import type { Std } from "../index.ts";

export const options = declareOptions({
  networking: {
    hosts: mkOption({
      type: t.attrsOf(t.listOf(t.str)),
      default: {},
      description: "Names of addresses, for /etc/hosts: the address, then its names; the first is the full one.",
      example: { "192.168.1.1": ["router.example.org", "router"] },
    }),
    extraHosts: mkOption({
      type: t.lines,
      default: "",
      description: "Further lines of /etc/hosts.",
      example: "192.168.1.2 printer",
    }),
    nameservers: mkOption({
      type: t.listOf(t.str),
      default: [],
      description: "Name servers. When there are none, those that come with a lease are used, by systemd-resolved.",
      example: ["10.0.2.3"],
    }),
    search: mkOption({
      type: t.listOf(t.str),
      defaultText: "[config.networking.domain], if there is one",
      description: "Domains that short names are searched in.",
      example: ["example.org"],
    }),
    resolvconf: {
      extraOptions: mkOption({
        type: t.listOf(t.str),
        default: [],
        description: "Options of the resolver, see resolv.conf(5).",
        example: ["timeout:1"],
      }),
    },
  },
});

/** The module that writes /etc/hosts and /etc/resolv.conf. */
export default defineModule<Std>({
  key: "config/networking",
  options,
  defaults: ({ config }) =>
    define({
      networking: { search: () => (config.networking.domain === null ? [] : [config.networking.domain]) },
    }),
  config: ({ config }) => {
    const cfg = config.networking;
    return define({
      networking: {
        hosts: mkMerge([
          { "127.0.0.1": mkAfter(["localhost"]) },
          mkIf(() => cfg.enableIPv6, { "::1": mkAfter(["localhost"]) }),
          // An address of its own: `localhost` stays the first name of 127.0.0.1, and the machine's name still resolves.
          mkIf(() => cfg.hostName !== "", {
            "127.0.0.2": () => (cfg.domain === null ? [cfg.hostName] : [cfg.fqdn, cfg.hostName]),
          }),
        ]),
      },
      environment: {
        etc: {
          hosts: {
            text: () =>
              Object.entries(cfg.hosts)
                .filter(([, names]) => names.length > 0)
                .map(([address, names]) => `${address} ${names.join(" ")}\n`)
                .join("") + (cfg.extraHosts === "" ? "" : `${cfg.extraHosts.trimEnd()}\n`),
          },
          "resolv.conf": mkIf(() => !config.services.resolved.enable, {
            text: mkDefault(() =>
              [
                ...(cfg.search.length === 0 ? [] : [`search ${cfg.search.join(" ")}`]),
                ...cfg.nameservers.map((server) => `nameserver ${server}`),
                ...(cfg.resolvconf.extraOptions.length === 0
                  ? []
                  : [`options ${cfg.resolvconf.extraOptions.join(" ")}`]),
                "",
              ].join("\n"),
            ),
          }),
        },
      },
    });
  },
});
