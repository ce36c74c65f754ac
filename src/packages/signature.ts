/**
 * The archive's signature: from the bytes of an `InRelease` to its text, if one of the pinned keys signed it.
 *
 * The keys are Debian's, shipped with osmod in `keys/`; keyrings of the host are not looked at, so that every host
 * trusts the same. OpenPGP itself is npm's `openpgp`, imported only here and only when needed: importing it takes
 * longer than everything else that an evaluation imports.
 */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { fail } from "../problems/index.ts";

/** ASCII-armored public keys that may sign an archive. */
export type Keyring = readonly string[];

/** Debian's archive keys, as shipped. */
export async function debianKeyring(directory = shippedKeys()): Promise<Keyring> {
  const names = (await readdir(directory)).filter((name) => name.endsWith(".asc")).sort();
  return Promise.all(names.map((name) => readFile(join(directory, name), "utf8")));
}

/**
 * The text that was signed. Problems: `archive-unsigned` when it is no signed message at all or no signature is by a
 * key of the ring, `archive-tampered` when one of ours is there and does not fit the text.
 *
 * @param name names the file for problems.
 */
export async function verifySigned(message: Uint8Array, keyring: Keyring, name: string): Promise<string> {
  const text = Buffer.from(message).toString("utf8");
  if (!text.startsWith("-----BEGIN PGP SIGNED MESSAGE-----")) {
    fail({
      code: "archive-unsigned",
      message: `${name} is not a signed message`,
      fix: "The address does not lead to a Debian archive, or something on the way answered in its place; check OSMOD_DEBIAN_MIRROR.",
    });
  }
  const openpgp = await import("openpgp");
  const verificationKeys = (await Promise.all(keyring.map((armoredKeys) => openpgp.readKeys({ armoredKeys })))).flat();
  const signed = await openpgp.readCleartextMessage({ cleartextMessage: text }).catch((error: unknown) =>
    fail(
      {
        code: "archive-tampered",
        message: `${name} is a signed message that cannot be read`,
        fix: "It was cut short or changed on the way; try again, or use another mirror.",
      },
      error,
    ),
  );
  const { data, signatures } = await openpgp.verify({ message: signed, verificationKeys });
  const ids = new Set(verificationKeys.flatMap((key) => key.getKeyIDs().map((id) => id.toHex())));
  const failures: string[] = [];
  for (const signature of signatures) {
    if (!ids.has(signature.keyID.toHex())) continue;
    try {
      await signature.verified;
      return data;
    } catch (error) {
      failures.push(`key ${signature.keyID.toHex()}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  if (failures.length > 0) {
    fail({
      code: "archive-tampered",
      message: `the signature of ${name} does not hold`,
      notes: failures,
      fix: "Do not use this mirror; try again with another one.",
    });
  }
  fail({
    code: "archive-unsigned",
    message: `${name} is not signed by a key of Debian's archive`,
    notes: [`signed by ${signatures.map((s) => s.keyID.toHex()).join(", ") || "nobody"}`],
    fix: "Use a mirror of Debian's own archive; archives of others are not trusted.",
  });
}

/** `keys/` lies beside `src/` and `dist/`, so the way is the same from both. */
function shippedKeys(): string {
  return fileURLToPath(new URL("../../keys", import.meta.url));
}
