/**
 * Programs that run with other rights than their caller's: set-user-id, set-group-id, capabilities.
 *
 * A store keeps no such bits, so these programs live as copies in `/run/wrappers/bin`, a file system of its own, made at
 * boot. Where a wrapped program is part of `/usr`, the file there becomes a link to the copy and the plain program moves to
 * /usr/lib/osmod/wrapped: `/usr/bin/sudo` then works under its usual name, for scripts and libraries that know no other
 * (PAM calls /usr/sbin/unix_chkpwd).
 */
import {
  declareOptions,
  define,
  defineModule,
  mapAttrs,
  mkDefault,
  mkIf,
  mkOption,
  mkOptionDefault,
  t,
} from "../../lib/index.ts";
import type { PackageSet } from "../../packages/index.ts";
import type { Derivation } from "../../store/index.ts";
import type { Std } from "../index.ts";
import { sh } from "../shell.ts";
import { octalMode, pathOrObject } from "../types.ts";

export const options = declareOptions({
  security: {
    wrappers: mkOption({
      default: {},
      description: "Programs with set-user-id or set-group-id bits or with capabilities, by name.",
      example: { ping: { source: "/usr/bin/ping", capabilities: "cap_net_raw+ep" } },
      type: t.attrsOf(
        t
          .submodule({
            enable: mkOption({
              type: t.bool,
              default: true,
              description: "Whether the wrapper is made.",
              example: false,
            }),
            program: mkOption({
              type: t.strMatching("[^/ \\n]+"),
              defaultText: "<name>",
              description: "Name of the program in /run/wrappers/bin.",
              example: "ping",
            }),
            source: mkOption({
              type: pathOrObject,
              description:
                "The program: a file below /usr, or one in the store. A file below /usr that is not there makes no wrapper.",
              example: "/usr/bin/ping",
            }),
            owner: mkOption({ type: t.str, default: "root", description: "Owner of the program.", example: "root" }),
            group: mkOption({ type: t.str, default: "root", description: "Group of the program.", example: "shadow" }),
            setuid: mkOption({ type: t.bool, default: false, description: "Run as the owner.", example: true }),
            setgid: mkOption({ type: t.bool, default: false, description: "Run as the group.", example: true }),
            capabilities: mkOption({
              type: t.strMatching("[a-z_,+=]*"),
              default: "",
              description: "Capabilities, as setcap(8) takes them.",
              example: "cap_net_raw+ep",
            }),
            permissions: mkOption({
              type: octalMode,
              default: "0755",
              description: "Permissions beside the set-id bits.",
              example: "0750",
            }),
          })
          .config(({ name }) => define({ program: mkOptionDefault(() => name) })),
      ),
    }),
    wrapperDir: mkOption({
      type: t.path,
      default: "/run/wrappers/bin",
      readOnly: true,
      internal: true,
      description: "Where the wrappers are.",
    }),
  },
});

/** One wrapper, as read. */
export interface Wrapper {
  readonly program: string;
  readonly source: string;
  readonly owner: string;
  readonly group: string;
  readonly setuid: boolean;
  readonly setgid: boolean;
  readonly capabilities: string;
  readonly permissions: string;
}

/** The wrapper's mode with its set-id bits: `4755`. */
export function wrapperMode(wrapper: Pick<Wrapper, "setuid" | "setgid" | "permissions">): string {
  const bits = (wrapper.setuid ? 4 : 0) + (wrapper.setgid ? 2 : 0);
  return `${bits}${wrapper.permissions.slice(-3)}`;
}

const wrapped = "/usr/lib/osmod/wrapped";

/** Moves the plain programs of /usr aside and links the wrappers in their place. */
export function wrapScript(wrappers: readonly Wrapper[]): string {
  const lines = wrappers
    .filter((wrapper) => wrapper.source.startsWith("/usr/"))
    .map(({ source, program }) => `wrap ${sh(source)} ${sh(program)}`);
  return lines.length === 0
    ? ""
    : `
wrap() {
  [ -f "$out$1" ] && [ ! -L "$out$1" ] || return 0
  mkdir -p "$out${wrapped}"
  mv "$out$1" "$out${wrapped}/$2"
  ln -s "/run/wrappers/bin/$2" "$out$1"
}
${lines.join("\n")}
`;
}

