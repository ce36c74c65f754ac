/**
 * Two derivations a package: its file, fetched and checked by hash, and the tree in it.
 *
 * The fetch is a fixed output, so the address it is fetched from changes no store path: two machines with different
 * mirrors build the same. With no mirror known the address is a placeholder; {@link requireFetchable} turns that into
 * a problem before anything is fetched, and whoever has the file in the store already never notices.
 */
import { fail, quoted } from "../problems/index.ts";
import type { Derivation, Plan } from "../store/index.ts";
import { type BuilderTools, scriptDerivation } from "./builders.ts";
import { type ArchiveName, type Mirrors, requireMirror } from "./mirror.ts";
import type { PackageRecord } from "./record.ts";

/** The package's file. */
export function fetchPackage(tools: BuilderTools, record: PackageRecord, mirrors: Mirrors): Derivation {
  const base = mirrors[record.archive as ArchiveName] ?? `${PLACEHOLDER}${record.archive}`;
  return tools.scope.derivation({
    name: storeName(record.filename.slice(record.filename.lastIndexOf("/") + 1)),
    system: "builtin",
    builder: "builtin:fetchurl",
    env: { url: `${base}/${record.filename}`, executable: "", unpack: "", preferLocalBuild: "1" },
    fixedOutput: { hash: record.sha256, algo: "sha256", mode: "flat" },
  });
}

/** The tree of the package's files, at their paths in the package. Maintainer scripts are no part of it. */
export function unpackPackage(tools: BuilderTools, record: PackageRecord, file: Derivation): Derivation {
  // busybox's dpkg-deb is one process for archive, compression and tar together.
  const script = 'mkdir "$out"\nexec dpkg-deb -x "$deb" "$out"';
  return scriptDerivation(tools, storeName(`${record.name}-${record.version}`), script, { deb: file });
}

/** Throw `mirror-unknown` when a plan has to fetch a package and the address of its archive is not known. */
export function requireFetchable(plan: Pick<Plan, "fetch">): void {
  for (const drv of plan.fetch) {
    const url = drv.data.env.get("url") ?? "";
    if (url.startsWith(PLACEHOLDER)) requireMirror({}, url.slice(PLACEHOLDER.length).split("/")[0] ?? "debian");
  }
}

/** A name that a store object may have, for any file name or version. */
export function storeName(name: string): string {
  const plain = name.replace(/[^0-9a-zA-Z+\-._?=]/g, "_").replace(/^\.+/, "");
  if (plain === "") {
    fail({
      code: "package-field-malformed",
      message: `no store object can be named after ${quoted(name)}`,
      fix: "The index or lock is damaged; make a new lock with `osmod lock --update`.",
    });
  }
  return plain.slice(0, 200);
}

const PLACEHOLDER = "mirror://";
