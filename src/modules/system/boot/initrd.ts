/**
 * The initrd: a few megabytes that find, make, check and mount the machine's file systems.
 *
 * It holds busybox, the kernel modules that are asked for with all they depend on, e2fsprogs when an ext file system of the
 * machine needs them, and one script. The archive is reproducible, so the same machine has the same initrd everywhere.
 */
import type { PackageSet } from "../../../packages/index.ts";
import type { Derivation, StoreObject } from "../../../store/index.ts";
import { shWords } from "../../shell.ts";
import { moduleTools } from "./kernel.ts";

/** What goes into an initrd. */
export interface InitrdParts {
  readonly script: string;
  /** Tree with usr/lib/modules/<release> and its index. */
  readonly modules: StoreObject;
  readonly release: string;
  /** Modules that must be there. */
  readonly required: readonly string[];
  /** Modules that are taken if the kernel has them as modules. */
  readonly optional: readonly string[];
  /** Whether e2fsprogs are needed. */
  readonly ext: boolean;
  readonly compressor: "none" | "gzip";
}

/**
 * Lists the files of the wanted modules and of all they need, dependencies first, from depmod's index.
 *
 *   -v wanted="cifs virtio_net" -v optional="erofs"   modules.builtin modules.softdep modules.dep
 *
 * Names are compared with `-` and `_` alike. What is built into the kernel needs no file. Soft dependencies count when they exist.
 */
const moduleClosure = `
function plain(path) { sub(/.*\\//, "", path); sub(/\\.ko.*/, "", path); gsub(/-/, "_", path); return path }
FNR == 1 { file++ }
file == 1 { builtin[plain($1)] = 1; next }
file == 2 { if ($1 == "softdep") { name = plain($2); for (i = 3; i <= NF; i++) if ($i !~ /:$/) soft[name] = soft[name] " " plain($i) } next }
{ path = $1; sub(/:$/, "", path); name = plain(path); where[name] = path; for (i = NF; i > 1; i--) needs[name] = needs[name] " " plain($i) }
function take(name,   list, n, i) {
  if (name in taken) return
  taken[name] = 1
  n = split(soft[name] needs[name], list, " ")
  for (i = 1; i <= n; i++) if (list[i] in where) take(list[i])
  print where[name]
}
END {
  n = split(wanted, list, " ")
  for (i = 1; i <= n; i++) {
    name = plain(list[i])
    if (name in where) take(name)
    else if (!(name in builtin)) { print "boot.initrd: this kernel has no module named " list[i] > "/dev/stderr"; bad = 1 }
  }
  n = split(optional, list, " ")
  for (i = 1; i <= n; i++) { name = plain(list[i]); if (name in where) take(name) }
  exit bad
}
`;

/** What udhcpc runs when it has a lease. */
const leaseScript = `#!/bin/busybox sh
case $1 in
  bound|renew)
    ifconfig "$interface" "$ip" netmask "$subnet" up
    for gateway in $router; do route add default gw "$gateway" dev "$interface"; break; done ;;
esac
`;

/** Build the initrd; `initrd` in its output is the archive. */
export function buildInitrd(pkgs: PackageSet, parts: InitrdParts): Derivation {
  const files = pkgs.writeTree("initrd-files", {
    init: { text: parts.script, mode: "0555" },
    "udhcpc-script": { text: leaseScript, mode: "0555" },
    "closure.awk": { text: moduleClosure },
  });
  const script = `
set -e
root=/build/root
mkdir -p "$out" "$root/bin" "$root/dev" "$root/etc" "$root/lib" "$root/proc" "$root/run" "$root/sys" "$root/sysroot" "$root/tmp"
ln -s bin "$root/sbin"
cp ${pkgs.staticBusybox}/bin/busybox "$root/bin/busybox"
chmod 0755 "$root/bin/busybox"
for name in sh modprobe; do ln -s busybox "$root/bin/$name"; done
cp ${files}/init "$root/init"
cp ${files}/udhcpc-script "$root/bin/udhcpc-script"

modules=lib/modules/${parts.release}
source=${parts.modules}/usr/$modules
mkdir -p "$root/$modules"
awk -v wanted="${parts.required.join(" ")}" -v optional="${parts.optional.join(" ")}" -f ${files}/closure.awk \\
  "$source/modules.builtin" "$source/modules.softdep" "$source/modules.dep" > /build/list
while read -r file; do
  mkdir -p "$root/$modules/\${file%/*}"
  case $file in
    *.ko.xz) xz -dc "$source/$file" > "$root/$modules/\${file%.xz}" ;;
    *.ko.gz) gzip -dc "$source/$file" > "$root/$modules/\${file%.gz}" ;;
    *) cp "$source/$file" "$root/$modules/$file" ;;
  esac
done < /build/list
cp "$source/modules.order" "$source/modules.builtin" "$source/modules.builtin.modinfo" "$root/$modules/"
run depmod -b "$root" ${parts.release}
rm -f "$root/$modules"/*.bin "$root/$modules/modules.order" "$root/$modules/modules.devname" "$root/$modules/modules.symbols" "$root/$modules/modules.builtin.modinfo"
${parts.ext ? extPrograms(pkgs) : ""}
cd "$root"
find . -exec touch -h -d @1 {} +
find . ! -name . | sed 's,^\\./,,' | LC_ALL=C sort | cpio -o -H newc -R 0:0 --renumber-inodes 2>/dev/null ${compress[parts.compressor]} > "$out/initrd"
`;
  return pkgs.runCommand("initrd", { tree: moduleTools(pkgs) }, script);
}

const compress = { none: "", gzip: "| gzip -9" } as const;

/** e2fsprogs and the libraries they are linked with, as the dynamic linker finds them. */
function extPrograms(pkgs: PackageSet): string {
  const tree = pkgs.mergedTree("e2fsprogs", [pkgs["e2fsprogs"]!]);
  const programs = ["mke2fs", "e2fsck", "resize2fs"];
  return `
mkdir -p "$root/lib64" "$root/lib/x86_64-linux-gnu"
linker=${tree}/usr/lib64/ld-linux-x86-64.so.2
cp -L "$linker" "$root/lib64/"
cp -L ${tree}/etc/mke2fs.conf "$root/etc/"
for program in ${shWords(programs)}; do
  cp -L "${tree}/usr/sbin/$program" "$root/bin/$program"
  "$linker" --library-path ${tree}/usr/lib/x86_64-linux-gnu --list "${tree}/usr/sbin/$program"
done > /build/libraries
sed -n 's,.* => \\(/.*\\) (0x.*,\\1,p' /build/libraries | sort -u | while read -r library; do
  case $library in */ld-linux-*) ;; *) cp -L "$library" "$root/lib/x86_64-linux-gnu/" ;; esac
done
chmod -R u+w "$root"
`;
}
