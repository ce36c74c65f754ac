/**
 * Store paths mentioned in a text.
 *
 * Where a name ends cannot be told from the text (`.`, `=` and `-` may belong to it or to the sentence around it), so a
 * mention is found by its 32 digits and then compared with the path that is known to have them.
 */
import { HASH_LENGTH, STORE_DIR, type StorePath } from "./path.ts";

const MENTION = /\/nix\/store\/([0-9abcdfghijklmnpqrsvwxyz]{32})-[0-9a-zA-Z+\-._?=]*/g;

/** A mention: where its hash part leads, and what the text says. */
export interface Mention {
  /** The known path with these 32 digits, when the text spells it to its end. */
  readonly path?: StorePath;
  /** The mention as far as it could be a store path. */
  readonly text: string;
}

/** Every mention in `text`, in order, without repetition. `pathOf` answers the known path for 32 digits. */
export function mentions(text: string, pathOf: (hash: string) => StorePath | undefined): Mention[] {
  // Nearly all strings mention nothing.
  if (!text.includes(STORE_DIR)) return [];
  const found = new Map<string, Mention>();
  for (const match of text.matchAll(MENTION)) {
    const path = pathOf(match[1] as string);
    const known = path !== undefined && text.startsWith(path, match.index);
    const mention: Mention = known ? { path, text: path } : { text: match[0] };
    found.set(mention.text, mention);
  }
  return [...found.values()];
}

/** The 32 digits of a store path. */
export function hashPart(path: StorePath): string {
  return path.slice(STORE_DIR.length + 1, STORE_DIR.length + 1 + HASH_LENGTH);
}
