/**
 * `environment.etc`: the files below `/etc`.
 *
 * All of them travel in one archive, made at build time: the configuration files of the machine's packages, with the
 * entries of `environment.etc` laid over them. Activation unpacks it with a single program, which costs the guest far
 * less than a link per file would, and keeps `/etc` readable while the store is not.
 *
 *   package files ─┐
 *                  ├─► tree ─► etc.cpio (root:root, final modes) ─► /etc
 *   entries ───────┘         └► etc.list (what a later generation may have to remove), etc.owners (the few that are not root's)
 */
import { declareOptions, define, defineModule, mkDefault, mkOption, mkOptionDefault, t } from "../../../lib/index.ts";
import type { Std } from "../../index.ts";
import { derivationType, octalMode, pathOrObject } from "../../types.ts";
import { buildEtc, type EtcEntry, entryMode, isLink } from "./build.ts";

export const options = declareOptions({
  environment: {
    etc: mkOption({
      default: {},
      description: "Files below /etc. An entry wins over a package's file of the same name.",
      example: { motd: { text: "Welcome.\n" }, "ssl/private/key": { source: "/run/secrets/key", mode: "symlink" } },
      type: t.attrsOf(
        t
          .submodule({
            enable: mkOption({
              type: t.bool,
              default: true,
              description: "Whether this file is made. Lets one module switch off what another one defines.",
              example: false,
            }),
            target: mkOption({
              type: t.strMatching("[^/\\n][^\\n]*"),
              defaultText: "<name>",
              description: "Where the file goes, relative to /etc.",
              example: "nginx/conf.d/site.conf",
            }),
            text: mkOption({
              type: t.nullOr(t.lines),
              default: null,
              description: "Content of the file.",
              example: "Hello.\n",
            }),
            source: mkOption({
              type: t.nullOr(pathOrObject),
              default: null,
              description:
                "The file or directory to copy: a store object or a path in the store. A path of the guest, such as /dev/null, is linked.",
              example: "/dev/null",
            }),
            mode: mkOption({
              type: t.either(t.enum(["symlink", "direct-symlink"]), octalMode),
              defaultText: "0644, or 0755 for an executable source",
              description:
                "Permissions of the file, or `symlink` for a symbolic link to `source`. Permissions do not apply to what a directory holds.",
              example: "0600",
            }),
            user: mkOption({ type: t.str, default: "root", description: "Owner of the file.", example: "www-data" }),
            group: mkOption({ type: t.str, default: "root", description: "Group of the file.", example: "shadow" }),
            uid: mkOption({
              type: t.nullOr(t.ints.unsigned),
              default: null,
              description: "Owner by number; wins over `user`.",
              example: 33,
            }),
            gid: mkOption({
              type: t.nullOr(t.ints.unsigned),
              default: null,
              description: "Group by number; wins over `group`.",
              example: 33,
            }),
          })
          .config(({ name }) => define({ target: mkOptionDefault(() => name), mode: mkOptionDefault(entryMode) })),
      ),
    }),
    etcExcludes: mkOption({
      type: t.listOf(t.str),
      default: [],
      internal: true,
      description: "Paths below /etc that packages bring and this machine has no use for.",
      example: ["init.d"],
    }),
  },
  system: {
    build: {
      etc: mkOption({
        type: derivationType,
        readOnly: true,
        description:
          "The archive of /etc (`etc.cpio`), the list of its files (`etc.list`) and the tree itself (`etc/`).",
      }),
    },
  },
});

/** What sysvinit, runit and the first installation need, and a machine of ours does not. */
const unused = [
  "init.d",
  ...["0", "1", "2", "3", "4", "5", "6", "S"].map((level) => `rc${level}.d`),
  "runit",
  "sv",
  "update-motd.d",
  "kernel/install.d",
  "dhcp/dhclient-exit-hooks.d",
  "ufw/applications.d",
];

/** The entries that are switched on, sorted by target, parents before what they hold. */
export function enabledEntries(entries: { readonly [name: string]: EtcEntry }): readonly EtcEntry[] {
  return Object.values(entries)
    .filter((entry) => entry.enable)
    .sort((a, b) => (a.target < b.target ? -1 : a.target > b.target ? 1 : 0));
}

export default defineModule<Std>({
  key: "system/etc",
  options,
  config: ({ config, pkgs }) => {
    const enabled = () => enabledEntries(config.environment.etc);
    return define({
      environment: { etcExcludes: unused },
      system: {
        build: {
          etc: () => buildEtc(pkgs, config.system.path, enabled(), config.environment.etcExcludes),
        },
        activationScripts: {
          etc: { deps: ["users"], text: mkDefault(() => activation(`${config.system.build.etc}`)) },
        },
      },
      assertions: () =>
        enabled().flatMap((entry) => [
          {
            assertion: (entry.text === null) !== (entry.source === null),
            message: `environment.etc."${entry.target}" needs exactly one of \`text\` and \`source\`.`,
          },
          {
            assertion: isLink(entry) || entry.source === null || `${entry.source}`.startsWith("/nix/store/"),
            message: `environment.etc."${entry.target}".source is ${entry.source}, which is not in the store. Use a store object, read the file into \`text\`, or link to a path of the guest with mode "symlink".`,
          },
          {
            assertion: !entry.target.split("/").includes(".."),
            message: `environment.etc."${entry.target}" leaves /etc; a target may not have \`..\` in it.`,
          },
          {
            assertion: enabled().filter((other) => other.target === entry.target).length === 1,
            message: `environment.etc has two entries for /etc/${entry.target}; switch one off with \`enable: false\`.`,
          },
        ]),
    });
  },
});

/**
 * Unpacks the archive every time: it is cheaper than finding out whether somebody changed a file, and always right.
 * Before that, files that the previous generation brought and this one does not are removed, with the directories they
 * leave empty, so that a directory may become a file and the other way round.
 */
const activation = (etc: string): string => `
generation=
[ ! -e /var/lib/osmod/etc.generation ] || read -r generation < /var/lib/osmod/etc.generation
if [ "$generation" != ${etc} ]; then
  if [ -e /var/lib/osmod/etc.list ]; then
    awk 'NR == FNR { keep[$0] = 1; next } !($0 in keep)' "${etc}/etc.list" /var/lib/osmod/etc.list |
      while IFS= read -r file; do
        rm -f "/etc/$file"
        while [ "$file" != "\${file%/*}" ]; do
          file=\${file%/*}
          rmdir "/etc/$file" 2>/dev/null || break
        done
      done
  fi
  cp -f "${etc}/etc.list" /var/lib/osmod/etc.list
fi
cd /etc
log=$(cpio -idmu < "${etc}/etc.cpio" 2>&1) || warn "unpacking /etc: $log"
echo ${etc} > /var/lib/osmod/etc.generation
if [ -s "${etc}/etc.owners" ]; then
  while IFS=' ' read -r owner mode file; do
    chown "$owner" "/etc/$file" && chmod "$mode" "/etc/$file"
  done < "${etc}/etc.owners"
fi
cd /
`;
