/**
 * Activation: what makes the running machine match its configuration.
 *
 * Snippets declare what they come after; they are put in that order and become one script, run by busybox at boot before
 * systemd starts and again by every switch. Each snippet may run any number of times and must not start programs in
 * loops: at boot every program comes over the network from the store.
 */
import { declareOptions, define, defineModule, mkDefault, mkOption, t } from "../../../lib/index.ts";
import { fail } from "../../../problems/index.ts";
import type { Std } from "../../index.ts";

export const options = declareOptions({
  system: {
    activationScripts: mkOption({
      default: {},
      description:
        "Shell snippets that run at boot and at every switch. `$systemConfig` is the machine's store path; busybox' programs are there without a path.",
      example: { motd: { text: "date > /run/activated", deps: ["etc"] } },
      type: t.attrsOf(
        t.submodule({
          text: mkOption({ type: t.lines, default: "", description: "The snippet.", example: "mkdir -p /var/lib/foo" }),
          deps: mkOption({
            type: t.listOf(t.str),
            default: [],
            description: "Names of the snippets that come before this one.",
            example: ["users"],
          }),
        }),
      ),
    }),
    activationScript: mkOption({
      type: t.str,
      readOnly: true,
      internal: true,
      description: "All snippets in order.",
    }),
  },
});

/** One snippet and the names of those before it. */
export interface Snippet {
  readonly text: string;
  readonly deps: readonly string[];
}

/**
 * Put snippets in an order that respects `deps`; among free ones, alphabetical. An unknown name or a circle is a problem.
 */
export function orderSnippets(snippets: { readonly [name: string]: Snippet }): readonly string[] {
  const done = new Set<string>();
  const order: string[] = [];
  const visit = (name: string, trail: readonly string[]): void => {
    if (done.has(name)) return;
    const at = trail.indexOf(name);
    if (at >= 0) {
      fail({
        code: "activation-cycle",
        option: "system.activationScripts",
        message: `the snippets wait for each other: ${[...trail.slice(at), name].join(" → ")}`,
        fix: "Remove one of the names from the `deps` of one of these snippets.",
      });
    }
    const snippet = snippets[name];
    if (snippet === undefined) {
      fail({
        code: "activation-unknown-dependency",
        option: `system.activationScripts.${trail.at(-1)}.deps`,
        message: `there is no snippet named ${name}`,
        fix: `Use one of ${Object.keys(snippets).sort().join(", ")}.`,
      });
    }
    for (const dep of [...snippet.deps].sort()) visit(dep, [...trail, name]);
    done.add(name);
    order.push(name);
  };
  for (const name of Object.keys(snippets).sort()) visit(name, []);
  return order;
}

export default defineModule<Std>({
  key: "system/activation-script",
  options,
  config: ({ config }) =>
    define({
      system: {
        activationScripts: {
          specialfs: { text: mkDefault(specialFileSystems) },
          var: { deps: ["specialfs"], text: mkDefault(stateDirectories) },
        },
        activationScript: () => {
          const snippets = config.system.activationScripts;
          return orderSnippets(snippets)
            .map((name) => `# ---- ${name}\n${snippets[name]?.text.trim() ?? ""}\n`)
            .join("\n");
        },
      },
    }),
});

/** Nothing else can work without these; stage 2 has them already, a switch only looks. */
const specialFileSystems = `
[ -e /proc/self ] || mount -t proc -o nosuid,noexec,nodev proc /proc
[ -e /sys/kernel ] || mount -t sysfs -o nosuid,noexec,nodev sysfs /sys
`;

/** The directories of /var that packages ship, made once per set of packages; and the few that must be there for anything to start. */
const stateDirectories = `
if [ ! -d /var/lib/osmod ]; then
  mkdir -p /etc /var/lib/osmod /var/tmp /tmp /root /home /srv /mnt /media /opt /usr/local 2>/dev/null
  chmod 1777 /tmp /var/tmp
  chmod 0700 /root
fi
[ -L /var/run ] || ln -sfn /run /var/run
[ -L /var/lock ] || ln -sfn /run/lock /var/lock
generation=
[ ! -e /var/lib/osmod/var.generation ] || read -r generation < /var/lib/osmod/var.generation
if [ "$generation" != "$systemConfig" ]; then
  ( cd / && xargs mkdir -p < "$systemConfig/var.list" )
  echo "$systemConfig" > /var/lib/osmod/var.generation
fi
[ -s /etc/machine-id ] || { read -r id < /proc/sys/kernel/random/uuid && echo "\${id//-/}" > /etc/machine-id; }
`;
