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
import { meets } from "./meets.ts";
import { type PackageRecord, relationsOf } from "./record.ts";
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
  const excluded = (options.excludePaths ?? DEFAULT_EXCLUDED_PATHS).map((pattern) => pattern.replace(/^\/+|\/+$/g, ""));
  const literal = excluded.filter((pattern) => !/[*?]/.test(pattern));
  const patterns = excluded.filter((pattern) => /[*?]/.test(pattern)).map((pattern) => `./${glob(pattern)}`);
  const script = [
    SURVEY.replaceAll("PRUNED", pruned(literal)),
    copies(literal),
    SHARED,
    patterns.length === 0 ? "" : `rm -rf ${patterns.join(" ")}`,
    FINISH,
    options.finish ?? "",
  ].join("\n");
  return scriptDerivation(
    tools,
    name,
    script,
    {
      packages: ordered.map((entry) => `${entry.unpacked.path}\n`).join(""),
      // Pairs `<replacing> <replaced>`: a file they share is no surprise.
      replaces: replacements(ordered)
        .map(([by, other]) => `${by.unpacked.path} ${other.unpacked.path}\n`)
        .join(""),
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

/** `find`'s words for not entering the excluded directories of any package. */
function pruned(excluded: readonly string[]): string {
  if (excluded.length === 0) return "";
  return `\\( ${excluded.map((path) => `-path ${quote(`/nix/store/*/${path}`)}`).join(" -o ")} \\) -prune -o`;
}

/**
 * The copying, one `cp` for each directory that is not copied whole: the root, those with something excluded in them,
 * and the four that usr-merging moves. What is excluded is never touched, which is nearly half of all files.
 */
function copies(excluded: readonly string[]): string {
  const skipped = new Map<string, string[]>();
  const split = (directory: string): string[] => {
    let entries = skipped.get(directory);
    if (entries === undefined) {
      entries = [];
      skipped.set(directory, entries);
      if (directory !== "") split(parentOf(directory)).push(directory);
    }
    return entries;
  };
  for (const path of excluded) split(parentOf(path));
  for (const directory of MERGED) split(directory);
  return [...skipped]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([directory, within]) => {
      const target = MERGED.includes(directory) ? `usr/${directory}` : directory;
      const kept = excluded.filter((path) => parentOf(path) === directory);
      return `copy ${quote(directory) || "''"} ${quote(`./${target}`)} ${quote(` ${within.join(" ")} `)} ${quote(` ${kept.join(" ")} `)}`;
    })
    .join("\n");
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf("/")));
}

/** Top directories that are links into `usr`. */
const MERGED = ["bin", "lib", "lib64", "sbin"];

/**
 * Directories are made first and writable: `cp` gives a directory that it has to make the mode of the original, which
 * in a store is read-only, and the next package could then add nothing to it.
 */
const SURVEY = `
mkdir "$out"
cd "$out"
set --
while read -r package; do set -- "$@" "$package"; done <"$packagesPath"
mkdir -p /build/none usr/bin usr/sbin usr/lib usr/lib64
[ $# -gt 0 ] || set -- /build/none
find "$@" PRUNED ! -type d -print | sed 's,^/nix/store/[^/]*/,,' | sort | uniq -d >/build/shared &
survey=$!
find "$@" PRUNED -type d -print |
  sed -e '\\,^/build,d' -e 's,^/nix/store/[^/]*,.,' -e 's,^\\./\\(bin\\|sbin\\|lib\\|lib64\\)\\(/\\|$\\),./usr/\\1\\2,' |
  sort -u | tr '\\n' '\\0' | xargs -0 mkdir -p .

# copy <directory> <target> <directories that have a copy of their own> <excluded>
copy() {
  while read -r package; do
    if [ -n "$1" ]; then
      package=$package/$1
      if [ -L "$package" ] || [ ! -d "$package" ]; then continue; fi
    fi
    for entry in "$package"/* "$package"/.[!.]*; do
      name=\${entry##*/}
      case $4 in *" \${1:+$1/}$name "*) continue ;; esac
      case $3 in *" \${1:+$1/}$name "*) if [ -d "$entry" ] && [ ! -L "$entry" ]; then continue; fi ;; esac
      if [ -e "$entry" ] || [ -L "$entry" ]; then printf '%s\\0' "$entry"; fi
    done
  done <"$packagesPath" >/build/entries
  if [ -s /build/entries ]; then xargs -0 cp -dRf -t "$2" </build/entries; fi
}
`;

/** Files that several packages have: the last one's, put there anew in case a symlink was in the way. */
const SHARED = `
wait $survey
while IFS= read -r file; do
  winner=
  while read -r package; do
    if [ ! -e "$package/$file" ] && [ ! -L "$package/$file" ]; then continue; fi
    if [ -n "$winner" ] && ! cmp -s "$winner/$file" "$package/$file" && ! grep -qxF "$package $winner" "$replacesPath"; then
      echo "note: $file differs between \${winner##*/} and \${package##*/}; the latter's is taken"
    fi
    winner=$package
  done <"$packagesPath"
  case $file in bin/* | sbin/* | lib/* | lib64/*) target=usr/$file ;; *) target=$file ;; esac
  rm -f "./$target"
  cp -d "$winner/$file" "./$target"
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
