/**
 * The argv that runs a builder with nothing in sight but its inputs. Pure.
 *
 * A builder must be able to create `$out` as a file, a directory or a symlink, so `/nix/store` itself is writable: an
 * empty scratch directory, on which every input is mounted read-only at its own name. What the builder leaves there
 * under an output's name is the output; everything else goes away with the directory.
 *
 * The builder runs as user 1000, in group 100, without capabilities, in namespaces of its own, of which it is the first
 * process: when it ends, the kernel ends all that it started before anybody learns of its end. When this process dies,
 * so does it.
 *
 * `/proc` is read-only as a whole. For an ordinary user that changes little; the kernel lets a process of the host's root
 * write `/proc/sys` whatever capabilities it has lost, and with `core_pattern` that is all of the host.
 */
import { posix } from "node:path";
import { STORE_DIR, type StorePath } from "../path.ts";
import { BUILD_DIR } from "./environment.ts";

/** What a sandbox shows. */
export interface SandboxSpec {
  /** Argv prefix that ends in bubblewrap. */
  readonly tool: readonly string[];
  /** Scratch directories on this machine for `/nix/store` and `/build`. */
  readonly store: string;
  readonly build: string;
  /** Directory with `passwd`, `group` and `hosts`. */
  readonly etc: string;
  readonly inputs: readonly SandboxInput[];
  readonly env: ReadonlyMap<string, string>;
  /** True for fixed outputs: their content is checked, so they may look anywhere. */
  readonly network: boolean;
  /** True for builders that ask for it: they see `/dev/kvm`, where this machine has one that this user may open. */
  readonly kvm?: boolean;
  readonly builder: string;
  readonly args: readonly string[];
  /** The descriptor that bubblewrap reads the system call filter from (seccomp.ts). */
  readonly filter: number;
}

/** One store path the builder may read. */
export interface SandboxInput {
  readonly path: StorePath;
  readonly physical: string;
  /** Its target, when the store path is itself a symlink: a bind mount would follow it. */
  readonly symlink?: string;
}

/** Files of the host that a builder with network needs to find other hosts. */
const RESOLVER_FILES = ["/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/services"];

/** What makes QEMU fast, and is a part of the kernel that builders otherwise never reach. */
const KVM = "/dev/kvm";

/** The whole argv. */
export function sandboxArgv(spec: SandboxSpec): string[] {
  const argv = [
    ...spec.tool,
    "--unshare-user",
    "--unshare-ipc",
    "--unshare-pid",
    "--unshare-uts",
    "--unshare-cgroup-try",
  ];
  if (!spec.network) argv.push("--unshare-net");
  argv.push("--uid", "1000", "--gid", "100", "--cap-drop", "ALL", "--hostname", "localhost");
  argv.push("--die-with-parent", "--new-session", "--as-pid-1", "--clearenv", "--seccomp", String(spec.filter));
  argv.push("--dev", "/dev", ...(spec.kvm === true ? ["--dev-bind-try", KVM, KVM] : []));
  argv.push("--proc", "/proc", "--remount-ro", "/proc", "--perms", "1777", "--tmpfs", "/tmp");
  // Made explicitly: bubblewrap gives parents it has to make itself the mode 0700.
  for (const directory of ["/nix", "/etc"]) argv.push("--perms", "0755", "--dir", directory);
  argv.push("--bind", spec.build, BUILD_DIR, "--bind", spec.store, STORE_DIR);
  for (const input of spec.inputs) {
    if (input.symlink === undefined) argv.push("--ro-bind", input.physical, input.path);
    else argv.push("--symlink", input.symlink, input.path);
  }
  for (const file of ["passwd", "group", "hosts"]) argv.push("--ro-bind", posix.join(spec.etc, file), `/etc/${file}`);
  if (spec.network) for (const file of RESOLVER_FILES) argv.push("--ro-bind-try", file, file);
  argv.push("--remount-ro", "/", "--chdir", BUILD_DIR);
  for (const [name, value] of spec.env) argv.push("--setenv", name, value);
  argv.push("--", spec.builder, ...spec.args);
  return argv;
}

/** The user database every builder sees, by file name. */
export const SANDBOX_ETC: Readonly<Record<string, string>> = {
  passwd: [
    "root:x:0:0:Nix build user:/build:/noshell",
    "nixbld:x:1000:100:Nix build user:/build:/noshell",
    "nobody:x:65534:65534:Nobody:/:/noshell",
    "",
  ].join("\n"),
  group: ["root:x:0:", "nixbld:!:100:", "nogroup:x:65534:", ""].join("\n"),
  hosts: ["127.0.0.1 localhost", "::1 localhost", ""].join("\n"),
};
