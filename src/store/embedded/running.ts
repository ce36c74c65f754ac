/**
 * What running builds and virtual machines use.
 *
 * Each of them writes a file `<kind>.<owner>.<n>` with the store paths it needs, one a line, before it looks whether a
 * collection is going on; a collection announces itself before it reads these files. Whichever comes second sees the
 * other, so nothing is taken away from under a program that runs. The launcher writes the same file from its shell
 * script (vm/launch-script.ts); as it cannot touch it now and then, a machine of another pid namespace counts as running
 * until the next boot.
 *
 * Besides, the kernel is asked which store paths the processes of this machine have open, mapped, or in their arguments:
 * that covers whatever else was started from the store.
 */
import { readdirSync, readFileSync, readlinkSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { hashPart } from "../mentions.ts";
import { HASH_LENGTH, isStorePath, type StorePath } from "../path.ts";
import { ownerLives, sameBoot, thisOwner } from "./owner.ts";
import type { State } from "./state.ts";

/** Something that runs and needs store paths. */
export interface Running {
  readonly kind: "build" | "vm";
  readonly pid: number;
  readonly paths: readonly StorePath[];
}

/** Owners that other namespaces cannot see prove that they live this often. */
const TOUCH_EVERY_MS = 10_000;

let count = 0;

/** Say that this process needs these paths, until what is returned is called. */
export function announceUse(state: State, paths: Iterable<StorePath>): () => void {
  const file = `${state.layout.running}/build.${thisOwner()}.${++count}`;
  writeFileSync(file, [...paths, ""].join("\n"));
  const heartbeat = setInterval(() => touch(file), TOUCH_EVERY_MS).unref();
  return () => {
    clearInterval(heartbeat);
    rmSync(file, { force: true });
  };
}

/** Builds and virtual machines that run now. */
export function running(state: State): Running[] {
  return entries(state)
    .filter(({ lives }) => lives)
    .map(({ kind, owner, file }) => ({ kind, pid: Number.parseInt(owner, 10), paths: pathsIn(file) }));
}

/** Forget those that are gone. */
export function sweepRunning(state: State): void {
  for (const { file, lives } of entries(state)) if (!lives) rmSync(file, { force: true });
}

/** Every path that something running needs, whether or not it is valid. */
export function usedNow(state: State): Set<StorePath> {
  return new Set([...running(state).flatMap(({ paths }) => paths), ...openPaths(state)]);
}

function entries(state: State): { kind: "build" | "vm"; owner: string; file: string; lives: boolean }[] {
  return listed(state.layout.running).flatMap((name) => {
    const kind = name.slice(0, name.indexOf("."));
    if (kind !== "build" && kind !== "vm") return [];
    const owner = name.slice(kind.length + 1, name.lastIndexOf("."));
    const file = `${state.layout.running}/${name}`;
    const foreign = kind === "vm" && sameBoot(owner) && owner.split(".")[2] !== thisOwner().split(".")[2];
    return [{ kind, owner, file, lives: foreign || ownerLives(owner, file) }];
  });
}

function pathsIn(file: string): StorePath[] {
  try {
    return readFileSync(file, "utf8").split("\n").filter(isStorePath);
  } catch {
    // It ended in this moment.
    return [];
  }
}

const MENTION = new RegExp(`/nix/store/([0-9a-z]{${HASH_LENGTH}})-`, "g");

/** Registered paths that occur in what the kernel tells of this machine's processes. */
function openPaths(state: State): StorePath[] {
  const hashes = new Set<string>();
  const notice = (text: string): void => {
    for (const match of text.matchAll(MENTION)) hashes.add(match[1] as string);
  };
  for (const pid of listed("/proc").filter((name) => /^\d+$/.test(name))) {
    const process = `/proc/${pid}`;
    for (const link of ["exe", "cwd", "root"]) notice(linkText(`${process}/${link}`));
    for (const fd of listed(`${process}/fd`)) notice(linkText(`${process}/fd/${fd}`));
    for (const file of ["cmdline", "environ", "maps"]) notice(fileText(`${process}/${file}`));
  }
  return hashes.size === 0 ? [] : state.infos.all().filter((path) => hashes.has(hashPart(path)));
}

function listed(directory: string): string[] {
  return attempt(() => readdirSync(directory), []);
}

function linkText(path: string): string {
  return attempt(() => readlinkSync(path), "");
}

function fileText(path: string): string {
  return attempt(() => readFileSync(path, "latin1"), "");
}

/** Processes end while they are looked at, and those of others do not show everything. */
function attempt<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch {
    return otherwise;
  }
}

function touch(file: string): void {
  const now = new Date();
  attempt(() => utimesSync(file, now, now), undefined);
}
