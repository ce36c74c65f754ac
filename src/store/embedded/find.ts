/**
 * Which store path a person means: `/nix/store/<digits>-nginx-1.26/sbin`, `./result`, `<digits>-nginx-1.26`, `0q3dx`, `nginx-1.26`.
 */
import { realpathSync } from "node:fs";
import { resolve, sep } from "node:path";
import { fail } from "../../problems/index.ts";
import { HASH_LENGTH, STORE_DIR, type StorePath } from "../path.ts";
import type { State } from "./state.ts";

/** Candidates that a problem lists. */
const SHOWN = 12;

/** The registered path that a text means. Problems: `store-path-not-found`, `store-path-ambiguous`. */
export function findPath(state: State, text: string): StorePath {
  const named = baseNameIn(state, text);
  if (named !== undefined) {
    const path = `${STORE_DIR}/${named}`;
    if (state.infos.isRegistered(path)) return path;
    // The digits may be cut short in a full path, too.
    return only(state, text, candidates(state, named));
  }
  return only(state, text, candidates(state, text));
}

/** The first component below the store directory, for a text that is a path into the store, or a link there. */
function baseNameIn(state: State, text: string): string | undefined {
  for (const place of [text, resolve(text), realPlace(text)]) {
    for (const store of [STORE_DIR, state.physical(STORE_DIR), realPlace(state.physical(STORE_DIR))]) {
      if (place?.startsWith(`${store}${sep}`) === true) return place.slice(store!.length + 1).split(sep)[0];
    }
  }
  return undefined;
}

/** Paths whose base name begins so, or else whose name is it; a `.drv` only when nothing else fits. */
function candidates(state: State, text: string): StorePath[] {
  if (text === "") return [];
  const all = state.infos.all();
  const begins = all.filter((path) => path.startsWith(text, STORE_DIR.length + 1));
  if (begins.length > 0) return begins;
  const named = all.filter((path) => isNamed(path, text));
  const outputs = named.filter((path) => !path.endsWith(".drv"));
  return outputs.length > 0 ? outputs : named;
}

/** True for the name of a path, with or without its version: `nginx` is `nginx-1.26.3` and not `nginx-common-1.26.3`. */
export function isNamed(path: StorePath, text: string): boolean {
  const name = path.slice(STORE_DIR.length + 1 + HASH_LENGTH + 1);
  return (
    name === text || name === `${text}.drv` || (name.startsWith(`${text}-`) && /^\d/.test(name.slice(text.length + 1)))
  );
}

function only(state: State, text: string, found: readonly StorePath[]): StorePath {
  const [first, second] = found;
  if (first === undefined) {
    return fail({
      code: "store-path-not-found",
      message: `nothing in the store at ${state.layout.root} is called ${text}`,
      fix: "Name a store path, the beginning of its digits, the name behind them, or a link like ./result; `osmod path-info --all` lists everything.",
    });
  }
  if (second === undefined) return first;
  return fail({
    code: "store-path-ambiguous",
    message: `${text} may be any of ${found.length} paths`,
    notes: [...found.slice(0, SHOWN), ...(found.length > SHOWN ? [`… and ${found.length - SHOWN} more`] : [])],
    fix: "Write more of it.",
  });
}

function realPlace(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}
