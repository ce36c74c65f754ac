/**
 * `launch.sh`: what happens between `./result/bin/run-web-vm` and QEMU.
 *
 * It is run by the store's busybox (entry-script.ts), whose applets are its only commands beside QEMU's own tree. In order:
 *
 *     generation · own options · accelerator · QEMU_OPTS and its like · disk: make, lock, grow · private directory · share · QEMU
 *
 * QEMU's arguments are built as positional parameters, by the lines that `renderShell` made of the template; values are
 * never put into text that a shell reads again, so `eval` occurs nowhere.
 */
import { credentialPrefix, qemuArgv, qemuEnvironment, tcgKernelParams } from "./argv.ts";
import { freshDisk, recordCheck, recordFunctions } from "./disk-record.ts";
import { driveChoice, driveEscapes, driveFunction, driveMake } from "./disks.ts";
import { firmwareMake, firmwarePaths } from "./firmware.ts";
import { generationChoice } from "./generation-choice.ts";
import {
  chooseForwards,
  endPasst,
  fixedForwards,
  freeForwards,
  lanChoice,
  lanEscapes,
  passtAwait,
  passtStart,
  writeForwards,
} from "./networks.ts";
import { shareEscapes, shareStart } from "./shared-directories.ts";
import { endSpaceWatch, spaceWatch } from "./space-watch.ts";
import type { MachineSpec } from "./spec.ts";
import {
  escapeCommas,
  printQuoted,
  renderShell,
  renderShellWord,
  shellQuote,
  type Template,
  word,
} from "./template.ts";
import { endTpm, tpmStart } from "./tpm.ts";
import { confines, hasView } from "./transports/index.ts";
import { ninepEnter, ninepPrivileges } from "./transports/ninep.ts";
import { virtiofsStart } from "./transports/virtiofs.ts";
import { treeProgram } from "./tree-program.ts";

/** What the scripts refer to in the store. */
export interface LaunchPaths {
  /** `busybox`, the program. */
  readonly busybox: string;
  /** Samba's merged tree. */
  readonly samba: string;
  /** virtiofsd's merged tree, when the machine uses it. */
  readonly virtiofsd?: string;
}

/** File descriptors that QEMU inherits, so that the kernel holds the locks exactly as long as QEMU lives. */
export const RUNTIME_FD = 8;
const DISK_FD = 9;

