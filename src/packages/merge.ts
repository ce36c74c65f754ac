/**
 * Merging packages to one root tree, as dpkg would lay them out on an empty disk.
 *
 * - usr-merged: `bin`, `sbin`, `lib` and `lib64` are links into `usr`; a package that still ships files in one of them
 *   has them moved there.
 * - Packages are copied dependencies first, by name where that leaves a choice; one that `Replaces` another one of the
 *   tree comes after it. Where two have a file in common the later one's wins. If the contents differ and nothing says
 *   `Replaces`, the build log says so (such files are diversions, which are made by scripts that never run here).
 * - Documentation, manuals and translations are left out. They stay in the unpacked packages, licences included.
 * - `etc/ld.so.cache` is made by the tree's own ldconfig. Everything else that maintainer scripts do is for modules.
 *
 * One process copies all trees: a copy per package would take longer to start than to copy.
 */
import type { Derivation } from "../store/index.ts";
import { type BuilderTools, scriptDerivation } from "./builders.ts";
import { type PackageRecord, relationsOf } from "./record.ts";
import { meets } from "./resolver.ts";
import { quote } from "./shell.ts";

/** What a merged tree leaves out unless told otherwise; `*` and `?` as in the shell. */
export const DEFAULT_EXCLUDED_PATHS: readonly string[] = [
  "usr/share/bug",
  "usr/share/doc",
  "usr/share/doc-base",
  "usr/share/gnome/help",
  "usr/share/help",
  "usr/share/info",
  "usr/share/lintian",
  "usr/share/locale",
  "usr/share/man",
  "usr/share/omf",
];

/** A package of a merge. */
export interface MergePackage {
  readonly record: PackageRecord;
  readonly unpacked: Derivation;
}

/** Merge packages, given dependencies first. */
export function mergeTree(
  tools: BuilderTools,
  name: string,
  packages: readonly MergePackage[],
  options: { readonly excludePaths?: readonly string[]; readonly finish?: string } = {},
): Derivation {
  const ordered = replacersLast(packages);
  const excluded = (options.excludePaths ?? DEFAULT_EXCLUDED_PATHS).map(glob);
  const script = [
    COPY,
    excluded.length === 0 ? "" : `rm -rf ${excluded.map((pattern) => `./${pattern}`).join(" ")}`,
    FINISH,
    options.finish ?? "",
  ].join("\n");
  return scriptDerivation(
    tools,
    name,
    script,
    {
      packages: ordered.map((entry) => entry.unpacked.path).join("\n"),
      // Pairs `<replacing> <replaced>`: a file they share is no surprise.
      replaces: replacements(ordered)
        .map(([by, other]) => `${by.unpacked.path} ${other.unpacked.path}`)
        .join("\n"),
    },
    ["packages", "replaces"],
  );
}

/** Stable: a package moves only behind those that it replaces parts of. */
function replacersLast(packages: readonly MergePackage[]): readonly MergePackage[] {
  const ordered = [...packages];
  for (const [by, other] of replacements(packages)) {
    const from = ordered.indexOf(by);
    const to = ordered.indexOf(other);
    if (from > to) continue;
    ordered.splice(from, 1);
    ordered.splice(to, 0, by);
  }
  return ordered;
}

function replacements(packages: readonly MergePackage[]): (readonly [MergePackage, MergePackage])[] {
  const byName = new Map(packages.map((entry) => [entry.record.name, entry]));
  const pairs: (readonly [MergePackage, MergePackage])[] = [];
  for (const entry of packages) {
    for (const relation of relationsOf(entry.record, "replaces").flat()) {
      const other = byName.get(relation.name);
      if (other !== undefined && other !== entry && meets(other.record, relation)) pairs.push([entry, other]);
    }
  }
  return pairs;
}

/** A pattern with everything quoted but `*` and `?`. */
function glob(pattern: string): string {
  return pattern
    .replace(/^\/+/, "")
    .split(/([*?])/)
    .map((part) => (part === "*" || part === "?" || part === "" ? part : quote(part)))
    .join("");
}

/**
 * Directories are made first and writable: `cp` gives a directory that it has to make the mode of the original, which
 * in a store is read-only, and the next package could then add nothing to it.
 */
const COPY = `
mkdir "$out"
cd "$out"
set --
odd=
while read -r package; do
  set -- "$@" "$package"
  for dir in bin sbin lib lib64; do
    if [ -d "$package/$dir" ] && [ ! -L "$package/$dir" ]; then odd="$odd $package"; break; fi
  done
done <"$packagesPath"
[ $# -gt 0 ] || set -- /build/none
mkdir -p /build/none usr/bin usr/sbin usr/lib usr/lib64
find "$@" -type d | sed -e 's,^/nix/store/[^/]*,.,' -e 's,^\\./\\(bin\\|sbin\\|lib\\|lib64\\)\\(/\\|$\\),./usr/\\1\\2,' |
  sort -u >/build/directories
tr '\\n' '\\0' </build/directories | xargs -0 mkdir -p

# A file that several packages have: found before copying, for the notes and to undo what lies in the way.
find "$@" ! -type d | sed 's,^/nix/store/[^/]*/,,' | sort | uniq -d >/build/shared

all=$#
while [ "$all" -gt 0 ]; do
  case "$odd " in
    *" $1 "*)
      for entry in "$1"/* "$1"/.[!.]*; do
        case \${entry##*/} in
          bin|sbin|lib|lib64)
            if [ ! -L "$entry" ]; then
              cp -dRf "$entry/." "usr/\${entry##*/}/"
              continue
            fi ;;
        esac
        if [ -e "$entry" ] || [ -L "$entry" ]; then cp -dRf "$entry" ./; fi
      done ;;
    *) set -- "$@" "$1/." ;;
  esac
  shift
  all=$((all - 1))
done
[ $# -eq 0 ] || cp -dRf "$@" ./

while IFS= read -r file; do
  winner=
  while read -r package; do
    [ -e "$package/$file" ] || [ -L "$package/$file" ] || continue
    if [ -n "$winner" ] && ! cmp -s "$winner/$file" "$package/$file" && ! grep -qxF "$package $winner" "$replacesPath"; then
      echo "note: $file differs between \${winner##*/} and \${package##*/}; the latter's is taken"
    fi
    winner=$package
  done <"$packagesPath"
  case $file in
    bin/*|sbin/*|lib/*|lib64/*) ;;
    *) rm -f "$file"; cp -d "$winner/$file" "$file" ;;
  esac
done </build/shared
`;

const FINISH = `
for dir in bin sbin lib lib64; do
  [ -L "$dir" ] || ln -s "usr/$dir" "$dir"
done
if [ -x usr/sbin/ldconfig ]; then
  mkdir -p etc var/cache/ldconfig
  [ -e etc/ld.so.conf ] || : >etc/ld.so.conf
  usr/sbin/ldconfig -X -i -r "$out"
  rm -rf var/cache/ldconfig
fi
`;
