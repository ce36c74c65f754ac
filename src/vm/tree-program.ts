/**
 * Programs of merged trees, as the host runs them: with the tree's own dynamic linker and libraries, and none of the host's.
 */
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
