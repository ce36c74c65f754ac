/**
 * A store with a launcher in it whose programs are stand-ins: QEMU writes down its arguments and waits, qemu-img makes
 * a header. The scripts themselves are the real ones, run by this host's bash, which has the substitutions that busybox' shell has; flock
 * and setpriv are this host's.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { MachineSpec } from "../../src/vm/index.ts";
import { launcherFiles } from "../../src/vm/launcher.ts";

/** Where the launcher lies in the store. */
export const launcherPath = `/nix/store/${"e".repeat(32)}-run-web-vm`;
const busybox = `/nix/store/${"f".repeat(32)}-busybox/bin/busybox`;
const samba = `/nix/store/${"g".repeat(32)}-samba`;

/** What a finished launcher gave. */
export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** One store, with a working directory beside it. Both have blanks, commas and quotes in their paths. */
export class FakeStore {
  readonly home = mkdtempSync(join(tmpdir(), "osmod fake, it's "));
  readonly root = join(this.home, "my store");
  readonly work = join(this.home, "work dir");
  readonly launcher: string;
  readonly #argv = join(this.home, "argv");

  constructor(spec: MachineSpec) {
    this.launcher = join(this.root, launcherPath, "bin", `run-${spec.name}-vm`);
    mkdirSync(this.work);
    for (const [path, file] of Object.entries(launcherFiles(spec, { busybox, samba }))) {
      this.write(join(launcherPath, path), file.text, file.mode === "0555");
    }
    this.write(join(launcherPath, "share/osmod/store-paths"), `path ${spec.toplevel}\n`);
    this.write(busybox, busyboxScript, true);
    // An applet that this host may not have.
    this.write("bin/usleep", "#!/bin/sh\nexec sleep 0.02\n", true);
    this.write(join(spec.qemu.tree, "usr/lib64/ld-linux-x86-64.so.2"), linkerScript, true);
  }

