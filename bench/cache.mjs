/** Binary caches: how archives are compressed by what both Node and Nix have, on the minimal machine's closure. */
import { cpSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import zlib from "node:zlib";
import { narOfPath, openStore } from "osmod/store";
import { osmodMain, root, timed } from "./support/run.mjs";

/** Enough for the ratio, and what fits into memory everywhere. */
const LARGEST = 150e6;

const brotli = (quality) => (bytes) =>
  zlib.brotliCompressSync(bytes, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: quality } });
const WAYS = {
  "gzip 6": (bytes) => zlib.gzipSync(bytes, { level: 6 }),
  "gzip 1": (bytes) => zlib.gzipSync(bytes, { level: 1 }),
  "brotli 1": brotli(1),
  "brotli 3": brotli(3),
  "brotli 5": brotli(5),
};

export async function measure({ runs }) {
  const directory = mkdtempSync(join(tmpdir(), "osmod-bench-"));
  try {
    cpSync(join(root, "examples/minimal/machine.ts"), join(directory, "machine.ts"));
    timed(process.execPath, [osmodMain, "build", "machine.ts"], { cwd: directory, env: process.env });
    const store = openStore({ sandbox: { prepare: () => Promise.reject(new Error("built already")) } });
    const target = `/nix/store/${realpathSync(join(directory, "result")).split("/nix/store/")[1]}`;
    const paths = store.closure([target]);
    const nar = Buffer.concat(paths.flatMap((path) => [...narOfPath(store.physical(path))])).subarray(0, LARGEST);
    return Object.entries(WAYS).map(([what, compress]) => {
      const seconds = [];
      let size = 0;
      for (let run = 0; run < runs; run++) {
        const begun = performance.now();
        size = compress(nar).length;
        seconds.push((performance.now() - begun) / 1000);
      }
      const note = `${(size / 1e6).toFixed(1)} of ${(nar.length / 1e6).toFixed(0)} MB`;
      return { suite: "cache", what, seconds, against: "gzip 6", note };
    });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
