/**
 * A build that has everything to do: an empty store, no lock, all packages fetched. Compared with mmdebstrap making a root
 * of the same packages from the same mirror: those that the machine asks for; its kernel as well, for which Debian's scripts make
 * an initrd as ours does; and QEMU, Samba and bubblewrap as well, which `build-vm` fetches and unpacks.
 *
 * All take turns. What they made is removed when everything is measured: ext4 is slow to make files where many were just removed.
 */
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { guestRoots } from "./support/machine.mjs";
import { has, osmodMain, root, timed } from "./support/run.mjs";

const KERNEL = "linux-image-cloud-amd64";
const TOOLS = ["bubblewrap", "qemu-system-x86", "qemu-utils", "samba", "socat"];

const bare = "mmdebstrap, without a kernel";
const bootable = "mmdebstrap, with the kernel and its initrd";
const whole = "mmdebstrap, with the kernel, QEMU and Samba";

export async function measure({ runs }) {
  const installed = has("mmdebstrap");
  const places = [];
  const place = (prefix) => {
    places.push(mkdtempSync(join(tmpdir(), prefix)));
    return places.at(-1);
  };
  let packages;
  const osmod = (verb) => {
    const directory = place("osmod-bench-");
    const env = { ...process.env, OSMOD_STORE_ROOT: join(directory, "store") };
    cpSync(join(root, "examples/web/machine.ts"), join(directory, "machine.ts"));
    const { seconds } = timed(process.execPath, [osmodMain, verb, "machine.ts"], { cwd: directory, env });
    packages ??= guestRoots(directory, env);
    return seconds;
  };
  const mmdebstrap = (more) =>
    timed("mmdebstrap", [
      "--variant=essential",
      "--aptopt=APT::Install-Recommends false",
      "--mode=unshare",
      "--format=tar",
      `--include=${[...packages, ...more].join(",")}`,
      "trixie",
      join(place("mmdebstrap-"), "root.tar"),
    ]).seconds;

  const seconds = { build: [], vm: [], bare: [], bootable: [], whole: [] };
  try {
    for (let i = 0; i < runs; i += 1) {
      seconds.build.push(osmod("build"));
      seconds.vm.push(osmod("build-vm"));
      if (!installed) continue;
      seconds.bare.push(mmdebstrap([]));
      seconds.bootable.push(mmdebstrap([KERNEL]));
      seconds.whole.push(mmdebstrap([KERNEL, ...TOOLS]));
    }
  } finally {
    for (const directory of places) {
      timed("chmod", ["-R", "u+w", directory]);
      rmSync(directory, { recursive: true, force: true });
    }
  }
  const note = installed ? {} : { note: "not installed, not measured" };
  return [
    { suite: "cold", what: bare, seconds: seconds.bare, ...note },
    { suite: "cold", what: bootable, seconds: seconds.bootable, ...note },
    { suite: "cold", what: whole, seconds: seconds.whole, ...note },
    {
      suite: "cold",
      what: "osmod build examples/web",
      seconds: seconds.build,
      against: bare,
      note: "which makes a kernel's part as well",
    },
    { suite: "cold", what: "osmod build examples/web", seconds: seconds.build, against: bootable },
    { suite: "cold", what: "osmod build-vm examples/web", seconds: seconds.vm, against: whole },
  ];
}