/** `launch.sh`, run by busybox with the store's root, the launcher's data, the name it was started by, and the user's arguments. */
export function launchScript(spec: MachineSpec, paths: LaunchPaths): string {
  const tool = (program: string) => renderShell(treeProgram(spec.qemu.tree, program));
  const pinned: Template = [
    ...ninepEnter(spec),
    ...treeProgram(spec.qemu.tree, "usr/bin/setpriv"),
    word("--pdeathsig"),
    word("KILL"),
    ...ninepPrivileges(spec).map((option) => word(option)),
    word("--"),
    ...qemuArgv(spec),
  ];
  const environment = Object.entries(qemuEnvironment(spec))
    .map(([name, value]) => `export ${name}=${renderShellWord(value)}\n`)
    .join("");
  return `# Run by the launcher of ${spec.name}; see --help there.
root=$1 share=$2 self=$3
shift 3
name=${shellQuote(spec.name)}
accel_choice=${shellQuote(spec.cpu.accel)}
disk_image=${spec.disk === null ? "" : shellQuote(spec.disk.image)}
disk_size=${spec.disk?.size ?? 0}
host_forwards=${shellQuote(fixedForwards(spec.network.forwardPorts).join(" "))}
free_forwards=${shellQuote(freeForwards(spec.network.forwardPorts).join(" "))}
busybox=$root${paths.busybox}
umask 022
unset LD_LIBRARY_PATH LD_PRELOAD LD_AUDIT

say() { printf 'osmod: %s\\n' "$1" >&2; }
# die MESSAGE [FIX]
die() {
  printf 'error: %s\\n' "$1" >&2
  [ -z "$2" ] || printf '  fix: %s\\n' "$2" >&2
  exit 1
}
# await_socket SOCKET PROCESS WHAT LOG FIX: until a program that was started listens
await_socket() {
  tries=500
  while [ ! -S "$1" ]; do
    tries=$((tries - 1))
    { [ $tries -gt 0 ] && kill -0 "$2" 2> /dev/null; } || die "$3 did not start: $(cat "$4")" "$5"
    usleep 10000
  done
}
${toolFunction("qemu_img", tool("usr/bin/qemu-img"))}
${toolFunction("flock", tool("usr/bin/flock"))}
${toolFunction("bwrap", tool("usr/bin/bwrap"))}
${toolFunction("exec_setpriv", tool("usr/bin/setpriv"), "exec ")}
${endsWithParent}
${generationChoice}
${ownOptions}
${accelerator}[ $accel != tcg ] || kernelParams=" ${tcgKernelParams.join(" ")}$kernelParams"
${userWords}
${redirections}${chooseForwards}${lanChoice(spec)}
${spec.disk === null ? "disk= diskFormat=" : diskChoice}
${spec.drives.length === 0 ? "" : driveFunction}${driveChoice(spec)}
${printCommand(spec, pinned)}
case $root in *[:\\;]*) die "the store's path $root has a colon or semicolon in it, which the dynamic linker cannot take" "move the store (OSMOD_STORE_ROOT) to another path" ;; esac
${spec.credentials
  .filter(({ source }) => !source.startsWith("/nix/store/"))
  .map(({ name, source }) => `check_credential ${shellQuote(name)} ${shellQuote(source)}\n`)
  .join("")}${portsInUse}
${spec.disk === null ? "" : diskMake}
${runtimeDirectory}
${driveMake(spec)}${firmwarePaths(spec)}${firmwareMake(spec)}${keepStore}
${confines(spec) ? startShare : 'mkdir -m 0700 "$runtime/log"'}
${hasView(spec) ? startView(spec) : ""}
${writeForwards}${passtStart(spec)}${shareStart(spec)}${tpmStart(spec)}
# All of these start at the same time; QEMU needs them.
${confines(spec) ? awaitNamespaces : ""}${hasView(spec) ? awaitView : ""}${virtiofsStart(spec, paths.virtiofsd)}${passtAwait(spec)}
${environment}
${run(spec, pinned)}
`;
}

/** A shell function that runs a program of a merged tree with further arguments. */
function toolFunction(name: string, words: string, how = ""): string {
  // The words come first, the function's own arguments after them: rotate the latter behind.
  return `${name}() {
  arguments=$#
${words}  while [ "$arguments" -gt 0 ]; do set -- "$@" "$1"; shift; arguments=$((arguments - 1)); done
  ${how}"$@"
}`;
}

/**
 * A program that starts machines may be killed, and a machine of its own must not outlive it. Whoever starts one says its process in
 * `OSMOD_PARENT`; the kernel then ends this script, and so QEMU, when that process ends.
 */
const endsWithParent = `
parent=
case \${OSMOD_PARENT:-} in
  '') ;;
  *:seen)
    parent=\${OSMOD_PARENT%:seen}
    unset OSMOD_PARENT
    [ "$PPID" = "$parent" ] || exit 143 ;;
  *)
    export OSMOD_PARENT="$OSMOD_PARENT:seen"
    exec_setpriv --pdeathsig TERM -- "$busybox" sh "$share/launch.sh" "$root" "$share" "$self" "$@" ;;
esac
`;

