/**
 * What the types cost whoever writes modules: a generated project of modules and machines, checked by tsc with one checker.
 * Instantiations are the same on every machine; seconds are not. From 100 to 400 modules shows that the growth is linear.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compile } from "./support/compile.mjs";
import { root } from "./support/run.mjs";
import { OPTIONS_PER_MODULE, writeTypedModules } from "./support/typed-modules.mjs";

export async function measure({ runs }) {
  return [100, 400].map((modules) => {
    const folder = mkdtempSync(join(tmpdir(), "osmod-types-"));
    try {
      writeTypedModules(folder, {
        modules,
        users: modules / 5,
        lib: join(root, "dist/lib/index.d.ts"),
        types: join(root, "node_modules/@types"),
      });
      const results = Array.from({ length: runs }, () => compile(folder));
      const { instantiations, types, memoryMiB } = results[0];
      const options = modules * OPTIONS_PER_MODULE;
      return {
        suite: "types: check time",
        what: `${modules} modules, ${options} options, ${modules / 5} machines`,
        seconds: results.map(({ checkSeconds }) => checkSeconds),
        against: "100 modules, 2000 options, 20 machines",
        note: [
          `${instantiations} instantiations (${(instantiations / options).toFixed(0)} an option)`,
          `${types} types`,
          `${memoryMiB.toFixed(0)} MiB`,
        ].join(", "),
      };
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
}
