/**
 * The machine's programs: one merged tree of all its packages, seen as `/usr` in the guest.
 *
 * Maintainer scripts never run, so the links they would make (`/usr/bin/awk`, `/usr/bin/editor`) are made here, while
 * the tree is still writable.
 */
import { declareOptions, define, defineModule, mkOption, t } from "../../lib/index.ts";
import type { PackageSet } from "../../packages/index.ts";
import type { Std } from "../index.ts";
import { sh } from "../shell.ts";
import { derivationType, packageType } from "../types.ts";

export const options = declareOptions({
  environment: {
    systemPackages: mkOption({
      type: t.listOf(packageType),
      default: [],
      description: "Packages whose files are in /usr, with all they depend on.",
      example: ["pkgs.htop", "pkgs.git"],
    }),
    defaultPackages: mkOption({
      type: t.listOf(packageType),
      description:
        "Packages that are not needed but that people expect; set to an empty list for a machine without them.",
      defaultText: "[pkgs.less, pkgs.nano]",
      example: [],
    }),
    corePackages: mkOption({
      type: t.listOf(packageType),
      internal: true,
      description: "Packages that no machine works without.",
      defaultText: "systemd, coreutils, bash and their like",
      example: [],
    }),
    excludedPackages: mkOption({
      type: t.listOf(t.str),
      default: [],
      description: "Names of packages to leave out although others depend on them.",
      example: ["perl-base"],
    }),
    extraSetup: mkOption({
      type: t.lines,
      default: "",
      description: "Shell text that runs when the tree of /usr has been made; `$out` is its root and writable.",
      example: "rm -rf $out/usr/share/doc",
    }),
    alternatives: mkOption({
      type: t.attrsOf(t.listOf(t.path)),
      default: {},
      description:
        "Programs that several packages offer under one name: the link, and the files it may stand for. The first one that exists is taken; put yours first with mkBefore.",
      example: { "/usr/bin/editor": ["/usr/bin/vim.basic", "/usr/bin/nano"] },
    }),
  },
  system: {
    path: mkOption({
      type: derivationType,
      readOnly: true,
      description: "The merged tree of the machine's packages; its usr is /usr in the guest.",
    }),
  },
});

/** Packages that bring up a machine, by Debian's names. */
const core = [
  "base-files",
  "base-passwd",
  "bash",
  "coreutils",
  "dash",
  "debianutils",
  "diffutils",
  "findutils",
  "grep",
  "gzip",
  "hostname",
  "libc-bin",
  "login",
  "mawk",
  "ncurses-base",
  "ncurses-bin",
  "sed",
  "tar",
  "util-linux",
  "mount",
  "procps",
  "kmod",
  "liblzma5",
  "passwd",
  "systemd",
  "systemd-sysv",
  "udev",
  "dbus",
  "libpam-modules",
  "libpam-runtime",
  "libpam-systemd",
  "libnss-systemd",
] as const;

/** Packages that exist to install or to boot a classic Debian, and never run here. */
const installers = [
  "initramfs-tools",
  "initramfs-tools-core",
  "initramfs-tools-bin",
  "dracut",
  "dracut-install",
  "linux-base",
  "debconf",
  "ucf",
];

const named = (pkgs: PackageSet, names: readonly string[]) => names.map((name) => pkgs[name]!);