  write(path: string, text: string, executable = false): void {
    const file = join(this.root, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    if (executable) chmodSync(file, 0o755);
  }

  /** Start the launcher, perhaps by another program; `FAKE_QEMU` says what QEMU does: `exit N` or `sleep N`. */
  start(
    args: readonly string[] = [],
    env: Readonly<Record<string, string>> = {},
    by: readonly string[] = [],
  ): ChildProcess {
    const own = {
      PATH: `${join(this.root, "bin")}:${process.env["PATH"]}`,
      OSMOD_ACCEL: "tcg",
      FAKE_ARGV: this.#argv,
      FAKE_QEMU: "exit 0",
      FAKE_NODE: process.execPath,
    };
    const [program = "", ...words] = [...by, this.launcher, ...args];
    return spawn(program, words, {
      cwd: this.work,
      env: { ...own, XDG_RUNTIME_DIR: this.runtimeBase, ...env },
      stdio: "pipe",
    });
  }

  run(args: readonly string[] = [], env: Readonly<Record<string, string>> = {}): Promise<Finished> {
    return finish(this.start(args, env));
  }

  /** The arguments that QEMU was started with. */
  argv(): string[] {
    return readFileSync(this.#argv, "utf8").split("\0").slice(0, -1);
  }

  /** The arguments that passt was started with. */
  passtArgv(): string[] {
    return readFileSync(`${this.#argv}.passt`, "utf8").split("\0").slice(0, -1);
  }

  /** Wait until QEMU runs. */
  async running(): Promise<void> {
    for (let i = 0; i < 200 && !existsSync(this.#argv); i += 1) await new Promise((r) => setTimeout(r, 25));
  }

  /** Where private directories are made. */
  get runtimeBase(): string {
    const base = join("/tmp", `osmod-fake-${process.pid}-${this.home.slice(-6)}`);
    mkdirSync(base, { recursive: true });
    return base;
  }

  remove(): void {
    removeWhole(this.runtimeBase);
    removeWhole(this.home);
  }
}

/** Remove a folder in which a launcher that was just killed, or what it started, may still make a file. */
function removeWhole(path: string): void {
  for (let left = 100; ; left -= 1) {
    try {
      // Its own retries do not look for what came meanwhile.
      rmSync(path, { recursive: true, force: true });
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOTEMPTY" || left === 0) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
    }
  }
}

/** Wait for a process and collect what it says. */
export function finish(child: ChildProcess): Promise<Finished> {
  let stdout = "";
  let stderr = "";
  child.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
    stdout += chunk;
  });
  child.stderr?.setEncoding("utf8").on("data", (chunk: string) => {
    stderr += chunk;
  });
  child.stdin?.end();
  return new Promise((resolve) => child.on("close", (code) => resolve({ code, stdout, stderr })));
}

const busyboxScript = `#!/bin/sh
applet=$1; shift
case $applet in sh) exec bash --posix "$@" ;; *) exec "$applet" "$@" ;; esac
`;

const linkerScript = `#!/bin/sh
shift 2
program=\${1##*/}; shift
case $program in
  unshare) echo ready ;;
  setpriv | flock) exec "$program" "$@" ;;
  bwrap)
    [ -z "$FAKE_NO_NAMESPACES" ] || { echo "bwrap: No permissions to create a new namespace" >&2; exit 1; }
    case " $* " in *" /usr/bin/swtpm "*)
      [ -z "$FAKE_NO_TPM" ] || { echo "swtpm: the state is damaged" >&2; exit 1; }
      printf '%s\\0' "$@" > "$FAKE_ARGV.swtpm"
      echo $$ > "$FAKE_ARGV.swtpm.pid"
      while [ "$1" != --bind ]; do shift; done
      exec "$FAKE_NODE" -e 'require("net").createServer().listen(process.argv[1])' "$2/tpm.ctrl" ;;
    esac ;;
  socat)
    listen=\${1#UNIX-LISTEN:} run=\${2#EXEC:}
    \${run%,nofork} < /dev/null
    exec "$FAKE_NODE" -e 'require("net").createServer().listen(process.argv[1])' "\${listen%%,*}" 4>&- ;;
  passt) printf '%s\\0' "$@" > "$FAKE_ARGV.passt" ;;
  qemu-img)
    case $1 in
      convert) printf 'from %s' "$6" > "$7" ;;
      create)
        if [ "$5" = -F ]; then
          length=$(printf '\\\\%03o\\\\%03o' $((\${#8} / 256)) $((\${#8} % 256)))
          printf "QFI\\\\373\\\\0\\\\0\\\\0\\\\3\\\\0\\\\0\\\\0\\\\0\\\\0\\\\0\\\\0\\\\024\\\\0\\\\0$length%s" "$8" > "$9"
          exit
        fi
        [ -z "$FAKE_FULL" ] || { printf half > "$5"; echo "qemu-img: $5: No space left on device" >&2; exit 1; }
        printf 'QFI\\373\\0\\0\\0\\3%016d\\0\\0\\0\\0%b\\0\\0' 0 "$(printf '\\\\0%o\\\\0%o' $((\${6%M} / 16 % 256)) $((\${6%M} % 16 * 16)))" > "$5"
        { head -c 68 /dev/zero; printf '\\0\\0\\0p'; head -c 64 /dev/zero; } >> "$5" ;;
      resize) printf '%s' "resized to $6" > "$5.resized" ;;
    esac ;;
  qemu-system-x86_64)
    ls "$OSMOD_SHARE_RUNTIME" > "$FAKE_ARGV.runtime"
    printf '%s\\0' "$@" > "$FAKE_ARGV.new"; mv "$FAKE_ARGV.new" "$FAKE_ARGV"
    case $FAKE_QEMU in sleep*) exec $FAKE_QEMU ;; cat) exec cat ;; serve) exec "$FAKE_NODE" "$FAKE_SERVER" "$@" ;; *) $FAKE_QEMU ;; esac ;;
esac
`;