/** A wrapper with the numbers of its owner and group, where the configuration knows them. */
interface NumberedWrapper extends Wrapper {
  readonly uid: number | null;
  readonly gid: number | null;
}

/**
 * An archive that unpacks to the finished wrappers: a directory named after this very build, and the link `bin` to it. A
 * builder may make no set-id files, so the archive's headers are written by hand. What a header cannot say, capabilities and owners
 * whose numbers only the machine knows, is in `table`.
 */
function buildWrappers(pkgs: PackageSet, systemPath: Derivation, wrappers: readonly NumberedWrapper[]): Derivation {
  const lines = wrappers.map((wrapper) => {
    const source = wrapper.source.startsWith("/usr/") ? `${systemPath}${wrapped}/${wrapper.program}` : wrapper.source;
    const mode = wrapperMode(wrapper);
    const known = wrapper.uid !== null && wrapper.gid !== null;
    const later =
      known && wrapper.capabilities === ""
        ? ""
        : `${mode} ${wrapper.owner}:${wrapper.group} ${wrapper.program} ${wrapper.capabilities}`;
    return `take ${sh(source)} ${sh(wrapper.program)} ${known ? `0${mode}` : "0700"} ${wrapper.uid ?? 0} ${wrapper.gid ?? 0} ${sh(later)}`;
  });
  const script = `
set -e
mkdir -p "$out"
: > "$out/table"
dir=\${out#/nix/store/}
dir=\${dir%%-*}
inode=0
pad() { [ $(($1 % 4)) -eq 0 ] || head -c $((4 - $1 % 4)) /dev/zero; }
# header NAME TYPE-AND-MODE UID GID SIZE
header() {
  inode=$((inode + 1))
  printf '070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\\000' \
    $inode $(($2)) $3 $4 1 1 $5 0 0 0 0 $((\${#1} + 1)) 0 "$1"
  pad $((110 + \${#1} + 1))
}
take() {
  [ -e "$1" ] || return 0
  size=$(stat -L -c %s "$1")
  header "$dir/$2" $((0100000 + $3)) $4 $5 $size
  cat "$1"
  pad $size
  [ -z "$6" ] || printf '%s\\n' "$6" >> "$out/table"
}
{
  header "$dir" 040755 0 0 0
${lines.map((line) => `  ${line}`).join("\n")}
  header bin 0120777 0 0 \${#dir}
  printf %s "$dir"
  pad \${#dir}
  header 'TRAILER!!!' 0 0 0 0
} > "$out/programs.cpio"
`;
  return pkgs.runCommand("wrappers", {}, script);
}

/** Programs that Debian installs with a set-id bit; those that are not in the machine are passed over. */
const debianPrograms: {
  readonly [program: string]: {
    readonly source: string;
    readonly setgid?: string;
    readonly group?: string;
    readonly permissions?: string;
  };
} = {
  chfn: { source: "/usr/bin/chfn" },
  chsh: { source: "/usr/bin/chsh" },
  gpasswd: { source: "/usr/bin/gpasswd" },
  mount: { source: "/usr/bin/mount" },
  newgrp: { source: "/usr/bin/newgrp" },
  passwd: { source: "/usr/bin/passwd" },
  su: { source: "/usr/bin/su" },
  sudo: { source: "/usr/bin/sudo" },
  umount: { source: "/usr/bin/umount" },
  fusermount3: { source: "/usr/bin/fusermount3" },
  pkexec: { source: "/usr/bin/pkexec" },
  "polkit-agent-helper-1": { source: "/usr/lib/polkit-1/polkit-agent-helper-1" },
  "dbus-daemon-launch-helper": {
    source: "/usr/lib/dbus-1.0/dbus-daemon-launch-helper",
    group: "messagebus",
    permissions: "0754",
  },
  "ssh-keysign": { source: "/usr/lib/openssh/ssh-keysign" },
  chage: { source: "/usr/bin/chage", setgid: "shadow" },
  expiry: { source: "/usr/bin/expiry", setgid: "shadow" },
  unix_chkpwd: { source: "/usr/sbin/unix_chkpwd", setgid: "shadow" },
  crontab: { source: "/usr/bin/crontab", setgid: "crontab" },
};