const ownOptions = `
usage() {
  cat <<END
Usage: $self [--fresh] [--headless] [--print-command] [QEMU's own options ...]

Starts the virtual machine $name. Its console is this terminal's: C-a x ends the machine, C-a h shows more keys.

  --fresh            start on a new root disk; the image of the former one is kept beside it, as <image>.old
  --headless         no window and no escape keys: the console is on standard input and output, byte for byte
  --generation N     start what the machine was before or after a switch (osmod switch --list-generations)
  --print-command    print QEMU's command line, one quoted word after the other, and start nothing
  --credential NAME=FILE   give the guest a systemd credential; only its owner may be able to read the file
  --help             this text

Environment:
  OSMOD_ACCEL           kvm, tcg or auto: how the processor is made (built with: $accel_choice)
  OSMOD_DISK_IMAGE      the root disk's image (built with: \${disk_image:-none, the root is in memory})
  OSMOD_IMAGES          directory for images that only this start needs, such as empty disks' (default: the private directory)
  OSMOD_KEEP_IMAGES     go on with the images that are in that directory: of a machine that is resumed
  OSMOD_RUNTIME_DIR     private directory for sockets and logs; must not exist; removed at the end
  OSMOD_VLAN_<n>        socket of the switch that the virtual LAN <n> is on
  OSMOD_VM_NAME         what osmod vm calls this machine while it runs (default: $name)
  QEMU_OPTS             more options of QEMU, by the shell's quoting rules; -redir tcp:8080::80 forwards a port
  QEMU_NET_OPTS         more options of the network, for example hostfwd=tcp::2222-:22
  QEMU_KERNEL_PARAMS    more of the kernel's command line
END
}
# check_credential NAME FILE: what is secret in the guest must be so on the host as well
check_credential() {
  case $1 in '' | .* | *[!a-zA-Z0-9._@-]*) die "$1 cannot be the name of a credential" "use letters, digits and . _ @ -" ;; esac
  { [ -f "$2" ] && [ -r "$2" ]; } || die "the credential $1 cannot be read from $2" "make the file (mode 0600), or name another one"
  case $(stat -L -c %a "$2") in *00) ;; *) die "the credential $1 lies in $2, which others than its owner can read" "chmod 600 $2" ;; esac
}
headless= print_only= fresh=
while [ $# -gt 0 ]; do
  case $1 in
    --help) usage; exit 0 ;;
    --fresh) fresh=1; shift ;;
    --headless) headless=1; shift ;;
    --print-command) print_only=1; shift ;;
    --credential)
      case \${2:-} in ?*=?*) ;; *) die "--credential takes NAME=FILE" "for example: --credential db.password=./secrets/db" ;; esac
      check_credential "\${2%%=*}" "\${2#*=}"
      ${escapeCommas("file", "${2#*=}")}
      set -- "$@" -fw_cfg "name=${credentialPrefix}\${2%%=*},file=$file_escaped"
      shift 2 ;;
    --) shift; break ;;
    *) break ;;
  esac
done
if [ -z "$headless" ] && [ -t 0 ] && [ -t 1 ]; then console=terminal; else console=plain; fi
kernelParams=\${QEMU_KERNEL_PARAMS:+ $QEMU_KERNEL_PARAMS}
# A serial line does not know how large the terminal at its end is, and systemd would ask it, and wait for an answer, three times.
size=
if [ $console = terminal ]; then
  size=$(stty size 2> /dev/null)
  case \${TERM:-} in '' | *[!a-zA-Z0-9+.-]*) ;; *) kernelParams=" systemd.tty.term.console=$TERM systemd.tty.term.ttyS0=$TERM$kernelParams" ;; esac
fi
case $size in [1-9]*' '[1-9]*) ;; *) size='24 80' ;; esac
for line in console ttyS0; do
  kernelParams=" systemd.tty.rows.$line=\${size% *} systemd.tty.columns.$line=\${size#* }$kernelParams"
done
`;

