/**
 * Why one path needs another: the shortest chain of references, and for each the file in which it is written.
 */
import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { hashPart } from "../mentions.ts";
import { type ByteString, toBytes, toPath, toText } from "../nar/bytes.ts";
import type { StorePath } from "../path.ts";
import type { State } from "./state.ts";

/** One reference of the chain. */
export interface Dependency {
  readonly from: StorePath;
  readonly to: StorePath;
  /** The first file below `from` that holds the reference, relative to it; `.` for a path that is a file or link itself. */
  readonly file?: string;
  /** What stands around the reference, or where a symlink leads. */
  readonly context?: string;
}

/** How much of what stands around a reference is shown. */
const [BEFORE, AFTER] = [24, 48];

/** The shortest chain, empty when there is none. */
export function whyDepends(state: State, from: StorePath, to: StorePath): Dependency[] {
  const parents = new Map<StorePath, StorePath | undefined>([[from, undefined]]);
  for (const [path] of parents) {
    if (path === to) break;
    for (const reference of state.infos.registered(path)?.references ?? []) {
      if (!parents.has(reference)) parents.set(reference, path);
    }
  }
  const chain: Dependency[] = [];
  if (!parents.has(to)) return chain;
  for (let at = to, parent = parents.get(at); parent !== undefined; at = parent, parent = parents.get(at)) {
    chain.unshift({ from: parent, to: at, ...locate(state.physical(parent), hashPart(at)) });
  }
  return chain;
}

function locate(place: string, digits: string): { file: string; context: string } | undefined {
  const top = toBytes(place);
  const found = search(top, digits);
  if (found === undefined) return undefined;
  return { file: toText(found.at.slice(top.length + 1)) || ".", context: found.context };
}

function search(at: ByteString, digits: string): { at: ByteString; context: string } | undefined {
  const stat = lstatSync(toPath(at), { throwIfNoEntry: false });
  if (stat?.isSymbolicLink() === true) {
    const target = readlinkSync(toPath(at));
    return target.includes(digits) ? { at, context: `→ ${target}` } : undefined;
  }
  if (stat?.isFile() === true) {
    const bytes = readFileSync(toPath(at));
    const index = bytes.indexOf(digits, 0, "latin1");
    if (index < 0) return undefined;
    const around = bytes.subarray(Math.max(0, index - BEFORE), index + digits.length + AFTER).toString("latin1");
    // What is no text is shown as dots, as the terminal may not be asked to print it.
    return { at, context: `…${around.replace(/[^\x20-\x7e]/g, ".")}…` };
  }
  if (stat?.isDirectory() !== true) return undefined;
  for (const name of readdirSync(toPath(at), "latin1").sort()) {
    const found = name.includes(digits) ? { at: `${at}/${name}`, context: name } : search(`${at}/${name}`, digits);
    if (found !== undefined) return found;
  }
  return undefined;
}
