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
 * Shell code that starts the process, which ends when QEMU does. It asks for QEMU's state before it lets it go on: who has stopped the
 * machine for another reason wants it to stay so.
 */
export function spaceWatch(spec: MachineSpec): string {
  if (spec.disk === null && spec.drives.length === 0) return "";
  const socat: Template = [
    ...treeProgram(spec.qemu.tree, "usr/bin/socat"),
    word("STDIO"),
    word("UNIX-CONNECT:", { hole: "runtime" }, "/qmp"),
  ];
  return `
watch_space() {
  until [ -S "$runtime/qmp" ]; do
    kill -0 $qemu 2> /dev/null || return
    usleep 100000
  done
  mkfifo -m 0600 "$runtime/space" || return
  ask() { echo "{\\"execute\\": \\"$1\\"}" > "$runtime/space"; }
  full=
  set --
${renderShell(socat)}  "$@" <> "$runtime/space" 2> /dev/null | while read -r line; do
    case $line in
      '{"QMP"'*) ask qmp_capabilities ;;
      *'"BLOCK_IO_ERROR"'*'"nospace": true'*)
        [ -z "$full" ] || continue
        full=yes
        say "this host has no room left for the disks of $name, so the machine waits; free some space, and it goes on"
        sleep ${AGAIN}
        ask query-status ;;
      *'"status": "io-error"'*)
        ask cont
        sleep ${AGAIN}
        ask query-status ;;
      *'"status": "running"'*)
        [ -z "$full" ] || say "there is room again, and $name goes on"
        full= ;;
      *'"status": "'*)
        sleep ${AGAIN}
        ask query-status ;;
    esac
  done
}
[ -n "$parent" ] || watch_space < /dev/null > /dev/null 8>&- 9>&- &
`;
}