const accelerator = `
# Sets $why to the reason that KVM is no use here; empty when it is.
why_not_kvm() {
  why=
  if [ ! -e /dev/kvm ]; then why="there is no /dev/kvm"
  elif ! ( : <> /dev/kvm ) 2> /dev/null; then why="/dev/kvm does not open for this user"
  elif ! grep -qE '^flags[[:space:]]*:.* (vmx|svm)( |$)' /proc/cpuinfo; then why="this processor offers neither vmx nor svm, so its /dev/kvm is slower than none"
  fi
}
accel=\${OSMOD_ACCEL:-$accel_choice}
why_not_kvm
case $accel in
  auto)
    if [ -z "$why" ]; then accel=kvm about="KVM: /dev/kvm works; OSMOD_ACCEL=tcg emulates instead"
    else accel=tcg about="TCG (emulation): $why; OSMOD_ACCEL=kvm tries KVM all the same"
    fi ;;
  kvm)
    ( : <> /dev/kvm ) 2> /dev/null || die "KVM was asked for, but $why" "let this user open /dev/kvm (often: join the group kvm), or emulate with OSMOD_ACCEL=tcg"
    about="KVM, as asked for\${why:+ ($why)}; OSMOD_ACCEL=tcg emulates instead" ;;
  tcg) about="TCG (emulation), as asked for; OSMOD_ACCEL=auto uses KVM where it works" ;;
  *) die "OSMOD_ACCEL is $accel" "set it to kvm, tcg or auto" ;;
esac
`;

/** Splits QEMU_OPTS by the shell's quoting rules, without its substitutions, and puts the words before the user's arguments. */
const userWords = `
count=$#
rest=\${QEMU_OPTS:-} text= begun= quote=
newline='
'
tab=$(printf '\\t')
while [ -n "$rest" ]; do
  tail=\${rest#?} char=\${rest%"\${rest#?}"}
  rest=$tail
  case $quote$char in
    "''" | '""') quote= ;;
    "'"?) text=$text$char ;;
    '"\\')
      tail=\${rest#?} char=\${rest%"\${rest#?}"}
      rest=$tail
      case $char in '"' | '\\' | '$' | '\`') text=$text$char ;; "$newline") ;; *) text=$text\\\\$char ;; esac ;;
    '"'?) text=$text$char ;;
    "'" | '"') quote=$char begun=1 ;;
    '\\')
      tail=\${rest#?} char=\${rest%"\${rest#?}"}
      rest=$tail
      [ "$char" = "$newline" ] || { text=$text$char begun=1; } ;;
    ' ' | "$tab" | "$newline")
      if [ -n "$begun" ]; then set -- "$@" "$text"; text= begun=; fi ;;
    *) text=$text$char begun=1 ;;
  esac
done
[ -z "$quote" ] || die "QEMU_OPTS has a $quote that is not closed: $QEMU_OPTS" "close the quote, or put a backslash before it"
[ -z "$begun" ] || set -- "$@" "$text"
while [ "$count" -gt 0 ]; do set -- "$@" "$1"; shift; count=$((count - 1)); done
`;

/** The spelling of 2009, `-redir tcp:8080::80`, became a part of the network's option. */
const redirections = `
# add_forward RULE: a rule that the machine has already is no second one
add_forward() {
  case $1 in *:0-*) free_forwards="$free_forwards $1"; return ;; esac
  for known in $host_forwards; do
    [ "$known" != "$1" ] || return 0
    case $1 in "\${known%-*}-"*)
      die "this machine forwards \${known%-*} of the host to \${known##*-} already, so it cannot lead to \${1##*-} as well" "choose another port of the host, or change virtualisation.forwardPorts" ;;
    esac
  done
  netOptions=$netOptions,hostfwd=$1
  host_forwards="$host_forwards $1"
}
netOptions=
rest=\${QEMU_NET_OPTS:-}
while [ -n "$rest" ]; do
  case $rest in *,*) item=\${rest%%,*} rest=\${rest#*,} ;; *) item=$rest rest= ;; esac
  case $item in
    '') ;;
    hostfwd=*[!a-z0-9.:-]*) die "QEMU_NET_OPTS has a rule that is none: $item" "write hostfwd=tcp::8080-:80 (protocol, host's address and port, guest's address and port)" ;;
    hostfwd=*) add_forward "\${item#hostfwd=}" ;;
    *) netOptions=$netOptions,$item ;;
  esac
done
count=$#
while [ "$count" -gt 0 ]; do
  argument=$1
  shift
  count=$((count - 1))
  if [ "$argument" != -redir ]; then set -- "$@" "$argument"; continue; fi
  [ "$count" -gt 0 ] || die "-redir is the last of QEMU's options" "write -redir tcp:8080::80 (protocol, host's port, guest's address or nothing, guest's port)"
  redirection=$1
  shift
  count=$((count - 1))
  case $redirection in *[!a-z0-9.:]* | *:*:*:*:*) redirection= ;; *:*:*:*) ;; *) redirection= ;; esac
  protocol=\${redirection%%:*} rest=\${redirection#*:}
  host_port=\${rest%%:*} rest=\${rest#*:}
  guest_address=\${rest%%:*} guest_port=\${rest#*:}
  case $protocol:$host_port:$guest_port in
    tcp:[0-9]*:[0-9]* | udp:[0-9]*:[0-9]* | :[0-9]*:[0-9]*) ;;
    *) die "-redir does not understand its value" "write -redir tcp:8080::80 (protocol, host's port, guest's address or nothing, guest's port)" ;;
  esac
  add_forward "\${protocol:-tcp}::$host_port-$guest_address:$guest_port"
done
`;

