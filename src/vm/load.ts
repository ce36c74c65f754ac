/**
 * Load a machine's file: `machine.ts` → the module that it exports.
 *
 * jiti compiles TypeScript on every Node that we support and keeps line numbers; its output is cached, so a second
 * start costs some ten milliseconds. `osmod` and its doors are aliased to the copy that runs this very command: a
 * machine needs no `node_modules` beside it, and never meets a second copy of the library.
 */
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { type AnyModule, isModule } from "../lib/index.ts";
import { fail } from "../problems/index.ts";

/** A machine's file and what it exports. */
export interface LoadedMachine {
  /** Absolute path of the file. */
  readonly file: string;
  readonly module: AnyModule;
}

/**
 * Load the module that a file exports as its default.
 *
 * Problems: `machine-file-missing`, `machine-file-broken` (it does not compile or throws while it loads),
 * `machine-not-a-module` (no default export, or one that is not a module).
 */
export async function loadMachine(path: string): Promise<LoadedMachine> {
  const file = resolve(path);
  if (!existsSync(file)) {
    fail({
      code: "machine-file-missing",
      message: `there is no file ${path}`,
      fix: "name the TypeScript file that exports the machine, for example: osmod build-vm machine.ts",
    });
  }
  const exported = await importFile(file);
  const module = defaultExport(exported);
  if (!isModule(module)) {
    fail({
      code: "machine-not-a-module",
      message: `${path} does not export a machine as its default`,
      sites: [{ file, line: 1 }],
      fix: `write: export default defineMachine({ … }), with defineMachine imported from "osmod"`,
    });
  }
  return { file, module };
}

/**
 * Load a TypeScript file, given by its absolute path, and answer what it exports. `virtual` stands for packages that it imports, by name.
 * Problem: `machine-file-broken`.
 */
export async function importFile(file: string, virtual: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
  const root = new URL("../", import.meta.url);
  const door = (name: string) => fileURLToPath(new URL(name, root));
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const doors = ["lib", "modules", "packages", "store", "testing", "vm"];
  // Only who loads a file needs a compiler.
  const { createJiti } = await import("jiti");
  const jiti = createJiti(import.meta.url, {
    alias: {
      ...Object.fromEntries(doors.map((name) => [`osmod/${name}`, door(`${name}/index.${extension}`)])),
      osmod: door(`index.${extension}`),
    },
    nativeModules: extension === "js" ? [door("index.js")] : [],
    fsCache: join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "osmod", "machines"),
    interopDefault: false,
    virtualModules: { ...virtual },
  });
  try {
    return await jiti.import(file);
  } catch (cause) {
    if (cause instanceof Error && "problems" in cause) throw cause;
    fail(
      {
        code: "machine-file-broken",
        message: `${file} cannot be loaded: ${cause instanceof Error ? cause.message.split("\n")[0] : String(cause)}`,
        sites: [siteOf(cause, file)],
        fix: "mend the file; `npx tsc --noEmit` shows the same place in more words",
      },
      cause,
    );
  }
}

/** The first frame in the user's file, or what the compiler named. */
function siteOf(cause: unknown, file: string): { file: string; line?: number } {
  const text = cause instanceof Error ? `${cause.message}\n${cause.stack ?? ""}` : String(cause);
  const at = text.indexOf(`${file}:`);
  const line = at < 0 ? undefined : /^:(\d+)/.exec(text.slice(at + file.length))?.[1];
  return line === undefined ? { file } : { file, line: Number(line) };
}

function defaultExport(exported: unknown): unknown {
  return typeof exported === "object" && exported !== null && "default" in exported ? exported.default : undefined;
}
