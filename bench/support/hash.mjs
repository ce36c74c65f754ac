/**
 * `node bench/support/hash.mjs TREE [CANDIDATES] [TIMES]`: what the store does with an output that was built, hash and scan,
 * with as many candidates as it is told. A program of its own, as what it is compared with is; prints the hash, and how many
 * seconds the last time took, without the start of the program.
 */
import { createHash } from "node:crypto";
import { digestOf } from "../../dist/store/embedded/digest.js";

const [tree, candidates = "100", times = "1"] = process.argv.slice(2);
const digits = "0123456789abcdfghijklmnpqrsvwxyz";
const hashes = Array.from({ length: Number(candidates) }, (_, i) =>
  [...createHash("sha256").update(String(i)).digest()].map((byte) => digits[byte & 31]).join(""),
);
for (let i = 1; i <= Number(times); i += 1) {
  const begun = performance.now();
  const { hash } = await digestOf(tree, { wanted: hashes, signal: new AbortController().signal });
  const seconds = (performance.now() - begun) / 1000;
  if (i === Number(times)) process.stdout.write(`${Buffer.from(hash.bytes).toString("hex")} ${seconds}\n`);
}