/** Sets $disk to an absolute path: QEMU would take what stands before a colon in a relative one for a protocol. */
const diskChoice = `
disk=\${OSMOD_DISK_IMAGE:-$disk_image}
disk=\${disk#./}
case $disk in /*) ;; *) disk=$(pwd -P)/$disk ;; esac
[ ! -h "$disk" ] || disk=$(readlink -f "$disk")
disk_folder=\${disk%/*}
diskFormat=qcow2
if [ -e "$disk" ] && [ "$(head -c 3 "$disk" 2> /dev/null)" != QFI ]; then diskFormat=raw; fi
`;

const printCommand = (spec: MachineSpec, argv: Template) => `
if [ -n "$print_only" ]; then
  runtime='<private directory>' viewProcess='<process of the view>'
${escapedVariables}
${driveEscapes(spec)}${shareEscapes(spec)}${lanEscapes(spec)}${firmwarePaths(spec)}  count=$#
${renderShell(argv)}
  while [ "$count" -gt 0 ]; do set -- "$@" "$1"; shift; count=$((count - 1)); done
  for argument in "$@"; do
    case $argument in
      '' | *[!A-Za-z0-9_./:=,@%+-]*) ${printQuoted} ;;
      *) printf '%s ' "$argument" ;;
    esac
  done
  echo
  exit 0
fi
`;

/** QEMU's own message about a taken port comes late and does not say whose forwarding it was. */
const portsInUse = `
read -r first_port 2> /dev/null < /proc/sys/net/ipv4/ip_unprivileged_port_start || first_port=1024
[ "$(id -u)" != 0 ] || first_port=0
listeners=$(cat /proc/net/tcp /proc/net/tcp6 2> /dev/null | awk '$4 == "0A" { print $2 }')
for forward in $host_forwards; do
  rest=\${forward#*:}
  address=\${rest%%:*} port=\${rest#*:}
  port=\${port%%-*}
  case $port in '' | *[!0-9]*) continue ;; esac
  [ "$port" -ge "$first_port" ] || die "port $port of this host is root's, and cannot be forwarded to the guest by an ordinary user" "choose a port from $first_port on: virtualisation.forwardPorts, QEMU_OPTS or QEMU_NET_OPTS"
  case $forward in tcp:* | :*) ;; *) continue ;; esac
  # As the kernel writes them: an address of its own, or any; the port. All in hexadecimal digits.
  case $address in
    '' | 0.0.0.0) wanted='*' ;;
    *.*.*.*) wanted=$(IFS=.; set -- $address; printf %02X%02X%02X%02X "$4" "$3" "$2" "$1") ;;
    *) wanted='*' ;;
  esac
  at=$(printf %04X "$port")
  for listener in $listeners; do
    case $listener in $wanted:$at | 00000000:$at | 00000000000000000000000000000000:$at) ;; *) continue ;; esac
    die "port $port of this host is in use already, and cannot be forwarded to the guest" "end the program that listens there, or choose another port: virtualisation.forwardPorts, QEMU_OPTS or QEMU_NET_OPTS"
  done
done
`;

