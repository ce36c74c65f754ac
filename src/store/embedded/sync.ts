/** Forcing what was written to the disk. */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, fsyncSync, lstatSync, openSync, readdirSync, writeFileSync } from "node:fs";
import { toBytes, toPath } from "../nar/bytes.ts";

/** Write a small file so that it is there, with what is in it, even if the power goes in the next moment. */
export function writeDurably(file: string, text: string): void {
  writeFileSync(file, text);
  syncPath(file);
  syncPath(file.slice(0, file.lastIndexOf("/")));
}

/** Force a file or directory, not what is in it, to the disk. */
export function syncPath(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Force every file and directory of a tree to the disk, one by one. Meant for small trees. */
export function syncTree(path: string): void {
  const visit = (at: string): void => {
    const stat = lstatSync(toPath(at), { throwIfNoEntry: false });
    if (stat === undefined || stat.isSymbolicLink()) return;
    if (stat.isDirectory()) for (const name of readdirSync(toPath(at), "latin1")) visit(`${at}/${name}`);
    const fd = openSync(toPath(at), "r");
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  };
  visit(toBytes(path));
}

/** Have the file system begin to write what it has, so that the sync that is waited for takes less. */
export function beginSync(place: string): void {
  syncing(place)
    .on("error", () => {})
    .unref();
}

function syncing(place: string): ChildProcess {
  return spawn("sync", ["-f", place], { stdio: "ignore" });
}

/**
 * Node has no `syncfs`. `sync -f` is that call, and both coreutils and busybox have it; where it fails, the trees are
 * walked, which takes minutes for a large store and is right all the same.
 */
export async function syncFileSystem(place: string, trees: readonly string[]): Promise<void> {
  const code = await new Promise<number | null>((resolve) => {
    const child = syncing(place);
    child.once("error", () => resolve(null));
    child.once("close", resolve);
  });
  if (code === 0) return;
  for (const tree of trees) syncTree(tree);
}
