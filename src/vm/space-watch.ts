/**
 * What happens when the host's disk is full while a machine runs.
 *
 * QEMU stops the machine at the first write that does not fit, so that the guest is told of no error and loses nothing; but nobody says so, and nobody lets it go
 * on. The launcher does both: a process beside QEMU listens to its events. A program that has started the machine itself has the
 * same socket, which serves one program, and hears of it there.
 */
import type { MachineSpec } from "./spec.ts";
import { renderShell, type Template, word } from "./template.ts";
import { treeProgram } from "./tree-program.ts";

/** Seconds between two attempts. */
const AGAIN = 3;

/**
 * Shell code that starts the process, which ends when QEMU does; its number is `$watcher`. It asks for QEMU's state before it lets it go on: who has stopped the
 * machine for another reason wants it to stay so.
 */
export function spaceWatch(spec: MachineSpec): string {
  if (spec.disk === null && spec.drives.length === 0) return "";
  const socat: Template = [
    ...treeProgram(spec.qemu.tree, "usr/bin/socat"),
    // It ends at once when QEMU does.
    ...["-t", "0.05", "STDIO"].map((w) => word(w)),
    word("UNIX-CONNECT:", { hole: "runtime" }, "/qmp"),
  ];
  return `
watch_space() {
  until [ -S "$runtime/qmp" ]; do
    kill -0 $qemu 2> /dev/null || return
    usleep 100000
  done
  mkfifo -m 0600 "$runtime/space" || return
  # Open for reading as well, so that nothing waits for the other end.
  exec 4<> "$runtime/space"
  ask() { echo "{\\"execute\\": \\"$1\\"}" >&4; }
  full=
  set --
${renderShell(socat)}  "$@" <&4 2> /dev/null | while read -r line; do
    case $line in
      '{"QMP"'*) ask qmp_capabilities ;;
      *'"event": "BLOCK_IO_ERROR"'*'"nospace": true'*)
        [ -z "$full" ] || continue
        full=yes
        say "this host has no room left for the disks of $name, so the machine waits; free some space, and it goes on"
        sleep ${AGAIN}
        ask query-status ;;
      '{"return"'*'"status": "io-error"'*)
        ask cont
        sleep ${AGAIN}
        ask query-status ;;
      '{"return"'*'"status": "running"'*)
        say "there is room again, and $name goes on"
        full= ;;
      '{"return"'*'"status": "'*)
        sleep ${AGAIN}
        ask query-status ;;
    esac
  done
}
# Without the locks, for a disk is free as soon as QEMU has ended. (Redirections of the call itself would keep copies of them.)
if [ -z "$parent" ]; then
  (
    exec < /dev/null > /dev/null 8>&- 9>&-
    watch_space
  ) &
  watcher=$!
fi
`;
}

/** Shell code for the end: it has ended when QEMU has, or is about to. */
export const endSpaceWatch = `[ -z "$watcher" ] || wait "$watcher" 2> /dev/null`;
