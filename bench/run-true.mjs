/**
 * From start to end of a program that starts a machine, runs `true` in it as root, and is gone: `osmod run`, booting and going on
 * from a saved start, with the store over SMB and as an image; against virtme-ng. Emulated everywhere, with Debian's cloud
 * kernel, and as many processors and as much memory; the machines take turns. What is built is built before.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { withTransport } from "./support/machine.mjs";
import { osmodMain, root, timed } from "./support/run.mjs";
import { virtmeRoot, virtmeTrue } from "./support/virtme.mjs";

const suite = "run-true";
const transports = ["smb", "erofs"];
const theirs = "virtme-ng, virtiofs";

export async function measure({ runs }) {
  const directory = mkdtempSync(join(tmpdir(), "osmod-bench-"));
  const env = { ...process.env, OSMOD_ACCEL: "tcg" };
  const osmod = (...args) => timed(process.execPath, [osmodMain, ...args], { cwd: directory, env }).seconds;
  try {
    cpSync(join(root, "examples/minimal/machine.ts"), join(directory, "machine.ts"));
    for (const transport of transports) {
      writeFileSync(join(directory, `${transport}.ts`), withTransport(transport));
      osmod("build-vm", `${transport}.ts`, "--out-link", transport);
      // The first one saves the start that later ones go on from.
      osmod("run", `${transport}.ts`, "--", "true");
    }
    const virtme = virtmeRoot();
    const size = sizeOf(join(directory, "smb"));
    const times = new Map();
    const note = (what, seconds) => times.set(what, [...(times.get(what) ?? []), seconds]);
    for (let i = 0; i < runs; i += 1) {
      if (virtme !== undefined) note(theirs, virtmeTrue(virtme, size));
      for (const transport of transports) {
        note(`osmod run --boot, ${transport}`, osmod("run", "--boot", `${transport}.ts`, "--", "true"));
        note(`osmod run, ${transport}`, osmod("run", `${transport}.ts`, "--", "true"));
      }
    }
    const missing = { suite, what: theirs, seconds: [], note: "needs mmdebstrap, and root or ids in /etc/subuid" };
    const rows = [...times].map(([what, seconds]) => ({
      suite,
      what,
      seconds,
      ...(virtme === undefined || what === theirs ? {} : { against: theirs }),
    }));
    return virtme === undefined ? [missing, ...rows] : rows;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Processors and MiB of a machine that was built. */
function sizeOf(result) {
  const { cpu, memory } = JSON.parse(readFileSync(join(result, "share/osmod/machine.json"), "utf8"));
  return { cores: cpu.cores, memory };
}
