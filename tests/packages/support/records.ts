import { type PackageRecord, parseRecord } from "../../../src/packages/record.ts";
import { type PackageUniverse, universeOf } from "../../../src/packages/universe.ts";

/** A record from the fields that matter to a test; `version` is 1.0 unless given. */
export function record(name: string, fields: Partial<PackageRecord> = {}): PackageRecord {
  return {
    name,
    version: "1.0",
    architecture: "amd64",
    archive: "debian",
    filename: `pool/main/${name}_1.0_amd64.deb`,
    size: 1000,
    sha256: "0".repeat(64),
    ...fields,
  };
}

/** A universe written down as control data. */
export function universe(text: string): PackageUniverse {
  return universeOf(paragraphs(text).map((paragraph) => parseRecord(paragraph, "debian", "test")));
}

/** The same as a `Packages` index. */
export function packagesIndex(text: string): string {
  return paragraphs(text).join("\n");
}

/** Tests leave out what does not matter to them; it is filled in here. */
function paragraphs(text: string): string[] {
  return text
    .split(/\n\s*\n/)
    .map((paragraph) => paragraph.trim().replace(/^[ \t]+/gm, ""))
    .filter((paragraph) => paragraph !== "")
    .map((paragraph) => {
      const name = /^Package: (.*)$/m.exec(paragraph)?.[1] ?? "";
      const has = (field: string) => new RegExp(`^${field}:`, "m").test(paragraph);
      const version = /^Version: (.*)$/m.exec(paragraph)?.[1] ?? "1.0";
      const rest = [
        has("Version") ? "" : "Version: 1.0\n",
        has("Architecture") ? "" : "Architecture: amd64\n",
        // Every package of an archive has one; apt takes none at all for the highest.
        has("Priority") ? "" : "Priority: optional\n",
        `Filename: pool/main/${name}_${version.replace(":", "%3a")}_amd64.deb\nSize: 1000\nSHA256: ${"0".repeat(64)}\n`,
      ];
      return `${paragraph}\n${rest.join("")}`;
    });
}
