/**
 * The kernel: which package, which modules, which parameters.
 *
 * Debian's kernel comes as a package that only depends on the versioned one; the version found there names the files.
 * The module index (`modules.dep` and its like) is what a maintainer script would make: a derivation makes it.
 */
import { declareOptions, define, defineModule, mkDefault, mkIf, mkOption, t } from "../../../lib/index.ts";
import type { Package, PackageSet } from "../../../packages/index.ts";
import { fail } from "../../../problems/index.ts";
import type { Derivation, StoreObject } from "../../../store/index.ts";
import type { Std } from "../../index.ts";
import { shWords } from "../../shell.ts";
import { derivationType, packageType, storeObjectType } from "../../types.ts";

const word = t.strMatching("[^ \\t\\n]+");

export const options = declareOptions({
  boot: {
    kernelPackage: mkOption({
      type: packageType,
      defaultText: 'pkgs["linux-image-cloud-amd64"]',
      description: "The kernel: one of Debian's linux-image packages.",
      example: 'pkgs["linux-image-amd64"]',
    }),
    kernelParams: mkOption({
      type: t.listOf(t.strMatching('([^"\\t\\n ]|"[^"\\n]*")+')),
      default: [],
      description: "Words of the kernel's command line.",
      example: ["console=ttyS0", "quiet"],
    }),
    consoleLogLevel: mkOption({
      type: t.int,
      default: 4,
      description: "Messages of the kernel below this level are shown on the console.",
      example: 7,
    }),
    kernelModules: mkOption({
      type: t.listOf(word),
      default: [],
      description: "Kernel modules to load at boot, after the initrd.",
      example: ["wireguard"],
    }),
    blacklistedKernelModules: mkOption({
      type: t.listOf(word),
      default: [],
      description: "Kernel modules that are not loaded for the hardware they fit.",
      example: ["pcspkr"],
    }),
    extraModprobeConfig: mkOption({
      type: t.lines,
      default: "",
      description: "Further lines for modprobe's configuration.",
      example: "options loop max_loop=8",
    }),
    extraModulePackages: mkOption({
      type: t.listOf(storeObjectType),
      default: [],
      description: "Trees with further kernel modules in usr/lib/modules/<version>.",
      example: [],
    }),
    kernel: {
      sysctl: mkOption({
        type: t.attrsOf(t.nullOr(t.oneOf([t.bool, t.int, t.str]))),
        default: {},
        description: "Run-time parameters of the kernel; `null` leaves one as it is.",
        example: { "net.ipv4.ip_forward": true, "vm.swappiness": 10 },
      }),
    },
  },
  system: {
    build: {
      kernel: mkOption({
        type: storeObjectType,
        readOnly: true,
        description: "The unpacked kernel package; boot/vmlinuz-<version> is the kernel.",
      }),
      kernelFile: mkOption({ type: t.path, readOnly: true, description: "The kernel image itself." }),
      vmlinux: mkOption({
        type: derivationType,
        readOnly: true,
        description:
          "The kernel without its compression, as the file `vmlinux`: a machine monitor starts it directly, which saves an emulated machine a second.",
      }),
      kernelRelease: mkOption({
        type: t.str,
        readOnly: true,
        description: "The kernel's version, as `uname -r` says it.",
      }),
      kernelModules: mkOption({
        type: derivationType,
        readOnly: true,
        description: "Tree with usr/lib/modules/<version>: the kernel's modules and their index.",
      }),
    },
  },
});

/** What Debian's kernel package wants for making an initrd and a boot menu; neither is made in the machine. */
const installersOfKernels = ["initramfs-tools", "dracut", "linux-base"];

/** The versioned kernel package behind `linux-image-cloud-amd64` and its like, and the version. */
export function resolveKernel(
  pkgs: PackageSet,
  wanted: Package,
): { readonly package: Package; readonly release: string } {
  const isVersioned = (name: string) => /^linux-image-\d/.test(name);
  if (isVersioned(wanted.name)) return { package: wanted, release: wanted.name.slice("linux-image-".length) };
  const found = pkgs
    .resolveClosure([wanted], { exclude: installersOfKernels })
    .find((entry) => isVersioned(entry.name));
  const kernel = found && pkgs[found.name];
  if (found === undefined || kernel === undefined) {
    fail({
      code: "kernel-not-found",
      option: "boot.kernelPackage",
      message: `${wanted.name} depends on no linux-image package with a version`,
      fix: 'Use a kernel of Debian, for example pkgs["linux-image-cloud-amd64"] or pkgs["linux-image-amd64"].',
    });
  }
  return { package: kernel, release: found.name.slice("linux-image-".length) };
}

/** kmod with the libraries it opens when it meets a compressed module, and what decompresses many. */
export function moduleTools(pkgs: PackageSet): Derivation {
  return pkgs.mergedTree(
    "kmod",
    ["kmod", "liblzma5", "libzstd1", "xz-utils", "zlib1g"].map((name) => pkgs[name]!),
  );
}

