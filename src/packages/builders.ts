/**
 * The trivial builders: texts, trees of texts, links, and scripts, each one derivation that busybox builds.
 *
 * Every derivation costs a sandbox, so whoever has many files makes one tree of them. Within a script a command costs
 * a process; files are therefore written with `printf`, which is part of the shell.
 */
import type { Derivation, Source, StoreObject, StoreScope } from "../store/index.ts";
import { quote, relativePath } from "./shell.ts";
import type { RunCommandOptions, TreeFile } from "./types.ts";

/** The system that all builders run on. */
export const SYSTEM = "x86_64-linux";

/** What the trivial builders need. */
export interface BuilderTools {
  readonly scope: StoreScope;
  readonly busybox: Source;
}

/** A derivation that runs a script by busybox's shell; applets need no path. The script may have any length. */
export function scriptDerivation(
  tools: BuilderTools,
  name: string,
  script: string,
  env: { readonly [name: string]: string | StoreObject } = {},
  asFiles: readonly string[] = [],
): Derivation {
  const busybox = tools.busybox.path;
  // A kernel takes 128 KiB at most for one variable; long before that a file is the better place.
  const inFile = script.length > 32_000;
  const passAsFile = [...asFiles, ...(inFile ? ["script"] : [])].join(" ");
  return tools.scope.derivation({
    name,
    system: SYSTEM,
    builder: `${busybox}/bin/busybox`,
    args: inFile ? ["sh", "-ec", '. "$scriptPath"'] : ["sh", "-ec", script],
    env: {
      PATH: `${busybox}/bin`,
      // What a program writes for the present time, if it asks: that of everything in a store.
      SOURCE_DATE_EPOCH: "1",
      ...env,
      ...(inFile ? { script } : {}),
      ...(passAsFile === "" ? {} : { passAsFile }),
    },
  });
}

/** @see Builders.writeText */
export function writeText(tools: BuilderTools, name: string, text: string): Derivation {
  quote(text);
  return scriptDerivation(tools, name, 'exec cp "$textPath" "$out"', { text }, ["text"]);
}

/** @see Builders.writeScript */
export function writeScript(tools: BuilderTools, name: string, text: string): Derivation {
  quote(text);
  return scriptDerivation(tools, name, 'cp "$textPath" "$out"\nchmod 555 "$out"', { text }, ["text"]);
}

/** @see Builders.writeTree */
export function writeTree(tools: BuilderTools, name: string, files: { readonly [path: string]: TreeFile }): Derivation {
  const entries = Object.entries(files)
    .map(([path, file]) => [relativePath(path, name), file] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  const lines = ['mkdir "$out"', 'cd "$out"', ...directories(entries.map(([path]) => path))];
  const executables: string[] = [];
  // Copied trees come first: a text may then stand within one.
  for (const [path, file] of entries) {
    if ("source" in file) lines.push(`cp -RH ${quote(String(file.source))} ${quote(path)}`);
  }
  if (entries.some(([, file]) => "source" in file)) lines.push("chmod -R u+w .");
  for (const [path, file] of entries) {
    if ("text" in file) {
      lines.push(`printf %s ${quote(file.text) || "''"} >${quote(path)}`);
      if (file.mode === "0555") executables.push(quote(path));
    } else if ("symlink" in file) {
      lines.push(`ln -s ${quote(file.symlink)} ${quote(path)}`);
    }
  }
  if (executables.length > 0) lines.push(`chmod 555 ${executables.join(" ")}`);
  return scriptDerivation(tools, name, lines.join("\n"));
}

/** @see Builders.linkFarm */
export function linkFarm(
  tools: BuilderTools,
  name: string,
  entries: { readonly [path: string]: StoreObject | string },
): Derivation {
  return writeTree(
    tools,
    name,
    Object.fromEntries(Object.entries(entries).map(([path, target]) => [path, { symlink: String(target) }])),
  );
}

/** @see Builders.runCommand */
export function runCommand(tools: BuilderTools, name: string, options: RunCommandOptions, script: string): Derivation {
  const prelude = options.tree === undefined ? "" : runFunction(options.tree);
  return scriptDerivation(tools, name, `${prelude}${script}`, options.env ?? {});
}

/**
 * Shell function `run`: a program of a merged tree, by name or by path below the tree's root.
 *
 * The tree is not at `/` in the sandbox, so the program's own loader and libraries are named to it, to Perl and Python
 * their modules as well; a script is run by the tree's interpreter, a static program directly.
 */
function runFunction(tree: StoreObject): string {
  return `
run() {
  local root=${quote(tree.path)} name=$1 file= first= dir
  shift
  case $name in
    */*) file=$root/\${name#/} ;;
    *) for dir in usr/bin usr/sbin usr/local/bin; do
         if [ -e "$root/$dir/$name" ]; then file=$root/$dir/$name; break; fi
       done ;;
  esac
  if [ -z "$file" ] || [ ! -e "$file" ]; then echo "run: there is no program $name in $root" >&2; return 127; fi
  IFS= read -r first <"$file" || :
  case $first in
    '#!'*)
      first=\${first#\\#!}
      first=\${first# }
      case $first in
        */env\\ *) first=\${first#*/env }; dir=\${first#* }; [ "$dir" != "$first" ] || dir=; first=\${first%% *} ;;
        *) dir=\${first#* }; [ "$dir" != "$first" ] || dir=; first=\${first%% *}; first=\${first##*/} ;;
      esac
      run "$first" $dir "$file" "$@" ;;
    *)
      dir=$root/usr/lib/x86_64-linux-gnu
      if grep -q ld-linux-x86-64 "$file"; then
        PERL5LIB=$dir/perl-base:$root/usr/share/perl5:$root/usr/share/perl/5.40:$dir/perl/5.40 PYTHONHOME=$root/usr \\
          "$root/usr/lib64/ld-linux-x86-64.so.2" --argv0 "$name" \\
          --library-path "$dir:$root/usr/lib:$dir/systemd:$dir/samba" "$file" "$@"
      else
        "$file" "$@"
      fi ;;
  esac
}
`;
}

/** One `mkdir -p` for all parents; leaves are enough, and sorted paths make them easy to see. */
function directories(paths: readonly string[]): string[] {
  const parents = [...new Set(paths.map((path) => path.slice(0, Math.max(0, path.lastIndexOf("/")))))]
    .filter((path) => path !== "")
    .sort();
  const leaves = parents.filter((path, index) => !parents[index + 1]?.startsWith(`${path}/`));
  return leaves.length === 0 ? [] : [`mkdir -p ${leaves.map(quote).join(" ")}`];
}
