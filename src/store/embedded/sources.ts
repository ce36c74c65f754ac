/**
 * Adding sources: texts by what they say, trees by copying them in.
 */
import { createHash } from "node:crypto";
import { type Hash, parseHash } from "../hash.ts";
import { lentNarOfPath } from "../nar/disk.ts";
import { unpackNar } from "../nar/unpack.ts";
import { narOfTree } from "../nar/write.ts";
import type { Source } from "../objects.ts";
import { checkHash, publishHashed, publishText } from "./publish.ts";
import type { State } from "./state.ts";
import { removeTree } from "./trees.ts";

/** Make a source valid; its references must be. */
export async function addSource(state: State, source: Source, signal: AbortSignal): Promise<void> {
  const { content } = source;
  if (content.kind === "text") {
    const references = source.references.map((reference) => reference.path);
    // Whoever writes it writes the same: no lock.
    publishText(state, source.path, content.text, references);
    return;
  }
  await state.locks.with([source.path], signal, async () => {
    if (state.infos.isValid(source.path)) return;
    const provided = await content.provide(signal);
    const temporary = state.temporaries.next();
    try {
      const archive = typeof provided === "string" ? lentNarOfPath(provided) : narOfTree(provided);
      const hasher = createHash("sha256");
      let size = 0;
      // What is checked is what is written, in one pass: what the original does meanwhile does not matter.
      const seen = function* (): Generator<Uint8Array, void> {
        for (const chunk of archive) {
          hasher.update(chunk);
          size += chunk.length;
          yield chunk;
        }
      };
      unpackNar(seen(), temporary);
      const hash: Hash = { algo: "sha256", bytes: hasher.digest() };
      const expected = parseHash(content.narHash, "sha256");
      checkHash({ name: `the source ${source.name}`, hash: expected, mode: "recursive" }, hash);
      publishHashed(state, { path: source.path, temporary }, hash, size);
    } finally {
      removeTree(temporary);
    }
  });
}
