/**
 * A build that has everything to do: an empty store, no lock, all packages fetched. Compared with mmdebstrap making a root
 * of the same packages from the same mirror (without the tools that run a VM, which ours fetches and unpacks as well).
 */
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { guestRoots } from "./support/machine.mjs";
import { has, osmodMain, root, timed } from "./support/run.mjs";

export async function measure({ runs }) {
  const rows = [];
  const ours = { machine: [], vm: [] };
  let packages = [];
  for (let i = 0; i < runs; i += 1) {
    for (const verb of ["build", "build-vm"]) {
      const directory = mkdtempSync(join(tmpdir(), "osmod-bench-"));
      const env = { ...process.env, OSMOD_STORE_ROOT: join(directory, "store") };
      try {
        cpSync(join(root, "examples/web/machine.ts"), join(directory, "machine.ts"));
        ours[verb === "build" ? "machine" : "vm"].push(
          timed(process.execPath, [osmodMain, verb, "machine.ts"], { cwd: directory, env }).seconds,
        );
        packages = guestRoots(directory, env);
      } finally {
        timed("chmod", ["-R", "u+w", directory]);
        rmSync(directory, { recursive: true, force: true });
      }
    }
  }
  if (has("mmdebstrap")) {
    const seconds = Array.from({ length: runs }, () => {
      const directory = mkdtempSync(join(tmpdir(), "mmdebstrap-"));
      try {
        return timed("mmdebstrap", [
          "--variant=essential",
          "--aptopt=APT::Install-Recommends false",
          "--mode=unshare",
          "--format=tar",
          `--include=${packages.join(",")}`,
          "trixie",
          join(directory, "root.tar"),
        ]).seconds;
      } finally {
        rmSync(directory, { recursive: true, force: true });
      }
    });
    rows.push({ suite: "cold", what: "mmdebstrap", seconds, note: "the same packages and what they depend on" });
  } else {
    rows.push({ suite: "cold", what: "mmdebstrap", seconds: [], note: "not installed, not measured" });
  }
  rows.push(
    { suite: "cold", what: "osmod build examples/web", seconds: ours.machine, against: "mmdebstrap" },
    {
      suite: "cold",
      what: "osmod build-vm examples/web",
      seconds: ours.vm,
      against: "mmdebstrap",
      note: "with QEMU, Samba, bubblewrap",
    },
  );
  return rows;
}
