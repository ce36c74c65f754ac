/** `osmod store export`: write store paths and all they refer to into a binary cache. */
import { readFileSync } from "node:fs";
import { fail } from "../problems/index.ts";
import { exportToCache, parseSecretKey, type SecretKey } from "../store/index.ts";
import { parse } from "./arguments.ts";
import { openChosenStore } from "./store-choice.ts";
import { storePathOf } from "./store-path.ts";
import type { Verb } from "./verbs.ts";

const usage = "osmod store export --to DIR [--sign KEY-FILE] [path or link ...]";

/** Export to a directory that osmod and Nix read. */
export const run: Verb = async (argv, signal) => {
  const parsed = parse(
    {
      usage,
      details: [
        "    --to DIR          the directory; it may be served by any web server",
        "    --sign KEY-FILE   sign every path with this secret key",
        "    --store KIND      embedded, or nix (default: OSMOD_STORE, else embedded)",
        "Paths default to ./result.",
      ],
      options: { to: { type: "string" }, sign: { type: "string" }, store: { type: "string" } },
    },
    argv,
  );
  if (parsed === undefined) return 0;
  const { values, positionals } = parsed;
  const directory = values.to ?? fail({ code: "usage", message: "nothing says where to export to (--to)", fix: usage });
  const store = openChosenStore(values.store);
  const paths = (positionals.length === 0 ? ["result"] : positionals).map((path) => storePathOf(path, store));
  const sign = values.sign === undefined ? undefined : secretKey(values.sign);
  const exported = await exportToCache(store, paths, directory, { signal, ...(sign === undefined ? {} : { sign }) });
  const there = exported.paths.length - exported.written;
  process.stdout.write(
    `${exported.written} paths written to ${directory} (${(exported.bytes / 1e6).toFixed(1)} MB), ${there} were there\n`,
  );
  if (sign === undefined) process.stderr.write("not signed: others import it only with --allow-unsigned; see --sign\n");
  return 0;
};

/** Read a secret key from its file. Problems: `key-unreadable`, `key-malformed`. */
function secretKey(file: string): SecretKey {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    return fail(
      {
        code: "key-unreadable",
        message: `the secret key ${file} cannot be read: ${(error as Error).message}`,
        fix: "Name the file that holds it, or make a key: osmod store key generate NAME.",
      },
      error,
    );
  }
  return parseSecretKey(text);
}