const diskMake = `${recordFunctions}${freshDisk}
if [ ! -e "$disk" ]; then
  [ -d "$disk_folder" ] || die "the directory of the disk image $disk does not exist" "make it, or choose another image with OSMOD_DISK_IMAGE"
  [ -w "$disk_folder" ] || die "the disk image $disk cannot be made: its directory is not writable for you" "start the machine in another directory, or choose another image with OSMOD_DISK_IMAGE"
  new=$disk.new-$$
  trap 'rm -f "$new"' EXIT
  trap 'exit 143' TERM
  trap 'exit 130' INT
  trap 'exit 129' HUP
  if ! message=$(qemu_img create -q -f qcow2 "$new" "\${disk_size}M" 2>&1); then
    case $message in
      *"No space left"*) die "there is no space left for the disk image $disk" "free some space (an empty image takes less than a megabyte), or choose another image with OSMOD_DISK_IMAGE" ;;
      *) die "the disk image $disk could not be made: $message" "choose another image with OSMOD_DISK_IMAGE" ;;
    esac
  fi
  write_record "$new"
  # A link never replaces what another start may have made meanwhile.
  ln "$new" "$disk" 2> /dev/null || mv -n "$new" "$disk"
  rm -f "$new"
  trap - EXIT TERM INT HUP
  say "made the disk image $disk ($disk_size MiB, grows as it is used)"
fi
[ -f "$disk" ] || [ -b "$disk" ] || die "the disk image $disk is neither a file nor a block device" "choose another image with OSMOD_DISK_IMAGE"
( : <> "$disk" ) 2> /dev/null || die "the disk image $disk is not writable for you" "choose another image with OSMOD_DISK_IMAGE"
exec ${DISK_FD}<> "$disk"
if ! flock -n ${DISK_FD}; then
  holder=
  for process in /proc/[0-9]*; do
    pid=\${process#/proc/}
    if [ "$pid" != $$ ] && [ "$process/fd/${DISK_FD}" -ef "$disk" ]; then holder=$pid; break; fi
  done
  die "the disk image $disk is in use already\${holder:+ by process $holder}" "end that virtual machine first, or start this one on a disk of its own: OSMOD_DISK_IMAGE=./other.qcow2"
fi
${recordCheck}if [ $diskFormat = qcow2 ]; then
  # Bytes 24 to 31 of the header are the size, big end first.
  have=$((0x\${header:48:16}))
  if [ "$have" -lt $((disk_size * 1048576)) ]; then
    message=$(qemu_img resize -q -f qcow2 "$disk" "\${disk_size}M" 2>&1) || die "the disk image $disk could not be grown: $message" "free some space, or set virtualisation.diskSize back"
    say "grew the disk image to $disk_size MiB; its file system follows when it is mounted"
  elif [ -n "$record" ] && [ "$have" -gt $((disk_size * 1048576)) ]; then
    die "the disk image $disk has $((have / 1048576)) MiB and the machine asks for $disk_size: no disk is ever made smaller" "set virtualisation.diskSize to $((have / 1048576)) or more, or make a new image with --fresh (the old one is kept)"
  fi
fi
`;

/**
 * A private directory for this run, with a lock in it that QEMU holds: what a killed start left behind is found by that
 * and removed by the next start of the same machine. Its path holds no blanks, because QEMU splits the share's command at them.
 */
