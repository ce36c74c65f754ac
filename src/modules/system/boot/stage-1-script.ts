/**
 * The script that the kernel starts first, `/init` of the initrd.
 *
 * It has one job: put together `/sysroot` and hand over to stage 2. In order: kernel file systems, modules, network (only
 * when asked for), then every file system that the machine needs, each with waiting, formatting, checking, mounting, growing.
 * What differs from machine to machine are the lines that {@link stage1Script} puts where it says so; the rest is the same everywhere.
 *
 * Programs are busybox' own, started without a file; every one that is not needed is left out, since a process costs
 * some ten milliseconds in an emulated machine.
 */

/** The parts of the script that a machine decides. */
export interface Stage1Parts {
  /** Seconds to wait for a device. */
  readonly deviceTimeout: number;
  /** Modules to load at once, all of them in the initrd. */
  readonly modules: readonly string[];
  /** Shell lines calling `interface`. */
  readonly network: string;
  /** Shell lines calling `mount_device` and `mount_other`. */
  readonly mounts: string;
  readonly preDeviceCommands: string;
  readonly postDeviceCommands: string;
  readonly postMountCommands: string;
}

/** The text of the initrd's `/init`. */
export function stage1Script(parts: Stage1Parts): string {
  return `#!/bin/busybox sh
export PATH=/bin:/sbin
${functions(parts.deviceTimeout)}
# By its path: busybox finds its own programs through /proc.
/bin/busybox mount -t proc -o nosuid,noexec,nodev proc /proc
mount -t sysfs -o nosuid,noexec,nodev sysfs /sys
mount -t devtmpfs -o nosuid,mode=0755 devtmpfs /dev 2>/dev/null

init=/sbin/init
read -r cmdline < /proc/cmdline
for word in $cmdline; do
  case $word in
    init=*) init=\${word#init=} ;;
    boot.shell_on_fail) shell_on_fail=1 ;;
    boot.panic_on_fail|stage1panic=1) panic_on_fail=1 ;;
    boot.trace|boot.debugtrace) set -x ;;
    boot.debug1) shell_at_start=1 ;;
  esac
done
echo
echo "<<< osmod stage 1 >>>"
echo
${parts.modules.length === 0 ? "" : `modprobe -a ${parts.modules.join(" ")} || warn "not every module of the initrd could be loaded"`}
[ -z "$shell_at_start" ] || shell
${parts.preDeviceCommands}
${parts.network}
${parts.postDeviceCommands}
${parts.mounts}
${parts.postMountCommands}
[ -x "/sysroot$init" ] || [ -L "/sysroot$init" ] || fail "there is no $init in the root file system" "the kernel's command line says init=$init; is the store mounted, and does it hold this machine?"
[ -d /sysroot/proc ] && [ -d /sysroot/sys ] && [ -d /sysroot/dev ] || mkdir -p /sysroot/proc /sysroot/sys /sysroot/dev
mount -o move /sys /sysroot/sys
mount -o move /dev /sysroot/dev
/bin/busybox mount -o move /proc /sysroot/proc
exec /bin/busybox switch_root /sysroot "$init"
fail "could not start $init"
`;
}

