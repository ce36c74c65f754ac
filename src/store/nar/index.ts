/**
 * NAR: the archive format whose hash is what the store knows a tree by.
 */
export { hashPath, narOfPath } from "./disk.ts";
export { type NarSink, readNar, readNarStream, treeOfNar } from "./read.ts";
export type { Directory, RegularFile, Symlink, Tree } from "./tree.ts";
export { unpackNar, unpackNarStream, writeTree } from "./unpack.ts";
export { hashNar, narOfTree } from "./write.ts";
