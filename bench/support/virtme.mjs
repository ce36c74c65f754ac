/**
 * What `osmod run` is compared with: virtme-ng, which Debian has since trixie, in a root of that release made by mmdebstrap. Made
 * once and kept in the cache directory. A mount namespace of root's, or a user namespace with the ids of /etc/subuid, holds it:
 * virtme-ng shows its guest the root it runs in.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { has, timed } from "./run.mjs";

/**
 * The last four are what its package says nothing of: the initrd in which it loads the modules that the root needs, and what
 * its init calls in the guest.
 */
const packages = [
  "virtme-ng",
  "virtiofsd",
  "qemu-system-x86",
  "linux-image-cloud-amd64",
  "busybox-static",
  "udev",
  "iproute2",
  "systemd-sysv",
];

/** Folder of the root, or `undefined` where there is no mmdebstrap or no namespace to be had. */
export function virtmeRoot() {
  if (!has("mmdebstrap") || !has("unshare")) return undefined;
  const [unshare, ...options] = namespace;
  if (spawnSync(unshare, [...options, "mount", "-t", "proc", "proc", "/proc"]).status !== 0) return undefined;
  const folder = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "osmod-bench", "virtme");
  const root = join(folder, "root");
  if (existsSync(root)) return root;
  mkdirSync(folder, { recursive: true });
  const tar = join(folder, "root.tar");
  timed("mmdebstrap", [
    "--variant=apt",
    "--aptopt=APT::Install-Recommends false",
    "--format=tar",
    `--include=${packages.join(",")}`,
    "trixie",
    tar,
  ]);
  // Unpacked in the namespace that it will be used in, which therefore owns it.
  timed(unshare, [...options, "sh", "-ec", unpack, "sh", tar, root]);
  rmSync(tar);
  return root;
}

/** Run `true` in a guest of so many processors and MiB, without KVM. Returns seconds. */
export function virtmeTrue(root, { cores, memory }) {
  const [unshare, ...options] = namespace;
  return timed(unshare, [...options, "sh", "-ec", start, "sh", root, String(cores), `${memory}M`]).seconds;
}

const namespace = [
  "unshare",
  ...(process.getuid() === 0 ? [] : ["--map-auto", "--map-root-user"]),
  ..."--mount --pid --fork --kill-child".split(" "),
];

/** Device nodes are not for everyone to make; the host's stand in. */
const unpack = `
rm -rf "$2.tmp"
mkdir "$2.tmp"
tar -x --numeric-owner --exclude='./dev/*' -C "$2.tmp" -f "$1"
mv "$2.tmp" "$2"`;

/** Its outputs are a file, for it opens them anew, which cannot be done with the sockets that Node's pipes are. */
const start = `
mount --rbind /dev "$1/dev"
mount --rbind /sys "$1/sys"
mount -t proc proc "$1/proc"
mount -t tmpfs tmpfs "$1/run"
mount -t tmpfs tmpfs "$1/tmp"
exec chroot "$1" env -i HOME=/root PATH=/usr/sbin:/usr/bin sh -c '
  cd /
  vng --run /boot/vmlinuz-* --disable-kvm --cpus "$1" --memory "$2" -- true < /dev/null > /tmp/log 2>&1 && exit
  code=$?
  cat /tmp/log >&2
  exit $code' sh "$2" "$3"`;