const functions = (deviceTimeout: number): string => `
warn() { echo "stage 1: warning: $1" >&2; }

shell() {
  echo "stage 1: a shell; leave it with 'exit' to go on."
  setsid cttyhack sh || sh
}

# fail MESSAGE [HINT]
fail() {
  echo >&2
  echo "stage 1: $1" >&2
  [ -z "$2" ] || echo "stage 1: $2" >&2
  if [ -n "$shell_on_fail" ]; then
    shell
    return 0
  fi
  echo "stage 1: giving up. Boot with boot.shell_on_fail on the kernel's command line to look around." >&2
  [ -z "$panic_on_fail" ] || exit 1
  sleep 1
  poweroff -f
}

# Load what fits the devices that are there. Only done when a device is missing: known machines name their modules.
coldplug() {
  cat /sys/bus/*/devices/*/modalias 2>/dev/null | sort -u | xargs modprobe -qab 2>/dev/null
}

# locate NAME: sets $dev to the device file behind a name that udev would have linked.
locate() {
  dev=
  case $1 in
    /dev/disk/by-id/virtio-*)
      wanted=\${1#/dev/disk/by-id/virtio-}
      part=
      case $wanted in *-part[0-9]*) part=\${wanted##*-part}; wanted=\${wanted%-part*} ;; esac
      for block in /sys/block/*; do
        [ -e "$block/serial" ] || continue
        read -r serial < "$block/serial"
        [ "$serial" != "$wanted" ] || dev=/dev/\${block##*/}$part
      done ;;
    /dev/disk/by-label/*) dev=$(findfs "LABEL=\${1#/dev/disk/by-label/}" 2>/dev/null) ;;
    /dev/disk/by-uuid/*) dev=$(findfs "UUID=\${1#/dev/disk/by-uuid/}" 2>/dev/null) ;;
    /dev/disk/by-partuuid/*) dev=$(findfs "PARTUUID=\${1#/dev/disk/by-partuuid/}" 2>/dev/null) ;;
    LABEL=*|UUID=*|PARTUUID=*) dev=$(findfs "$1" 2>/dev/null) ;;
    *) dev=$1 ;;
  esac
  [ -n "$dev" ] && [ -b "$dev" ]
}

# wait_for NAME: like locate, but gives the device time to appear.
wait_for() {
  locate "$1" && return 0
  coldplug
  tries=${deviceTimeout * 20}
  while [ $tries -gt 0 ]; do
    locate "$1" && return 0
    usleep 50000
    tries=$((tries - 1))
    [ $((tries % 40)) -ne 0 ] || coldplug
  done
  fail "the device $1 did not appear within ${deviceTimeout} seconds" "devices that are there: $(cd /sys/block && echo *)"
}

# blank DEVICE: nothing but zeros where file systems, partition tables and volume managers put their marks.
blank() {
  bytes=$(blockdev --getsize64 "$1")
  [ "$( { head -c 524288 "$1"; dd if="$1" bs=65536 skip=$((bytes / 65536 - 2)) 2>/dev/null; } | tr -d '\\000' | head -c 1 | wc -c)" -eq 0 ]
}

# format DEVICE TYPE LABEL
format() {
  echo "making an $2 file system on $1..."
  if [ -n "$3" ]; then set -- "$1" "$2" -L "$3"; fi
  device=$1 type=$2; shift 2
  /bin/mke2fs -q -F -t "$type" -E lazy_itable_init=1,lazy_journal_init=1,nodiscard "$@" "$device" || fail "mke2fs could not make a file system on $device"
}

# superblock DEVICE: reads an ext file system's in one go. Sets magic, state (1: clean), blocks, block_log.
superblock() {
  # half words from 1024: blocks are the 3rd and 4th, log2(block size) - 10 the 13th, the mark the 29th, the state the 30th
  set -- $(od -An -v -tu2 -j1024 -N60 "$1" 2>/dev/null)
  magic=\${29} state=\${30} blocks=$(($3 + ($4 << 16))) block_log=\${13}
  [ "$magic" = 61267 ]
}

# check DEVICE: what was left clean needs no program; an open journal is the kernel's to replay.
check() {
  [ "$state" != 1 ] || return 0
  /bin/e2fsck -p "$1" > /dev/null 2>/fsck.log
  status=$?
  [ $((status & 2)) -eq 0 ] || { sync; reboot -f; }
  [ $status -lt 4 ] || fail "the file system on $1 is damaged (e2fsck says $status)" "$(cat /fsck.log)"
}

# grow DEVICE: to the size of the device, when that is larger by a megabyte or more
grow() {
  read -r sectors < "/sys/class/block/\${1##*/}/size" || return 0
  [ $((sectors / 2048 - (blocks << block_log) / 1024)) -ge 1 ] || return 0
  echo "growing the file system on $1..."
  /bin/resize2fs "$1" > /dev/null 2>/grow.log || warn "$(cat /grow.log)"
}

# mount_device NAME MOUNTPOINT TYPE OPTIONS FLAGS LABEL
# Flags: e an ext file system; f make it when the device is blank; c check it; g grow it.
mount_device() {
  wait_for "$1"
  todo=$5
  case $5 in *e*) superblock "$dev" ;; *) false ;; esac || case $5 in
    *f*) if blank "$dev"; then format "$dev" "$3" "$6"; todo=-; fi ;;
  esac
  case $todo in *c*) check "$dev" ;; esac
  [ -d "/sysroot$2" ] || mkdir -p "/sysroot$2"
  mount -t "$3" -o "$4" "$dev" "/sysroot$2" || fail "could not mount $dev ($3) on $2" "$(dmesg | tail -n 3)"
  case $todo in *g*) grow "$dev" ;; esac
}

# mount_other WHAT MOUNTPOINT TYPE OPTIONS: the server of a share may be away for a moment, so it is asked three times.
mount_other() {
  [ -d "/sysroot$2" ] || mkdir -p "/sysroot$2"
  for pause in 200000 500000 0; do
    mount -t "$3" -o "$4" "$1" "/sysroot$2" && return
    usleep $pause
  done
  fail "could not mount $1 ($3) on $2" "$(dmesg | tail -n 3)"
}

# interface NAME MAC ADDRESS NETMASK GATEWAY; a MAC of - takes the interface of that name
interface() {
  tries=${deviceTimeout * 20}
  while :; do
    device=
    for link in /sys/class/net/*; do
      read -r mac < "$link/address"
      if [ "$mac" = "$2" ] || { [ "$2" = - ] && [ "\${link##*/}" = "$1" ]; }; then device=\${link##*/}; fi
    done
    [ -z "$device" ] || break
    [ $tries -gt 0 ] || fail "there is no network interface $1 ($2)" "interfaces that are there: $(cd /sys/class/net && echo *)"
    [ $((tries % 40)) -ne 0 ] || coldplug
    tries=$((tries - 1))
    usleep 50000
  done
  if [ "$3" = dhcp ]; then
    ifconfig "$device" up
    udhcpc -q -n -i "$device" -s /bin/udhcpc-script || fail "no DHCP server answered on $1"
  else
    ifconfig "$device" "$3" netmask "$4" up || fail "could not set up the network interface $1"
    [ "$5" = - ] || route add default gw "$5"
  fi
}
`;
