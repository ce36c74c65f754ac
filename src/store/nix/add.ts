/**
 * Handing over what has to be there before Nix can build: the `.drv` files below some derivations, and their sources.
 */
import { setImmediate } from "node:timers/promises";
import { checkHash } from "../embedded/publish.ts";
import { parseHash, sha256, toBase32, toSri } from "../hash.ts";
import { hashPath, narOfPath } from "../nar/disk.ts";
import { hashNar, narOfTree } from "../nar/write.ts";
import type { Derivation, Source } from "../objects.ts";
import type { RealiseOptions } from "../store.ts";
import type { NixSession } from "./serve.ts";

/** Add what of these and of everything below them Nix does not have, references first. Problem: `hash-mismatch`. */
export async function addBelow(
  session: NixSession,
  targets: readonly (Derivation | Source)[],
  options: Pick<RealiseOptions, "signal" | "onEvent">,
): Promise<void> {
  const objects = inReferenceOrder(targets);
  const valid = await session.valid(objects.map(pathOf));
  for (const object of objects) {
    options.signal?.throwIfAborted();
    if (valid.has(pathOf(object))) continue;
    if (object.type === "derivation") await addText(session, object.drvPath, object.text, referencesOf(object));
    else await addSource(session, object, options);
  }
}

/** Everything below some objects, each after what it refers to. */
export function inReferenceOrder(targets: readonly (Derivation | Source)[]): (Derivation | Source)[] {
  const order = new Set<Derivation | Source>();
  const seen = new Set<Derivation | Source>();
  const visit = (object: Derivation | Source): void => {
    if (seen.has(object)) return;
    seen.add(object);
    if (object.type === "source") object.references.forEach(visit);
    else {
      object.inputSources.forEach(visit);
      for (const { derivation } of object.inputDerivations) visit(derivation);
    }
    order.add(object);
  };
  targets.forEach(visit);
  return [...order];
}

/** The path that an object has before anything is built. */
function pathOf(object: Derivation | Source): string {
  return object.type === "derivation" ? object.drvPath : object.path;
}

function referencesOf(drv: Derivation): string[] {
  return [
    ...drv.inputSources.map((source) => source.path),
    ...drv.inputDerivations.map(({ derivation }) => derivation.drvPath),
  ].sort();
}

async function addText(session: NixSession, path: string, text: string, references: readonly string[]): Promise<void> {
  const tree = { type: "regular", executable: false, contents: Buffer.from(text) } as const;
  const { hash, size } = hashNar(narOfTree(tree));
  const contentAddress = `text:sha256:${toBase32(sha256(text))}`;
  await session.add({ path, narHash: toSri(hash), narSize: size, references, contentAddress }, narOfTree(tree));
}

async function addSource(
  session: NixSession,
  source: Source,
  options: Pick<RealiseOptions, "signal" | "onEvent">,
): Promise<void> {
  options.onEvent?.({ type: "add", source });
  const { content, path } = source;
  if (content.kind === "text") {
    return addText(session, path, content.text, source.references.map((reference) => reference.path).sort());
  }
  const provided = await content.provide(options.signal);
  const isPlace = typeof provided === "string";
  // Nix wants to know the size beforehand. Should the tree change in between, Nix finds another hash than the one named.
  const { hash, size } = isPlace ? hashPath(provided) : hashNar(narOfTree(provided));
  await setImmediate();
  const wanted = parseHash(content.narHash, "sha256");
  checkHash({ name: `the source ${source.name}`, hash: wanted, mode: "recursive" }, hash);
  const archive = isPlace ? narOfPath(provided) : narOfTree(provided);
  const contentAddress = `fixed:r:sha256:${toBase32(hash)}`;
  await session.add({ path, narHash: toSri(hash), narSize: size, references: [], contentAddress }, archive);
}
