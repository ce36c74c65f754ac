/**
 * Adding sources: texts by what they say, trees by copying them in.
 */
import { fail } from "../../problems/index.ts";
import { parseHash, sameHash, toSri } from "../hash.ts";
import { narOfPath } from "../nar/disk.ts";
import { unpackNar } from "../nar/unpack.ts";
import { hashNar, narOfTree } from "../nar/write.ts";
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
    const archive = () => (typeof provided === "string" ? narOfPath(provided) : narOfTree(provided));
    const expected = parseHash(content.narHash, "sha256");
    const { hash } = hashNar(archive());
    if (!sameHash(hash, expected)) {
      fail({
        code: "hash-mismatch",
        message: `the source ${source.name} does not have the hash it must have`,
        notes: [`expected  ${toSri(expected)}`, `got       ${toSri(hash)}`],
        fix: "If it was changed on purpose, put the new hash in its place; nothing of it was kept.",
      });
    }
    const temporary = state.temporaries.next();
    try {
      unpackNar(archive(), temporary);
      const fixed = { name: source.name, hash: expected, mode: "recursive" } as const;
      await publish(state, [{ path: source.path, temporary }], { candidates: [], fixed, signal });
    } finally {
      removeTree(temporary);
    }
  });
}
