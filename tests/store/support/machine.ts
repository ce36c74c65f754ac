/** A machine of a small archive that processes of their own build in stores of their own: fixtures/machine.mjs, driven. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { TestSandbox } from "../../helpers/sandbox.ts";
import { makeSigner, TestArchive, type TestPackage } from "../../packages/support/archive.ts";

const script = resolve(import.meta.dirname, "../fixtures/machine.mjs");

/** What a process said, and how it ended. */
export interface Said {
  readonly text: string;
  readonly code: number | null;
}

/** An archive, and machines made from it. */
export class Workshop {
  readonly place = mkdtempSync(join(tmpdir(), "osmod workshop "));
  /** Stands in the environment of every builder, so that one that was left behind is found. */
  readonly mark = `osmod-crash-${process.pid}`;
  readonly #archive: TestArchive;
  readonly #prefix: readonly string[];
  #count = 0;

  private constructor(archive: TestArchive, prefix: readonly string[]) {
    this.#archive = archive;
    this.#prefix = prefix;
  }

  /** Open one; nothing of the host but the sandbox is used. */
  static async open(sandbox: TestSandbox): Promise<Workshop> {
    const archive = new TestArchive(await makeSigner());
    await archive.serve();
    await archive.publish(packages(readFileSync(sandbox.busybox)));
    return new Workshop(archive, await sandbox.tool.prepare());
  }

  /** A store that does not exist yet, and a machine of so many parts; answers the file that describes it. */
  newStore(parts = 8): { readonly config: string; readonly root: string } {
    const home = join(this.place, `store ${++this.#count}`);
    mkdirSync(home);
    const root = join(home, "root");
    const config = join(home, "config.json");
    writeFileSync(config, JSON.stringify(this.#config(root, home, parts)));
    return { config, root };
  }

  /** The same store, asked for a machine of another number of parts. */
  variant(config: string, parts: number): string {
    const file = `${config}.${parts}`;
    writeFileSync(
      file,
      JSON.stringify({ ...JSON.parse(readFileSync(config, "utf8")), count: parts, link: `${file}.link` }),
    );
    return file;
  }

  /** Start a process in a group of its own; without an action, what is around says it. */
  start(config: string, action?: "build" | "verify", around: readonly string[] = []): ChildProcess {
    const words = [...around, process.execPath, script, config, ...(action === undefined ? [] : [action])];
    const [program = "", ...args] = words;
    return spawn(program, args, { stdio: ["ignore", "pipe", "inherit"], detached: true, env: environment() });
  }

  /** Run one to its end. */
  run(config: string, action: "build" | "verify", around: readonly string[] = []): Promise<Said> {
    return said(this.start(config, action, around));
  }

  /** Builders that still run. */
  orphans(): string[] {
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .flatMap((pid) => {
        try {
          const text = readFileSync(`/proc/${pid}/environ`, "latin1");
          const line = readFileSync(`/proc/${pid}/cmdline`, "latin1");
          return text.includes(`mark=${this.mark}`) || line.includes(this.mark) ? [`${pid} ${line.slice(0, 200)}`] : [];
        } catch {
          return [];
        }
      });
  }

  /** Remove a store. */
  removeStore(root: string): void {
    const home = resolve(root, "..");
    execFileSync("chmod", ["-R", "u+w", home]);
    rmSync(home, { recursive: true, force: true });
  }

  /** Close the archive and remove everything. */
  async close(): Promise<void> {
    await this.#archive.close();
    execFileSync("chmod", ["-R", "u+w", this.place]);
    rmSync(this.place, { recursive: true, force: true });
  }

  #config(root: string, home: string, count: number) {
    return {
      root,
      lockFile: join(this.place, "osmod.lock.json"),
      mirror: this.#archive.mirror,
      keyring: this.#archive.keyring,
      prefix: this.#prefix,
      mark: this.mark,
      count,
      link: join(home, "result"),
    };
  }
}

/** Collect what a process says until it ends. */
export async function said(child: ChildProcess): Promise<Said> {
  let text = "";
  child.stdout?.setEncoding("utf8").on("data", (part: string) => {
    text += part;
  });
  const code = await new Promise<number | null>((done) => child.once("close", done));
  return { text, code };
}

/** The paths and hashes that a build printed. */
export function hashesIn({ text }: Said): string[] {
  return text.split("\n").filter((line) => line.startsWith("/nix/store/"));
}

/** The builders that a build started. */
export function startsIn({ text }: Said): string[] {
  return text.split("\n").filter((line) => line.startsWith("start "));
}

function environment(): Record<string, string | undefined> {
  return { ...process.env, OSMOD_DEBIAN_MIRROR: "", OSMOD_DEBIAN_SECURITY_MIRROR: "none" };
}

function packages(busybox: Uint8Array): TestPackage[] {
  const file = (name: string, body: string | Uint8Array, mode = 0o644) => ({ name: `./${name}`, body, mode });
  const data = Array.from({ length: 4000 }, (_, i) => `line ${i} of some data\n`).join("");
  return [
    { fields: { Package: "busybox-static" }, entries: [file("usr/bin/busybox", busybox, 0o755)] },
    { fields: { Package: "bubblewrap", Depends: "libc6" }, entries: [file("usr/bin/bwrap", "bwrap", 0o755)] },
    { fields: { Package: "libc6" }, entries: [file("usr/lib/x86_64-linux-gnu/libc.so.6", "libc")] },
    {
      fields: { Package: "web", Depends: "lib" },
      entries: [
        file("usr/share/web/data", data),
        ...Array.from({ length: 40 }, (_, i) => file(`usr/share/web/page-${i}`, `page ${i}\n`.repeat(50))),
      ],
    },
    { fields: { Package: "lib" }, entries: [file("usr/lib/lib.so.1", "so"), file("usr/share/web/data", data)] },
  ];
}
