/**
 * Adding sources: texts by what they say, trees by copying them in.
 */
import { parseHash } from "../hash.ts";
import { NarUnpacker } from "../nar/unpack.ts";
import { hashNar, narOfTree } from "../nar/write.ts";
import type { Source } from "../objects.ts";
import { digestOf } from "./digest.ts";
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
    const unpacker = new NarUnpacker(temporary);
    try {
      // What is checked is what is written, in one pass: what the original does meanwhile does not matter.
      const { hash, size } =
        typeof provided === "string"
          ? await digestOf(provided, { signal, also: (chunk) => unpacker.push(chunk) })
          : hashNar(passedOn(narOfTree(provided), unpacker));
      unpacker.end();
      const expected = parseHash(content.narHash, "sha256");
      checkHash({ name: `the source ${source.name}`, hash: expected, mode: "recursive" }, hash);
      publishHashed(state, { path: source.path, temporary }, hash, size);
    } finally {
      unpacker.abandon();
      removeTree(temporary);
    }
  });
}

function* passedOn(chunks: Iterable<Uint8Array>, unpacker: NarUnpacker): Generator<Uint8Array, void> {
  for (const chunk of chunks) {
    unpacker.push(chunk);
    yield chunk;
  }
}