const runtimeDirectory = `
runtime= keeping= view= swtpm= watcher=
finish() {
  status=$?
  trap - EXIT
  [ -z "$terminal_state" ] || stty "$terminal_state" 2> /dev/null
  [ -z "$view" ] || kill $view 2> /dev/null
  ${endPasst}
  ${endTpm}
  ${endSpaceWatch}
  # It says nothing when all is well; what the guest sees of its end is "host is down".
  [ ! -s "$runtime/smbd.log" ] || say "the server of the store said: $(tail -n 5 "$runtime/smbd.log")"
  [ -z "$runtime" ] || rm -rf "$runtime"
  [ -z "$parent" ] || rmdir "\${runtime%/*}" 2> /dev/null
  [ -z "$keeping" ] || rm -f "$keeping"
  exit "$status"
}
terminal_state=
trap finish EXIT
trap 'exit 143' TERM
trap 'exit 130' INT
trap 'exit 129' HUP
if [ -n "\${OSMOD_RUNTIME_DIR:-}" ]; then
  case $OSMOD_RUNTIME_DIR in [!/]* | *[!A-Za-z0-9/._-]*) die "OSMOD_RUNTIME_DIR is $OSMOD_RUNTIME_DIR" "use an absolute path of letters, digits and / . _ -" ;; esac
  mkdir -m 0700 "$OSMOD_RUNTIME_DIR" || die "the directory OSMOD_RUNTIME_DIR, $OSMOD_RUNTIME_DIR, could not be made" "name one that does not exist in a directory where you may write"
  runtime=$OSMOD_RUNTIME_DIR
  exec ${RUNTIME_FD}> "$runtime/lock"
  flock -n ${RUNTIME_FD}
else
  base=\${XDG_RUNTIME_DIR:-/tmp}
  case $base in [!/]* | *[!A-Za-z0-9/._-]*) base=/tmp ;; esac
  { [ -d "$base" ] && [ -w "$base" ] && [ \${#base} -lt 60 ]; } || base=/tmp
  for old in "$base/osmod-$name-"??????; do
    { [ -d "$old" ] && [ ! -h "$old" ] && [ -O "$old" ]; } || continue
    flock -n "$old/lock" "$busybox" true 2> /dev/null && rm -rf "$old"
  done
  new=$(mktemp -d "$base/.osmod-XXXXXX") || die "no private directory could be made in $base" "make $base writable, or set XDG_RUNTIME_DIR"
  runtime=$new
  exec ${RUNTIME_FD}> "$new/lock"
  flock -n ${RUNTIME_FD}
  runtime=$base/osmod-$name-\${new##*-}
  mv "$new" "$runtime" || { rm -rf "$new"; exit 1; }
fi
# What others find the machine by (running.ts); the process comes last.
printf '%s\\n' "\${OSMOD_VM_NAME:-$name}" > "$runtime/name"
printf '%s\\n' "$disk" > "$runtime/disk"
ln -s "$share" "$runtime/share"
printf '%s\\n' $$ > "$runtime/launcher.pid"
`;

/**
 * Tells collections of garbage what this machine runs from, as the store's own `running.ts` does: the file's name is
 * `vm.<pid>.<start time>.<pid namespace>.<boot>.<n>`, and a collection that began before waits for nobody, so this waits
 * for its end and looks whether the machine is still there. A store that is somebody else's cannot be written; whoever
 * collects there sees this machine's processes.
 */
const keepStore = `
running=$root/nix/var/osmod/running
if [ -d "$running" ] && [ -w "$running" ]; then
  read -r stat < /proc/$$/stat
  set_start() { shift 19; start=$1; }
  set_start \${stat##*) }
  namespace=$(readlink /proc/self/ns/pid)
  namespace=\${namespace#*\\[} namespace=\${namespace%]}
  read -r boot < /proc/sys/kernel/random/boot_id
  boot=\${boot%%-*}
  keeping=$running/vm.$$.$start.\${namespace:-0}.\${boot:-0}.1
  own=\${share#"$root"}
  printf '%s\\n' "\${own%/share/osmod}" > "$keeping" || keeping=
  # What a machine was switched to before it was put to sleep.
  [ -z "$keeping" ] || [ -z "\${OSMOD_MORE_STORE_PATHS:-}" ] || awk '{ print $2 }' "$OSMOD_MORE_STORE_PATHS" >> "$keeping"
fi
for claim in "$root/nix/var/osmod/locks/collecting."*; do
  owner=\${claim##*/collecting.}
  while [ -e "$claim" ] && [ -d "/proc/\${owner%%.*}" ]; do sleep 1; done
done
[ -e "$share/store-paths" ] || die "this machine was removed from the store in this moment, by a collection of garbage" "build it again (osmod build-vm)"
`;

