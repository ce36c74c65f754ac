/**
 * `node bench/support/hash.mjs TREE [CANDIDATES]`: what the store does with an output that was built, hash and scan, with
 * as many candidates as it is told. A program of its own, as what it is compared with is.
 */
import { createHash } from "node:crypto";
import { digestOf } from "../../dist/store/embedded/digest.js";

const [tree, candidates = "100"] = process.argv.slice(2);
const digits = "0123456789abcdfghijklmnpqrsvwxyz";
const hashes = Array.from({ length: Number(candidates) }, (_, i) =>
  [...createHash("sha256").update(String(i)).digest()].map((byte) => digits[byte & 31]).join(""),
);
const { hash } = await digestOf(tree, { wanted: hashes, signal: new AbortController().signal });
process.stdout.write(`${Buffer.from(hash.bytes).toString("hex")}\n`);
