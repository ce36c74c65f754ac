/**
 * Whether what a cache says of a path may be believed.
 *
 * A path of the store that was built can be anything: its name says what it was made from, not what it is. So somebody
 * trusted has to sign for it. A path whose name follows from its content proves itself, and is checked when it is there.
 */
import { fail } from "../../problems/index.ts";
import { type ContentAddress, parseContentAddress, pathFollows } from "./content-address.ts";
import { isSignedBy, type PublicKey } from "./keys.ts";
import type { NarInfo } from "./narinfo.ts";

/** Whom to believe. */
export interface Trust {
  readonly keys: readonly PublicKey[];
  /** Take what nobody signed. */
  readonly allowUnsigned: boolean;
}

/** Why something is believed; a content address has still to be checked on the content. */
export type Ground =
  | { readonly by: "signature" | "permission" }
  | { readonly by: "content"; readonly address: ContentAddress };

/** Judge what a cache says of a path. Problem: `signature-untrusted`, with the reason. */
export function judge(info: NarInfo, trust: Trust, cache: string): Ground {
  if (isSignedBy(trust.keys, info.signatures, info)) return { by: "signature" };
  const address = info.contentAddress === undefined ? undefined : parseContentAddress(info.contentAddress);
  if (address !== undefined && pathFollows(address, info)) return { by: "content", address };
  if (trust.allowUnsigned) return { by: "permission" };
  return fail({
    code: "signature-untrusted",
    message: `${info.path} of ${cache} is not taken: ${reason(info, trust)}`,
    fix: "If you trust whoever made the cache, name their public key (--trusted-public-key, or OSMOD_TRUSTED_PUBLIC_KEYS for builds); a cache of your own is signed by `osmod store export --sign`.",
  });
}

function reason(info: NarInfo, trust: Trust): string {
  const names = info.signatures.map((text) => text.slice(0, Math.max(0, text.indexOf(":"))).slice(0, 80) || "?");
  if (names.length === 0) return "nobody signed it, and its content does not prove its path";
  const known = names.filter((name) => trust.keys.some((key) => key.name === name));
  if (known.length > 0) return `the signature by ${known.join(", ")} is wrong`;
  return trust.keys.length === 0
    ? `it is signed by ${names.join(", ")}, and no key is trusted`
    : `it is signed by ${names.join(", ")}, and none of these is among the trusted keys`;
}