export default defineModule<Std>({
  key: "security/wrappers",
  options,
  config: ({ config, pkgs }) => {
    const wrappers = (): readonly NumberedWrapper[] =>
      Object.values(config.security.wrappers)
        .filter((wrapper) => wrapper.enable)
        .map((wrapper) => ({
          ...wrapper,
          source: `${wrapper.source}`,
          uid: config.users.users[wrapper.owner]?.uid ?? null,
          gid: config.users.groups[wrapper.group]?.gid ?? null,
        }))
        .sort((a, b) => (a.program < b.program ? -1 : 1));
    return define({
      security: {
        wrappers: mapAttrs(debianPrograms, (_, program) =>
          define({
            source: mkDefault(program.source),
            setuid: mkDefault(program.setgid === undefined),
            setgid: mkDefault(program.setgid !== undefined),
            group: mkDefault(program.setgid ?? program.group ?? "root"),
            permissions: mkDefault(program.permissions ?? "0755"),
          }),
        ),
      },
      environment: {
        systemPackages: mkIf(
          () => wrappers().some((wrapper) => wrapper.capabilities !== ""),
          () => [pkgs["libcap2-bin"]!],
        ),
        extraSetup: () => wrapScript(wrappers()),
        etc: {
          // Until the very end something runs from it: an attempt to unmount it at shutdown could only fail.
          "systemd/system/run-wrappers.mount.d/50-stays.conf": { text: "[Unit]\nDefaultDependencies=no\n" },
        },
      },
      system: {
        activationScripts: {
          wrappers: {
            deps: ["users"],
            text: mkIf(
              () => wrappers().length > 0,
              () => activation(`${buildWrappers(pkgs, config.system.path, wrappers())}`),
            ),
          },
        },
      },
      assertions: () =>
        wrappers().flatMap((wrapper) => [
          {
            assertion: wrapper.source.startsWith("/usr/") || wrapper.source.startsWith("/nix/store/"),
            message: `security.wrappers.${wrapper.program}.source is ${wrapper.source}; it must be below /usr or in the store.`,
          },
          {
            assertion: wrapper.capabilities === "" || !(wrapper.setuid || wrapper.setgid),
            message: `security.wrappers.${wrapper.program} has capabilities and a set-id bit; choose one.`,
          },
          {
            assertion: wrapper.setuid || wrapper.setgid || wrapper.capabilities !== "",
            message: `security.wrappers.${wrapper.program} has neither \`setuid\` nor \`setgid\` nor \`capabilities\`: it would wrap nothing.`,
          },
        ]),
    });
  },
});

/** A new directory beside the old one, and the link that names it last. */
function activation(wrappers: string): string {
  const dir = wrappers.slice("/nix/store/".length).slice(0, 32);
  return `
[ -d /run/wrappers ] || { mkdir -p /run/wrappers && mount -t tmpfs -o nodev,mode=0755,size=64m tmpfs /run/wrappers; }
if [ ! -d /run/wrappers/${dir} ]; then
  cd /run/wrappers
  old=
  for dir in */; do [ ! -d "$dir" ] || [ "$dir" = bin/ ] || old="$old $dir"; done
  log=$(cpio -idmu < ${wrappers}/programs.cpio 2>&1) || warn "unpacking wrappers: $log"
  while read -r mode owner program capabilities; do
    chown "$owner" "${dir}/$program" && chmod "$mode" "${dir}/$program"
    [ -z "$capabilities" ] || /usr/sbin/setcap "$capabilities" "${dir}/$program"
  done < ${wrappers}/table
  [ -z "$old" ] || rm -rf $old
  cd /
fi
`;
}
