/**
 * Nix's signatures: ed25519 over a line that says all that is claimed of a path.
 *
 *     1;/nix/store/<digits>-<name>;sha256:<base 32>;<size>;/nix/store/<reference>,…
 *
 * A public key is `<name>:<base 64 of 32 bytes>`, a secret one `<name>:<base 64 of 64 bytes>` (the seed and the public
 * key), a signature `<name>:<base 64 of 64 bytes>`. The name only says which key to try.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from "node:crypto";
import { fail } from "../../problems/index.ts";
import { type Hash, toBase32 } from "../hash.ts";
import type { StorePath } from "../path.ts";

/** What a signature is about. */
export interface Signed {
  readonly path: StorePath;
  readonly narHash: Hash;
  readonly narSize: number;
  readonly references: readonly StorePath[];
}

/** A key to check with. */
export interface PublicKey {
  readonly name: string;
  readonly key: KeyObject;
}

/** A key to sign with. */
export interface SecretKey {
  readonly name: string;
  readonly key: KeyObject;
}

/** The line that is signed. */
export function fingerprint({ path, narHash, narSize, references }: Signed): string {
  const sorted = [...new Set(references)].sort();
  return `1;${path};${narHash.algo}:${toBase32(narHash)};${narSize};${sorted.join(",")}`;
}

/** Read a public key. Problem: `key-malformed`. */
export function parsePublicKey(text: string): PublicKey {
  const { name, bytes } = split(text, 32, "public");
  return { name, key: createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: base64url(bytes) }, format: "jwk" }) };
}

/** Read a secret key. Problem: `key-malformed`. */
export function parseSecretKey(text: string): SecretKey {
  const { name, bytes } = split(text, 64, "secret");
  const d = base64url(bytes.subarray(0, 32));
  const x = base64url(bytes.subarray(32));
  const key = createPrivateKey({ key: { kty: "OKP", crv: "Ed25519", d, x }, format: "jwk" });
  // The second half is kept for programs that do not derive it; here it must not say something else.
  if (createPublicKey(key).export({ format: "jwk" })["x"] !== x)
    bad(name, "secret", "its two halves do not belong together");
  return { name, key };
}

/** Make a new pair of keys with this name. Problem: `key-malformed`. */
export function generateKeys(name: string): { readonly secret: string; readonly public: string } {
  if (!NAME.test(name)) bad(name, "secret", "its name is not made of letters, digits and . _ - only");
  const jwk = generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" });
  const seed = Buffer.from(jwk["d"] as string, "base64url");
  const open = Buffer.from(jwk["x"] as string, "base64url");
  return {
    secret: `${name}:${Buffer.concat([seed, open]).toString("base64")}`,
    public: `${name}:${open.toString("base64")}`,
  };
}

/** The public key of a secret one, as text. */
export function publicKeyOf(secret: SecretKey): string {
  const x = createPublicKey(secret.key).export({ format: "jwk" })["x"] as string;
  return `${secret.name}:${Buffer.from(x, "base64url").toString("base64")}`;
}

/** Sign what is claimed of a path. */
export function signPath(secret: SecretKey, signed: Signed): string {
  return `${secret.name}:${sign(null, Buffer.from(fingerprint(signed)), secret.key).toString("base64")}`;
}

/** True when one of the signatures is by one of the keys, and right. */
export function isSignedBy(keys: readonly PublicKey[], signatures: readonly string[], signed: Signed): boolean {
  if (keys.length === 0 || signatures.length === 0) return false;
  const line = Buffer.from(fingerprint(signed));
  return signatures.some((text) => {
    const colon = text.indexOf(":");
    const bytes = Buffer.from(text.slice(colon + 1), "base64");
    if (colon < 1 || bytes.length !== 64) return false;
    return keys.some((key) => key.name === text.slice(0, colon) && verify(null, line, key.key, bytes));
  });
}

const NAME = /^[A-Za-z0-9._-]{1,200}$/;

function split(text: string, size: number, kind: "public" | "secret"): { name: string; bytes: Buffer } {
  const trimmed = text.trim();
  const colon = trimmed.indexOf(":");
  const name = trimmed.slice(0, Math.max(0, colon));
  const digits = trimmed.slice(colon + 1);
  if (!NAME.test(name)) bad(colon < 1 ? "" : name, kind, "it has no name before a colon");
  const bytes = Buffer.from(digits, "base64");
  if (!/^[A-Za-z0-9+/]+=*$/.test(digits) || bytes.length !== size)
    bad(name, kind, `it is not ${size} bytes in base 64`);
  return { name, bytes };
}

/** The key itself is never told: it may be secret, or a secret one where a public one belongs. */
function bad(name: string, kind: "public" | "secret", why: string): never {
  fail({
    code: "key-malformed",
    message: `the ${kind} key ${JSON.stringify(name)} cannot be used: ${why}`,
    fix: "A public key is <name>:<base 64 of 32 bytes>, a secret one <name>:<base 64 of 64 bytes>; `osmod store key generate NAME` and `nix-store --generate-binary-cache-key` make pairs.",
  });
}

function base64url(bytes: Buffer): string {
  return bytes.toString("base64url");
}
