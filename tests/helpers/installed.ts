/**
 * osmod as its users have it: packed, installed by npm into a folder of its own, and run by an ordinary user.
 *
 * The folder's name has a space in it and so has the store's root, and when the tests themselves run as root every
 * command is run under another user id, because nothing of osmod may need root.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

/** An id that no file of the host belongs to. */
const ORDINARY_ID = 54_321;

export const projectRoot = fileURLToPath(new URL("../..", import.meta.url));

/** What a finished command gave. */
export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** How to run a command of the installed osmod. */
export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Called with the process as soon as it runs. */
  readonly started?: (child: ChildProcess) => void;
}

/** One installation, with a working directory and a store. */
export class Installed {
  /** Everything of this installation lies below; has a space in its name. */
  readonly home: string;
  /** The store's root, kept from one run of the tests to the next. */
  readonly storeRoot: string;
  readonly #user: { readonly uid?: number; readonly gid?: number };

  /** @param options `id` is another user's than the usual one; it counts only when the tests run as root. */
  constructor(name: string, options: { readonly ownStore?: boolean; readonly id?: number } = {}) {
    const id = options.id ?? ORDINARY_ID;
    this.#user = process.getuid?.() === 0 ? { uid: id, gid: id } : {};
    this.home = mkdtempSync(join(tmpdir(), `osmod ${name} `));
    this.storeRoot = options.ownStore ? join(this.home, "my store") : sharedStore();
    this.makeDirectory(this.storeRoot);
    this.#give(this.home);
  }

  /** The user that everything of this installation runs as. */
  get uid(): number {
    return this.#user.uid ?? process.getuid?.() ?? 0;
  }

  /** Make a directory that belongs to the ordinary user. */
  makeDirectory(path: string): string {
    mkdirSync(path, { recursive: true });
    this.#give(path);
    return path;
  }

  /** Copy a file or folder of the project to a place below `home` where the ordinary user may write. */
  copy(from: string, to: string): string {
    const target = join(this.home, to);
    cpSync(join(projectRoot, from), target, {
      recursive: true,
      filter: (source) => !["osmod.lock.json", "node_modules", "result"].includes(basename(source)),
    });
    this.giveAll(target);
    return target;
  }

  /** Hand a tree to the ordinary user. */
  giveAll(path: string): void {
    this.#give(path);
    if (!statSync(path).isDirectory()) return;
    for (const entry of readdirSync(path, { recursive: true, withFileTypes: true })) {
      this.#give(join(entry.parentPath, entry.name));
    }
  }

  /** The environment of every command: a home of its own, the store, and nothing of the host's but the path. */
  environment(extra: Readonly<Record<string, string>> = {}): Record<string, string> {
    const kept = ["PATH", "OSMOD_DEBIAN_MIRROR", "OSMOD_DEBIAN_SECURITY_MIRROR", "NODE_EXTRA_CA_CERTS", "http_proxy"];
    const inherited = kept.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]]));
    return { ...Object.fromEntries(inherited), HOME: this.home, OSMOD_STORE_ROOT: this.storeRoot, ...extra };
  }

  /** The program behind `osmod`. */
  get main(): string {
    return join(installation(), "node_modules/osmod/dist/cli/main.js");
  }

  /** The static busybox of the shared store; it is there once something was built. */
  get busybox(): string {
    const store = join(this.storeRoot, "nix/store");
    const found = readdirSync(store).find((name) => name.endsWith("-busybox-static"));
    if (found === undefined) throw new Error(`nothing was built in ${store} yet`);
    return join(store, found, "bin/busybox");
  }

  /** Run `osmod …` to its end. */
  osmod(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
    return this.run(process.execPath, [this.main, ...args], options);
  }

  /** Run any program as the ordinary user, to its end. */
  run(program: string, args: readonly string[], options: RunOptions = {}): Promise<Finished> {
    return new Promise((resolve, reject) => {
      const child = this.start(program, args, options);
      let stdout = "";
      let stderr = "";
      child.stdout?.setEncoding("utf8").on("data", (chunk: string) => (stdout += chunk));
      child.stderr?.setEncoding("utf8").on("data", (chunk: string) => (stderr += chunk));
      child.on("error", reject);
      child.on("close", (code) => resolve({ code, stdout, stderr }));
      child.stdin?.end();
      options.started?.(child);
    });
  }

  /** Start any program as the ordinary user. */
  start(program: string, args: readonly string[], options: RunOptions = {}): ChildProcess {
    return spawn(program, [...args], {
      cwd: options.cwd ?? this.home,
      env: this.environment(options.env),
      stdio: "pipe",
      ...this.#user,
    });
  }

  /** Remove the working directory; the shared store stays for the next run. */
  remove(): void {
    execFileSync("chmod", ["-R", "u+w", this.home]);
    rmSync(this.home, { recursive: true, force: true });
  }

  #give(path: string): void {
    const { uid, gid } = this.#user;
    if (uid !== undefined && gid !== undefined) lchownSync(path, uid, gid);
  }
}

/** The store that the tests share, so that a machine is fetched once. `OSMOD_TEST_STORE` may name another place. */
function sharedStore(): string {
  return process.env["OSMOD_TEST_STORE"] ?? join("/var/tmp", `osmod tests ${process.getuid?.() ?? 0}`, "store root");
}

/**
 * Hand what root left in the shared store to the ordinary user. Who looks after that store by hand as root (mends a
 * path, say) leaves files that the ordinary user cannot link to.
 */
export function claimSharedStore(): void {
  const store = sharedStore();
  if (process.getuid?.() !== 0 || !existsSync(store)) return;
  const id = String(ORDINARY_ID);
  // Somebody else may be building in it: what is gone when it is looked at needs no owner.
  execFileSync("find", [store, "-ignore_readdir_race", "-uid", "0", "-exec", "chown", "-h", `${id}:${id}`, "{}", "+"]);
}

/** Where {@link install} put osmod, told by the environment. */
function installation(): string {
  const folder = process.env["OSMOD_TEST_INSTALLATION"];
  if (folder === undefined) throw new Error("osmod is not installed: run these tests as `npm run test:boot`");
  return folder;
}

/** `npm pack` and `npm install` into a new folder, for all tests of a run. */
export function install(): string {
  const folder = mkdtempSync(join(tmpdir(), "osmod-installed-"));
  chmodSync(folder, 0o755);
  const npm = (args: readonly string[], cwd: string) => execFileSync("npm", [...args], { cwd, encoding: "utf8" });
  const packed = npm(["pack", "--ignore-scripts", "--silent", "--pack-destination", folder], projectRoot).trim();
  npm(["init", "--yes"], folder);
  npm(["install", "--silent", "--ignore-scripts", join(folder, packed.split("\n").at(-1) ?? "")], folder);
  return folder;
}
