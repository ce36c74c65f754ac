/**
 * Debian package files, read in this process: an `ar` archive with `data.tar.<compression>` in it.
 */
import { fail } from "../problems/index.ts";
import type { Tree } from "../store/index.ts";
import { readTar } from "./tar.ts";
import { ungzip, unxz } from "./xz.ts";

/** No package that is needed this early comes near it. */
const DATA_LIMIT = 400_000_000;

/** The tree of the files that a package installs. */
export async function readDeb(bytes: Uint8Array, name: string): Promise<Tree> {
  for (const member of arMembers(bytes, name)) {
    switch (member.name) {
      case "data.tar":
        return readTar(member.bytes, name);
      case "data.tar.gz":
        return readTar(await ungzip(member.bytes, name, DATA_LIMIT), name);
      case "data.tar.xz":
        return readTar(await unxz(member.bytes, name, DATA_LIMIT), name);
    }
    if (member.name.startsWith("data.tar")) damaged(name, `its data is compressed in an unknown way, ${member.name}`);
  }
  return damaged(name, "it has no data");
}

/** The members of an `ar` archive, in order. */
export function* arMembers(bytes: Uint8Array, name: string): Generator<{ name: string; bytes: Uint8Array }> {
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (data.toString("latin1", 0, 8) !== "!<arch>\n") damaged(name, "it is no ar archive");
  for (let at = 8; at < data.length; ) {
    if (at + 60 > data.length || data.toString("latin1", at + 58, at + 60) !== "`\n")
      damaged(name, "a header is broken");
    const size = data.toString("latin1", at + 48, at + 58).trim();
    const start = at + 60;
    if (!/^[0-9]+$/.test(size) || start + Number(size) > data.length) damaged(name, "a member is cut off");
    const end = start + Number(size);
    yield {
      name: data
        .toString("latin1", at, at + 16)
        .trim()
        .replace(/\/$/, ""),
      bytes: data.subarray(start, end),
    };
    // Members begin at even positions.
    at = end + (end % 2);
  }
}

function damaged(name: string, what: string): never {
  fail({
    code: "package-damaged",
    message: `${name} is not a proper Debian package: ${what}`,
    fix: "Take it from another mirror.",
  });
}
