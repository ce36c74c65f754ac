/**
 * Adding sources: texts by what they say, trees by copying them in.
 */
import { parseHash } from "../hash.ts";
import { lentNarOfPath } from "../nar/disk.ts";
import { unpackNar } from "../nar/unpack.ts";
import { narOfTree } from "../nar/write.ts";
import type { Source } from "../objects.ts";
import { publish, publishText } from "./publish.ts";
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
      // The hash is checked while publishing, on the copy: what the original does meanwhile does not matter.
      unpackNar(typeof provided === "string" ? lentNarOfPath(provided) : narOfTree(provided), temporary);
      const hash = parseHash(content.narHash, "sha256");
      const fixed = { name: `the source ${source.name}`, hash, mode: "recursive" } as const;
      await publish(state, [{ path: source.path, temporary }], { candidates: [], fixed, signal });
    } finally {
      removeTree(temporary);
    }
  });
}
