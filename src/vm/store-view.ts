/**
 * What the guest sees of the store, and how more of it is shown while the guest runs.
 *
 * The launcher starts one process beside QEMU, in a mount namespace of its own, where the paths of the machine's closure
 * are bound into one directory, the view. The store's server is started inside that namespace ({@link enterView}), and what
 * is bound into the view later spreads to the server's own namespace: the guest finds a new path at its first look-up. That
 * holds for every server, smbd, virtiofsd and QEMU itself; an image of the closure has no view.
 *
 *     <runtime>/view.fifo       one line a request: `path /nix/store/…`, `link /nix/store/… target`, `done <token>`
 *     <runtime>/view.done       the last token whose requests are done
 *     <runtime>/store-paths     all that is shown, as in the launcher's own list
 *
 * Rejected: ending the server's connection, so that the next one sees more. The guest connects anew, but of what it was reading
 * in that moment some fails (under load, at one connection of four, with hard mounts at one of six).
 */
import { closeSync, constants, openSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fail } from "../problems/index.ts";
import type { MachineSpec } from "./spec.ts";
import { type Template, word } from "./template.ts";
import { treeProgram } from "./tree-program.ts";

/** The words before a program that is to be where the view is; there, a user may make namespaces as anywhere else. */
export function enterView(spec: MachineSpec): Template {
  return [
    ...treeProgram(spec.qemu.tree, "usr/bin/nsenter"),
    word("--target"),
    word({ hole: "viewProcess" }),
    ...["--user", "--preserve-credentials", "--mount"].map((w) => word(w)),
    word("--"),
  ];
}

/** The words of bubblewrap that show a server the view, as the store. */
export const viewAsStore: Template = [
  // Made here, or it would be closed to the guest's ordinary users.
  ...["--perms", "0755", "--dir", "/nix", "--ro-bind"].map((w) => word(w)),
  word({ hole: "runtime" }, "/view"),
  word("/nix/store"),
];

/** A line of `store-paths`: what the guest sees, and as what. */
export type ViewEntry =
  | { readonly kind: "path"; readonly path: string }
  | { readonly kind: "link"; readonly path: string; readonly target: string };

/** `view.sh`, run by busybox in a user and mount namespace of its own, with the store's root and the private directory. */
export function viewScript(): string {
  return `# Shows the guest parts of the store; started by launch.sh.
root=$1 runtime=$2
view=$runtime/view source=$runtime/view.source
mount -o bind "$root/nix/store" "$source" && mount -o remount,bind,ro,nosuid,nodev,noexec "$source" || exit 1
mount -t tmpfs -o mode=0755,size=16m tmpfs "$view" && mount --make-shared "$view" || exit 1
# show KIND PATH [TARGET]
show() {
  at=$view/\${2#/nix/store/}
  if [ -h "$at" ] || [ -e "$at" ]; then return 0; fi
  case $1 in
    link) ln -s "$3" "$at" ;;
    path)
      from=$source/\${2#/nix/store/}
      if [ -d "$from" ]; then mkdir "$at"; else : > "$at"; fi
      mount -o bind "$from" "$at" ;;
  esac
}
# Each process takes a millisecond or two, so all directories are made by one and all paths bound by another.
set --
while read -r kind path target; do
  from=$source/\${path#/nix/store/} at=$view/\${path#/nix/store/}
  case $kind in
    link) ln -s "$target" "$at" || exit 1 ;;
    path)
      if [ -d "$from" ]; then set -- "$@" "$at"; else : > "$at"; fi
      echo "$from $at none bind 0 0" ;;
  esac
done < "$runtime/store-paths" > "$runtime/view.table"
[ $# -eq 0 ] || mkdir "$@" || exit 1
mount -a -T "$runtime/view.table" || exit 1
exec 7<> "$runtime/view.fifo"
echo $$ > "$runtime/view.pid"
echo ready
exec > /dev/null
while read -r kind path target <&7; do
  case $kind in
    done) echo "$path" > "$runtime/view.new" && mv "$runtime/view.new" "$runtime/view.done" ;;
    *) show "$kind" "$path" "$target" ;;
  esac
done
`;
}

/** Read a list such as a launcher's `store-paths`. */
export function readViewEntries(file: string): ViewEntry[] {
  return readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [kind, path = "", ...target] = line.split(" ");
      return kind === "link" ? { kind, path, target: target.join(" ") } : { kind: "path", path };
    });
}

const WAIT_MS = 60_000;
const POLL_MS = 20;

/**
 * Show a running guest more of the store. Resolves when all of it is there; answers how many paths were new.
 * Problem: `store-view-closed`, when nothing answers.
 */
export async function extendView(runtime: string, entries: readonly ViewEntry[]): Promise<number> {
  const list = join(runtime, "store-paths");
  const shown = new Set(readViewEntries(list).map(({ path }) => path));
  const missing = entries.filter(({ path }) => !shown.has(path));
  if (missing.length === 0) return 0;
  const lines = missing.map((entry) =>
    entry.kind === "link" ? `link ${entry.path} ${entry.target}\n` : `path ${entry.path}\n`,
  );
  const token = `${process.pid}-${Date.now()}`;
  const fifo = join(runtime, "view.fifo");
  const pipe = await opened(fifo);
  try {
    for (const line of [...lines, `done ${token}\n`]) await written(pipe, fifo, line);
  } finally {
    closeSync(pipe);
  }
  for (let waited = 0; answered(runtime) !== token; waited += POLL_MS) {
    if (waited > WAIT_MS) closed(fifo);
    await sleep(POLL_MS);
  }
  writeFileSync(list, lines.join(""), { flag: "a" });
  return missing.length;
}

/** A pipe that nobody reads cannot be opened without waiting, which is how a view that ended is told. */
async function opened(fifo: string): Promise<number> {
  try {
    return openSync(fifo, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch (cause) {
    return closed(fifo, cause);
  }
}

/** Lines are shorter than what a pipe takes as a whole. */
async function written(pipe: number, fifo: string, line: string): Promise<void> {
  for (let waited = 0; ; waited += POLL_MS) {
    try {
      writeSync(pipe, line);
      return;
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== "EAGAIN" || waited > WAIT_MS) closed(fifo, cause);
      await sleep(POLL_MS);
    }
  }
}

function answered(runtime: string): string {
  try {
    return readFileSync(join(runtime, "view.done"), "utf8").trim();
  } catch {
    return "";
  }
}

function closed(fifo: string, cause?: unknown): never {
  return fail(
    {
      code: "store-view-closed",
      message: `the running machine cannot be shown more of the store: nothing answers at ${fifo}`,
      fix: "Power the machine off and start it again; that takes the new system as well.",
    },
    cause,
  );
}
