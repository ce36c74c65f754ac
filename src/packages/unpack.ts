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

/** The tree of the package's files, unpacked by xz where there is one, at their paths in the package. Maintainer scripts are no part of it. */
export function unpackPackage(
  tools: BuilderTools,
  record: PackageRecord,
  file: Derivation,
  xz: Derivation | undefined,
): Derivation {
  const script = xz === undefined ? `mkdir "$out"\n${BY_BUSYBOX}` : BY_XZ;
  const env = xz === undefined ? { deb: file } : { deb: file, xz };
  return scriptDerivation(tools, storeName(`${record.name}-${record.version}`), script, env);
}

/** busybox's dpkg-deb is one process for archive, compression and tar together. */
const BY_BUSYBOX = 'exec dpkg-deb -x "$deb" "$out"';

/** Debian packs its packages by xz; others are left to busybox. */
const BY_XZ = `
set -o pipefail
mkdir "$out"
case $(ar t "$deb") in
  *data.tar.xz*)
    ar p "$deb" data.tar.xz |
      "$xz/lib/ld-linux-x86-64.so.2" --library-path "$xz/lib" "$xz/bin/xz" -dc -T1 |
      tar x -C "$out" ;;
  *) ${BY_BUSYBOX} ;;
esac
`;

/** xz with all that it needs to run, out of the files of its packages. It takes a third to two thirds of busybox's time, which unpacks it. */
export function unpackXz(tools: BuilderTools, files: readonly Derivation[]): Derivation {
  const script = `
mkdir /build/tree "$out" "$out/bin" "$out/lib"
for deb in $debs; do dpkg-deb -x "$deb" /build/tree; done
cd /build/tree
cp usr/bin/xz "$out/bin"
for name in ld-linux-x86-64.so.2 libc.so.6 libpthread.so.0 liblzma.so.5; do
  for file in lib/x86_64-linux-gnu/$name usr/lib/x86_64-linux-gnu/$name; do
    [ ! -e "$file" ] || cp -L "$file" "$out/lib"
  done
done
`;
  return scriptDerivation(tools, "xz", script, { debs: files.join(" ") });
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
