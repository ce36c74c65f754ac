/**
 * Symbolic links that keep objects alive: what both stores need to make them.
 */
import { lstatSync, mkdirSync, readlinkSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { fail } from "../problems/index.ts";
import type { StorePath } from "./path.ts";

/**
 * The absolute place of a link of the user's that is to lead to `target`, with a directory to be in. There may be a link
 * already, and nothing else. Problem: `root-occupied`.
 */
export function placeForLink(link: string, target: StorePath): string {
  const at = resolve(link);
  if (lstatSync(at, { throwIfNoEntry: false })?.isSymbolicLink() === false) {
    fail({
      code: "root-occupied",
      message: `${at} cannot become a link to ${target}: something else is there`,
      fix: "Move it away, or choose another place for the link.",
    });
  }
  mkdirSync(dirname(at), { recursive: true });
  return at;
}

/** Make a link, or let the one that is there lead elsewhere, in one step. */
export function replaceLink(link: string, target: string): void {
  const temporary = `${link}.tmp-${process.pid}`;
  rmSync(temporary, { force: true });
  symlinkSync(target, temporary);
  renameSync(temporary, link);
}

/** Where a link leads, or undefined when there is none. */
export function readLink(link: string | undefined): string | undefined {
  if (link === undefined) return undefined;
  try {
    return readlinkSync(link);
  } catch {
    return undefined;
  }
}