/** Unpack and index a kernel's modules: a guest loads in a fraction of the time what it need not decompress first. */
export function indexModules(
  pkgs: PackageSet,
  kernel: StoreObject,
  release: string,
  extra: readonly StoreObject[],
): Derivation {
  const dir = `usr/lib/modules/${release}`;
  const tools = moduleTools(pkgs);
  const script = `
set -e
tree="$out/${dir}"
mkdir -p "$out/usr/lib/modules" /build/base/usr/lib
cp -R ${kernel}/${dir} "$out/usr/lib/modules/"
chmod -R u+w "$tree"
for extra in ${shWords(extra.map(String))}; do mkdir -p "$tree/updates"; cp -R "$extra/${dir}/." "$tree/updates/"; done
chmod -R u+w "$tree"
# Whoever removes what it has decompressed forces it to the disk first, a file at a time: xz is told to keep it.
libraries=${tools}/usr/lib/x86_64-linux-gnu
find "$tree" -name '*.ko.xz' -print0 |
  xargs -0 -r -n 50 -P "$NIX_BUILD_CORES" "$libraries/ld-linux-x86-64.so.2" --library-path "$libraries" ${tools}/usr/bin/xz -dkT1
find "$tree" -name '*.ko.xz' -exec rm -f {} +
ln -s "$out/usr/lib/modules" /build/base/usr/lib/modules
ln -s usr/lib /build/base/lib
run depmod -b /build/base ${release}
rm -f "$tree/build" "$tree/source"
`;
  return pkgs.runCommand("kernel-modules", { tree: tools }, script);
}

/**
 * Take the kernel out of its self-extracting image. The image's header says where the compressed kernel lies: its first
 * part is (byte 497 + 1) blocks of 512 bytes, the words at 584 and 588 are offset and length after it. All formats but gzip,
 * which has it already, are followed by the size of what they hold.
 */
export function extractKernel(pkgs: PackageSet, image: string): Derivation {
  const tree = pkgs.mergedTree(
    "unpackers",
    ["zstd", "lz4"].map((name) => pkgs[name]!),
  );
  const script = `
set -e
set -- $(od -An -v -tu1 -j497 -N1 ${image}) $(od -An -v -tu4 -j584 -N8 ${image})
tail -c +$((($1 + 1) * 512 + $2 + 1)) ${image} | head -c $3 > /build/payload
mkdir -p "$out"
case $(od -An -v -tx1 -N4 /build/payload | tr -d ' \n') in
  28b52ffd) head -c $(($3 - 4)) /build/payload | run zstd -dcq ;;
  02214c18|04224d18) head -c $(($3 - 4)) /build/payload | run lz4 -dc ;;
  fd377a58) head -c $(($3 - 4)) /build/payload | xz -dc ;;
  1f8b*) gzip -dc < /build/payload ;;
  *) echo "the kernel ${image} is compressed in an unknown way" >&2; exit 1 ;;
esac > "$out/vmlinux"
[ "$(head -c 4 "$out/vmlinux" | tail -c 3)" = ELF ]
`;
  return pkgs.runCommand("vmlinux", { tree }, script);
}

/** Modules that Debian's kernel would load in a machine that never has their hardware: each costs time at boot. */
const uselessModules = ["pcspkr", "floppy", "evbug"];

export default defineModule<Std>({
  key: "system/boot/kernel",
  options,
  defaults: ({ pkgs }) => define({ boot: { kernelPackage: () => pkgs["linux-image-cloud-amd64"]! } }),
  config: ({ config, pkgs }) => {
    const kernel = () => resolveKernel(pkgs, config.boot.kernelPackage);
    return define({
      system: {
        build: {
          kernel: () => kernel().package.unpacked,
          kernelRelease: () => kernel().release,
          kernelFile: () => `${config.system.build.kernel}/boot/vmlinuz-${config.system.build.kernelRelease}`,
          vmlinux: () => extractKernel(pkgs, config.system.build.kernelFile),
          kernelModules: () =>
            indexModules(
              pkgs,
              config.system.build.kernel,
              config.system.build.kernelRelease,
              config.boot.extraModulePackages,
            ),
        },
      },
      boot: {
        kernelParams: () => [`loglevel=${config.boot.consoleLogLevel}`],
        blacklistedKernelModules: uselessModules,
        kernel: {
          sysctl: {
            "kernel.printk": mkDefault(() => `${config.boot.consoleLogLevel} 4 1 7`),
          },
        },
      },
      environment: {
        // The running kernel's modules, also after a switch to a configuration with another kernel.
        extraSetup: `
rm -rf "$out/usr/lib/modules"
ln -s /run/booted-system/kernel-modules/usr/lib/modules "$out/usr/lib/modules"
`,
        etc: {
          "sysctl.d/60-osmod.conf": mkIf(() => Object.keys(config.boot.kernel.sysctl).length > 0, {
            text: () => sysctlText(config.boot.kernel.sysctl),
          }),
          "modules-load.d/osmod.conf": mkIf(() => config.boot.kernelModules.length > 0, {
            text: () => `${[...new Set(config.boot.kernelModules)].join("\n")}\n`,
          }),
          "modprobe.d/osmod.conf": {
            text: () =>
              [
                ...[...new Set(config.boot.blacklistedKernelModules)].map((name) => `blacklist ${name}`),
                config.boot.extraModprobeConfig,
                "",
              ].join("\n"),
          },
        },
      },
    });
  },
});

/** The lines of a sysctl.d file; true and false are 1 and 0. */
export function sysctlText(values: { readonly [name: string]: boolean | number | string | null }): string {
  return Object.entries(values)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${name} = ${typeof value === "boolean" ? Number(value) : value}\n`)
    .join("");
}
