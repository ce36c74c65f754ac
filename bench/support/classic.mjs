/**
 * What our virtual machine is compared with: a classic ext4 image of the same packages, made by mmdebstrap, with the same
 * kernel and Debian's own initrd, booted by the same QEMU. Made once and kept in the cache directory.
 */
import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { has, timed } from "./run.mjs";

/** What the console shows when the multi-user target is reached, and the unit that shows it. */
export const upWords = "the machine is up";
export const upUnit = `[Unit]
After=multi-user.target
[Service]
Type=oneshot
ExecStart=/bin/sh -c "echo ${upWords} > /dev/console"
`;

/** Folder with `root.ext4`, `vmlinuz` and `initrd`, or `undefined` where mmdebstrap or mkfs.ext4 is missing. */
export function classicImage(packages) {
  if (!has("mmdebstrap") || !has("mkfs.ext4")) return undefined;
  const folder = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "osmod-bench", "classic-up");
  if (existsSync(join(folder, "root.ext4"))) return folder;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const image = join(folder, "root.ext4.tmp");
  // One namespace does it all, so that the image's owners are right without root.
  const include = [...new Set([...packages, "linux-image-cloud-amd64", "initramfs-tools"])].join(",");
  timed("mmdebstrap", [
    "--variant=essential",
    "--aptopt=APT::Install-Recommends false",
    `--include=${include}`,
    "--customize-hook=echo classic > $1/etc/hostname",
    "--customize-hook=chroot $1 passwd -d root",
    "--customize-hook=printf '[Match]\\nType=ether\\n[Network]\\nDHCP=yes\\n' > $1/etc/systemd/network/50-dhcp.network",
    "--customize-hook=chroot $1 systemctl enable systemd-networkd nginx",
    `--customize-hook=printf '%s' '${upUnit}' > $1/etc/systemd/system/up.service && chroot $1 systemctl add-wants multi-user.target up.service`,
    "--customize-hook=copy-out /boot " + folder,
    // A copy without what is mounted in it.
    `--customize-hook=mkdir $1.plain && tar -C $1 --one-file-system -c . | tar -C $1.plain -x && mkfs.ext4 -q -d $1.plain ${image} 4G; code=$?; rm -rf $1.plain; exit $code`,
    "trixie",
    "/dev/null",
  ]);
  const boot = join(folder, "boot");
  for (const [prefix, name] of [
    ["vmlinuz-", "vmlinuz"],
    ["initrd.img-", "initrd"],
  ]) {
    const file = readdirSync(boot).find((entry) => entry.startsWith(prefix));
    timed("cp", [join(boot, file), join(folder, name)]);
  }
  timed("mv", [image, join(folder, "root.ext4")]);
  return folder;
}
