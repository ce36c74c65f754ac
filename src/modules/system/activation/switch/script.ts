/**
 * `bin/switch-to-configuration`: makes a running machine be another system, as NixOS's program of that name does.
 *
 *     stop units → activate (/usr, users, /etc, …) → systemd reads its units again → reload → restart → start → say what failed
 *
 * It is run in the guest by busybox. What changes is decided by one awk program over two tables of units (unit-table.ts) and the list of
 * units that are running; under emulation every process counts. Exit codes are NixOS's: 2 when activation failed, 3 when systemd
 * could not be set right, 4 when units failed.
 */

/** Path of the list of programs and their hashes in a tree of packages. */
export const programsFile = "usr/lib/osmod/programs";

/** Lists every program and library with its hash, for finding services that run a former one. Part of the tree's own build. */
export const listPrograms = `
mkdir -p "$out/usr/lib/osmod"
( cd "$out" && find usr/bin usr/sbin usr/lib usr/libexec -type f \\( -perm -100 -o -name '*.so' -o -name '*.so.*' \\) -print0 2> /dev/null | LC_ALL=C sort -z | xargs -0 -r md5sum ) > "$out/${programsFile}"
`;

/** The script; `@systemConfig@` stands for the machine's store path. */
export function switchScript(shell: string): string {
  return `#!${shell} sh
# Makes this running machine be the system @systemConfig@.
new=@systemConfig@ old=$(readlink -f /run/current-system)
action=$1
case $action in
  switch | test | boot | dry-activate) ;;
  *) echo "usage: $0 switch|test|dry-activate|boot
switch, test   make the running machine be this system; what it boots is decided where its launcher runs
dry-activate   say what would be done
boot           nothing is to be done in the machine" >&2; exit 1 ;;
esac
[ "$action" != boot ] || exit 0
[ -e $old/switch/units ] || { echo "the running system was not made to be switched; power off and start the new one" >&2; exit 1; }

# A service's processes end when it is restarted; this one must not be among them.
if [ -z "$OSMOD_SWITCHING" ] && [ "$action" != dry-activate ]; then
  systemctl is-active --quiet osmod-switch.service && { echo "another switch is going on in this machine" >&2; exit 1; }
  exec systemd-run --quiet --collect --wait --pipe --no-ask-password --service-type=exec --unit=osmod-switch \\
    --property=Description="Switch to another system" --setenv=OSMOD_SWITCHING=1 --setenv=PATH="$PATH" "$0" "$action"
fi
# Who started the switch may be gone before its end.
trap '' PIPE HUP
umask 0022
work=/run/osmod-switch
rm -rf $work
mkdir -m 0700 $work || exit 1
status=0
units() { systemctl list-units --all --plain --full --no-legend --no-pager > "$1"; }

# Processes that have a program or library of a former tree of packages, as \`P <unit>\`.
changed_programs() {
  [ "$(readlink -f $old/sw)" != "$(readlink -f $new/sw)" ] || return 0
  [ -e $old/sw/${programsFile} ] || return 0
  awk -v before=$old/sw/${programsFile} -v after=$new/sw/${programsFile} -v processes="$(echo /proc/[0-9]*)" '
    BEGIN {
      while ((getline line < after) > 0) now[substr(line, 35)] = substr(line, 1, 32)
      while ((getline line < before) > 0) { path = substr(line, 35); if (now[path] != substr(line, 1, 32)) changed["/" path] = 1 }
      n = split(processes, process, " ")
      for (i = 1; i <= n; i++) {
        found = 0
        while ((getline < (process[i] "/maps")) > 0) if ($6 in changed) { found = 1; break }
        close(process[i] "/maps")
        if (!found) continue
        if (process[i] == "/proc/1") print "P init"
        while ((getline line < (process[i] "/cgroup")) > 0) {
          m = split(line, part, "/")
          for (j = 1; j <= m; j++) if (part[j] ~ /\\.service$/) { if (!(part[j] in said)) print "P " part[j]; said[part[j]] = 1; break }
        }
        close(process[i] "/cgroup")
      }
    }'
}

units $work/before
changed_programs > $work/programs
awk ${decide} $old/switch/units $new/switch/units $work/programs $work/before > $work/plan
list() { awk -v kind="$1" '$1 == kind { print $2 }' $work/plan | sort -u; }
# say TEXT UNITS: one line, as NixOS words it
say() { [ -z "$2" ] || echo "$1: $(echo $2 | sed 's/ /, /g')"; }
# call VERB UNITS
call() { [ -z "$2" ] || systemctl --no-ask-password $1 -- $2; }
stop=$(list stop) skip=$(list skip) reload=$(list reload) restart=$(list restart) start=$(list start) shown=$(list shown)
reexec=$(list reexec)

if [ "$action" = dry-activate ]; then
  say "would stop the following units" "$stop"
  say "would NOT restart the following changed units" "$skip"
  [ "$(readlink $old/etc)" = "$(readlink $new/etc)" ] || echo "would update /etc"
  [ "$(readlink $old/sw)" = "$(readlink $new/sw)" ] || echo "would replace /usr"
  echo "would activate the configuration..."
  [ -z "$reexec" ] || echo "would restart systemd"
  say "would reload the following units" "$reload"
  say "would restart the following units" "$restart"
  say "would start the following units" "$shown"
  rm -rf $work
  exit 0
fi

echo "switching to $new" > /dev/kmsg
say "stopping the following units" "$stop"
call stop "$stop"
say "NOT restarting the following changed units" "$skip"
echo "activating the configuration..."
$new/activate || { status=2; echo "warning: activating the configuration failed" >&2; }
[ -z "$reexec" ] || { echo "restarting systemd..."; systemctl daemon-reexec || status=3; }
systemctl reset-failed
systemctl daemon-reload || status=3
if [ "$(readlink /run/booted-system/kernel)" != "$(readlink $new/kernel)" ]; then
  echo "the kernel is another one: it is used from the next start on"
fi
echo "setting up tmpfiles"
systemd-tmpfiles --create --remove --exclude-prefix=/dev
case $? in 0 | 65 | 73) ;; *) status=3 ;; esac
for mount in $(list remount); do
  echo "remounting $mount"
  mount -o remount "$mount" || status=4
done
say "reloading the following units" "$reload"
call reload "$reload" || status=4
say "restarting the following units" "$restart"
call restart "$restart" || status=4
say "starting the following units" "$shown"
call start "$start" || status=4
# A service that ends at once counts as started at first.
[ -z "$restart$start" ] || sleep 1

units $work/after
awk '
  NR == FNR { if ($3 == "active" || $3 == "activating") was[$1] = 1; next }
  $1 ~ /\\.(device|scope|slice)$/ || $1 == "osmod-switch.service" { next }
  $3 == "failed" || $4 == "auto-restart" { print "failed " $1; next }
  $3 == "active" && !($1 in was) { print "new " $1 }
' $work/before $work/after > $work/outcome
new_units=$(awk '$1 == "new" { print $2 }' $work/outcome | sort)
failed=$(awk '$1 == "failed" { print $2 }' $work/outcome | sort)
fresh=$(for unit in $new_units; do case " $(echo $shown $restart) " in *" $unit "*) ;; *) echo $unit ;; esac; done)
say "the following new units were started" "$fresh"
if [ -n "$failed" ]; then
  say "warning: the following units failed" "$failed"
  systemctl status --no-pager --full --lines=10 -- $failed
  status=4
fi
{
  for unit in $stop; do echo "stopped $unit"; done
  for unit in $skip; do echo "skipped $unit"; done
  for unit in $reload; do echo "reloaded $unit"; done
  for unit in $restart; do echo "restarted $unit"; done
  for unit in $shown $fresh; do echo "started $unit"; done
  for unit in $failed; do echo "failed $unit"; done
} > $work/report
exit $status
`;
}

