/**
 * Directories of the host that the guest mounts, over the transport of the store (over SMB where the store is an image).
 *
 * Two are there unless they are taken out: `/tmp/xchg`, a directory of this run for exchanging files, and `/tmp/shared`, which is
 * `$SHARED_DIR` of the host, or the former. Who starts the machine needs no other rights than an ordinary user's: whatever the
 * guest writes belongs to that user on the host, and everything belongs to root in the guest.
 */
import { mkOption, t } from "../lib/index.ts";
import { fail } from "../problems/index.ts";
import type { MachineSpec, SharedDirectory } from "./spec.ts";
import { storeMountOptions, storeShare } from "./store-share.ts";
import { escapeCommas, shellQuote } from "./template.ts";
import type { StoreMount, TransportName } from "./transports/index.ts";
import { ninepShareOptions } from "./transports/ninep.ts";

/** `virtualisation.sharedDirectories`. */
export const sharedDirectories = mkOption({
  type: t.attrsOf(
    t.submodule({
      source: mkOption({
        type: t.strMatching("[^\\n]+"),
        description:
          "Directory of the host. A relative path counts from the directory the machine is started in; a variable of the " +
          "environment may stand at its beginning (`$HOME/project`).",
        example: "./project",
      }),
      target: mkOption({
        type: t.path,
        description: "Where the guest mounts it.",
        example: "/srv/project",
      }),
      readOnly: mkOption({
        type: t.bool,
        default: true,
        description: "Whether the guest can only read. The server on the host sees to it as well.",
        example: false,
      }),
      securityModel: mkOption({
        type: t.enum(["none", "passthrough", "mapped-xattr", "mapped-file"]),
        default: "none",
        description:
          "How QEMU stores owners and modes of files that the guest makes; heeded by the transport `9p` only.",
        example: "mapped-xattr",
      }),
    }),
  ),
  default: {},
  description:
    "Directories of the host that the guest mounts, by name. Beside them are `/tmp/xchg`, a directory of this run " +
    "(`xchg` in the machine's private directory), and `/tmp/shared`, which is `$SHARED_DIR` if that is set and else the same; " +
    "both are writable, and `mkForce` takes them out.",
  example: { project: { source: "./project", target: "/srv/project" } },
});

/** The option's value as data. Problem: `shared-directory-name`. */
export function sharesOf(value: { readonly [name: string]: Omit<SharedDirectory, "tag"> }): readonly SharedDirectory[] {
  return Object.entries(value).map(([tag, { source, target, readOnly, securityModel }]) => {
    // A name on the wire of every transport; virtiofs takes 36 bytes, 9p 31.
    if (!/^[A-Za-z0-9_-]{1,31}$/.test(tag) || tag === storeShare.shareName) {
      fail({
        code: "shared-directory-name",
        option: `virtualisation.sharedDirectories.${tag}`,
        message: `"${tag}" cannot be the name of a shared directory`,
        fix: `Use letters, digits, - and _, at most 31 of them, and not "${storeShare.shareName}".`,
      });
    }
    return { tag, source, target, readOnly, securityModel };
  });
}

/** Options of a mount whose files change on the other side, too: nothing is kept longer than a second. */
function smbOptions(readOnly: boolean): readonly string[] {
  const forStore = /^(ro|dynperm|cache=.*|actimeo=.*|max_cached_dirs=.*)$/;
  return [readOnly ? "ro" : "rw", ...storeMountOptions.filter((one) => !forStore.test(one)), "cache=none", "actimeo=1"];
}

/** What the guest mounts, by mount point. */
export function shareMounts(
  transport: TransportName,
  shares: readonly SharedDirectory[],
): { readonly [target: string]: StoreMount & { readonly neededForBoot: boolean } } {
  return Object.fromEntries(
    shares.map(({ tag, target, readOnly }) => {
      // The machine mounts file systems of its own below these, and would hide what the initrd has mounted.
      const late = /^\/(tmp|run|dev|proc|sys)\//.test(target);
      const mount =
        transport === "virtiofs"
          ? { device: tag, fsType: "virtiofs", options: [readOnly ? "ro" : "rw"] }
          : transport === "9p"
            ? { device: tag, fsType: "9p", options: ninepShareOptions(readOnly) }
            : { device: `//${storeShare.serverAddress}/${tag}`, fsType: "cifs", options: smbOptions(readOnly) };
      // Mounted when somebody looks, so that what nobody uses costs no time.
      const options = late
        ? [...mount.options, "x-systemd.automount", "x-systemd.wanted-by=multi-user.target", "nofail"]
        : mount.options;
      return [target, { ...mount, options, neededForBoot: !late }];
    }),
  );
}

/** Sections of smb.conf for the shared directories; the server sees them below `/shares`. */
export function smbSections(shares: readonly SharedDirectory[]): string {
  return shares
    .map(
      ({ tag, readOnly }) => `
[${tag}]
  path = /shares/${tag}
  read only = ${readOnly ? "yes" : "no"}
  guest ok = yes
  guest only = yes
  oplocks = no
  level2 oplocks = no
  create mask = 0777
  directory mask = 0777
`,
    )
    .join("");
}

/**
 * Shell code that makes sure of the directories, sets `share<n>` and lists them for the server. Names of variables are taken from the
 * configuration, never from the environment, so that nothing is read twice.
 */
export function shareStart({ sharedDirectories: shares }: MachineSpec): string {
  if (shares.length === 0) return "";
  const lines = shares.map(({ tag, source, readOnly }, index) => {
    const [, name = "", rest = ""] = /^\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?(.*)$/s.exec(source) ?? ["", "", source];
    const variable =
      name === ""
        ? ""
        : `[ -n "\${${name}:-}" ] || die "the shared directory ${tag} is below $${name}, which is not set" "set ${name}, or change virtualisation.sharedDirectories.${tag}.source"\n`;
    return `${variable}shared_directory ${tag} ${readOnly ? "ro" : "rw"} ${name === "" ? "" : `"\${${name}}"`}${rest === "" ? "" : shellQuote(rest)}
share${index}=$directory
`;
  });
  return `
mkdir -m 0755 "$runtime/xchg"
SHARED_DIR=\${SHARED_DIR:-$runtime/xchg}
# shared_directory NAME MODE PATH: sets $directory
shared_directory() {
  directory=\${3#./}
  case $directory in /*) ;; *) directory=$(pwd -P)/$directory ;; esac
  [ -d "$directory" ] || die "the shared directory $directory does not exist" "make it, or change virtualisation.sharedDirectories.$1.source"
  [ $2 = ro ] || [ -w "$directory" ] || die "the shared directory $directory is not writable for you" "change its permissions, or set virtualisation.sharedDirectories.$1.readOnly"
  printf '%s %s %s\\n' $2 $1 "$directory" >> "$runtime/shares"
}
${lines.join("")}`;
}

/** Shell code for what is filled in within QEMU's options. */
export function shareEscapes({ sharedDirectories: shares }: MachineSpec): string {
  return shares.map((_, i) => `  ${escapeCommas(`share${i}`)}\n`).join("");
}

/** Shell code of `share.sh`: adds the shared directories to what the server sees. */
export const shareBinds = `while read -r mode tag path; do
  case $mode in
    ro) set -- "$@" --ro-bind "$path" "/shares/$tag" ;;
    *) set -- "$@" --bind "$path" "/shares/$tag" ;;
  esac
done < "$runtime/shares"
`;
