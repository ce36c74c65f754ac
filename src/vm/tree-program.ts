/**
 * Programs of merged trees, as the host runs them: with the tree's own dynamic linker and libraries, and none of the host's.
 */
import type { MachineSpec } from "./spec.ts";
import { hostPath, type Template, word } from "./template.ts";

/** Where the dynamic linker of a merged tree finds its libraries. */
export const libraryFolder = "/usr/lib/x86_64-linux-gnu";

/** The words that start a program of a merged tree: a tree brings its own dynamic linker and uses no library of the host. */
export function treeProgram(tree: string, program: string): Template {
  return [
    hostPath(`${tree}/usr/lib64/ld-linux-x86-64.so.2`),
    word("--library-path"),
    hostPath(`${tree}${libraryFolder}`),
    hostPath(`${tree}/${program}`),
  ];
}

/**
 * The words before a program that serves the machine from a tree of its own: it sees that tree, and one directory below the
 * private one, for its sockets. User 1000 there is the user who started the machine; further words of bwrap may follow.
 */
export function confined(spec: MachineSpec, tree: string, sockets: string): Template {
  return [
    ...treeProgram(spec.qemu.tree, "usr/bin/bwrap"),
    ...["--unshare-all", "--die-with-parent", "--clearenv", "--uid", "1000", "--gid", "1000"].map((w) => word(w)),
    word("--ro-bind"),
    hostPath(`${tree}/usr`),
    word("/usr"),
    ...["--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64"].map((w) => word(w)),
    ...["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--bind"].map((w) => word(w)),
    word({ hole: "runtime" }, sockets),
    word(sockets),
  ];
}