/**
 * From the tables of two systems, the services whose programs changed, and the units that run, to what is to be done, as
 * `stop <unit>`, `start <unit>` and so on; `shown` are those started units that somebody wants to hear of.
 */
export const decideProgram = String.raw`
FNR == 1 { input++ }
input < 3 && $1 == "U" { hash[input, $2] = $3; reloadHash[input, $2] = $4; flags[input, $2] = $5; sockets[$2] = $6; next }
input < 3 && $1 == "E" { enabled[input, $2] = 1; next }
input < 3 && $1 == "F" { mounts[$2] = 1; what[input, $2] = $3; options[input, $2] = $4; next }
input < 3 && $1 == "M" { manager[input] = $2; next }
$1 == "P" { ran[$2] = 1; next }
NF >= 4 && $1 != "P" { if ($3 == "active" || $3 == "activating" || $3 == "reloading") active[$1] = 1 }
function template(unit) { sub(/@[^@]*\./, "@.", unit); return unit }
# The name under which a table knows a unit.
function known(table, unit) {
  if ((table, unit) in hash) return unit
  unit = template(unit)
  return (table, unit) in hash ? unit : ""
}
function has(table, unit, flag) { return index(flags[table, unit], flag) > 0 }
END {
  for (unit in active) {
    if (unit ~ /\.(device|scope|slice)$/ || unit == "osmod-switch.service") continue
    from = known(1, unit); to = known(2, unit)
    if (to == "") { if (from != "" && !has(1, from, "n")) stop[unit] = 1; continue }
    # A packaged unit is there whether or not it is wanted; what no link enables any more is not.
    if ((1, unit) in enabled && !((2, unit) in enabled)) { stop[unit] = 1; continue }
    if (unit ~ /\.target$/) {
      # Started again, a target pulls in what it wants now.
      if (!has(2, to, "m") && !has(2, to, "o")) start[unit] = 1
      if (has(2, to, "c")) stop[unit] = 1
      continue
    }
    if (from != "" && hash[1, from] == hash[2, to] && !(unit in ran)) {
      if (reloadHash[1, from] != reloadHash[2, to]) toReload(unit, to)
      continue
    }
    if (from == "" && !(unit in ran)) continue
    modified(unit, to)
  }
  for (unit in restart) delete reload[unit]
  for (unit in stop) { delete restart[unit]; delete reload[unit] }
  for (mount in mounts) {
    if (index(options[1, mount] options[2, mount], "x-initrd.mount")) continue
    unit = unitOf(mount)
    if (!((1, mount) in what)) { if (options[2, mount] !~ /(^|,)noauto(,|$)/ && mount ~ /^\//) { start[unit] = 1; shown[unit] = 1 } }
    else if (!((2, mount) in what)) { if (unit in active) stop[unit] = 1 }
    else if (what[1, mount] != what[2, mount]) { if (unit in active) { stop[unit] = 1; start[unit] = 1; shown[unit] = 1 } }
    else if (options[1, mount] != options[2, mount]) { if (unit in active) print "remount " mount }
  }
  for (unit in stop) print "stop " unit
  for (unit in skip) print "skip " unit
  for (unit in reload) print "reload " unit
  for (unit in restart) print "restart " unit
  for (unit in start) print "start " unit
  for (unit in shown) print "shown " unit
  if (("init" in ran) || manager[1] != manager[2]) print "reexec systemd"
}
function toReload(unit, to) {
  if (has(2, to, "a")) reload[unit] = 1
  else if (has(2, to, "r") || has(2, to, "k")) skip[unit] = 1
  else restart[unit] = 1
}
function modified(unit, to,    list, n, i, bySocket) {
  if (unit ~ /\.socket$/) {
    # A socket does not change while its service runs, which then is stopped as well and comes back with the next connection.
    if (unit ~ /^(systemd-|dbus)/) { skip[unit] = 1; return }
    service = substr(unit, 1, length(unit) - 6) "service"
    if (service in active) stop[service] = 1
    stop[unit] = 1; start[unit] = 1; shown[unit] = 1
    return
  }
  if (unit ~ /\.mount$/) { if (unit !~ /^(-|usr|nix-store|run-wrappers)\.mount$/) reload[unit] = 1; return }
  if (has(2, to, "l")) { toReload(unit, to); return }
  if (has(2, to, "r") || has(2, to, "k") || has(2, to, "o")) { skip[unit] = 1; return }
  if (has(2, to, "s") || unit !~ /\.service$/) { restart[unit] = 1; return }
  n = split(sockets[to] != "-" && sockets[to] != "" ? sockets[to] : substr(unit, 1, length(unit) - 7) "socket", list, ",")
  for (i = 1; i <= n; i++) if (list[i] in active) {
    stop[list[i]] = 1
    if (known(2, list[i]) != "") { start[list[i]] = 1; shown[list[i]] = 1; bySocket = 1 }
  }
  stop[unit] = 1
  if (!bySocket) { start[unit] = 1; shown[unit] = 1 }
}
# systemd's name of a mount point.
function unitOf(path,    out, i, c) {
  if (path == "/") return "-.mount"
  gsub(/^\/+|\/+$/, "", path); gsub(/\/+/, "/", path)
  out = ""
  for (i = 1; i <= length(path); i++) {
    c = substr(path, i, 1)
    if (c == "/") out = out "-"
    else if (c ~ /[a-zA-Z0-9:_]/ || (c == "." && i > 1)) out = out c
    else out = out sprintf("\\x%02x", ordinal(c))
  }
  return out ".mount"
}
function ordinal(c,    i) { for (i = 1; i < 256; i++) if (sprintf("%c", i) == c) return i; return 63 }
`;

const decide = `'${decideProgram.replaceAll("'", "'\\''")}'`;