/** The share's server is started by QEMU; what can keep it from working is found out here, where it can be explained. */
const startShare = `
mkdir -m 0700 "$runtime/log"
bwrap --unshare-all --uid 1000 --gid 1000 --ro-bind "$busybox" /busybox -- /busybox true > "$runtime/log/namespaces" 2>&1 < /dev/null ${RUNTIME_FD}>&- ${DISK_FD}>&- &
namespaces=$!
ln -s "$share/share.sh" "$runtime/smbd"
export OSMOD_SHARE_ROOT="$root" OSMOD_SHARE_DATA="$share" OSMOD_SHARE_RUNTIME="$runtime"
`;

const awaitNamespaces = `
wait $namespaces || die "this host does not let programs make user namespaces, which confine the server of the store: $(cat "$runtime/log/namespaces")" "allow them (sysctl kernel.unprivileged_userns_clone=1, user.max_user_namespaces, or kernel.apparmor_restrict_unprivileged_userns=0), or start the machine as root"
`;

/** The process that shows the guest parts of the store (store-view.ts); it ends with this script, however that ends. */
const startView = (spec: MachineSpec) => `
mkdir "$runtime/view" "$runtime/view.source"
mkfifo -m 0600 "$runtime/view.fifo" "$runtime/view.ready"
# A machine that is resumed may have been switched before; most of what it saw then is there anyhow.
awk '!seen[$2]++' "$share/store-paths" \${OSMOD_MORE_STORE_PATHS:+"$OSMOD_MORE_STORE_PATHS"} > "$runtime/store-paths"
{
  set --
${renderShell([
  ...treeProgram(spec.qemu.tree, "usr/bin/unshare"),
  ...["--user", "--map-root-user", "--mount", "--"].map((w) => word(w)),
  ...treeProgram(spec.qemu.tree, "usr/bin/setpriv"),
  ...["--pdeathsig", "KILL", "--"].map((w) => word(w)),
])}  exec "$@" "$busybox" sh "$share/view.sh" "$root" "$runtime" > "$runtime/view.ready" 2> "$runtime/view.log" < /dev/null ${RUNTIME_FD}>&- ${DISK_FD}>&-
} &
view=$!
`;

const awaitView = `
read -r ready < "$runtime/view.ready"
[ "$ready" = ready ] || die "the store cannot be shown to the guest: $(cat "$runtime/view.log")" "look whether this host lets programs make user and mount namespaces"
read -r viewProcess < "$runtime/view.pid"
`;

const escapedVariables = `  ${escapeCommas("disk")} ${escapeCommas("root")}
  runtime_escaped=$runtime diskFormat_escaped=$diskFormat`;

const run = (spec: MachineSpec, argv: Template) => `
${escapedVariables}
${driveEscapes(spec)}${shareEscapes(spec)}${lanEscapes(spec)}count=$#
${renderShell(argv)}
while [ "$count" -gt 0 ]; do set -- "$@" "$1"; shift; count=$((count - 1)); done
say "$about"
if [ $console = terminal ]; then
  terminal_state=$(stty -g 2> /dev/null)
  say "the console of $name follows; C-a x ends the machine at once, C-a h shows more keys"
fi
# In the background, so that a signal to this script reaches QEMU at once; its input is the script's own all the same.
exec 3<&0
"$@" <&3 3<&- &
qemu=$!
exec 3<&-
${spaceWatch(spec)}asked=
trap 'asked=143; kill -TERM $qemu 2> /dev/null' TERM
trap 'asked=130; kill -TERM $qemu 2> /dev/null' INT
trap 'asked=129; kill -TERM $qemu 2> /dev/null' HUP
while :; do
  wait $qemu
  status=$?
  kill -0 $qemu 2> /dev/null || break
done
trap '' TERM INT HUP
exit \${asked:-$status}
`;
