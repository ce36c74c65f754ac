/** A build that has nothing to do: how long does `osmod build-vm` take when all is there? And where does the time go? */
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { osmodMain, root, timed } from "./support/run.mjs";

export async function measure({ runs }) {
  const directory = mkdtempSync(join(tmpdir(), "osmod-bench-"));
  try {
    cpSync(join(root, "examples/web/machine.ts"), join(directory, "machine.ts"));
    const build = (env = {}) =>
      timed(process.execPath, [osmodMain, "build-vm", "machine.ts"], {
        cwd: directory,
        env: { ...process.env, ...env },
      });
    build();
    const many = Math.max(runs, 5);
    const seconds = Array.from({ length: many }, () => build().seconds);
    const floor = Array.from({ length: many }, () => timed(process.execPath, ["-e", "0"]).seconds);
    const phases = build({ OSMOD_TIMING: "1" }).stderr.trim().replaceAll("\n", "; ");
    return [
      { suite: "warm", what: "node -e 0", seconds: floor, note: "the floor" },
      { suite: "warm", what: "osmod build-vm examples/web", seconds, against: "node -e 0", note: phases },
    ];
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
