/**
 * What a root disk's image remembers: which machine it was made for. Shell code for the launcher.
 *
 * The record is an extension of the qcow2 header, so it goes wherever the image goes: copied, renamed, grown. A qcow2 header is
 * followed by extensions, each a type, a length and as many bytes padded to eight, and type 0 ends them; programs keep those
 * that they do not know.
 *
 *     6f736d64 0000000b "osmod 1 web" (padding)   the machine web, in the first form of this record
 *
 * An image without a record (raw, made by hand, an overlay of another one) is taken as it is.
 */
import { besideDisk } from "./firmware.ts";

/** The first word is for people who look at the header, the second the form of what follows. */
const RECORD_FORMAT = "osmod 1";

/** Shell functions: `disk_record IMAGE` sets `$record` and, when there is none, `$record_at`; `write_record IMAGE` makes it. */
export const recordFunctions = `
disk_record() {
  record= record_at=
  # The header and its extensions, read at once: two digits a byte. Others look at $header as well.
  header=$(od -An -v -tx1 -N4096 "$1" 2> /dev/null | tr -d ' \\n')
  [ "\${header:0:16}" = 514649fb00000003 ] || return 0
  at=\${header:200:8}
  at=$((0x\${at:-0}))
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    head=\${header:$((at * 2)):16}
    [ \${#head} -eq 16 ] || return 0
    length=$((0x\${head#????????}))
    case $head in
      00000000*) record_at=$at; return 0 ;;
      6f736d64*) record=$(dd if="$1" bs=1 skip=$((at + 8)) count=$length 2> /dev/null); return 0 ;;
    esac
    at=$((at + 8 + (length + 7) / 8 * 8))
  done
}
write_record() {
  disk_record "$1"
  [ -n "$record_at" ] || return 0
  text="${RECORD_FORMAT} $name"
  {
    printf "osmd\\\\0\\\\0\\\\0\\\\$(printf %03o \${#text})%s" "$text"
    head -c $(((8 - \${#text} % 8) % 8 + 8)) /dev/zero
  } | dd of="$1" bs=1 seek="$record_at" conv=notrunc 2> /dev/null
}
`;

/** Refuse an image that another machine made, or that this launcher cannot know how to continue. */
export const recordCheck = `
disk_record "$disk"
case $record in
  '' | "${RECORD_FORMAT} $name") ;;
  "${RECORD_FORMAT} "*)
    die "the disk image $disk was made by the machine \${record##* }, not by $name" "start it in another directory, name another image with OSMOD_DISK_IMAGE, or make a new one with --fresh (the old one is kept)" ;;
  *) die "the disk image $disk was made by another version of osmod ($record)" "make a new one with --fresh (the old one is kept), or use that version" ;;
esac
`;

/** \`--fresh\`: put the former image aside, unless a machine runs on it. */
export const freshDisk = `
if [ -n "$fresh" ] && [ -e "$disk" ]; then
  [ -f "$disk" ] || die "the disk $disk is no file, so --fresh cannot replace it" "leave --fresh out, or name another image with OSMOD_DISK_IMAGE"
  flock -n "$disk" "$busybox" true || die "the disk image $disk is in use already" "end that virtual machine first"
  old=$disk.old
  number=1
  while [ -e "$old" ]; do number=$((number + 1)) old=$disk.old-$number; done
  mv "$disk" "$old" || die "the disk image $disk could not be put aside" "make its directory writable"
  # What belongs to it goes with it.
  for part in ${besideDisk.join(" ")}; do
    [ ! -e "$disk.$part" ] || mv "$disk.$part" "$old.$part"
  done
  diskFormat=qcow2
  say "the former disk image is now $old"
fi
`;
