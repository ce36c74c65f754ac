/** `osmod store key generate`: a pair of keys for signing binary caches. */
import { readFileSync, writeFileSync } from "node:fs";
import { fail } from "../problems/index.ts";
import { generateKeys, parseSecretKey, publicKeyOf } from "../store/index.ts";
import { parse } from "./arguments.ts";
import type { Verb } from "./verbs.ts";

const usage = "osmod store key generate NAME [--secret-file FILE] | osmod store key public FILE";

/** Make a pair of keys, or print the public key of a secret one. */
export const run: Verb = async (argv) => {
  const parsed = parse(
    {
      usage,
      details: [
        "generate NAME          write a new secret key to a file that only you can read, and print the public key",
        "public FILE            print the public key of a secret one",
        "    --secret-file FILE where the secret key goes, default ./NAME.secret",
        "A name tells people whose key it is: cache.example.org-1. Nix understands the keys, and osmod Nix's.",
      ],
      options: { "secret-file": { type: "string" } },
    },
    argv,
  );
  if (parsed === undefined) return 0;
  const [what, name, ...rest] = parsed.positionals;
  if (name === undefined || rest.length > 0 || (what !== "generate" && what !== "public"))
    fail({ code: "usage", message: "the verb takes generate and a name, or public and a file", fix: usage });
  if (what === "public") {
    process.stdout.write(`${publicKeyOf(parseSecretKey(readFileSync(name, "utf8")))}\n`);
    return 0;
  }
  const keys = generateKeys(name);
  write(parsed.values["secret-file"] ?? `${name}.secret`, `${keys.secret}\n`);
  process.stdout.write(`${keys.public}\n`);
  return 0;
};

/** A key that exists is never replaced: what it signed could not be renewed. */
function write(file: string, text: string): void {
  try {
    writeFileSync(file, text, { mode: 0o600, flag: "wx" });
  } catch (error) {
    fail(
      {
        code: "key-unwritable",
        message: `the secret key cannot be written to ${file}: ${(error as Error).message}`,
        fix: "Choose another file with --secret-file; one that exists is not replaced.",
      },
      error,
    );
  }
}
