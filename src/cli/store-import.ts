/** `osmod store import`: copy store paths from a binary cache. */
import { fail } from "../problems/index.ts";
import { parse } from "./arguments.ts";
import { openEmbeddedStore } from "./store-choice.ts";
import { storePathOf } from "./store-path.ts";
import type { Verb } from "./verbs.ts";

const usage = "osmod store import --from DIR-OR-URL [--trusted-public-key KEY ...] [store path ...]";

/** Import from a directory or site that osmod or Nix wrote. */
export const run: Verb = async (argv, signal) => {
  const parsed = parse(
    {
      usage,
      details: [
        "    --from DIR-OR-URL          a directory, or a file, http or https URL",
        "    --trusted-public-key KEY   whose signatures to believe, besides OSMOD_TRUSTED_PUBLIC_KEYS; may be repeated",
        "    --allow-unsigned           take what nobody signed, too: only from those you trust altogether",
        "Without paths, everything that a directory has is imported.",
      ],
      options: {
        from: { type: "string" },
        "trusted-public-key": { type: "string", multiple: true, default: [] },
        "allow-unsigned": { type: "boolean", default: false },
        store: { type: "string" },
      },
    },
    argv,
  );
  if (parsed === undefined) return 0;
  const { values, positionals } = parsed;
  const from =
    values.from ?? fail({ code: "usage", message: "nothing says where to import from (--from)", fix: usage });
  const store = openEmbeddedStore(values.store, "nix copy --from, or `substituters` in nix.conf");
  const paths = positionals.length === 0 ? undefined : positionals.map((path) => storePathOf(path, store));
  const copied = await store.importFrom(from, paths, {
    trustedPublicKeys: values["trusted-public-key"],
    allowUnsigned: values["allow-unsigned"],
    signal,
  });
  process.stdout.write(`${copied.length} paths copied from ${from}\n`);
  return 0;
};
