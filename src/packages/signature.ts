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

/** When and how strictly signatures are judged. */
export interface VerifyOptions {
  /** Default: the clock. */
  readonly now?: Date;
  /** Accept a key that has expired since, as for a snapshot of years ago; never a revoked one. Default: no. */
  readonly allowExpired?: boolean;
}

/**
 * The text that was signed. Problems: `archive-unsigned` when it is no signed message at all or no signature is by a
 * key of the ring, `archive-key-invalid` when the key has expired or was revoked, `archive-tampered` when one of ours is
 * there and does not fit the text.
 *
 * A key counts now, not only when it signed: whoever has found an old key can sign with any date.
 *
 * @param name names the file for problems.
 */
export async function verifySigned(
  message: Uint8Array,
  keyring: Keyring,
  name: string,
  options: VerifyOptions = {},
): Promise<string> {
  const now = options.now ?? new Date();
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
  const { data, signatures } = await openpgp
    .readCleartextMessage({ cleartextMessage: text })
    .then((signed) => openpgp.verify({ message: signed, verificationKeys, date: now }))
    .catch((error: unknown) =>
      fail(
        {
          code: "archive-tampered",
          message: `${name} is a signed message that cannot be read`,
          fix: "It was cut short or changed on the way; try again, or use another mirror.",
        },
        error,
      ),
    );
  const wrong: string[] = [];
  const invalid: string[] = [];
  for (const signature of signatures) {
    const id = signature.keyID;
    const key = verificationKeys.find((one) => one.getKeys(id).length > 0);
    if (key === undefined) continue;
    try {
      if (await key.isRevoked(undefined, undefined, now)) throw new Error("it was revoked");
      if (options.allowExpired !== true) await key.getSigningKey(id, now);
    } catch (error) {
      invalid.push(`key ${id.toHex()}: ${reasonOf(error)}`);
      continue;
    }
    try {
      await signature.verified;
      return data;
    } catch (error) {
      wrong.push(`key ${id.toHex()}: ${reasonOf(error)}`);
    }
  }
  if (wrong.length > 0) {
    fail({
      code: "archive-tampered",
      message: `the signature of ${name} does not hold`,
      notes: wrong,
      fix: "Do not use this mirror; try again with another one.",
    });
  }
  if (invalid.length > 0) {
    fail({
      code: "archive-key-invalid",
      message: `${name} is signed by a key that does not count any more`,
      notes: invalid,
      fix: "Use a mirror that is up to date; if the archive has new keys, a newer osmod brings them. For a dated snapshot, signed while the key was valid, set OSMOD_DEBIAN_ALLOW_EXPIRED=1.",
    });
  }
  fail({
    code: "archive-unsigned",
    message: `${name} is not signed by a key of Debian's archive`,
    notes: [`signed by ${signatures.map((s) => s.keyID.toHex()).join(", ") || "nobody"}`],
    fix: "Use a mirror of Debian's own archive; archives of others are not trusted.",
  });
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** `keys/` lies beside `src/` and `dist/`, so the way is the same from both. */
function shippedKeys(): string {
  return fileURLToPath(new URL("../../keys", import.meta.url));
}
