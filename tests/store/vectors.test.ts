import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { run as derivations } from "../../src/conformance/derivations.ts";
import { run as nar } from "../../src/conformance/nar.ts";

/** What real Nix computes; shared by every checkout, so it lies beside the project. */
const shared = process.env["OSMOD_SHARED"] ?? resolve(import.meta.dirname, "../../../shared");

describe.skipIf(!existsSync(resolve(shared, "vectors")))("what real Nix computes", () => {
  it("derivations: every text path, .drv text, .drv path and output path is the same", async () => {
    const { passed, failed } = await derivations(resolve(shared, "vectors/derivations.json"));
    expect(failed).toEqual([]);
    expect(passed).toBeGreaterThan(100);
  });

  it("archives: every hash, size, source path and flat path is the same, from memory and from disk", async () => {
    const { passed, failed } = await nar(resolve(shared, "vectors/nar.json"));
    expect(failed).toEqual([]);
    expect(passed).toBeGreaterThan(30);
  });
});