/** `/usr/bin/awk` and the others that Debian's packages agree on. */
const standardAlternatives = {
  "/usr/bin/awk": ["/usr/bin/gawk", "/usr/bin/mawk", "/usr/bin/original-awk"],
  "/usr/bin/nawk": ["/usr/bin/gawk", "/usr/bin/mawk", "/usr/bin/original-awk"],
  "/usr/bin/pager": ["/usr/bin/less", "/usr/bin/more"],
  "/usr/bin/editor": ["/usr/bin/vim.basic", "/usr/bin/vim.tiny", "/usr/bin/nano", "/usr/bin/ed"],
  "/usr/bin/vim": ["/usr/bin/vim.gtk3", "/usr/bin/vim.nox", "/usr/bin/vim.basic"],
  "/usr/bin/vi": ["/usr/bin/vim.gtk3", "/usr/bin/vim.nox", "/usr/bin/vim.basic", "/usr/bin/vim.tiny", "/usr/bin/nvi"],
  "/usr/bin/nc": [
    "/bin/nc.openbsd",
    "/usr/bin/nc.openbsd",
    "/bin/nc.traditional",
    "/usr/bin/nc.traditional",
    "/usr/bin/ncat",
  ],
  "/usr/bin/which": ["/usr/bin/which.gnu", "/usr/bin/which.debianutils"],
  "/usr/bin/telnet": ["/usr/bin/inetutils-telnet"],
  "/usr/bin/traceroute": ["/usr/bin/traceroute.db", "/usr/bin/inetutils-traceroute"],
  "/usr/bin/pinentry": ["/usr/bin/pinentry-curses", "/usr/bin/pinentry-tty"],
  "/usr/bin/fakeroot": ["/usr/bin/fakeroot-sysv", "/usr/bin/fakeroot-tcp"],
  "/usr/bin/c++": ["/usr/bin/g++", "/usr/bin/clang++"],
  "/usr/bin/cc": ["/usr/bin/gcc", "/usr/bin/clang"],
  "/usr/sbin/iptables": ["/usr/sbin/iptables-nft", "/usr/sbin/iptables-legacy"],
  "/usr/sbin/iptables-save": ["/usr/sbin/iptables-nft-save", "/usr/sbin/iptables-legacy-save"],
  "/usr/sbin/iptables-restore": ["/usr/sbin/iptables-nft-restore", "/usr/sbin/iptables-legacy-restore"],
  "/usr/sbin/ip6tables": ["/usr/sbin/ip6tables-nft", "/usr/sbin/ip6tables-legacy"],
  "/usr/sbin/ip6tables-save": ["/usr/sbin/ip6tables-nft-save", "/usr/sbin/ip6tables-legacy-save"],
  "/usr/sbin/ip6tables-restore": ["/usr/sbin/ip6tables-nft-restore", "/usr/sbin/ip6tables-legacy-restore"],
  "/usr/sbin/ebtables": ["/usr/sbin/ebtables-nft"],
  "/usr/sbin/arptables": ["/usr/sbin/arptables-nft"],
};

export default defineModule<Std>({
  key: "config/system-path",
  options,
  defaults: ({ pkgs }) =>
    define({
      environment: {
        corePackages: () => named(pkgs, core),
        defaultPackages: () => named(pkgs, ["less", "nano"]),
      },
    }),
  config: ({ config, pkgs }) =>
    define({
      environment: {
        alternatives: standardAlternatives,
        excludedPackages: installers,
        systemPackages: () => [...config.environment.corePackages, ...config.environment.defaultPackages],
        extraSetup: () => alternativesScript(config.environment.alternatives),
      },
      system: {
        path: () =>
          pkgs.mergedTree("system-path", unique(config.environment.systemPackages), {
            exclude: [...new Set(config.environment.excludedPackages)].sort(),
            finish: `${localFolders}${config.environment.extraSetup}`,
          }),
      },
    }),
});

/** Half of all look-ups at boot are for what could lie in /usr/local; an empty folder answers them all at once. */
const localFolders = `for folder in bin etc include lib sbin share; do mkdir -p "$out/usr/local/$folder"; done
`;

/** Links are relative, so that they also hold when the tree is looked at from outside the guest. */
export function alternativesScript(alternatives: { readonly [link: string]: readonly string[] }): string {
  const lines = Object.entries(alternatives)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([link, candidates]) => `alternative ${sh(link)} ${candidates.map(sh).join(" ")}`);
  return `
alternative() {
  link=$out$1; shift
  [ ! -e "$link" ] || return 0
  for file; do
    [ -e "$out$file" ] || continue
    up=
    rest=\${link#"$out"/}
    while [ "$rest" != "\${rest#*/}" ]; do rest=\${rest#*/}; up=../$up; done
    mkdir -p "\${link%/*}"
    rm -f "$link"
    ln -s "$up\${file#/}" "$link"
    return 0
  done
}
${lines.join("\n")}
`;
}

function unique<T extends { toString(): string }>(items: readonly T[]): readonly T[] {
  return [...new Set(items)];
}
