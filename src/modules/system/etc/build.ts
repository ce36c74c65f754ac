/**
 * The derivation behind `/etc`: one script that lays entries over the packages' files and packs the result.
 */
import type { PackageSet } from "../../../packages/index.ts";
import type { Derivation, StoreObject } from "../../../store/index.ts";
import { parentOf, sh } from "../../shell.ts";

/** One entry of `environment.etc`, as read. */
export interface EtcEntry {
  readonly enable: boolean;
  readonly target: string;
  readonly text: string | null;
  readonly source: string | StoreObject | null;
  readonly mode: string;
  readonly user: string;
  readonly group: string;
  readonly uid: number | null;
  readonly gid: number | null;
}

/** Directories that only the guest has: a source in one of them can only be linked. */
const guestPath = /^\/(dev|etc|proc|run|sys|usr|var)\//;

/** Whether an entry is a symbolic link: it says so, or its source is a path of the guest. */
export function isLink(entry: Pick<EtcEntry, "mode" | "source">): boolean {
  return entry.mode === "symlink" || entry.mode === "direct-symlink" || guestPath.test(`${entry.source ?? ""}`);
}

/** The mode an entry has when nobody gave it one: that of a plain file, or of the source when that is executable. */
export const entryMode = "0644";

/** Modes that Debian's packages give their own files, and that a store cannot hold. */
const packageModes: readonly (readonly [path: string, mode: string])[] = [
  ["sudoers", "0440"],
  ["sudoers.d/README", "0440"],
  ["sudoers.d", "0750"],
  ["ssl/private", "0700"],
  ["credstore", "0700"],
  ["credstore.encrypted", "0700"],
];

/** Build the archive of `/etc` from the merged packages and the entries, which are sorted parents first. */
export function buildEtc(
  pkgs: PackageSet,
  systemPath: Derivation,
  entries: readonly EtcEntry[],
  excludes: readonly string[],
): Derivation {
  const texts = pkgs.writeTree(
    "etc-texts",
    Object.fromEntries(
      entries.flatMap((entry, index) => (entry.text === null ? [] : [[`${index}`, { text: entry.text }]])),
    ),
  );
  const script = [
    prelude,
    `cp -R ${systemPath}/etc/. "$root/" && chmod -R u+w "$root"`,
    ...excludes.map((path) => `rm -rf "$root"/${sh(path)}`),
    canonicalModes,
    ...packageModes.map(([path, mode]) => `[ ! -e "$root/${path}" ] || chmod ${mode} "$root/${path}"`),
    ...entries.map((entry, index) => entryLine(entry, `${texts}/${index}`)),
    pack,
  ];
  return pkgs.runCommand("etc", {}, script.join("\n"));
}

function entryLine(entry: EtcEntry, textFile: string): string {
  const source = entry.text === null ? `${entry.source}` : textFile;
  if (isLink(entry)) {
    return `link ${sh(source)} ${sh(entry.target)} ${sh(parentOf(entry.target))}`;
  }
  const put = `put ${sh(source)} ${sh(entry.target)} ${sh(parentOf(entry.target))} ${sh(entry.mode)}`;
  const owner = `${entry.uid ?? entry.user}:${entry.gid ?? entry.group}`;
  // A builder cannot pack a file that its owner may not read, nor give it to somebody else: the guest does both.
  const special = owner !== "root:root" || (Number.parseInt(entry.mode, 8) & 0o400) === 0;
  return special ? `${put}\nprintf '%s\\n' ${sh(`${owner} ${entry.mode} ${entry.target}`)} >> "$out/etc.owners"` : put;
}

const prelude = `
set -e
root=/build/etc-root
mkdir -p "$root" "$out"
: > "$out/etc.owners"

# put SOURCE TARGET PARENT MODE: copy a file, or a directory with all that it holds
put() {
  [ -L "$root/$2" ] && rm -f "$root/$2"
  mkdir -p "$root/$3"
  if [ -d "$1" ]; then
    [ ! -e "$root/$2" ] || [ -d "$root/$2" ] || rm -f "$root/$2"
    mkdir -p "$root/$2"
    cp -R "$1/." "$root/$2/"
    find "$root/$2" -type d -exec chmod 0755 {} + -o -type f -perm -100 -exec chmod 0755 {} + -o -type f -exec chmod 0644 {} +
    return 0
  fi
  rm -rf "$root/$2"
  cp -L "$1" "$root/$2"
  mode=$4
  if [ "$mode" = ${entryMode} ] && [ -x "$1" ]; then mode=0755; fi
  case $mode in
    [0-3]??|?[0-3]??) mode=0600 ;; # unreadable for its owner: packed as private, set right in the guest
  esac
  chmod "$mode" "$root/$2"
}

# link TO TARGET PARENT
link() {
  rm -rf "$root/$2"
  mkdir -p "$root/$3"
  ln -s "$1" "$root/$2"
}
`;

const canonicalModes = `find "$root" -type d -exec chmod 0755 {} + -o -type f -perm -100 -exec chmod 0755 {} + -o -type f -exec chmod 0644 {} +`;

const pack = `
cd "$root"
find . -exec touch -h -d @1 {} +
find . ! -name . | sed 's,^\\./,,' | LC_ALL=C sort > /build/all
cpio -o -H newc -R 0:0 --renumber-inodes < /build/all > "$out/etc.cpio" 2>/dev/null
find . ! -type d | sed 's,^\\./,,' | LC_ALL=C sort > "$out/etc.list"
cp -R "$root" "$out/etc"
`;
