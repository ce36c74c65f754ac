/**
 * From a temporary place to a valid path.
 *
 *     canonical modes and times → NAR hash and references, one pass → hash check → rename → registration
 *
 * Every step before the rename works on a name nobody looks at; the registration after it is what makes the path valid.
 * Dying anywhere in between leaves garbage, never a path that is valid and wrong.
 */
import { createHash } from "node:crypto";
import { lstatSync, lutimesSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { fail } from "../../problems/index.ts";
import { type Hash, parseHash, sameHash, toSri } from "../hash.ts";
import { hashPart } from "../mentions.ts";
import { hashNar, narOfTree } from "../nar/write.ts";
import type { Derivation } from "../objects.ts";
import type { StorePath } from "../path.ts";
import type { PathInfo } from "../store.ts";
import { digestOf } from "./digest.ts";
import { mend } from "./mend.ts";
import type { State } from "./state.ts";
import { canonicalise, removeTree, seal } from "./trees.ts";

/** Something made, at a temporary place in the store directory. */
export interface Made {
  readonly path: StorePath;
  readonly temporary: string;
  /** True when it was made canonical where it comes from; only the move is to be smoothed over. */
  readonly canonical?: true;
}

/** What holds for all that is published together. */
export interface PublishOptions {
  /** Paths whose hash parts are looked for. */
  readonly candidates: readonly StorePath[];
  readonly deriver?: StorePath;
  /** The hash that the one object must have. */
  readonly fixed?: FixedCheck;
  readonly signal: AbortSignal;
}

/** A hash to be checked before anything enters the store. */
export interface FixedCheck {
  readonly name: string;
  readonly hash: Hash;
  readonly mode: "flat" | "recursive";
  /** Where it was fetched from, for the message. */
  readonly url?: string;
}

/** Make everything that was made together valid, in an order in which references come first. */
export async function publish(state: State, made: readonly Made[], options: PublishOptions): Promise<void> {
  const byHash = new Map([...options.candidates, ...made.map((m) => m.path)].map((path) => [hashPart(path), path]));
  const done: { made: Made; info: PathInfo }[] = [];
  for (const item of made) {
    if (item.canonical === true) seal(item.temporary);
    else canonicalise(item.temporary);
    if (options.fixed?.mode === "flat") checkFlat(item.temporary, options.fixed);
    const { hash, size, found } = await digestOf(item.temporary, { wanted: byHash.keys(), signal: options.signal });
    if (options.fixed?.mode === "recursive") checkHash(options.fixed, hash);
    const references = [...found].map((digits) => byHash.get(digits) as StorePath).sort();
    done.push({ made: item, info: pathInfo(item.path, hash, size, references, options.deriver) });
  }
  for (const { made: item, info } of inReferenceOrder(done)) settle(state, item.temporary, info);
}

/** Add a text; its references are known and its hash is its path's. */
export function publishText(state: State, path: StorePath, text: string, references: readonly StorePath[]): void {
  const contents = Buffer.from(text);
  const { hash, size } = hashNar(narOfTree({ type: "regular", executable: false, contents }));
  const temporary = state.temporaries.next();
  writeFileSync(temporary, contents, { mode: 0o444, flag: "wx" });
  lutimesSync(temporary, 1, 1);
  settle(state, temporary, pathInfo(path, hash, size, [...references].sort(), undefined));
}

/** Add what was made canonical and hashed on its way here and refers to nothing. */
export function publishHashed(state: State, { path, temporary }: Made, hash: Hash, size: number): void {
  settle(state, temporary, pathInfo(path, hash, size, [], undefined));
}

/** Throw `hash-mismatch` unless a fixed output has its hash. */
export function checkHash(fixed: FixedCheck, got: Hash): void {
  if (sameHash(fixed.hash, got)) return;
  fail({
    code: "hash-mismatch",
    message: `${fixed.name} does not have the hash it must have`,
    notes: [
      `expected  ${toSri(fixed.hash)}`,
      `got       ${toSri(got)}`,
      ...(fixed.url === undefined ? [] : [`from      ${fixed.url}`]),
    ],
    fix:
      fixed.url === undefined
        ? "If its content was changed on purpose, put the new hash in its place; nothing of it was kept."
        : "The server, or something on the way, gave another file than the one asked for. Try another mirror; if the file was replaced on purpose, take its new hash. Nothing of it was kept.",
  });
}

/** What a derivation's fixed output is checked against, if it is one. */
export function fixedCheck(drv: Derivation): FixedCheck | undefined {
  if (drv.fixedOutput === undefined) return undefined;
  const { algo, hash, mode } = drv.fixedOutput;
  const url = drv.data.env.get("url");
  return { name: drv.name, hash: parseHash(hash, algo), mode, ...(url === undefined ? {} : { url }) };
}

function checkFlat(place: string, fixed: FixedCheck): void {
  const stat = lstatSync(place);
  if (!stat.isFile() || (stat.mode & 0o100) !== 0) {
    fail({
      code: "fixed-output-not-flat",
      message: `${fixed.name} is hashed as one plain file, and its builder made something else`,
      fix: 'Use the mode "recursive" for directories and executable files; its hash is that of the NAR.',
    });
  }
  checkHash(fixed, { algo: fixed.hash.algo, bytes: createHash(fixed.hash.algo).update(readFileSync(place)).digest() });
}

function pathInfo(
  path: StorePath,
  hash: Hash,
  narSize: number,
  references: readonly StorePath[],
  deriver: StorePath | undefined,
): PathInfo {
  const registrationTime = Math.floor(Date.now() / 1000);
  return {
    path,
    narHash: toSri(hash),
    narSize,
    references,
    ...(deriver === undefined ? {} : { deriver }),
    registrationTime,
  };
}

/** Give the object its name, then make it valid. What lies there unregistered is garbage. */
export function settle(state: State, temporary: string, info: PathInfo): void {
  const place = state.physical(info.path);
  state.made.add(info.path);
  if (state.infos.isValid(info.path)) {
    // A repair, or somebody who wrote the same text in this moment.
    mend(place, temporary);
    removeTree(temporary);
    state.infos.register(info);
    return;
  }
  const there = lstatSync(place, { throwIfNoEntry: false });
  // A file is replaced by the rename itself; a directory has to go first.
  if (there?.isDirectory() === true || (there !== undefined && lstatSync(temporary).isDirectory())) removeTree(place);
  renameSync(temporary, place);
  state.infos.register(info);
}

/** Outputs of one derivation may refer to each other, but not in a circle: none could become valid first. */
function inReferenceOrder(items: readonly { made: Made; info: PathInfo }[]): { made: Made; info: PathInfo }[] {
  const left = new Map(items.map((item) => [item.made.path, item]));
  const order: { made: Made; info: PathInfo }[] = [];
  while (left.size > 0) {
    const next = [...left.values()].find(
      ({ info }) => !info.references.some((path) => path !== info.path && left.has(path)),
    );
    if (next === undefined) {
      return fail({
        code: "output-cycle",
        message: `the outputs ${[...left.keys()].join(" and ")} refer to each other`,
        fix: "Move what one needs of the other into it, or into a third output that both refer to.",
      });
    }
    left.delete(next.made.path);
    order.push(next);
  }
  return order;
}
